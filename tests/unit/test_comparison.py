"""Two results beside each other: how often they are said to differ, and where."""

import re

import numpy as np
import pytest

from nautilus import Posterior
from nautilus.comparison import FALSE_ALARM_RATE, compare

N_DRAWS = 400


def result(array, log_z=-10.0, log_z_err=0.01, *, log_weights=None, periodic=None):
    n_points, n_dim = array.shape
    weights = np.zeros(n_points) if log_weights is None else log_weights
    return Posterior(
        names=tuple("abcdef"[:n_dim]), array=array, log_weights=weights, log_l=np.zeros(n_points),
        log_z=log_z, log_z_err=log_z_err, n_eff=float(n_points), n_like=n_points, eta=1.0,
        tail_index=0.0, seed=0, periodic=periodic,
    )  # fmt: skip


def importance_sample(rng, shift=0.0, width=1.0):
    """Return a normal posterior in three parameters, drawn from a wider density."""
    points = 1.3 * rng.standard_normal((2 * N_DRAWS, 3))
    log_w = -0.5 * np.sum(((points - shift) / width) ** 2 - (points / 1.3) ** 2, axis=1)
    return result(1e6 + points, -10.0 + 0.01 * rng.standard_normal(), log_weights=log_w)


def alarms(make, n_pairs):
    return sum(compare(make(), make()) is not None for _ in range(n_pairs))


class TestRate:
    @pytest.mark.parametrize("what", ["lines", "circles"])
    def test_right_results_are_said_to_differ_no_more_often_than_stated(self, what, seed):
        rng = np.random.default_rng(seed)
        ends = np.tile([0.0, 2.0], (3, 1))
        n_pairs = 2000

        def of_circles():
            # One goes all round, one lies across the ends of its range, one has two sides.
            phase = rng.standard_normal((N_DRAWS, 3)) * [5.0, 0.1, 0.1]
            phase[: rng.binomial(N_DRAWS, 0.5), 2] += 1.0
            return result(phase % 2.0, -10 + 0.01 * rng.standard_normal(), periodic=ends)

        make = of_circles if what == "circles" else lambda: importance_sample(rng)
        assert n_pairs * FALSE_ALARM_RATE == pytest.approx(2)
        assert alarms(make, n_pairs) <= 8  # more come at a rate of 2e-4

    def test_errors_that_are_too_small_are_found_out(self, seed):
        rng = np.random.default_rng(seed)

        def hasty():
            return result(rng.standard_normal((N_DRAWS, 3)), -10.0 + 0.03 * rng.standard_normal())

        assert alarms(hasty, 200) > 20


class TestDifferences:
    def test_each_kind_is_told_with_its_numbers(self, seed):
        rng = np.random.default_rng(seed)
        same = importance_sample(rng)
        cases = [
            (importance_sample(rng, shift=[0.5, 0, 0]), "the mean of a"),
            (importance_sample(rng, width=[1, 0.7, 1]), "the standard deviation of b"),
            (result(same.array, -9.0, log_weights=same.log_weights), "log Z"),
        ]
        for other, what in cases:
            found = compare(same, other)
            assert found is not None
            number = r"(-?[\d.]+)"
            told = re.fullmatch(
                rf"{what} is {number} here and {number} there, {number} errors apart"
                r" \(allowed: 3\.8\)",
                found,
            )
            assert told is not None, found
            assert float(told[3]) > 3.8
        assert found.startswith(f"log Z is {same.log_z:.3f} here and -9.000 there")

    def test_only_the_largest_are_told_one_by_one(self, seed):
        rng = np.random.default_rng(seed)
        found = compare(importance_sample(rng), importance_sample(rng, shift=1.0, width=0.5))
        assert found is not None
        assert found.count(" errors apart") == 3
        assert "and 3 more of 7 numbers differ" in found

    @pytest.mark.parametrize(("shift", "width", "text"), [
        (0.1, 0.1, "the mean of a is"), (0.0, 0.2, "the spread of a is 0."),
    ])  # fmt: skip
    def test_angles_across_the_ends_of_their_range(self, shift, width, text, seed):
        rng = np.random.default_rng(seed)
        ends = np.array([[-1.0, 5.0]])
        phases = [
            5.0 + move + scale * rng.standard_normal((N_DRAWS, 1))
            for move, scale in ((0.0, 0.1), (shift, width))
        ]
        first, second = (result((p + 1.0) % 6.0 - 1.0, periodic=ends) for p in phases)
        found = compare(first, second)
        assert found is not None
        assert found.startswith(text)
        wide = np.concatenate([first.array, first.array])
        assert compare(first, result(wide, periodic=ends)) is None

    def test_the_other_side_of_a_circle(self, seed):
        rng = np.random.default_rng(seed)
        ends = np.array([[0.0, 1.0]])
        narrow = 0.5 + 0.01 * rng.standard_normal((N_DRAWS, 1))
        found = compare(result(narrow, periodic=ends), result((narrow + 0.5) % 1, periodic=ends))
        assert found is not None

    def test_what_has_no_scatter_differs_by_more_than_rounding_only(self):
        ones = np.full((N_DRAWS, 2), [1e9, 0.1])
        weights = np.linspace(0.0, 3.0, N_DRAWS)
        exact = {"log_z": -3e5, "log_z_err": 0.0}
        first = result(ones, **exact)
        assert compare(first, result(ones, **exact, log_weights=weights)) is None
        assert compare(first, result(ones, -3e5 * (1 + 1e-16), 0.0)) is None
        found = compare(first, result(ones * [1.0, 1.001], -3e5 + 1e-3, 0.0))
        assert found is not None
        assert "log Z is -300000 here and -299999.999 there, over 1,000 errors apart" in found
        assert "the mean of b is 0.1 here and 0.1001 there, over 1,000 errors apart" in found
