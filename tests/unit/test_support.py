"""A run is continued with more support: all contours get it, and what is found is followed."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from small_run import Parts, SmallRun, in_turn
from small_sampler import SMALL

import nautilus
from nautilus import Prior, Sampler, SettingsError, StopReason
from nautilus.cli.facts import read_facts
from nautilus.replica import DIFFERS
from nautilus.run.findings import LADDER_GIVEN_UP, MANY_SURPRISES, ROUNDS_DISAGREE
from nautilus.run.loop import next_plan, steps
from nautilus.run.mixture import history_log_density
from nautilus.run.plan import look_up
from nautilus.run.state import Phase, new_state
from nautilus.run.support import current_config, supporting_points, with_support

SETTINGS = {"n_dim": 2, "n_live": 50, "n_update": 150, "n_networks": 0, "seed": 6}
GOAL = {"f_live": 0.1, "n_eff": 200}
MORE = 200
CENTRES, WIDTHS = (0.35, 0.8), (0.07, 0.008)
"""Two modes of the same evidence; the second is small, and missed with this seed."""


def two_modes(u):
    """Return log L; the evidence of each mode is one half."""
    parts = [
        np.log(0.5) - 0.5 * np.sum((u - c) ** 2) / w**2 - np.log(2 * np.pi * w**2)
        for c, w in zip(CENTRES, WIDTHS, strict=True)
    ]
    return np.logaddexp(*parts)


def identity(u):
    return u


def make(likelihood=two_modes, **more):
    return Sampler(identity, likelihood, **SETTINGS | more)


def numbers(sampler):
    result = sampler.result
    return result.log_z, result.n_like, result.log_l.tobytes(), result.log_weights.tobytes()


class Stops:
    """A likelihood that is interrupted at some call."""

    def __init__(self, at):
        self.at, self.n_calls = at, 0

    def __call__(self, u):
        self.n_calls += 1
        if self.n_calls == self.at:
            raise KeyboardInterrupt
        return two_modes(u)


@pytest.fixture(scope="module")
def finished():
    """Return the state of a small run that has reached its goal."""
    return SmallRun().carry_on(new_state(2))[-1]


class TestRaising:
    def test_more_opens_exploration_and_judges_it_anew(self, finished):
        kept = DIFFERS + "something"
        before = replace(
            finished, n_surprises=3, n_detours=2, n_rounds=1,
            findings=(LADDER_GIVEN_UP, kept, ROUNDS_DISAGREE, MANY_SURPRISES),
        )  # fmt: skip
        after = with_support(before, SmallRun.config, 100)
        assert (after.phase, after.n_live) == (Phase.EXPLORATION, 100)
        assert (after.n_surprises, after.n_detours, after.n_rounds) == (0, 0, 0)
        assert after.findings == (kept,)
        assert current_config(SmallRun.config, after) == replace(SmallRun.config, n_live=100)
        assert with_support(after, SmallRun.config, 100) is after

    def test_it_begins_with_the_cube(self, finished):
        more = with_support(finished, SmallRun.config, 200)
        config = current_config(SmallRun.config, more)
        planned = next_plan(more, config, SmallRun.goal, in_turn).state
        drawn = sum(stage.counts[0] for stage in finished.ledger.stages)
        assert planned.pending.stage.counts.sum() == planned.pending.stage.counts[0] == 400 - drawn

    def test_the_ladder_begins_at_the_bottom(self, finished):
        """Though old points abound higher up, and are learned from."""
        more = with_support(finished, SmallRun.config, 100)
        config = current_config(SmallRun.config, more)
        assert look_up(finished, config).f_remaining < SmallRun.goal.f_unseen
        level = look_up(more, config)
        drawn = int((finished.ledger.proposal_of_point == 0).sum())
        assert level.log_volume == pytest.approx(np.log(100 / drawn), abs=0.1)
        assert level.f_remaining > 0.5

    def test_old_points_support_contours_if_nothing_was_learned_before_they_were_drawn(
        self, finished
    ):
        more = with_support(finished, SmallRun.config, 100)
        is_cube = finished.ledger.proposal_of_point == 0
        log_l, log_g = supporting_points(more)
        np.testing.assert_array_equal(log_l, finished.ledger.log_l[is_cube])
        np.testing.assert_allclose(log_g, 0.0, atol=1e-12)
        all_l, all_g = supporting_points(finished)
        np.testing.assert_array_equal(all_l, finished.ledger.log_l)
        np.testing.assert_array_equal(
            all_g, history_log_density(finished.table.log_q, finished.ledger.stages)
        )

    def test_with_new_ones_they_are_one_sample_of_the_cube(self, finished):
        more = with_support(finished, SmallRun.config, 100)
        states = carry_on(more)
        assert states[-1].phase is Phase.SAMPLING
        assert more.n_before < len(states[-1].ledger.stages)
        log_l, log_g = supporting_points(states[-1])
        n_old = int((finished.ledger.proposal_of_point == 0).sum())
        n_new = states[-1].ledger.n_points - finished.ledger.n_points
        assert len(log_l) == n_old + n_new
        assert np.mean(np.exp(-log_g)) == pytest.approx(1.0, abs=0.1)
        config = current_config(SmallRun.config, more)
        assert look_up(states[-1], config).f_remaining < SmallRun.goal.f_unseen

    def test_a_pending_stage_is_finished_first(self, finished):
        states = SmallRun().carry_on(new_state(2))
        pending = next(s for s in states if s.pending is not None and len(s.ledger.stages) == 3)
        more = with_support(pending, SmallRun.config, 200)
        with closing(begin(more)) as run:
            first = next(step.state for step in run if len(step.state.ledger.stages) == 4)
        assert first.ledger.stages[3] is pending.pending.stage


def begin(state):
    return steps(state, SmallRun.config, SmallRun.goal, lambda x: Parts(x, 47), in_turn)


def carry_on(state):
    return [step.state for step in begin(state)]


class TestSampler:
    def test_a_mode_that_was_missed_is_found(self):
        with make() as sampler:
            sampler.run(**GOAL)
            before = sampler.result
            assert before.log_z == pytest.approx(np.log(0.5), abs=0.1)
            assert not before.findings
            sampler.run(**GOAL, n_live=MORE)
            after = sampler.result
            assert abs(after.log_z) < 5 * after.log_z_err + 0.02
            assert sampler.stop_reason is StopReason.GOAL
            # Nothing is lost of what there was.
            np.testing.assert_array_equal(after.array[: len(before)], before.array)

    def test_the_number_that_there_is_changes_nothing(self):
        with make() as plain, make() as told:
            for sampler, more in ((plain, {}), (told, {"n_live": 50})):
                sampler.run(**GOAL | {"n_like_max": 700})
                sampler.run(**GOAL, **more)
            assert numbers(told) == numbers(plain)
            assert told._session.state.n_live is None

    def test_less_changes_nothing(self):
        with make() as plain, make() as told:
            for sampler, less in ((plain, {}), (told, {"n_live": 50})):
                sampler.run(**GOAL, n_like_max=400, n_live=100)
                sampler.run(**GOAL, n_like_max=700, **less)
            assert numbers(told) == numbers(plain)
            assert told.n_live == 100

    @pytest.mark.parametrize("wrong", [0, -1, 100.5, "many", True, np.nan])
    def test_what_is_no_number_of_points_is_refused(self, wrong):
        with make() as sampler:
            with pytest.raises(SettingsError, match="n_live is"):
                sampler.run(n_live=wrong)
            assert sampler.n_like == 0

    def test_until_sampling_stands_again_the_error_is_not_known(self):
        with make() as sampler:
            sampler.run(**GOAL)
            before = sampler.result
            heard = []
            sampler.run(**GOAL, n_live=MORE, n_like_max=sampler.n_like + 500, callback=heard.append)
            meanwhile = sampler.result
            assert np.isfinite(before.log_z_err)
            assert np.isinf(meanwhile.log_z_err)
            assert meanwhile.findings
            assert np.isfinite(meanwhile.log_z)
            assert heard[-1].phase == "exploration"

    def test_it_is_told(self, tmp_path):
        path = tmp_path / "run.nautilus"
        with make(filepath=path) as sampler:
            sampler.run(**GOAL, n_like_max=300, n_live=120)
            assert "120" in repr(sampler)
            assert sampler.result.run.n_live == sampler.n_live == 120
        assert nautilus.load(path).run.n_live == 120
        assert read_facts(path, computes=False).n_live == 120

    def test_a_second_run_has_as_much(self):
        prior = Prior()
        prior.add_parameter("a", dist=(-3, 3))
        with Sampler(prior, lambda p: -2 * p["a"] ** 2, **SMALL) as sampler:
            sampler.run(**GOAL, replicate=True)
            sampler.run(**GOAL, n_live=100)
            sampler.run(**GOAL, replicate=True)
            assert sampler.replica.run.n_live == sampler.result.run.n_live == 100


@pytest.mark.parametrize("at", [600, pytest.param(1800, marks=pytest.mark.long)])
def test_a_script_that_was_killed_is_repeated(tmp_path, at):
    """In the first part, and in the one with more support; the numbers are those without it."""

    def script(likelihood, path):
        with make(likelihood, filepath=path, save_interval=0) as sampler:
            sampler.run(**GOAL)
            sampler.run(**GOAL, n_live=60)
            sampler.run(**GOAL, n_live=70)
            return numbers(sampler)

    whole = script(two_modes, None)
    path = tmp_path / "run.nautilus"
    with pytest.raises(KeyboardInterrupt, match="130"):
        script(Stops(at), path)
    assert script(two_modes, path) == whole
