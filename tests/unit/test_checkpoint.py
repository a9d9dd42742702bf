"""Runs that are kept in a file: continued, compared, replaced, read without the model."""

import logging
import os
import sqlite3
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import numpy as np
import pytest
from scipy import stats
from small_sampler import GOAL, SMALL

import nautilus
from nautilus import (
    CheckpointLockedError,
    CheckpointMismatchError,
    CheckpointNameWarning,
    CheckpointStorageError,
    LikelihoodError,
    NoResultError,
    Prior,
    PriorError,
    Sampler,
    SaveDelayedWarning,
    SettingsError,
    StaleLockWarning,
    StopReason,
    checkpoint_settings,
)
from nautilus.recheck import choose_rows
from nautilus.runfile import RunStore, file, read_run, store


def make_prior(width=3.0):
    prior = Prior()
    prior.add_parameter("a", dist=(-width, width))
    prior.add_parameter("b", dist=stats.norm(0, 2))
    return prior


def bent(p, height=0.0):
    return height - 0.5 * (p["a"] / 1.2) ** 2 - 0.5 * ((p["b"] - 0.3 * p["a"] ** 2) / 0.8) ** 2


def bent_with_blobs(p):
    return bent(p), p["a"] + p["b"], np.array([p["a"], 1.0])


class Counting:
    """Counts its calls, and raises at some of them."""

    def __init__(self, at=(), error=KeyboardInterrupt, log_l=bent):
        self.points, self.at, self.error, self.log_l = [], set(at), error, log_l

    def __call__(self, p):
        self.points.append((p["a"], p["b"]))
        if len(self.points) in self.at:
            self.at.remove(len(self.points))
            raise self.error
        return self.log_l(p)


def make(path, likelihood=bent, prior=None, **changes):
    return Sampler(prior or make_prior(), likelihood, filepath=path, **{**SMALL, **changes})


