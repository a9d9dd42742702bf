"""Lists that show what a prior is and refuse to be changed."""

from typing import Any, NoReturn, TypeVar

from nautilus.errors import PriorError

Entry = TypeVar("Entry")


class Listing(list[Entry]):
    """A list of what was added to a prior; to change it would change nothing, so it is refused.

    Copies of it, such as ``list(prior.keys)``, are lists like any other.
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise PriorError(
            "keys and dists of a prior cannot be changed in place. Add a parameter with"
            " prior.add_parameter(key, dist), or make a new Prior; for a list of your own take a"
            " copy, list(prior.keys)."
        )

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)
