"""Which workers wait for the likelihood: each is sent it once."""

Worker = tuple[str, int]
"""Host and process number."""


class Delivery:
    """Counts workers that miss the likelihood, and payloads on their way.

    Nobody can say which worker will take a chunk, so that a payload may reach one that has it
    already; there are never more on their way than workers that wait.
    """

    def __init__(self) -> None:
        self._waiting: set[Worker] = set()
        self._n_under_way = 0

    def ask(self, worker: Worker) -> None:
        """Note that a worker misses the likelihood."""
        self._waiting.add(worker)

    def send(self) -> bool:
        """Tell whether the next chunk is to carry the payload; if so, it counts as sent."""
        is_wanted = self._n_under_way < len(self._waiting)
        self._n_under_way += is_wanted
        return is_wanted

    def arrive(self, worker: Worker) -> None:
        """Note that a chunk with the payload came back from a worker."""
        # A chunk of an earlier batch may come back after all.
        self._n_under_way = max(self._n_under_way - 1, 0)
        self._waiting.discard(worker)

    def reset(self) -> None:
        """Forget what is on its way: it was dropped, or its workers died; who waits asks again."""
        self._waiting.clear()
        self._n_under_way = 0
