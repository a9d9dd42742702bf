"""Small models of which data can be simulated, with priors of which parameters can be drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from nautilus._types import FloatArray
from nautilus.prior import Prior

Parameters = Mapping[str, FloatArray]
"""Values by name, each of shape (n,)."""


@dataclass(frozen=True, eq=False)
class Model:
    """A prior and a likelihood, and how data come about.

    Attributes
    ----------
    description
        What it is.
    distributions
        Prior of each parameter; they are independent.
    periodic
        Parameters on a circle, whose distribution is uniform.
    simulate
        Takes parameters of shape (1,) each and a generator, returns data, shape (m,).
    log_likelihood
        Takes data and parameters of shape (n,) each, returns log L, shape (n,).
    log_z
        Takes data, returns the exact log evidence; None if it is not known.
    """

    description: str
    distributions: Mapping[str, Any]
    periodic: frozenset[str]
    simulate: Callable[[Parameters, np.random.Generator], FloatArray]
    log_likelihood: Callable[[FloatArray, Parameters], FloatArray]
    log_z: Callable[[FloatArray], float] | None = None

    def draw(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Return parameters drawn from the prior, each of shape (1,)."""
        return {
            name: np.array(distribution.rvs(size=1, random_state=rng))
            for name, distribution in self.distributions.items()
        }

    def prior(self) -> Prior:
        """Return the prior as the sampler takes it."""
        prior = Prior()
        for name, distribution in self.distributions.items():
            prior.add_parameter(name, dist=distribution, periodic=name in self.periodic)
        return prior


PLACES, NOISE = np.linspace(-1.0, 1.0, 12), 0.5
"""Where curves are measured, and the standard deviation of each measurement."""


def _curve(degree: int) -> Model:
    """Return a polynomial with normal noise and standard normal priors."""
    powers = np.vander(PLACES, degree + 1, increasing=True)
    names = ("a", "b", "c")[: degree + 1]

    def mean(p: Parameters) -> FloatArray:
        return np.stack([p[name] for name in names], axis=-1) @ powers.T

    def simulate(p: Parameters, rng: np.random.Generator) -> FloatArray:
        noise: FloatArray = NOISE * rng.standard_normal(len(PLACES))
        return np.asarray(mean(p)[0] + noise)

    def log_likelihood(data: FloatArray, p: Parameters) -> FloatArray:
        terms = stats.norm.logpdf(data, mean(p), NOISE)
        return np.asarray(np.sum(terms, axis=-1))

    def log_z(data: FloatArray) -> float:
        covariance = NOISE**2 * np.eye(len(PLACES)) + powers @ powers.T
        return float(stats.multivariate_normal.logpdf(data, cov=covariance))

    return Model(
        f"polynomial of degree {degree} through {len(PLACES)} points, normal priors and noise; its"
        " evidence is known",
        {name: stats.norm(0.0, 1.0) for name in names},
        frozenset(),
        simulate,
        log_likelihood,
        log_z,
    )


TIMES = np.arange(16) / 16.0
"""When a wave is looked at, in periods."""


def _counts(has_wave: bool) -> Model:
    """Return counts from a rate that is constant, or goes up and down."""
    distributions: dict[str, Any] = {"log_rate": stats.norm(np.log(5.0), 0.5)}
    if has_wave:
        distributions["depth"] = stats.uniform(0.0, 1.0)
        distributions["phase"] = stats.uniform(0.0, 2.0 * np.pi)

    def rate(p: Parameters) -> FloatArray:
        mean = np.exp(p["log_rate"])[:, None]
        if not has_wave:
            return np.asarray(np.broadcast_to(mean, (len(mean), len(TIMES))))
        wave = np.cos(2.0 * np.pi * TIMES - p["phase"][:, None])
        return np.asarray(mean * (1.0 + p["depth"][:, None] * wave))

    def simulate(p: Parameters, rng: np.random.Generator) -> FloatArray:
        return np.asarray(rng.poisson(rate(p)[0]), dtype=np.float64)

    def log_likelihood(data: FloatArray, p: Parameters) -> FloatArray:
        expected = rate(p)
        terms = special.xlogy(data, expected) - expected - special.gammaln(data + 1.0)
        return np.asarray(terms.sum(axis=-1))

    what = "goes up and down: rate, depth and phase, the last on a circle" if has_wave else "is the"
    return Model(
        f"{len(TIMES)} Poisson counts from a rate that {what}" + ("" if has_wave else " same"),
        distributions,
        frozenset({"phase"} & set(distributions)),
        simulate,
        log_likelihood,
    )


N_MIXED = 20
"""Points drawn from the two components."""


def _two_components() -> Model:
    """Return points from two normals that can change names: the posterior has two modes."""

    def simulate(p: Parameters, rng: np.random.Generator) -> FloatArray:
        is_first = rng.random(N_MIXED) < p["share"]
        centre = np.where(is_first, p["first"], p["second"])
        return np.asarray(centre + rng.standard_normal(N_MIXED))

    def log_likelihood(data: FloatArray, p: Parameters) -> FloatArray:
        first, second, share = (p[name][:, None] for name in ("first", "second", "share"))
        with np.errstate(divide="ignore"):  # a share may be rounded to an end of its range
            one = np.log(share) + stats.norm.logpdf(data, first)
            other = np.log1p(-share) + stats.norm.logpdf(data, second)
        return np.asarray(np.logaddexp(one, other).sum(axis=-1))

    return Model(
        f"{N_MIXED} points from two normals of unit width: both centres, and the share of the"
        " first; they can change names, so that the posterior has two modes of equal weight",
        {
            "first": stats.norm(0.0, 3.0),
            "second": stats.norm(0.0, 3.0),
            "share": stats.uniform(0.0, 1.0),
        },
        frozenset(),
        simulate,
        log_likelihood,
    )


def models() -> dict[str, Model]:
    """Return the models whose posteriors are calibrated, by name."""
    return {"curve": _curve(2), "wave": _counts(has_wave=True), "two-normals": _two_components()}


def model_pairs() -> dict[str, tuple[Model, Model]]:
    """Return pairs of models that data may come from, by name."""
    return {
        "straight-or-curved": (_curve(1), _curve(2)),
        "constant-or-wave": (_counts(has_wave=False), _counts(has_wave=True)),
    }
