"""A network ensemble that predicts log L where it matters."""
