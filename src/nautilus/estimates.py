"""Estimates of a run, each computed once."""

from threadpoolctl import threadpool_limits

from nautilus.run.estimate import Estimate
from nautilus.run.loop import answer
from nautilus.run.state import Ledger, RunState


class Estimates:
    """Estimates of the complete stages of a run; computed anew only when there are more stages."""

    def __init__(self) -> None:
        self._ledger: Ledger | None = None
        self._known: dict[bool, Estimate] = {}

    def of(self, state: RunState, discard_exploration: bool) -> Estimate:
        """Return the estimate with points kept (False) or with exploration discarded (True)."""
        if self._ledger is not state.ledger:
            self._ledger, self._known = state.ledger, {}
        if discard_exploration not in self._known:
            # The last digits depend on how many threads share the sums.
            with threadpool_limits(1):
                self._known[discard_exploration] = answer(state, discard_exploration)
        return self._known[discard_exploration]
