"""The checks themselves: right estimators pass at the stated rate, wrong ones fail."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from nautilus.errors import SettingsError
from nautilus.testing import checks, marginals, problems
from nautilus.testing.checks import Finding

TRUTH = -12.3
ERROR = 0.01
N_RUNS = 20
RATE = 0.1
N_TRIALS = 1500


def normal_runs(rng: np.random.Generator, offset: float = 0.0, inflation: float = 1.0):
    """Return estimates of runs that quote ERROR."""
    estimates = TRUTH + offset + ERROR * inflation * rng.standard_normal(N_RUNS)
    return estimates, np.full(N_RUNS, ERROR)


def fails(check: Callable[[np.random.Generator], Finding], rng: np.random.Generator) -> float:
    """Return how often the check fails."""
    return float(np.mean([not check(rng).passed for _ in range(N_TRIALS)]))


LOG_Z_CHECKS: dict[str, Callable[..., Finding]] = {
    "bias": lambda x, e: checks.bias(x, TRUTH, RATE, cap=np.inf),
    "scatter": lambda x, e: checks.scatter(x, e, TRUTH, RATE),
    "worst": lambda x, e: checks.worst(
        x, e, TRUTH, stats.norm.isf(0.5 * checks.split_rate(RATE, N_RUNS))
    ),
}


@pytest.mark.parametrize("name", LOG_Z_CHECKS)
def test_right_runs_are_blamed_at_the_stated_rate(name: str, seed: int) -> None:
    check = LOG_Z_CHECKS[name]
    rate = fails(lambda rng: check(*normal_runs(rng)), np.random.default_rng(seed))
    assert abs(rate - RATE) < 5 * np.sqrt(RATE * (1 - RATE) / N_TRIALS)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bias", {"offset": 0.015}),
        ("bias", {"offset": -0.015}),
        ("scatter", {"inflation": 2.5}),
        ("scatter", {"inflation": 0.3}),
        ("worst", {"inflation": 4.0}),
    ],
)
def test_wrong_runs_are_found(name: str, wrong: dict[str, float], seed: int) -> None:
    check = LOG_Z_CHECKS[name]
    rng = np.random.default_rng(seed)
    assert fails(lambda rng: check(*normal_runs(rng, **wrong)), rng) > 0.99


def test_mean_error_above_the_cap_fails_however_uncertain() -> None:
    estimates = TRUTH + np.array([-0.5, 0.55])
    assert checks.bias(estimates, TRUTH, 1e-3, cap=1.0).passed
    assert not checks.bias(estimates, TRUTH, 1e-3).passed


def test_one_missed_mode_among_good_runs_is_found(seed: int) -> None:
    estimates, errors = normal_runs(np.random.default_rng(seed))
    estimates[7] -= np.log(2)
    assert not checks.worst(estimates, errors, TRUTH).passed


def test_pooled_ratio_blames_errors_that_are_too_small_or_too_large(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(400)
    assert checks.pooled_ratio(values, 1e-3).passed
    assert checks.pooled_ratio(values, 1e-3).bound == checks.POOLED_RANGE
    assert not checks.pooled_ratio(1.4 * values, 1e-3).passed
    assert not checks.pooled_ratio(0.7 * values, 1e-3).passed


def test_pooled_ratio_of_few_runs_is_allowed_to_scatter_more(seed: int) -> None:
    values = np.array([0.1, -0.5, 0.6])
    assert checks.pooled_ratio(values, 1e-3).passed
    rng = np.random.default_rng(seed)
    rate = fails(lambda rng: checks.pooled_ratio(rng.standard_normal(5), RATE), rng)
    assert abs(rate - RATE) < 5 * np.sqrt(RATE * (1 - RATE) / N_TRIALS)


def test_exact_runs_pass_every_check_of_log_z() -> None:
    estimates, errors = np.full(5, 1e6), np.zeros(5)
    assert len(checks.pulls(estimates, errors, 1e6)) == 0
    assert checks.bias(estimates, 1e6, 1e-3).passed
    assert checks.scatter(estimates, errors, 1e6, 1e-3).passed
    assert checks.worst(estimates, errors, 1e6).passed


@pytest.mark.parametrize(
    ("estimate", "error"),
    [(0.1, 0.0), (np.nan, 0.1), (0.0, np.nan), (-np.inf, 0.1), (0.0, -1.0)],
)
def test_impossible_estimates_never_pass(estimate: float, error: float) -> None:
    estimates, errors = np.array([0.01, -0.01, estimate]), np.array([0.01, 0.01, error])
    assert not checks.worst(estimates, errors, 0.0).passed
    assert not checks.scatter(estimates, errors, 0.0, 1e-3).passed


@pytest.mark.parametrize("estimate", [np.nan, -np.inf, np.inf])
def test_mean_of_impossible_estimates_never_passes(estimate: float) -> None:
    assert not checks.bias(np.array([0.01, -0.01, estimate]), 0.0, 1e-3).passed


def test_paired_estimates_that_share_points_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def pair(rng: np.random.Generator, offset: float) -> Finding:
        fresh = ERROR * rng.standard_normal(N_RUNS)
        old = ERROR * rng.standard_normal(N_RUNS) + offset
        return checks.agreement(0.5 * (fresh + old), fresh, RATE, cap=np.inf)

    rate = fails(lambda rng: pair(rng, 0.0), rng)
    assert abs(rate - RATE) < 5 * np.sqrt(RATE * (1 - RATE) / N_TRIALS)
    assert fails(lambda rng: pair(rng, 0.03), rng) > 0.99


def test_a_single_pair_that_disagrees_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (first, error), (second, _) = normal_runs(rng), normal_runs(rng)
    assert checks.agreement_of_each(first, error, second, error).passed
    second[3] += 0.2
    assert not checks.agreement_of_each(first, error, second, error).passed


def weighted_draws(rng: np.random.Generator, shift: float = 0.0, width: float = 0.07):
    """Draw from a Gaussian about 1/2 that is wider than the problem's, with weights."""
    problem = problems.gaussian(2, sigma=0.05, correlation=0.0)
    points = rng.normal(0.5, width, size=(800, 2))
    log_weights = problem.log_likelihood(points - shift)
    log_weights += 0.5 * (((points - 0.5) / width) ** 2).sum(axis=1)
    return problem, marginals.summarise(points, log_weights, problem)


