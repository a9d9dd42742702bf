"""What the exploration of a run may say against its result."""

N_ROUNDS_MAX = 12
"""Rounds with the posterior as target that may follow each other before none is calm."""

LADDER_GIVEN_UP = "the ladder of contours stopped rising before its end"
ROUNDS_DISAGREE = (
    f"{N_ROUNDS_MAX} rounds of exploration with the posterior as target did not agree with each"
    " other"
)
MANY_SURPRISES = "sampling stages kept bringing surprises"

OF_EXPLORATION = frozenset({LADDER_GIVEN_UP, ROUNDS_DISAGREE, MANY_SURPRISES})
"""Findings that more support may refute."""
