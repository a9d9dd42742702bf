"""The calibration: what it blames and what it does not, its models, its command."""

import json

import numpy as np
import pytest
from scipy import stats

from nautilus import SettingsError, StopReason
from nautilus.testing.calibration import __main__ as command
from nautilus.testing.calibration import factors, judge, studies
from nautilus.testing.calibration.models import model_pairs, models
from nautilus.testing.calibration.ranks import band, rank_of, right_width, uniform_ranks

N_SETS, N_DRAWS = 300, 99
RATE = 1e-2


def ranks_of(rng, *, width=1.0, shift=0.0, n_sets=N_SETS):
    """Return ranks of true values in normal posteriors that may be too narrow or displaced."""
    truth = rng.standard_normal((n_sets, 1))
    draws = shift + width * rng.standard_normal((n_sets, N_DRAWS))
    return (draws < truth).sum(axis=1)


def alarms(check, make, n_times):
    return sum(not check("x", make(), N_DRAWS, RATE).passed for _ in range(n_times))


class TestRanks:
    def test_a_rank_counts_the_draws_below(self):
        draws = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])
        np.testing.assert_array_equal(rank_of(np.array([2.5, 9.0]), draws), [2, 3])

    @pytest.mark.parametrize("check", [uniform_ranks, right_width])
    def test_right_posteriors_are_blamed_at_the_stated_rate(self, check, seed):
        rng = np.random.default_rng(seed)
        n_times = 1000
        failed = alarms(check, lambda: ranks_of(rng), n_times)
        low, high = stats.binom.ppf([1e-4, 1 - 1e-4], n_times, RATE)
        assert low <= failed <= high

    @pytest.mark.parametrize(
        ("check", "wrong"),
        [
            (right_width, {"width": 0.8}),
            (right_width, {"width": 1.25}),
            (uniform_ranks, {"width": 0.7}),
            (uniform_ranks, {"shift": 0.4}),
        ],
    )
    def test_wrong_posteriors_are_found(self, check, wrong, seed):
        rng = np.random.default_rng(seed)
        assert alarms(check, lambda: ranks_of(rng, **wrong), 20) >= 18

    def test_the_band_is_where_the_statistic_passes(self, seed):
        rng = np.random.default_rng(seed)
        lowest, highest = band(N_SETS, N_DRAWS, RATE)
        assert lowest.shape == highest.shape == (N_DRAWS,)
        n_outside = 0
        for shift in np.linspace(0.0, 0.4, 60):
            ranks = ranks_of(rng, shift=shift)
            below = (ranks[:, None] <= np.arange(N_DRAWS)).sum(axis=0)
            is_inside = bool(np.all((lowest <= below) & (below <= highest)))
            assert uniform_ranks("x", ranks, N_DRAWS, RATE).passed == is_inside
            n_outside += not is_inside
        assert 10 < n_outside < 50

    def test_few_data_sets_are_not_blamed_for_being_few(self, seed):
        rng = np.random.default_rng(seed)
        for _ in range(50):
            assert uniform_ranks("x", ranks_of(rng, n_sets=10), N_DRAWS, 1e-4).passed


class TestFactors:
    def simulated(self, rng, distortion=lambda log_odds: log_odds):
        probabilities = stats.expon.cdf(rng.exponential(size=N_SETS))  # uniform
        is_second = rng.random(N_SETS) < probabilities
        log_odds = distortion(np.log(probabilities / (1 - probabilities)))
        return factors.probability_of_second(np.stack([0 * log_odds, log_odds], axis=1)), is_second

    def test_right_probabilities_are_blamed_at_the_stated_rate(self, seed, monkeypatch):
        monkeypatch.setattr(factors, "N_SIMULATED", 2000)
        rng = np.random.default_rng(seed)
        failed = [0, 0]
        for _ in range(300):
            probabilities, is_second = self.simulated(rng)
            found = (
                factors.average_is_prior(probabilities, 0.05),
                factors.come_true(probabilities, is_second, 0.05),
            )
            failed = [n + (not f.passed) for n, f in zip(failed, found, strict=True)]
        low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 300, 0.05)
        assert all(low <= n <= high for n in failed)

    @pytest.mark.parametrize(
        "distortion", [lambda x: x + 1.0, lambda x: 2.5 * x], ids=["shifted", "too sure"]
    )
    def test_wrong_probabilities_are_found(self, distortion, seed):
        rng = np.random.default_rng(seed)
        probabilities, is_second = self.simulated(rng, distortion)
        assert not factors.come_true(probabilities, is_second, 1e-3).passed
        if probabilities.mean() > 0.6:
            assert not factors.average_is_prior(probabilities, 1e-3).passed

    def test_every_data_set_is_in_a_bin(self):
        probabilities = np.array([0.0, 0.1, 0.2, 0.5, 0.99, 1.0])
        bins = factors.binned(probabilities, np.array([0, 1, 1, 0, 1, 1], dtype=bool))
        np.testing.assert_array_equal(bins.sizes, [2, 1, 1, 0, 2])
        np.testing.assert_array_equal(bins.found, [1, 1, 0, 0, 2])
        np.testing.assert_allclose(bins.expected, [0.1, 0.2, 0.5, 0.0, 1.99])

    def test_certain_models_that_come_true_pass_and_others_fail(self):
        probabilities = np.repeat([0.0, 1.0], 50)
        assert factors.come_true(probabilities, probabilities > 0.5, 1e-3).passed
        assert not factors.come_true(probabilities, probabilities < 0.5, 1e-3).passed


