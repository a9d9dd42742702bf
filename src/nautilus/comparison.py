"""Whether two runs with different seeds found the same, which no run can tell alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from nautilus._arithmetic import own_arithmetic
from nautilus._numerics import ROUNDING, split_rate
from nautilus._types import FloatArray
from nautilus._weights import average
from nautilus.posterior import Posterior
from nautilus.report.format import format_value

FALSE_ALARM_RATE = 1e-3
"""Probability that two runs with right errors are said to differ, over all numbers compared."""

N_TOLD = 3
"""So many differences are told one by one, the largest first."""


@dataclass(frozen=True)
class Pair:
    """One number as two runs have it.

    Parameters
    ----------
    name
        What it is.
    values, errors
        What each run says, and its standard error.
    n_errors
        Their difference over the root of the sum of squared errors, at least 0.
    """

    name: str
    values: tuple[float, float]
    errors: tuple[float, float]
    n_errors: float

    def __str__(self) -> str:
        first, second = map(_told, self.values, self.errors)
        return f"{self.name} is {first} here and {second} there, {_size(self.n_errors)} apart"


def _told(value: float, error: float) -> str:
    # Without scatter all digits count.
    return f"{value:.12g}" if error <= ROUNDING * abs(value) else format_value(value, error)


def _size(n_errors: float) -> str:
    return f"{n_errors:.1f} errors" if n_errors < 1000 else "over 1,000 errors"


@own_arithmetic()
def compare(first: Posterior, second: Posterior) -> str | None:
    """Say where two results of the same problem differ by more than their errors allow.

    Compared are log Z, and the mean and the standard deviation of each of the d parameters. The
    errors of the latter two are those of self-normalised importance sampling. For a periodic
    parameter, the averages of sine and cosine of its angle from the mean direction of both results
    take their place: they do not depend on where a circle is cut.

    Parameters
    ----------
    first, second
        Two results with the same parameters, of different seeds.

    Returns
    -------
    str or None
        The largest differences in words; None if each of the n = 1 + 2 d is at most z times the
        combined error, z being the two-sided normal quantile at the rate 1 - (1 - 0.001)^(1 / n)
        (Sidak 1967). Where errors are normal and right, two runs are then said to differ at a rate
        of at most 0.001, whatever the correlations.
    """
    pairs = list(_pairs(first, second))
    limit = -float(ndtri(0.5 * split_rate(FALSE_ALARM_RATE, len(pairs))))
    apart = sorted((p for p in pairs if p.n_errors > limit), key=lambda p: -p.n_errors)
    if not apart:
        return None
    told = [str(pair) for pair in apart[:N_TOLD]]
    if len(apart) > N_TOLD:
        told.append(f"and {len(apart) - N_TOLD} more of {len(pairs)} numbers differ")
    return "; ".join(told) + f" (allowed: {limit:.1f})"


def _pairs(first: Posterior, second: Posterior) -> Iterator[Pair]:
    log_z, errors = (first.log_z, second.log_z), (first.log_z_err, second.log_z_err)
    steps = 2.0 * float(np.spacing(abs(first.log_z)))
    yield Pair("log Z", log_z, errors, _distance(log_z, errors, ROUNDING + steps))
    for column, name in enumerate(first.names):
        if first.periodic is not None and np.isfinite(first.periodic[column]).all():
            yield from _on_a_circle(name, column, first, second, first.periodic[column])
        else:
            yield from _on_a_line(name, column, first, second)


def _distance(values: tuple[float, float], errors: tuple[float, float], negligible: float) -> float:
    """Return a difference in combined errors; what rounding can make is none."""
    difference = abs(values[0] - values[1])
    return 0.0 if difference <= negligible else float(difference / np.hypot(*errors))


def _on_a_line(name: str, column: int, *results: Posterior) -> Iterator[Pair]:
    centre = float(results[0].mean()[column])
    means, stds, scale = [], [], abs(centre)
    for result in results:
        mask = result.weights > 0.0
        # Digits are lost where values are large beside their spread.
        values, weights = result.array[mask, column] - centre, result.weights[mask]
        mean, error = _average(values, weights)
        variance, variance_error = _average((values - mean) ** 2, weights)
        std = float(np.sqrt(variance))
        means.append((mean, error))
        stds.append((std, 0.5 * variance_error / std if std > 0.0 else 0.0))
        scale = max(scale, std)
    for what, offset, answers in (("mean", centre, means), ("standard deviation", 0.0, stds)):
        (one, one_error), (other, other_error) = answers
        errors = one_error, other_error
        apart = _distance((one, other), errors, ROUNDING * scale)
        yield Pair(f"the {what} of {name}", (offset + one, offset + other), errors, apart)


def _on_a_circle(
    name: str, column: int, first: Posterior, second: Posterior, ends: FloatArray
) -> Iterator[Pair]:
    """Compare averages of the two coordinates of points on a circle of radius one.

    Along the mean direction they tell the spread, and across it the mean. Words are those of
    directional statistics (Mardia & Jupp 2000): direction, and the root of -2 log R for a mean
    vector of length R.
    """
    radius = float(ends[1] - ends[0]) / (2.0 * np.pi)
    turned = [(r.array[:, column] - ends[0]) / radius for r in (first, second)]
    weights = [r.weights for r in (first, second)]
    vectors = [w @ np.exp(1j * angle) for w, angle in zip(weights, turned, strict=True)]
    middle = np.angle(sum(vectors))
    across, along = (
        [_average(part(a - middle), w) for a, w in zip(turned, weights, strict=True)]
        for part in (np.sin, np.cos)
    )
    directions = [ends[0] + radius * (float(np.angle(v)) % (2.0 * np.pi)) for v in vectors]
    spreads = [radius * float(np.sqrt(-2.0 * np.log(min(abs(v), 1.0)))) for v in vectors]
    for what, told, answers in (("mean", directions, across), ("spread", spreads, along)):
        (one, one_error), (other, other_error) = answers
        apart = _distance((one, other), (one_error, other_error), ROUNDING)
        errors = radius * one_error, radius * other_error
        yield Pair(f"the {what} of {name}", (told[0], told[1]), errors, apart)


def _average(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    means, errors = average(values[:, None], weights)
    return float(means[0]), float(errors[0])
