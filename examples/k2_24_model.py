"""Two planets in the radial velocities of K2-24: data, Kepler solver, priors and likelihood.

Depends on NumPy and SciPy only, so that any sampler can be given the same problem. Times are
BJD - 2454833 in days, velocities in m/s, angles in radians.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf, erfc
from scipy.stats import norm, uniform

FloatArray = NDArray[np.float64]

DATA_FILE = Path(__file__).resolve().parent / "data" / "k2-24_rv.csv"
PLANETS = ("b", "c")
PERIODIC = ("omega_b", "omega_c")

BELOW_ONE = np.nextafter(1.0, 0.0)
SECONDS_PER_DAY = 86400.0
GM_SUN = 1.32712440018e20  # m^3 / s^2
GM_EARTH = 3.986004418e14  # m^3 / s^2
STELLAR_MASS = 1.07  # solar masses


class Velocities(NamedTuple):
    """``time`` in days, ``velocity`` and its ``error`` in m/s, each of shape (n,)."""

    time: FloatArray
    velocity: FloatArray
    error: FloatArray


def load_velocities(path: Path = DATA_FILE) -> Velocities:
    """Read the columns time, velocity and error from a CSV file with ``#`` comments."""
    with path.open(encoding="utf-8") as lines:
        rows = [line for line in lines if not line.startswith("#")]
    return Velocities(*np.loadtxt(rows, delimiter=",", skiprows=1, unpack=True))


def e_minus_sin_e(anomaly: FloatArray) -> FloatArray:
    """Return E - sin E without the cancellation that ruins it at small E."""
    square = anomaly * anomaly
    series = np.full_like(anomaly, 1.0)
    for order in (19, 17, 15, 13, 11, 9, 7, 5):
        series = 1.0 - square / (order * (order - 1)) * series
    near_zero = anomaly * square / 6.0 * series
    return np.where(np.abs(anomaly) < 1.0, near_zero, anomaly - np.sin(anomaly))


def solve_kepler(mean_anomaly: ArrayLike, eccentricity: ArrayLike) -> FloatArray:
    """Solve Kepler's equation M = E - e sin E for the eccentric anomaly E.

    Parameters
    ----------
    mean_anomaly
        Mean anomaly M in radians, any finite value, any shape.
    eccentricity
        Eccentricity e in [0, 1), of a shape that broadcasts with M.

    Returns
    -------
    ndarray
        E in radians, within [-pi, pi], for M taken into that range; accurate to a few units in
        the last place, also for e close to one and small M.

    Notes
    -----
    The cubic starter of Markley (1995, Celest. Mech. Dyn. Astron. 63, 101) has
    a relative error below 1e-3 everywhere, and each Halley step cubes it, so a fixed number of
    steps suffices and no point needs a loop of its own.
    """
    e = np.asarray(eccentricity, dtype=float)
    mean = np.asarray(mean_anomaly, dtype=float)
    folded = mean - 2.0 * np.pi * np.round(mean / (2.0 * np.pi))
    m = np.abs(folded)
    anomaly = _markley_starter(m, e)
    for _ in range(2):
        half_sine = np.sin(0.5 * anomaly)
        residual = (1.0 - e) * anomaly + e * e_minus_sin_e(anomaly) - m
        slope = (1.0 - e) + 2.0 * e * half_sine**2
        curvature = e * np.sin(anomaly)
        denominator = 2.0 * slope**2 - residual * curvature
        step = 2.0 * residual * slope / np.where(denominator > 0.0, denominator, 1.0)
        anomaly = np.clip(anomaly - step, 0.0, np.pi)
    return np.copysign(anomaly, folded)


def _markley_starter(m: FloatArray, e: FloatArray) -> FloatArray:
    """Return an approximate E for M in [0, pi]: the root of a cubic fitted to the equation."""
    pi_square = np.pi**2
    alpha = (3.0 * pi_square + 1.6 * np.pi * (np.pi - m) / (1.0 + e)) / (pi_square - 6.0)
    d = 3.0 * (1.0 - e) + alpha * e
    q = 2.0 * alpha * d * (1.0 - e) - m * m
    r = 3.0 * alpha * d * (d - 1.0 + e) * m + m**3
    w = np.cbrt(r + np.sqrt(np.maximum(q**3 + r * r, 0.0))) ** 2
    scale = w * w + w * q + q * q
    return np.asarray((2.0 * r * w / np.where(scale > 0.0, scale, 1.0) + m) / d)