def all_models():
    named = {f"{name} {k}": pair[k] for name, pair in model_pairs().items() for k in (0, 1)}
    return {**models(), **named}


@pytest.mark.parametrize("name", all_models())
class TestModels:
    def test_the_likelihood_is_the_density_of_the_data(self, name, seed):
        """For any parameters, the mean of L(other) / L(own) over data of their own is one."""
        model, rng = all_models()[name], np.random.default_rng(seed)
        own = model.draw(rng)
        near = {key: value + 0.02 for key, value in own.items()}
        near = {key: np.minimum(value, 0.99) if key in {"share", "depth"} else value
                for key, value in near.items()}  # fmt: skip
        ratios = np.array([
            np.exp(model.log_likelihood(data, near) - model.log_likelihood(data, own))[0]
            for data in (model.simulate(own, rng) for _ in range(2000))
        ])  # fmt: skip
        error = ratios.std() / np.sqrt(len(ratios))
        assert abs(ratios.mean() - 1.0) < 4.5 * error
        assert error < 0.1

    def test_the_prior_of_the_sampler_is_the_one_that_is_drawn_from(self, name, seed):
        model, rng = all_models()[name], np.random.default_rng(seed)
        cube = rng.random((4000, len(model.distributions)))
        points = model.prior().unit_to_dictionary(cube)
        drawn = [model.draw(rng) for _ in range(4000)]
        for key in model.distributions:
            values = np.concatenate([one[key] for one in drawn])
            assert stats.ks_2samp(points[key], values).pvalue > 1e-4


KNOWN = {name: model for name, model in all_models().items() if model.log_z is not None}


@pytest.mark.parametrize("name", KNOWN)
def test_known_evidences_are_averages_of_the_likelihood(name, seed):
    model, rng = KNOWN[name], np.random.default_rng(seed)
    data = model.simulate(model.draw(rng), rng)
    cube = rng.random((200_000, len(model.distributions)))
    log_l = model.log_likelihood(data, model.prior().unit_to_dictionary(cube))
    weights = np.exp(log_l - log_l.max())
    mean, error = weights.mean(), weights.std() / np.sqrt(len(weights))
    assert error < 0.1 * mean
    log_z = np.log(mean) + log_l.max()
    assert abs(log_z - model.log_z(data)) < 5 * error / mean


def told(number, **more):
    return {
        "key": str(number), "log_z_err": 0.01, "n_eff": 600.0, "n_like": 9000,
        "reason": StopReason.GOAL.value, "findings": [], "cpu_seconds": 1.0, **more,
    }  # fmt: skip


def rows_of_a_right_sampler(rng, n_sets):
    """Return rows as they would be if every posterior was exactly right."""
    rows = []
    for number in range(n_sets):
        truth, draws = rng.standard_normal(4), rng.standard_normal((N_DRAWS, 4))
        names = ("a", "b", "c", "log L")
        ranks = dict(zip(names, rank_of(truth, draws).tolist(), strict=True))
        narrow = dict(zip(names[:3], rank_of(truth, 0.8 * draws).tolist(), strict=False))
        error = 0.01 * rng.standard_normal(3)
        rows.append(told(
            number, study="ranks", name="curve", ranks=ranks, narrow=narrow,
            log_z=-3.0 + error[0], exact_log_z=-3.0, differs=number == 0,
        ))  # fmt: skip
        log_odds = float(rng.logistic())  # its probability is uniform
        is_second = bool(rng.random() < 1.0 / (1.0 + np.exp(-log_odds)))
        rows.append(told(
            number, study="factors", name="straight-or-curved", is_second=is_second,
            log_z=[-3.0 + error[1], -3.0 + log_odds], log_z_err=[0.01, 0.01],
            exact_log_z=[-3.0, None],
        ))  # fmt: skip
        weight = 0.3 + 0.01 * float(rng.standard_normal())
        rows.append(told(
            number, study="pair", name="500", log_z=error[2], exact_log_z=0.0,
            weights=[weight, 1 - weight], weight_errors=[0.01, 0.01], exact_weights=[0.3, 0.7],
        ))  # fmt: skip
    return rows


