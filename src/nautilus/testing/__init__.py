"""Problems with known answers, and checks of estimates against them."""