def keplerian_velocity(
    time: ArrayLike,
    transit_time: ArrayLike,
    period: ArrayLike,
    semi_amplitude: ArrayLike,
    eccentricity: ArrayLike,
    omega: ArrayLike,
) -> FloatArray:
    """Return the star's radial velocity due to one planet, K [cos(f + omega) + e cos omega].

    Parameters
    ----------
    time, transit_time, period
        Times in days; at transit the planet is between star and observer, f + omega = pi / 2.
    semi_amplitude
        K in the unit wanted.
    eccentricity
        e in [0, 1).
    omega
        Argument of periastron of the star's orbit in radians.

    Returns
    -------
    ndarray
        Velocity away from the observer, in the unit of K, of the broadcast shape.
    """
    e, w = np.asarray(eccentricity, dtype=float), np.asarray(omega, dtype=float)
    half_f = 0.25 * np.pi - 0.5 * w
    at_transit = 2.0 * np.arctan2(
        np.sqrt(1.0 - e) * np.sin(half_f), np.sqrt(1.0 + e) * np.cos(half_f)
    )
    since_transit = np.asarray(time, dtype=float) - np.asarray(transit_time, dtype=float)
    phase = 2.0 * np.pi * since_transit / np.asarray(period, dtype=float)
    anomaly = solve_kepler(at_transit - e * np.sin(at_transit) + phase, e)
    sine, cosine = np.sin(0.5 * anomaly), np.cos(0.5 * anomaly)
    distance = (1.0 - e) + 2.0 * e * sine**2
    cos_f = ((1.0 - e) - 2.0 * sine**2) / distance
    sin_f = 2.0 * np.sqrt((1.0 - e) * (1.0 + e)) * sine * cosine / distance
    shape = np.cos(w) * cos_f - np.sin(w) * sin_f + e * np.cos(w)
    return np.asarray(semi_amplitude * shape, dtype=float)


@dataclass(frozen=True, slots=True)
class EccentricityPrior:
    """Rayleigh and half-normal mixture on [0, 1): what multi-planet systems look like.

    The default weights and scales are those of Van Eylen et al. (2019, AJ 157, 61) for systems of
    several transiting planets.

    Attributes
    ----------
    weight
        Share of the Rayleigh distribution, in [0, 1].
    rayleigh, half_normal
        Scales of the two distributions, positive.
    """

    weight: float = 0.08
    rayleigh: float = 0.26
    half_normal: float = 0.049

    def _total(self) -> float:
        return float(self._below(np.asarray(1.0)))

    def _below(self, e: FloatArray) -> FloatArray:
        wide = -np.expm1(-0.5 * (e / self.rayleigh) ** 2)
        narrow = erf(e / (np.sqrt(2.0) * self.half_normal))
        return np.asarray(self.weight * wide + (1.0 - self.weight) * narrow)

    def pdf(self, e: ArrayLike) -> FloatArray:
        """Return the density at ``e``, zero outside [0, 1]."""
        x = np.asarray(e, dtype=float)
        wide = x / self.rayleigh**2 * np.exp(-0.5 * (x / self.rayleigh) ** 2)
        narrow = (
            np.sqrt(2.0 / np.pi) / self.half_normal * np.exp(-0.5 * (x / self.half_normal) ** 2)
        )
        density = (self.weight * wide + (1.0 - self.weight) * narrow) / self._total()
        return np.where((x >= 0.0) & (x <= 1.0), density, 0.0)

    def cdf(self, e: ArrayLike) -> FloatArray:
        """Return the probability below ``e``."""
        return self._below(np.clip(np.asarray(e, dtype=float), 0.0, 1.0)) / self._total()

    def sf(self, e: ArrayLike) -> FloatArray:
        """Return the probability above ``e``, accurate where it is small."""
        x = np.clip(np.asarray(e, dtype=float), 0.0, 1.0)
        exponent = 0.5 / self.rayleigh**2
        wide = np.exp(-exponent) * np.expm1(exponent * (1.0 - x) * (1.0 + x))
        root = np.sqrt(2.0) * self.half_normal
        narrow = erfc(x / root) - erfc(1.0 / root)
        return np.asarray((self.weight * wide + (1.0 - self.weight) * narrow) / self._total())

    def ppf(self, p: ArrayLike) -> FloatArray:
        """Return the eccentricity below which there is probability ``p`` in [0, 1]."""
        below = np.asarray(p, dtype=float)
        return self._invert(below, 1.0 - below)

    def isf(self, q: ArrayLike) -> FloatArray:
        """Return the eccentricity above which there is probability ``q`` in [0, 1]."""
        above = np.asarray(q, dtype=float)
        return self._invert(1.0 - above, above)

    def _invert(self, below: FloatArray, above: FloatArray) -> FloatArray:
        """Solve for e on the side where the probability is small, hence exactly represented."""
        grid = np.linspace(0.0, 1.0, 4097)
        is_low = below < above
        e = np.where(
            is_low,
            np.interp(below, self.cdf(grid), grid),
            np.interp(above, self.sf(grid)[::-1], grid[::-1]),
        )
        for _ in range(3):
            excess = np.where(is_low, self.cdf(e) - below, above - self.sf(e))
            e = np.clip(e - excess / self.pdf(e), 0.0, BELOW_ONE)
        return e