def judge(rng: np.random.Generator, shift: float = 0.0) -> tuple[bool, bool, bool]:
    runs = [weighted_draws(rng, shift) for _ in range(5)]
    summaries = [summary for _, summary in runs]
    each, together = checks.averages(
        "averages",
        np.array([s.values for s in summaries]),
        np.array([s.errors for s in summaries]),
        marginals.exact_averages(runs[0][0]),
        RATE,
    )
    shapes = checks.uniformity(
        np.array([s.distances for s in summaries]), np.array([s.sizes for s in summaries]), RATE
    )
    return each.passed, together.passed, shapes.passed


def test_right_weighted_points_are_blamed_no_more_often_than_stated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_trials = 150
    blamed = 1.0 - np.mean([judge(rng) for _ in range(n_trials)], axis=0)
    assert np.all(blamed < RATE + 3 * np.sqrt(RATE * (1 - RATE) / n_trials))


def test_shifted_points_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    passed = np.mean([judge(rng, shift=0.01) for _ in range(20)], axis=0)
    assert np.all(passed < 0.05)


def test_a_run_that_missed_a_tail_cannot_hide_behind_its_own_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    estimates = 0.01 * rng.standard_normal((10, 1))
    errors = np.full((10, 1), 0.01)
    estimates[4], errors[4] = -0.2, 0.1
    each, _ = checks.averages("averages", estimates, errors, np.zeros(1), 1e-3)
    assert each.passed  # the error that it quotes is large: nothing was hidden
    errors[4] = 1e-4
    each, _ = checks.averages("averages", estimates, errors, np.zeros(1), 1e-3)
    assert not each.passed


def test_standard_error_of_averages_is_that_of_repeated_draws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(400):
        x = rng.exponential(size=(500, 1))
        weights = np.exp(-x[:, 0])
        runs.append(marginals.average(x, weights / weights.sum()))
    means, errors = np.array(runs)[:, :, 0].T
    assert means.mean() == pytest.approx(0.5, abs=5 * means.std() / 20 + 1e-3)
    assert means.std() == pytest.approx(errors.mean(), rel=0.15)


def test_distance_of_equal_weights_is_that_of_kolmogorov(seed: int) -> None:
    uniforms = np.random.default_rng(seed).random(300)
    found, size = marginals.distance(uniforms, np.full(300, 1 / 300))
    assert found == pytest.approx(stats.kstest(uniforms, "uniform").statistic)
    assert 200 < size <= 300


def test_summary_without_known_moments_is_empty() -> None:
    problem = problems.Problem("unknown", 1, problems.unit_prior, 0.0, "nothing known")
    summary = marginals.summarise(np.full((3, 1), 0.5), np.zeros(3), problem)
    assert summary.values.shape == summary.sizes.shape == (0,)
    assert marginals.exact_averages(problem).shape == (0,)


def test_rates_are_split_so_that_the_family_keeps_the_whole() -> None:
    assert checks.split_rate(1e-3, 1) == pytest.approx(1e-3)
    assert 1.0 - (1.0 - checks.split_rate(0.05, 40)) ** 40 == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.split_rate(0.0, 3), "rate=0.0: pass"),
        (lambda: checks.split_rate(0.1, 0), "n_checks=0: pass"),
        (lambda: checks.bias(np.zeros(1), 0.0, 0.1), "at least 2"),
        (lambda: checks.worst(np.zeros(2), np.ones(3), 0.0), "same number"),
        (lambda: checks.pooled_ratio(np.zeros(0), 0.1), "at least 1"),
    ],
)
def test_checks_without_meaning_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        call()


def test_findings_say_number_and_bound() -> None:
    finding = checks.bias(np.array([0.1, 0.11]), 0.0, 1e-3)
    assert "+0.1050" in finding.text
    assert "0.0200" in finding.text
    assert not Finding("any", np.nan, (0.0, 1.0), "").passed