class TestCommand:
    @pytest.fixture
    def run(self, monkeypatch, tmp_path, seed):
        """Return a function that runs the command on rows that were changed, if at all."""

        def run(change=lambda row: row):
            rows = rows_of_a_right_sampler(np.random.default_rng(seed), N_SETS)
            kept = [row for row in map(change, rows) if row is not None]
            monkeypatch.setattr(command, "collect", lambda *_: kept)
            monkeypatch.setattr(command, "make_tasks", lambda *_: rows)
            path = tmp_path / "page.md"
            return command.main(["--page", str(path)]), path.read_text(encoding="utf-8")

        return run

    def test_a_right_sampler_passes_and_the_page_says_so(self, run):
        status, page = run()
        assert status == 0, page
        assert "All checks passed." in page
        for title in ("Posteriors", "Negative control", "Probabilities of models", "Two modes"):
            assert f"## {title}" in page
        assert page.count("**failed**") == 3  # the three quantities of the control
        assert "| 500 | 300 | 9,000 | 1 | 100% | 0.2985 ± 0.0006 | 0.3000 |" in page

    @pytest.mark.parametrize(
        ("study", "change", "failed"),
        [
            ("ranks", {"ranks": dict.fromkeys("abc", 0)}, "ranks of a (curve)"),
            ("ranks", {"log_z": -2.9}, "bias (curve)"),
            ("ranks", {"differs": True}, "300 of 300 pairs of runs differ, allowed 3"),
            ("factors", {"is_second": True}, "come true (straight-or-curved)"),
            ("pair", {"weights": [0.0, 1.0], "weight_errors": [0.0, 0.0]}, "weight, each run"),
            ("pair", {"log_z": -0.36}, "worst (n_live 500)"),
            ("pair", {"reason": "the time limit was reached"}, "300 of 900 runs without success"),
        ],
    )
    def test_a_wrong_one_fails_with_what_is_wrong(self, study, change, failed, run):
        status, page = run(lambda row: {**row, **change} if row["study"] == study else row)
        assert status == 1
        assert failed in page.split("## Failed checks")[1]

    def test_a_control_that_is_not_found_fails(self, run):
        def cure(row):
            return {**row, "narrow": row["ranks"]} if row["study"] == "ranks" else row

        status, page = run(cure)
        assert status == 1
        assert "0 checks of posteriors that are too narrow fail (control curve)" in page

    def test_a_run_that_is_missing_fails(self, run):
        status, page = run(lambda row: None if row["key"] == "7" else row)
        assert status == 1
        assert "3 of 900 runs without success (runs)" in page

    def test_too_few_are_refused(self):
        with pytest.raises(SettingsError, match="--sets is 1"):
            command.main(["--sets", "1"])


@pytest.mark.usefixtures("small_runs")
class TestRuns:
    def test_every_study_has_its_runs_and_each_is_another(self):
        tasks = command.make_tasks(["ranks", "factors", "pair"], 3, 2, 500.0)
        assert len({task.key for task in tasks}) == len(tasks) == 3 * 3 + 3 * 2 + 2 * 3
        assert {task.name for task in tasks if task.study == "pair"} == {"250", "500", "1000"}

    def test_stored_runs_are_not_made_again(self, tmp_path, monkeypatch):
        path, made = tmp_path / "rows.jsonl", []

        def made_here(function, jobs, n_workers):
            for number, (task,) in enumerate(jobs):
                made.append(task.number)
                if task.number == 2:
                    yield number, ValueError("broken")
                else:
                    yield number, told(0, key=task.key)

        monkeypatch.setattr(studies, "side_by_side", made_here)
        tasks = [studies.Task("ranks", "curve", number, 500.0) for number in range(4)]
        messages = []
        rows = studies.collect(tasks[:3], path, 1, messages.append)
        assert (made, len(rows)) == ([0, 1, 2], 2)
        assert "ranks curve 2: ValueError: broken" in messages[2]
        with path.open("a", encoding="utf-8") as file:
            file.write('{"key": "cut sho')
        rows = studies.collect(tasks, path, 1, messages.append)
        assert (made[3:], len(rows)) == ([2, 3], 3)
        assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == [
            tasks[k].key for k in (0, 1, 3)
        ]

    @pytest.mark.long
    def test_a_data_set_is_sampled_and_ranked(self):
        row = studies.run_task(studies.Task("ranks", "wave", 3, 100.0))
        again = studies.run_task(studies.Task("ranks", "wave", 3, 100.0))
        assert {**row, "cpu_seconds": 0} == {**again, "cpu_seconds": 0}
        assert json.loads(json.dumps(row)) == row
        assert set(row["ranks"]) == {"log_rate", "depth", "phase", "log L"}
        assert set(row["narrow"]) == {"log_rate", "depth"}
        assert all(0 <= rank <= N_DRAWS for rank in row["ranks"].values())
        assert row["differs"] is False
        assert judge.complete([row], 1).passed

    def test_two_models_are_sampled_on_the_same_data(self):
        row = studies.run_task(studies.Task("factors", "straight-or-curved", 1, 100.0))
        deviations = np.array(row["log_z"]) - np.array(row["exact_log_z"])
        assert np.all(np.abs(deviations) < 5 * np.array(row["log_z_err"]))
        assert row["exact_log_z"][0] != row["exact_log_z"][1]
        assert isinstance(row["is_second"], bool)
