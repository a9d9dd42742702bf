"""From points of the unit cube to what a likelihood is called with."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nautilus._types import FloatArray
from nautilus.evaluate.likelihood import Likelihood, Physical


def physical_of(likelihood: Likelihood, points: FloatArray) -> Physical:
    """Turn points of the unit cube into parameters and check their form."""
    physical = likelihood.prior.to_physical(points)
    is_dict = isinstance(physical, Mapping)
    if likelihood.pass_dict is not None and is_dict != likelihood.pass_dict:
        raise TypeError(
            f"pass_dict is {likelihood.pass_dict} but the prior gives "
            f"{'a dictionary' if is_dict else 'an array'}; leave pass_dict out, or let the prior "
            f"function return {'an array' if is_dict else 'a dictionary'}"
        )
    columns = physical.values() if isinstance(physical, Mapping) else [physical]
    if any(len(column) != len(points) for column in columns):
        raise ValueError(
            f"the prior gave another number of points than the {len(points)} asked for"
        )
    return physical


def rows_of(physical: Physical) -> Iterator[Any]:
    """Yield the parameters of one point after the other."""
    if not isinstance(physical, Mapping):
        yield from physical
        return
    names = list(physical)
    for values in zip(*physical.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def row_of(physical: Physical, position: int) -> Any:
    """Return the parameters of one point."""
    if isinstance(physical, Mapping):
        return {name: column[position] for name, column in physical.items()}
    return physical[position]


def padded(likelihood: Likelihood, points: FloatArray) -> FloatArray:
    """Fill a vectorised call up with copies of its last point, if the likelihood wants it."""
    if not (likelihood.vectorized and likelihood.pad_batch):
        return points
    n_pad = likelihood.n_batch - len(points)
    return np.concatenate([points, np.repeat(points[-1:], n_pad, axis=0)])


def length_of(physical: Physical) -> int:
    """Return for how many points there are parameters."""
    return len(next(iter(physical.values())) if isinstance(physical, Mapping) else physical)
