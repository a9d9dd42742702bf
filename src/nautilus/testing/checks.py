"""Statistical checks of repeated runs against exact answers.

Each check turns repeated estimates with their quoted errors into one number, and derives the
range in which that number lies unless something is wrong. The rate at which a right sampler
would be blamed is an argument of each check; `split_rate` divides a rate for a whole family of
checks among its members.
"""

import numpy as np
from scipy import stats

from nautilus._numerics import split_rate
from nautilus._types import BoolArray, FloatArray
from nautilus.testing.findings import Finding, rounding, same_length
from nautilus.testing.marginals import averages, uniformity

__all__ = [
    "Finding",
    "agreement",
    "agreement_of_each",
    "averages",
    "bias",
    "pooled_ratio",
    "pulls",
    "scatter",
    "split_rate",
    "uniformity",
    "worst",
]

CAP = 0.02
"""Largest mean error of log Z that is tolerated, whatever its standard error."""
WORST = 5.0
"""Largest error of a single run in units of its quoted error."""
POOLED_RANGE = (0.8, 1.25)
"""Range of the ratio of scatter to quoted errors over all runs of all problems."""


def _is_exact(estimates: FloatArray, errors: FloatArray, truth: float) -> BoolArray:
    """Tell runs without any scatter, such as those of a constant likelihood, from the others."""
    tiny = rounding(truth)
    exact: BoolArray = (errors >= 0.0) & (errors <= tiny) & (np.abs(estimates - truth) <= tiny)
    return exact


def pulls(estimates: FloatArray, errors: FloatArray, truth: float) -> FloatArray:
    """Return (estimate - truth) / quoted error of the runs that have scatter.

    Parameters
    ----------
    estimates, errors
        Estimates of log Z and their quoted standard errors, shape (n,).
    truth
        Exact log Z.

    Returns
    -------
    pulls
        Shape (m,), m <= n: runs that are exact and say so have no scatter to judge and are left
        out. A wrong run with a quoted error of zero has an infinite pull.
    """
    same_length(1, estimates=estimates, errors=errors)
    judged = ~_is_exact(estimates, errors, truth)
    deviations, quoted = (estimates - truth)[judged], errors[judged]
    usable = np.where(quoted > 0.0, quoted, np.nan)
    return np.where(quoted == 0.0, np.copysign(np.inf, deviations), deviations / usable)


def bias(estimates: FloatArray, truth: float, rate: float, cap: float = CAP) -> Finding:
    """Check that the mean of the estimates is the truth.

    Parameters
    ----------
    estimates
        Estimates of log Z by independent runs, shape (n,), n >= 2.
    truth
        Exact log Z.
    rate
        False-alarm rate of the part that follows the scatter.
    cap
        Largest mean error whatever the scatter.

    Returns
    -------
    finding
        Statistic: the mean of estimate - truth. Bound: the smaller of t s / sqrt(n), with s the
        standard deviation of the estimates and t the two-sided quantile of Student's
        distribution with n - 1 degrees of freedom, and the cap. Where the cap is the smaller one,
        the rate is that of `cap` sqrt(n) / s instead, and larger.
    """
    same_length(2, estimates=estimates)
    deviations = estimates - truth
    with np.errstate(invalid="ignore"):  # a run that ended with log Z = -inf makes a NaN here
        error = float(deviations.std(ddof=1)) / np.sqrt(len(deviations))
    allowed = float(stats.t.isf(0.5 * rate, len(deviations) - 1)) * error
    bound = min(allowed + rounding(truth), cap)
    mean = float(deviations.mean())
    text = f"mean error {mean:+.4f} +- {error:.4f}, allowed {bound:.4f}"
    return Finding("bias", mean, (-bound, bound), text)


def _ratio_bounds(n_runs: int, rate: float) -> tuple[float, float]:
    low = stats.chi2.ppf(0.5 * rate, n_runs)
    high = stats.chi2.isf(0.5 * rate, n_runs)
    return float(np.sqrt(low / n_runs)), float(np.sqrt(high / n_runs))


