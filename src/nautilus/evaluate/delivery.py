"""Which workers wait for the likelihood: each is sent it once."""

ProcessName = tuple[str, int]
"""Host and process number."""


class Delivery:
    """Counts workers that miss the likelihood, and payloads on their way.

    Nobody can say which worker will take a chunk, so that a payload may reach one that has it
    already; there are never more on their way than workers that wait.
    """

    def __init__(self) -> None:
        self._waiting: set[ProcessName] = set()
        self._n_under_way = 0

    def ask(self, process: ProcessName) -> None:
        """Note that a worker misses the likelihood."""
        self._waiting.add(process)

    @property
    def is_wanted(self) -> bool:
        """Whether the next chunk should carry the payload."""
        return self._n_under_way < len(self._waiting)

    def send(self) -> None:
        """Note that a chunk carries the payload."""
        self._n_under_way += 1

    def arrive(self, process: ProcessName) -> None:
        """Note that a chunk with the payload came back from a worker."""
        self._n_under_way -= 1
        self._waiting.discard(process)

    def lose(self) -> None:
        """Note that a chunk with the payload will not come back."""
        self._n_under_way -= 1