def prior_distributions(data: Velocities) -> dict[str, Any]:
    """Return the prior of each of the 14 parameters, each with a ``ppf`` and an ``isf``.

    Transit times and periods are those of the K2 light curve (Petigura et al. 2016, ApJ 818, 36).
    """
    eccentricity = EccentricityPrior()
    turn = uniform(loc=-np.pi, scale=2.0 * np.pi)
    return {
        "t0_b": norm(loc=2072.7948, scale=0.0007),
        "t0_c": norm(loc=2082.6251, scale=0.0004),
        "period_b": norm(loc=20.8851, scale=0.0003),
        "period_c": norm(loc=42.3633, scale=0.0006),
        "ln_k_b": norm(loc=np.log(5.0507), scale=2.0),
        "ln_k_c": norm(loc=np.log(5.5098), scale=2.0),
        "ecc_b": eccentricity,
        "ecc_c": eccentricity,
        "omega_b": turn,
        "omega_c": turn,
        "ln_jitter": norm(loc=np.log(np.median(data.error)), scale=5.0),
        "trend_2": norm(loc=0.0, scale=0.01),
        "trend_1": norm(loc=0.0, scale=0.1),
        "trend_0": norm(loc=0.0, scale=1.0),
    }


def velocity_model(
    time: FloatArray, parameters: Mapping[str, ArrayLike], mid_time: float
) -> FloatArray:
    """Return the modelled velocities, shape (..., n_times), for parameters of shape (...)."""
    column = {name: np.asarray(value)[..., None] for name, value in parameters.items()}
    offset = time - mid_time
    model = (column["trend_2"] * offset + column["trend_1"]) * offset + column["trend_0"]
    for planet in PLANETS:
        model = model + keplerian_velocity(
            time,
            column[f"t0_{planet}"],
            column[f"period_{planet}"],
            np.exp(column[f"ln_k_{planet}"]),
            column[f"ecc_{planet}"],
            column[f"omega_{planet}"],
        )
    return np.asarray(model)


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """Gaussian likelihood of the velocities with a jitter added to the errors in quadrature."""

    data: Velocities

    @property
    def mid_time(self) -> float:
        """Middle of the observed time span, where the trend has its origin; days."""
        return float(0.5 * (self.data.time.min() + self.data.time.max()))

    def __call__(self, parameters: Mapping[str, ArrayLike]) -> FloatArray:
        """Return log L, shape (n,), for a mapping of 14 names to arrays of shape (n,)."""
        residual = self.data.velocity - velocity_model(self.data.time, parameters, self.mid_time)
        jitter = np.exp(np.asarray(parameters["ln_jitter"]))[..., None]
        variance = self.data.error**2 + jitter**2
        terms = residual**2 / variance + np.log(2.0 * np.pi * variance)
        return np.asarray(-0.5 * np.sum(terms, axis=-1))


def minimum_mass(
    semi_amplitude: ArrayLike, period: ArrayLike, eccentricity: ArrayLike
) -> FloatArray:
    """Return m sin i in Earth masses of a planet much lighter than K2-24.

    Takes K in m/s, the period P in days and the eccentricity e, in the textbook relation
    K = (2 pi G / P)^(1/3) m sin i / (M^(2/3) sqrt(1 - e^2)) with the star's mass M.
    """
    seconds = np.asarray(period) * SECONDS_PER_DAY
    cube = seconds * (STELLAR_MASS * GM_SUN) ** 2 / (2.0 * np.pi)
    planet = np.asarray(semi_amplitude) * np.sqrt(1.0 - np.asarray(eccentricity) ** 2)
    return np.asarray(planet * np.cbrt(cube) / GM_EARTH)
