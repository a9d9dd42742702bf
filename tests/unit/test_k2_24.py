"""The K2-24 example's model: Kepler solver, orbit, eccentricity prior, likelihood."""

import importlib.util
import sys
from decimal import Decimal, localcontext
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EPSILON = np.finfo(float).eps

FloatArray = NDArray[np.float64]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


model = _load("k2_24_model")


def _sine(x: Decimal) -> Decimal:
    term = total = x
    order = 1
    while abs(term) > Decimal("1e-48") * abs(total):
        term = -term * x * x / ((order + 1) * (order + 2))
        total += term
        order += 2
    return total


def _bisect_kepler(mean: float, eccentricity: float) -> float:
    """Solve Kepler's equation for 0 < M < pi by bisection with fifty digits."""
    with localcontext() as context:
        context.prec = 50
        m, e = Decimal(mean), Decimal(eccentricity)
        low, high = m, min(m / (1 - e), Decimal("3.2"))
        for _ in range(120):
            middle = (low + high) / 2
            if middle - e * _sine(middle) < m:
                low = middle
            else:
                high = middle
        return float((low + high) / 2)


def _some_orbits(n: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(7)
    mean = np.concatenate([rng.uniform(0.0, np.pi, n), 10.0 ** rng.uniform(-12.0, 0.49, n)])
    near_one = 1.0 - 10.0 ** rng.uniform(-15.5, -0.5, n)
    return mean, np.concatenate([near_one[::2], rng.uniform(0.0, 1.0, n), near_one[1::2]])


def test_kepler_agrees_with_bisection_to_the_last_place() -> None:
    mean, eccentricity = _some_orbits(60)
    expected = [_bisect_kepler(m, e) for m, e in zip(mean, eccentricity, strict=True)]
    solved = model.solve_kepler(mean, eccentricity)
    np.testing.assert_allclose(solved, expected, rtol=2.0 * EPSILON)


@pytest.mark.parametrize("eccentricity", [0.0, 1e-12, 0.3, 0.9, 0.999999, np.nextafter(1.0, 0.0)])
def test_kepler_exact_points(eccentricity: float) -> None:
    mean = np.array([0.0, np.pi, 0.5 * np.pi - eccentricity, eccentricity - 0.5 * np.pi])
    expected = np.array([0.0, np.pi, 0.5 * np.pi, -0.5 * np.pi])
    solved = model.solve_kepler(mean, eccentricity)
    np.testing.assert_allclose(np.abs(solved[:2]), expected[:2], rtol=EPSILON)
    np.testing.assert_allclose(solved[2:], expected[2:], rtol=2.0 * EPSILON)


def test_kepler_circular_orbit_returns_the_mean_anomaly() -> None:
    mean = np.linspace(-3.1, 3.1, 101)
    np.testing.assert_allclose(model.solve_kepler(mean, 0.0), mean, rtol=EPSILON)


def test_kepler_is_odd_periodic_and_broadcasts() -> None:
    mean, eccentricity = np.linspace(0.01, 3.1, 7), np.array([[0.1], [0.7], [0.99]])
    solved = model.solve_kepler(mean, eccentricity)
    assert solved.shape == (3, 7)
    np.testing.assert_array_equal(model.solve_kepler(-mean, eccentricity), -solved)
    turned = model.solve_kepler(mean + 6.0 * np.pi, eccentricity)
    np.testing.assert_allclose(turned, solved, rtol=1e-12)


@pytest.mark.parametrize("anomaly", [1e-8, 1e-3, 0.5, np.nextafter(1.0, 0.0), 1.0, 2.0, 3.1])
def test_anomaly_minus_its_sine_keeps_all_digits(anomaly: float) -> None:
    with localcontext() as context:
        context.prec = 50
        exact = float(Decimal(anomaly) - _sine(Decimal(anomaly)))
    result = model.e_minus_sin_e(np.array([anomaly]))[0]
    assert result == pytest.approx(exact, rel=4.0 * EPSILON)


def test_circular_orbit_is_a_sine_through_zero_at_transit() -> None:
    time = np.linspace(-30.0, 30.0, 41)
    velocity = model.keplerian_velocity(time, 1.5, 20.0, 3.0, 0.0, 0.4)
    np.testing.assert_allclose(
        velocity, -3.0 * np.sin(2.0 * np.pi * (time - 1.5) / 20.0), atol=2e-14
    )


@pytest.mark.parametrize(
    ("eccentricity", "omega"), [(0.0, 0.0), (0.3, -2.0), (0.9, 1.0), (0.6, 3.1)]
)
def test_orbit_has_its_transit_amplitude_and_mean(eccentricity: float, omega: float) -> None:
    time = np.linspace(0.0, 20.0, 20001)[:-1]
    velocity = model.keplerian_velocity(time, 5.0, 20.0, 3.0, eccentricity, omega)
    at_transit = model.keplerian_velocity(5.0, 5.0, 20.0, 3.0, eccentricity, omega)
    assert at_transit == pytest.approx(3.0 * eccentricity * np.cos(omega), abs=1e-14)
    assert np.ptp(velocity) == pytest.approx(6.0, rel=1e-5)
    assert np.mean(velocity) == pytest.approx(0.0, abs=1e-12)


def test_prior_density_is_normalised_and_truncated() -> None:
    prior = model.EccentricityPrior()
    assert quad(prior.pdf, 0.0, 1.0, points=[0.05, 0.2], epsabs=1e-13)[0] == pytest.approx(1.0)
    np.testing.assert_array_equal(prior.pdf([-0.1, 1.1]), 0.0)
    np.testing.assert_array_equal(prior.cdf([-1.0, 0.0, 1.0, 2.0]), [0.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(prior.sf([-1.0, 0.0, 1.0, 2.0]), [1.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize("eccentricity", [0.01, 0.2, 0.8, 0.999])
def test_prior_probabilities_are_integrals_of_the_density(eccentricity: float) -> None:
    prior = model.EccentricityPrior()
    below = quad(prior.pdf, 0.0, eccentricity, points=[0.005], epsabs=1e-14)[0]
    above = quad(prior.pdf, eccentricity, 1.0, epsabs=0.0, epsrel=1e-12)[0]
    assert prior.cdf(eccentricity) == pytest.approx(below, rel=1e-11)
    assert prior.sf(eccentricity) == pytest.approx(above, rel=1e-11)


def test_prior_inversion_is_precise_on_both_sides() -> None:
    prior = model.EccentricityPrior()
    p = np.concatenate([10.0 ** np.linspace(-300.0, -0.01, 400), np.linspace(0.01, 0.99, 99)])
    np.testing.assert_allclose(prior.cdf(prior.ppf(p)), p, rtol=8.0 * EPSILON)
    q = np.concatenate([10.0 ** np.linspace(-9.0, -0.01, 400), np.linspace(0.01, 0.99, 99)])
    eccentricity = prior.isf(q)
    # The last place of an eccentricity next to one limits how well q can come back.
    spread = EPSILON * eccentricity * prior.pdf(eccentricity) / q
    assert np.all(np.abs(prior.sf(eccentricity) / q - 1.0) <= 8.0 * EPSILON + spread)
    assert np.all(np.diff(prior.isf(np.sort(q))) <= 0.0)


def test_prior_inversion_stays_below_one() -> None:
    prior = model.EccentricityPrior()
    assert prior.ppf(0.0) == 0.0
    assert prior.isf(1.0) == 0.0
    assert prior.ppf(1.0) == prior.isf(0.0) == np.nextafter(1.0, 0.0)


def test_data_are_complete_and_keep_their_source() -> None:
    data = model.load_velocities()
    assert [len(column) for column in data] == [32, 32, 32]
    assert np.all(np.diff(data.time) > 0.0)
    assert data.velocity[0] == 6.959066307
    assert "Petigura" in model.DATA_FILE.read_text(encoding="utf-8").splitlines()[0]


def _prior_draws(n: int) -> dict[str, FloatArray]:
    rng = np.random.default_rng(3)
    priors = model.prior_distributions(model.load_velocities())
    return {name: dist.ppf(rng.random(n)) for name, dist in priors.items()}


def test_priors_cover_fourteen_parameters() -> None:
    priors = model.prior_distributions(model.load_velocities())
    assert len(priors) == 14
    assert set(model.PERIODIC) < set(priors)
    assert priors["omega_b"].ppf([0.0, 1.0]) == pytest.approx([-np.pi, np.pi])
    assert np.exp(priors["ln_k_c"].ppf(0.5)) == pytest.approx(5.5098)
    middle_two = (1.702683926, 1.709263086)
    assert np.exp(priors["ln_jitter"].ppf(0.5)) == pytest.approx(np.mean(middle_two))


def _scalar_velocity(time: float, p: dict[str, float], planet: str) -> float:
    """Return the velocity by another road: time of periastron, root finder, half-angle formula."""
    e, omega, period = p[f"ecc_{planet}"], p[f"omega_{planet}"], p[f"period_{planet}"]
    shrink = np.sqrt((1.0 - e) / (1.0 + e))
    at_transit = 2.0 * np.arctan(shrink * np.tan(0.5 * (0.5 * np.pi - omega)))
    periastron = p[f"t0_{planet}"] - (at_transit - e * np.sin(at_transit)) * period / (2.0 * np.pi)
    mean = 2.0 * np.pi * (((time - periastron) / period) % 1.0)
    anomaly = brentq(lambda x: x - e * np.sin(x) - mean, -1.0, 7.3, xtol=1e-14, rtol=1e-15)
    true = 2.0 * np.arctan(np.tan(0.5 * anomaly) / shrink)
    return float(np.exp(p[f"ln_k_{planet}"]) * (np.cos(true + omega) + e * np.cos(omega)))


def test_likelihood_agrees_with_a_scalar_computation() -> None:
    data = model.load_velocities()
    draws = _prior_draws(20)
    log_l = model.LogLikelihood(data)(draws)
    assert log_l.shape == (20,)
    mid_time = 0.5 * (data.time[0] + data.time[-1])
    for i, value in enumerate(log_l):
        p = {name: float(column[i]) for name, column in draws.items()}
        offset = data.time - mid_time
        expected = p["trend_2"] * offset**2 + p["trend_1"] * offset + p["trend_0"]
        expected += [sum(_scalar_velocity(t, p, planet) for planet in "bc") for t in data.time]
        sigma = np.hypot(data.error, np.exp(p["ln_jitter"]))
        assert value == pytest.approx(norm.logpdf(data.velocity, expected, sigma).sum(), rel=1e-9)


def test_likelihood_of_one_point_equals_that_of_many() -> None:
    draws = _prior_draws(5)
    likelihood = model.LogLikelihood(model.load_velocities())
    together = likelihood(draws)
    alone = [likelihood({name: column[i] for name, column in draws.items()}) for i in range(5)]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("ln_jitter", [-np.inf, 0.7])
def test_likelihood_is_a_normalised_density_of_the_data(ln_jitter: float) -> None:
    draws = {name: column[0] for name, column in _prior_draws(1).items()} | {"ln_jitter": ln_jitter}
    time, error = np.array([2400.0]), np.array([2.0])
    centre = float(model.velocity_model(time, draws, 2400.0)[0])

    def density(velocity: float) -> float:
        data = model.Velocities(time, np.array([velocity]), error)
        return float(np.exp(model.LogLikelihood(data)(draws)))

    width = float(np.hypot(2.0, np.exp(ln_jitter)))
    total = quad(density, centre - 10.0 * width, centre + 10.0 * width, epsabs=1e-12)[0]
    assert total == pytest.approx(1.0, rel=1e-10)


def test_likelihood_survives_an_eccentricity_next_to_one() -> None:
    draws = _prior_draws(3) | {"ecc_b": np.array([0.0, 0.999999, np.nextafter(1.0, 0.0)])}
    assert np.all(np.isfinite(model.LogLikelihood(model.load_velocities())(draws)))


def test_minimum_mass_of_the_earth() -> None:
    # The Sun moves by 0.0895 m/s under the Earth; the relation scales with the 2/3 power.
    mass = model.minimum_mass(0.0894, 365.256, 0.0167)
    assert mass == pytest.approx(model.STELLAR_MASS ** (2.0 / 3.0), rel=2e-3)