def bits(sampler):
    points, log_w, log_l, blobs = sampler.posterior(return_blobs=True)
    names = blobs.dtype.names or ()
    texts = [np.ascontiguousarray(blobs[name]).tobytes() for name in names] or [blobs.tobytes()]
    return [
        points.tobytes(), log_w.tobytes(), log_l.tobytes(), *texts,
        float(sampler.log_z).hex(), float(sampler.log_z_err).hex(), sampler.n_like,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def reference():
    sampler = make(None, bent_with_blobs)
    assert sampler.run(**GOAL)
    return bits(sampler)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.nautilus"


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """Return the bytes of the file of a run that was stopped half-way."""
    path = tmp_path_factory.mktemp("half") / "run.nautilus"
    with make(path, bent_with_blobs) as sampler:
        sampler.run(n_like_max=333, **GOAL)
    return path.read_bytes()


@pytest.fixture
def stopped(half, path):
    """Return the file of a run that was stopped half-way."""
    path.write_bytes(half)
    return path


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Return the bytes of the file of a run that has reached its goal, and its result."""
    path = tmp_path_factory.mktemp("complete") / "run.nautilus"
    with make(path, bent_with_blobs) as sampler:
        assert sampler.run(**GOAL)
        return path.read_bytes(), sampler.result


@pytest.fixture
def ended(complete, path):
    """Return the file of a run that has reached its goal."""
    path.write_bytes(complete[0])
    return path


class TestGoingOn:
    def test_a_run_with_a_file_is_the_run_without(self, path, reference):
        with make(path, bent_with_blobs) as sampler:
            assert sampler.run(**GOAL)
            assert bits(sampler) == reference

    @pytest.mark.parametrize(
        "n", [pytest.param(n, marks=pytest.mark.long) for n in (1, 150, 333)] + [97, 151, 600]
    )
    def test_a_new_sampler_goes_on_where_another_stopped(self, n, path, reference):
        with make(path, bent_with_blobs) as sampler:
            sampler.run(n_like_max=n, **GOAL)
            assert sampler.stop_reason is StopReason.CALLS
        with make(path, bent_with_blobs) as sampler:
            assert sampler.n_like == n
            assert sampler.run(**GOAL)
            assert bits(sampler) == reference

    def test_no_point_is_evaluated_twice_but_those_that_are_looked_at_again(self, path):
        first, second = Counting([301]), Counting()
        with pytest.raises(KeyboardInterrupt, match="130"), make(path, first) as sampler:
            sampler.run(**GOAL)
        saved = read_run(path)
        n_saved = saved.state.n_like
        with make(path, second) as sampler:
            sampler.run(**GOAL)
        again, new = second.points[:3], second.points[3:]
        # The first eight tried the likelihood; the chunk that was interrupted is made again.
        known = first.points[8 : 8 + n_saved]
        assert n_saved >= 250  # two stages, of 100 and of 150
        assert set(again) <= set(known)
        assert not set(new) & set(known)
        assert len(new) == len(set(new)) == sampler.n_like - n_saved

    def test_the_same_sampler_goes_on_with_its_file(self, path, reference):
        sampler = make(path, Counting([200, 400], log_l=bent_with_blobs))
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt, match="130"):
                sampler.run(**GOAL)
        assert sampler.run(**GOAL)
        assert bits(sampler) == reference
        assert bits(make(path, bent_with_blobs)) == reference

    def test_a_file_that_another_sampler_carried_on_is_read_anew(self, path, reference):
        counting = Counting(log_l=bent_with_blobs)
        first = make(path, counting)
        first.run(n_like_max=200, **GOAL)
        with make(path, bent_with_blobs) as second:
            second.run(n_like_max=450, **GOAL)
        counting.points.clear()
        assert first.run(**GOAL)
        assert bits(first) == reference
        assert len(counting.points) == 3 + first.n_like - 450

    def test_a_finished_run_takes_no_more_calls(self, ended):
        counting = Counting(log_l=bent_with_blobs)
        with make(ended, counting) as sampler:
            assert sampler.run(**GOAL)
        assert len(counting.points) == 3

    def test_a_later_run_may_want_more(self, ended, complete):
        more = {**GOAL, "n_eff": complete[1].n_eff + 200}
        with make(ended, bent_with_blobs) as sampler:
            assert sampler.run(**more)
            assert sampler.n_eff >= more["n_eff"]
        with make(None, bent_with_blobs) as straight:
            straight.run(**GOAL)
            straight.run(**more)
        assert straight.log_z == sampler.log_z

    def test_clocks_and_counts_go_on(self, path):
        with make(path, Counting(log_l=lambda _: np.nan), on_nan="-inf") as sampler:
            sampler.run(n_like_max=60)
        with make(path, lambda _: np.nan, on_nan="-inf", n_recheck=0) as sampler:
            sampler.run(n_like_max=100)
        saved = read_run(path)
        assert saved.account.counts.n_nan == 108  # eight of them before the run
        assert saved.account.clocks.elapsed > 0

    def test_the_seed_of_the_file_is_as_good_as_none(self, stopped):
        with make(stopped, bent_with_blobs, seed=None) as sampler:
            assert sampler.seed == 11

    def test_settings_that_decide_nothing_may_change(self, stopped):
        with make(stopped, bent_with_blobs, threads_per_worker=2, call_timeout=60.0) as sampler:
            sampler.run(n_like_max=400, verbose=False, timeout=600, **GOAL)
            assert sampler.n_like == 400

    def test_what_counts_is_that_of_the_run_in_the_file(self, path):
        with make(path) as sampler:
            sampler.run(discard_exploration=True, **GOAL)
        with make(path) as again:
            assert again.discard_exploration
            assert again.log_z == sampler.log_z

    def test_a_run_cannot_be_run_from_within(self, path, reference):
        def callback(_):
            with pytest.raises(SettingsError, match="while it goes on"):
                sampler.run(**GOAL)

        sampler = make(path, bent_with_blobs)
        assert sampler.run(callback=callback, **GOAL)
        assert bits(sampler) == reference
        assert read_run(path).state.n_like == sampler.n_like

    def test_calls_under_way_are_not_lost_with_a_callback_that_fails(self, path):
        begun = []

        def log_l(p):
            begun.append(p)
            time.sleep(0.002)
            return bent(p)

        def callback(record):
            if record.n_like > 130:
                raise OSError("no window")

        with ThreadPoolExecutor(4) as pool:
            sampler = make(path, log_l, pool=(pool, None))
            with pytest.raises(OSError, match="no window"):
                sampler.run(callback=callback, **GOAL)
        assert read_run(path).state.n_like == sampler.n_like == len(begun) - 8

    def test_a_save_that_was_done_but_seemed_to_fail_is_known_again(
        self, path, reference, monkeypatch
    ):
        @contextmanager
        def without_an_answer(*args):
            with transaction(*args):
                yield
            if sampler.n_like > 300:
                raise CheckpointStorageError("the disk does not answer")

        transaction = store.transaction
        sampler = make(path, bent_with_blobs, save_interval=0.0)
        with monkeypatch.context() as patch:
            patch.setattr(store, "transaction", without_an_answer)
            with pytest.raises(CheckpointStorageError, match="does not answer"):
                sampler.run(**GOAL)
        ledger = sampler._session.state.ledger
        assert not sampler.run(n_like_max=sampler.n_like)
        assert sampler.stop_reason is StopReason.CALLS
        assert sampler._session.state.ledger is ledger  # and not that of the file
        assert sampler.run(**GOAL)
        assert bits(sampler) == reference

    def test_a_failure_to_save_loses_nothing(self, path, reference, monkeypatch):
        sampler = make(path, bent_with_blobs)
        sampler.run(n_like_max=200, **GOAL)

        def fail(*_, **__):
            raise CheckpointStorageError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr("nautilus.runfile.store.RunStore.save", fail)
            with pytest.raises(CheckpointStorageError, match="disk is full") as error:
                sampler.run(**GOAL)
        assert "Nor could the run be saved" in error.value.__notes__[0]
        assert sampler.n_like > 200
        assert sampler.run(**GOAL)
        assert bits(sampler) == reference

    def test_calls_under_way_are_not_lost_with_a_disk_that_fails(self, path, monkeypatch):
        begun = []

        def log_l(p):
            begun.append(p)
            time.sleep(0.002)
            return bent(p)

        def fail_later(store, state, *rest):
            if state.n_like > 130:
                raise CheckpointStorageError("the disk is full")
            return save(store, state, *rest)

        save = RunStore.save
        monkeypatch.setattr(RunStore, "save", fail_later)
        with ThreadPoolExecutor(4) as pool:
            sampler = make(path, log_l, pool=(pool, None), save_interval=0.0)
            with pytest.raises(CheckpointStorageError, match="disk is full"):
                sampler.run(**GOAL)
        assert sampler.n_like == len(begun) - 8  # of the test before the run
        assert sampler.result.stop_reason == StopReason.INTERRUPTED.value

    def test_a_save_that_a_reader_holds_up_is_left_out(self, path, monkeypatch):
        monkeypatch.setattr(file, "BUSY_SECONDS", 0.05)
        sampler, readers = make(path, save_interval=0.0), []

        def callback(_):
            if not readers:
                readers.append(sqlite3.connect(path))
                readers[0].execute("BEGIN")
                readers[0].execute("SELECT count(*) FROM draws").fetchall()
            elif len(readers) == 1:
                readers[0].close()
                readers.append(None)

        with pytest.warns(SaveDelayedWarning, match="A save was left out"), sampler:
            sampler.run(n_like_max=333, callback=callback, **GOAL)
        assert read_run(path).state.n_like == 333


class TestAnotherProblem:
    @pytest.mark.parametrize(
        ("changes", "lines"),
        [
            ({"seed": 4}, ["\n  seed is 11 in the file and 4 now"]),
            (
                {"n_live": 70, "n_networks": 2},
                [
                    "n_live is 50 in the file and 70 now",
                    "n_networks is 1 in the file and 2 now",
                ],
            ),
            ({"prior": make_prior(4.0)}, ["prior of a is", "in the file and"]),
            (
                {"n_update": 120, "neural_network_kwargs": {"max_iter": 6}},
                [
                    "n_update is 150 in the file and 120 now\n",
                    "max_iter is 4 in the file and 6 now",
                    "hidden_layer_sizes is (8,) in the file and (64, 64) now",
                ],
            ),
            ({"n_like_new_bound": 400}, ["n_like_new_bound is 1500 in the file and 400 now"]),
            ({"periodic": [0]}, ["periodic is () in the file and (0,) now"]),
            ({"vectorized": True, "n_batch": 7}, ["n_batch is 1 in the file and 7 now"]),
        ],
    )
    def test_what_differs_is_listed(self, changes, lines, stopped):
        before = stopped.read_bytes()
        with pytest.raises(CheckpointMismatchError, match="holds another run") as error:
            make(stopped, bent_with_blobs, **changes)
        for line in lines:
            assert line in str(error.value)
        assert ("n_like_new_bound" in str(error.value)) == ("n_like_new_bound" in changes)
        assert stopped.read_bytes() == before

    def test_other_names_and_dimensions(self, stopped):
        prior = Prior()
        for name in "acd":
            prior.add_parameter(name, dist=(-3, 3))
        with pytest.raises(CheckpointMismatchError, match="parameters is") as error:
            make(stopped, lambda _: 0.0, prior)
        assert "n_dim is 2 in the file and 3 now" in str(error.value)
        assert "prior of b is only in the file" in str(error.value)
        assert "prior of d is not in the file" in str(error.value)

    def test_a_function_as_prior_is_known_by_what_it_does(self, path):
        def wide(u):
            return {"a": 6 * u[..., 0] - 3, "b": 8 * u[..., 1] - 4}

        def narrow(u):
            return {"a": 6 * u[..., 0] - 3, "b": 7 * u[..., 1] - 3}

        def bent_prior(u):  # the same at the centre
            return {"a": 6 * u[..., 0] - 3, "b": 64 * (u[..., 1] - 0.5) ** 3}

        make(path, bent, wide, n_dim=2).run(n_like_max=60)
        make(path, bent, lambda u: wide(u), n_dim=2)  # noqa: PLW0108 - another function
        with pytest.raises(CheckpointMismatchError, match=r"prior of b is '0' in .* '0\.5' now"):
            make(path, bent, narrow, n_dim=2)
        with pytest.raises(CheckpointMismatchError, match="at test point 0 in the file"):
            make(path, bent, bent_prior, n_dim=2)

    @pytest.mark.parametrize("n_points", [1, 3])
    def test_another_likelihood_is_found_out(self, n_points, stopped):
        before = read_run(stopped)
        counting = Counting(log_l=lambda p: (bent(p, height=0.1), *bent_with_blobs(p)[1:]))
        with make(stopped, counting, n_recheck=n_points) as sampler:
            with pytest.raises(
                CheckpointMismatchError,
                match=r"is not the one.*log L at a = .*, b = .* is .* in the file",
            ):
                sampler.run(**GOAL)
            assert len(counting.points) == n_points
            assert sampler.n_like == 333
        after = read_run(stopped)
        assert after.state.n_like == before.state.n_like
        with make(stopped, bent_with_blobs) as sampler:  # nothing is spoilt
            assert sampler.run(**GOAL)

    @pytest.mark.parametrize("changes", [{"n_recheck": 0}, {"recheck_tolerance": 0.2}])
    def test_a_likelihood_that_varies_can_be_let_pass(self, changes, path):
        make(path).run(n_like_max=333, **GOAL)
        with make(path, lambda p: bent(p, height=0.1), **changes) as sampler:
            sampler.run(n_like_max=400, **GOAL)
            assert sampler.n_like == 400

    def test_a_likelihood_that_fails_where_it_did_not_is_told_as_it_is(self, stopped):
        def fail(_):
            raise ValueError("no such table")

        with (
            make(stopped, fail) as sampler,
            pytest.raises(LikelihoodError, match="no such table") as error,
        ):
            sampler.run(**GOAL)
        assert "evaluated at this point before" in error.value.__notes__[0]

    def test_a_run_that_is_refused_leaves_the_file_as_it_was(self, path):
        with make(path) as sampler:
            sampler.run(discard_exploration=True, **GOAL)
        before = nautilus.load(path)
        with (
            make(path, lambda p: bent(p, height=0.1)) as sampler,
            pytest.raises(CheckpointMismatchError, match="is not the one"),
        ):
            sampler.run(f_live=0.1, n_eff=900)
        after = nautilus.load(path)
        assert (after.log_z, after.stop_reason) == (before.log_z, before.stop_reason)
        assert len(after.log_l) == len(before.log_l) < after.n_like

    def test_names_that_are_text_of_numpy_can_be_saved(self, path):
        prior = Prior()
        for name in np.array(["a", "b"]):
            prior.add_parameter(name, dist=(-3, 3))
        make(path, lambda p: (bent(p), {np.str_("c"): 1.0}), prior).run(n_like_max=200)
        assert nautilus.load(path).names == ("a", "b")

    def test_points_from_the_best_down_to_the_worst_are_looked_at(self):
        log_l = np.array([-5.0, -np.inf, -1.0, -3.0, -np.inf, -2.0, -4.0])
        assert choose_rows(log_l, 3).tolist() == [2, 3, 0]
        assert choose_rows(log_l, 1).tolist() == [2]
        assert choose_rows(log_l, 99).tolist() == [2, 5, 3, 6, 0]
        assert choose_rows(log_l, 0).tolist() == []
        assert choose_rows(np.full(4, -np.inf), 3).tolist() == []


class TestNames:
    def test_overwriting_keeps_the_old_run_under_a_dated_name(self, stopped, caplog):
        before = stopped.read_bytes()
        with make(stopped, bent_with_blobs, seed=5, resume="overwrite") as sampler:
            assert sampler.n_like == 0
            assert stopped.read_bytes() == before  # until the run begins
            with caplog.at_level(logging.INFO, "nautilus"):
                sampler.run(n_like_max=50)
        (kept,) = stopped.parent.glob("run-2*.nautilus")
        assert read_run(kept).state.n_like == 333
        assert str(kept) in caplog.text
        assert read_run(stopped).header.config.seed == 5
        assert sorted(p.name for p in stopped.parent.iterdir()) == [kept.name, stopped.name]

    def test_overwriting_keeps_files_of_any_kind(self, path):
        path.write_text("my notes")
        make(path, resume="overwrite").run(n_like_max=50)
        (kept,) = path.parent.glob("run-2*.nautilus")
        assert kept.read_text() == "my notes"
        assert read_run(path).state.n_like == 50

    def test_without_resuming_the_old_run_is_lost(self, stopped):
        with make(stopped, bent_with_blobs, seed=5, resume=False) as sampler:
            sampler.run(n_like_max=50)
            sampler.run(n_like_max=90)  # the second call goes on
        assert read_run(stopped).state.n_like == 90
        assert [p.name for p in stopped.parent.iterdir()] == [stopped.name]

    def test_without_resuming_other_files_are_safe(self, path):
        path.write_text("my notes")
        with pytest.raises(nautilus.CheckpointForeignError, match="not a run file"):
            make(path, resume=False).run(n_like_max=50)
        assert path.read_text() == "my notes"

    @pytest.mark.parametrize("resume", [True, False, "overwrite"])
    def test_a_file_in_use_is_refused_whatever_is_to_become_of_it(self, resume, path):
        holder = make(path)
        errors = []

        def callback(_):
            if not errors:
                with pytest.raises(CheckpointLockedError, match=rf"process {os.getpid()}") as error:
                    make(path, resume=resume).run(**GOAL)
                errors.append(str(error.value))

        holder.run(n_like_max=333, callback=callback, **GOAL)
        assert "which is this process" in errors[0]
        assert holder.n_like == read_run(path).state.n_like == 333

    def test_a_file_of_a_process_elsewhere_can_be_taken_over(self, stopped):
        with closing(sqlite3.connect(stopped)) as connection, connection:
            connection.execute("INSERT INTO owner VALUES ('node17', 'x', 4711, '', 'token')")
        with (
            make(stopped, bent_with_blobs) as sampler,
            pytest.raises(CheckpointLockedError, match=r"process 4711 on node17.*take_over=True"),
        ):
            sampler.run(**GOAL)
        with (
            make(stopped, bent_with_blobs, take_over=True) as sampler,
            pytest.warns(StaleLockWarning, match="process 4711 on node17"),
        ):
            sampler.run(n_like_max=400, **GOAL)
        assert read_run(stopped).state.n_like == 400

    @pytest.mark.parametrize("name", ["run.h5", "run.HDF5"])
    def test_a_name_of_another_format_is_taken_with_one_warning(self, name, tmp_path, monkeypatch):
        monkeypatch.setattr(checkpoint_settings, "_told", set())
        with pytest.warns(CheckpointNameWarning, match=r"SQLite.* run\.nautilus") as caught:
            sampler = make(tmp_path / name)
        assert caught[0].filename == __file__
        sampler.run(n_like_max=50)
        assert read_run(tmp_path / name).state.n_like == 50
        make(tmp_path / name)
        make(tmp_path / f"other-{name}")

    def test_a_relative_name_stays_where_it_was(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        sampler = make("run.nautilus")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        sampler.run(n_like_max=50)
        assert (tmp_path / "run.nautilus").exists()

    def test_folders_that_are_missing_are_made(self, tmp_path):
        path = tmp_path / "some" / "where" / "run.nautilus"
        make(path).run(n_like_max=50)
        assert read_run(path).state.n_like == 50

    def test_a_folder_that_cannot_be_made_is_told_at_once(self, path):
        path.touch()
        with pytest.raises(CheckpointStorageError, match="its folder may be written to"):
            make(path / "run.nautilus")

    def test_nothing_is_made_before_the_run(self, path):
        make(path)
        assert list(path.parent.iterdir()) == []


class TestLoading:
    def test_the_result_is_that_of_the_sampler(self, ended, complete):
        expected = complete[1]
        found = nautilus.load(ended)
        for name in ("array", "log_weights", "log_l", "blobs"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        for name in (
            "names", "log_z", "log_z_err", "n_eff", "n_like", "eta", "tail_index", "findings",
            "notes", "stop_reason", "seed",
        ):  # fmt: skip
            assert getattr(found, name) == getattr(expected, name), name
        assert found.run == expected.run
        assert found.run.prior[0].startswith("a: ")
        assert found.run.n_calls == found.n_like + 8

    def test_it_is_computed_if_it_is_asked_for_in_another_way(self, ended):
        with make(ended, bent_with_blobs) as sampler:
            sampler.discard_exploration = True
            expected = sampler.result
        for pool in (None, 2):
            found = nautilus.load(ended, discard_exploration=True, pool=pool)
            assert found.log_z == expected.log_z
            np.testing.assert_array_equal(found.array, expected.array)

    def test_it_is_told_in_the_way_of_the_run(self, path):
        with make(path) as sampler:
            sampler.run(discard_exploration=True, **GOAL)
        assert nautilus.load(path).log_z == sampler.log_z
        assert len(nautilus.load(path, discard_exploration=False).log_l) == sampler.n_like

    def test_a_live_run_is_read_as_of_its_last_stage(self, path):
        sampler, seen = make(path), []

        def callback(record):
            if record.message and np.isfinite(record.log_z):
                before = path.read_bytes()
                seen.append((record.log_z, nautilus.load(path)))
                assert path.read_bytes() == before

        sampler.run(callback=callback, **GOAL)
        assert len(seen) > 4
        for log_z, found in seen[:-1]:
            assert found.log_z == log_z
            assert "goes on or was killed" in found.stop_reason

    def test_there_may_be_no_result_yet(self, path):
        make(path, lambda _: -np.inf).run(n_like_max=10)
        with pytest.raises(NoResultError, match="none of the first 10 points"):
            nautilus.load(path)

    def test_a_prior_that_fails_loses_nothing(self, path, monkeypatch, reference):
        def fail(*_):
            raise PriorError("the table of the prior is gone")

        def callback(_):
            monkeypatch.setattr("nautilus.checkpoint.parameters_of", fail)

        sampler = make(path, bent_with_blobs)
        with pytest.raises(PriorError, match="table of the prior"):
            sampler.run(callback=callback, **GOAL)
        assert read_run(path).state.n_like == sampler.n_like == 100
        with pytest.raises(nautilus.CheckpointError, match=r"parameters of 0 of 100 points"):
            nautilus.load(path)
        monkeypatch.undo()
        with make(path, bent_with_blobs) as sampler:
            assert sampler.run(**GOAL)
            assert bits(sampler) == reference
        assert nautilus.load(path).n_like == sampler.n_like


def test_a_run_without_a_file_tells_of_itself():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = make(None)
        sampler.run(**GOAL)
    told = sampler.result.run
    assert (told.created, told.n_dim, told.n_live) == ("", 2, 50)
    assert told.n_stages == len(sampler._session.state.ledger.stages)
    assert 0 < told.likelihood_seconds < told.elapsed_seconds