def scatter(estimates: FloatArray, errors: FloatArray, truth: float, rate: float) -> Finding:
    """Check that the scatter about the truth is as large as the quoted errors say.

    Parameters
    ----------
    estimates, errors
        Estimates of log Z and their quoted standard errors, shape (n,).
    truth
        Exact log Z.
    rate
        False-alarm rate.

    Returns
    -------
    finding
        Statistic: sqrt(X / n), X the sum of squared pulls. X follows chi-square with n degrees
        of freedom, so the bounds are sqrt(q / n) with its quantiles at rate / 2 and 1 - rate / 2.
        If all runs are exact, the ratio is 1.
    """
    values = pulls(estimates, errors, truth)
    n = len(values)
    if n == 0:
        return Finding("scatter", 1.0, (1.0, 1.0), "every run exact")
    ratio = float(np.sqrt(np.mean(values**2)))
    low, high = _ratio_bounds(n, rate)
    text = f"scatter / quoted error {ratio:.2f}, allowed {low:.2f} to {high:.2f}"
    return Finding("scatter", ratio, (low, high), text)


def worst(estimates: FloatArray, errors: FloatArray, truth: float, limit: float = WORST) -> Finding:
    """Check that no run is further from the truth than some quoted errors.

    Parameters
    ----------
    estimates, errors
        Estimates of log Z and their quoted standard errors, shape (n,).
    truth
        Exact log Z.
    limit
        Largest error in units of the quoted one. For normal errors, 5 is exceeded at a rate of
        6e-7 per run.

    Returns
    -------
    finding
        Statistic: the largest absolute pull.
    """
    values = np.abs(pulls(estimates, errors, truth))
    # Not max(initial=...): a NaN must stay one.
    largest = float(values.max()) if len(values) else 0.0
    text = f"worst run {largest:.1f} quoted errors away, allowed {limit:g}"
    return Finding("worst", largest, (0.0, limit), text)


def pooled_ratio(all_pulls: FloatArray, rate: float) -> Finding:
    """Check scatter against quoted errors over all problems together.

    Parameters
    ----------
    all_pulls
        Pulls of all runs of all problems, shape (n,), see `pulls`.
    rate
        Largest false-alarm rate.

    Returns
    -------
    finding
        Statistic: the root mean square pull. Bound: `POOLED_RANGE`, or the chi-square bounds of
        `scatter` where few runs make these wider. For n right runs the standard deviation of
        the ratio is 1 / sqrt(2 n): with n = 400 the range is more than 5 of them on either side.
    """
    same_length(1, pulls=all_pulls)
    ratio = float(np.sqrt(np.mean(all_pulls**2)))
    bounds = _ratio_bounds(len(all_pulls), rate)
    low, high = min(POOLED_RANGE[0], bounds[0]), max(POOLED_RANGE[1], bounds[1])
    text = f"pooled scatter / quoted error {ratio:.3f}, allowed {low:.2f} to {high:.2f}"
    return Finding("pooled ratio", ratio, (low, high), text)


def agreement(first: FloatArray, second: FloatArray, rate: float, cap: float = CAP) -> Finding:
    """Check that two estimates made by the same runs agree on average.

    Parameters
    ----------
    first, second
        Paired estimates of log Z, such as with points kept and with exploration discarded,
        shape (n,), n >= 2.
    rate
        False-alarm rate of the part that follows the scatter.
    cap
        Largest mean difference whatever the scatter.

    Returns
    -------
    finding
        Statistic: the mean difference, judged like `bias` (a paired t test). The two share
        points, which the scatter of the differences takes into account by itself.
    """
    same_length(2, first=first, second=second)
    found = bias(first - second, 0.0, rate, cap)
    text = found.text.replace("mean error", "mean difference")
    return Finding("agreement", found.statistic, found.bound, text)


def agreement_of_each(
    first: FloatArray,
    first_errors: FloatArray,
    second: FloatArray,
    second_errors: FloatArray,
    limit: float = WORST,
) -> Finding:
    """Check that two estimates made by the same run agree in every run.

    Parameters
    ----------
    first, first_errors, second, second_errors
        Paired estimates of log Z with their quoted errors, shape (n,).
    limit
        Largest difference in units of sqrt(first_error^2 + second_error^2), which is more than
        the error of the difference if the two share points.

    Returns
    -------
    finding
        Statistic: the largest absolute difference in these units.
    """
    same_length(1, first=first, second=second, errors=first_errors, second_errors=second_errors)
    together = np.hypot(first_errors, second_errors)
    found = worst(first - second, together, 0.0, limit)
    text = f"largest difference {found.statistic:.1f} quoted errors, allowed {limit:g}"
    return Finding("agreement of each", found.statistic, found.bound, text)
