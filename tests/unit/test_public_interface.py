"""What front ends of the public package read, set and call, beside running and asking for results.

Each test re-creates a way in which such code uses a sampler.
"""

import inspect
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import ClassVar

import cloudpickle
import numpy as np
import pytest
from scipy import stats

import nautilus
import nautilus.pool
from nautilus import (
    BackendError,
    CheckpointKeptWarning,
    CheckpointMismatchError,
    CheckpointStorageError,
    NoResultError,
    Prior,
    Sampler,
    SettingsError,
    StopReason,
)
from nautilus.runfile.file import HDF5_MAGIC

SMALL = {"n_live": 60, "n_update": 100, "n_networks": 0, "seed": 5}
GOAL = {"f_live": 0.2, "n_eff": 300}


def make_prior():
    prior = Prior()
    prior.add_parameter("a", dist=(-3, 3))
    prior.add_parameter("b", dist=stats.norm(0, 2))
    return prior


def log_l(p):
    return -0.5 * (p["a"] ** 2 + (p["b"] - p["a"]) ** 2)


def with_blobs(p):
    return log_l(p), p["a"], np.array([p["b"], 1.0])


def make(likelihood=log_l, **changes):
    return Sampler(make_prior(), likelihood, **{**SMALL, **changes})


def assert_same(first, second):
    for one, other in zip(first.posterior(), second.posterior(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first.log_z, first.n_like) == (second.log_z, second.n_like)


@pytest.fixture(scope="module")
def finished():
    sampler = make()
    assert sampler.run(**GOAL)
    return sampler


class TestResults:
    def test_what_run_returns_is_a_truth_value(self, finished):
        sampler = make()
        success = sampler.run(n_like_max=60)
        assert success == False  # noqa: E712 - as scripts write it
        assert json.loads(json.dumps({"success": success})) == {"success": False}
        assert json.loads(json.dumps(sampler.stop_reason)) == StopReason.CALLS.value
        assert (finished.run(**GOAL) == True) is True  # noqa: E712 - likewise
        assert finished.stop_reason is StopReason.GOAL
        assert finished.result.stop_reason == finished.stop_reason

    def test_asking_before_the_run_is_a_value_error(self):
        sampler = make()
        with pytest.raises(ValueError, match=r"Call run\(\) first") as caught:
            sampler.posterior()
        assert isinstance(caught.value, NoResultError)
        assert (sampler.log_z, sampler.f_live, sampler.n_eff) == (None, 1.0, 0)
        assert (sampler.explored, sampler.stop_reason) == (False, None)

    def test_what_is_known_of_the_exploration_ends_with_it(self, finished):
        sampler = make()
        sampler.run(n_like_max=250, **GOAL)
        assert not sampler.explored
        assert 0 < sampler.f_live <= 1
        assert finished.explored
        assert finished.f_live is None

    @pytest.mark.parametrize(
        ("method", "attribute"),
        [
            ("evidence", "log_z"),
            ("effective_sample_size", "n_eff"),
            ("asymptotic_sampling_efficiency", "eta"),
        ],
    )
    def test_old_methods_name_the_attribute(self, finished, method, attribute):
        with pytest.warns(DeprecationWarning, match=rf"{method}\(\).*attribute {attribute}\b") as c:
            value = getattr(finished, method)()
        assert c[0].filename == __file__
        assert value == getattr(finished, attribute)

    def test_a_status_is_a_row_under_its_header(self, finished, capsys):
        finished.print_status(header=True)
        finished.print_status("Done")
        make().print_status("Start", end="!\r")
        header, done, start = capsys.readouterr().out.split("\n")
        assert [len(row.split(" | ")) for row in (header, done, start)] == [6, 6, 6]
        assert [cell.strip() for cell in done.split(" | ")] == [
            "Done", str(len(finished._session.state.proposals)), str(finished.n_like), "N/A",
            f"{finished.n_eff:.0f}", f"{finished.log_z:+.2f}",
        ]  # fmt: skip
        assert [cell.strip() for cell in start.split(" | ")][-1] == "N/A!"
        assert header.index("|") == done.index("|")


class TestFreshDraws:
    def test_a_loop_until_there_are_enough_gets_no_copies(self, finished):
        draws = [finished.posterior(equal_weight=True)[0] for _ in range(8)]
        known = {tuple(map(bytes, np.sort(draw, axis=0))) for draw in draws}
        assert len(known) == 8
        points, log_w, _ = finished.posterior()
        joined = np.concatenate(draws)
        weights = np.exp(log_w) / np.exp(log_w).max()
        counts = np.array([np.sum(np.all(joined == point, axis=1)) for point in points])
        # Each draw takes a point with the probability that its weight says, whatever others took.
        spread = np.sqrt(8 * weights * (1 - weights))
        wide = spread > 0.7
        assert abs(np.mean(((counts - 8 * weights) / np.maximum(spread, 0.1))[wide] ** 2) - 1) < 0.3
        # Counts scatter about 8 w with the variance 8 w (1 - w), which dilutes the correlation.
        follows = np.var(8 * weights)
        expected = np.sqrt(follows / (follows + np.mean(spread**2)))
        assert abs(np.corrcoef(counts, weights)[0, 1] - expected) < 0.03

    def test_the_kth_call_is_the_same_for_one_seed(self):
        with ThreadPoolExecutor(2) as pool:
            first, second = make(), make(pool=pool)
            for sampler in (first, second):
                sampler.run(n_like_max=300, **GOAL)
        second.posterior()  # draws nothing
        for _ in range(3):
            one, other = (s.posterior(equal_weight=True) for s in (first, second))
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(first.result.resample().array, second.result.resample().array)

    def test_blobs_belong_to_their_points(self):
        sampler = make(with_blobs)
        sampler.run(n_like_max=300, **GOAL)
        for _ in range(2):
            points, _, _, blobs = sampler.posterior(equal_weight=True, return_blobs=True)
            np.testing.assert_array_equal(blobs["blob_0"], points[:, 0])


GIVEN = {
    "n_dim": 2, "n_live": 70, "n_update": 110, "enlarge_per_dim": 1.2, "n_points_min": 20,
    "split_threshold": 3, "periodic": [1], "n_networks": 1,
    "neural_network_kwargs": {"max_iter": 3}, "likelihood_args": (), "likelihood_kwargs": {},
    "n_batch": 32, "n_like_new_bound": 900, "vectorized": True, "pass_dict": False,
    "pool": None, "seed": 9, "blobs_dtype": float, "filepath": None, "resume": False,
    "pad_batch": True, "on_error": "-inf", "on_nan": "-inf", "threads_per_worker": 2,
    "call_timeout": 5.0, "save_interval": 3.0, "n_recheck": 2, "recheck_tolerance": 0.5,
    "take_over": True,
}  # fmt: skip


class TestKeywords:
    def test_every_one_is_an_attribute(self):
        prior = make_prior()
        sampler = Sampler(prior, log_l, **GIVEN)
        for name, value in GIVEN.items():
            if name != "pool":
                known = getattr(sampler, name)
                assert (list(known) if name == "periodic" else known) == value, name
        assert sampler.prior is prior
        assert sampler.prior.keys == ["a", "b"]
        assert sampler.likelihood is log_l
        keywords = set(inspect.signature(Sampler).parameters) - {"pool"}
        assert keywords - set(dir(sampler)) == set()

    def test_defaults_are_what_the_run_uses(self):
        sampler = Sampler(make_prior(), log_l)
        assert (sampler.n_live, sampler.n_update, sampler.n_like_new_bound) == (500, 500, 5000)
        assert (sampler.n_dim, sampler.n_batch, sampler.vectorized) == (2, 1, False)
        assert (sampler.pass_dict, sampler.periodic, sampler.n_networks) == (True, (), 4)
        assert (sampler.filepath, sampler.pool_l, sampler.pool_s) == (None, None, None)
        assert make(seed=None).seed >= 0

    @pytest.mark.parametrize("name", sorted(set(GIVEN) - {"pool", "filepath"}))
    def test_none_that_decides_numbers_can_be_set(self, name):
        sampler = make()
        before = getattr(sampler, name)
        with pytest.raises(SettingsError, match=rf"{name} cannot be set.*new Sampler with {name}="):
            setattr(sampler, name, before)
        assert getattr(sampler, name) == before

    def test_functions_come_with_their_further_arguments(self):
        def prior(low, u, width=1.0):
            return low + width * u

        def likelihood(centre, x, scale):
            return -float(np.sum(((x - centre) / scale) ** 2))

        sampler = Sampler(
            prior, likelihood, n_dim=2, prior_args=[-2.0], prior_kwargs={"width": 4.0},
            likelihood_args=iter([1.0]), likelihood_kwargs={"scale": 2.0}, **SMALL,
        )  # fmt: skip
        np.testing.assert_array_equal(sampler.prior(np.array([0.0, 0.5])), [-2.0, 0.0])
        assert sampler.likelihood(np.array([1.0, 3.0])) == -1.0
        sampler.run(n_like_max=200)
        points, _, values = sampler.posterior()
        assert [sampler.likelihood(x) for x in points] == list(values)

    def test_a_generator_is_there_and_feeds_nothing(self):
        first, second = make(), make()
        assert isinstance(first.rng, np.random.Generator)
        assert first.rng is first.rng
        assert first.rng.random() == second.rng.random()
        first.rng.random(1000)
        for sampler in (first, second):
            sampler.run(n_like_max=250, **GOAL)
        assert_same(first, second)


class TestPoints:
    def test_one_array_for_each_stage(self):
        sampler = make(with_blobs)
        assert (sampler.points, sampler.log_l, sampler.blobs) == ([], [], None)
        sampler.run(n_like_max=230, **GOAL)
        points, values, blobs = sampler.points, sampler.log_l, sampler.blobs
        assert len(points) == len(values) == len(blobs) > 1
        assert sum(map(len, points)) == sampler.n_like == 230
        physical = make_prior().unit_to_physical(np.concatenate(points))
        np.testing.assert_array_equal(np.concatenate(blobs)["blob_0"], physical[:, 0])
        joined = np.concatenate(values)
        np.testing.assert_allclose(joined, log_l({"a": physical[:, 0], "b": physical[:, 1]}))
        _, _, in_order = sampler.posterior()
        np.testing.assert_array_equal(joined[: len(in_order)], in_order)

    def test_to_write_to_them_changes_nothing(self, finished):
        before = finished.posterior()[2]
        for arrays in (finished.points, finished.log_l):
            for array in arrays:
                array[:] = 0.0
        np.testing.assert_array_equal(finished.posterior()[2], before)
        assert finished.blobs is None

    def test_overlap_of_proposals(self, finished):
        state = finished._session.state
        shares, counts = (finished.shell_bound_occupation(fractional=f) for f in (True, False))
        drawn = np.bincount(state.ledger.proposal_of_point, minlength=len(state.proposals))
        np.testing.assert_array_equal(counts.diagonal(), drawn)
        is_drawn = drawn > 0
        np.testing.assert_array_equal(shares[is_drawn], counts[is_drawn] / drawn[is_drawn][:, None])
        assert np.isnan(shares[~is_drawn]).all()
        rows = state.ledger.proposal_of_point == 0
        last = state.proposals[-1].log_density(state.ledger.points[rows])
        # The prior has density one.
        assert counts[0, -1] == np.sum(last >= 0)


class TestPickles:
    @pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
    def test_a_copy_goes_on_with_the_same_numbers(self, dumps, finished):
        sampler = make()
        sampler.run(n_like_max=170, **GOAL)
        copy = pickle.loads(dumps(sampler))
        assert copy.n_like == 170
        assert copy.run(**GOAL)
        assert_same(copy, finished)
        assert sampler.n_like == 170

    def test_a_likelihood_that_plain_pickles_do_not_know(self, finished):
        sampler = make(lambda p: log_l(p) + 0.0)
        sampler.run(**GOAL)
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dumps(sampler)
        assert_same(cloudpickle.loads(cloudpickle.dumps(sampler)), finished)

    def test_in_another_process(self, finished, tmp_path):
        sampler = make(lambda p: -0.5 * (p["a"] ** 2 + (p["b"] - p["a"]) ** 2))
        sampler.run(n_like_max=170, **GOAL)
        (tmp_path / "sampler").write_bytes(cloudpickle.dumps(sampler))
        script = (
            "import pickle, sys; s = pickle.load(open(sys.argv[1], 'rb'));"
            f"s.run(f_live={GOAL['f_live']}, n_eff={GOAL['n_eff']}); print(s.log_z.hex())"
        )
        command = [sys.executable, "-c", script, str(tmp_path / "sampler")]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert float.fromhex(told.split()[-1]) == finished.log_z

    def test_pools_and_files_are_put_aside_and_back(self, tmp_path, finished):
        path = tmp_path / "run.h5.nautilus"
        with ThreadPoolExecutor(2) as pool, make(pool=pool, filepath=path) as sampler:
            sampler.run(n_like_max=170, **GOAL)
            pools = sampler.pool_l, sampler.pool_s
            sampler.pool_l = sampler.pool_s = sampler.filepath = None
            copy = pickle.loads(pickle.dumps(sampler))
            sampler.pool_l, sampler.pool_s = pools
            sampler.filepath = path
            assert sampler.filepath == path
            assert sampler.run(**GOAL)
            assert copy.run(**GOAL)
            assert nautilus.load(path).log_z == finished.log_z
        for other in (sampler, copy):
            assert_same(other, finished)
        assert copy.pool_l is None
        assert copy.filepath is None

    def test_with_pool_and_file_in_place(self, tmp_path, finished):
        path = tmp_path / "run.nautilus"
        with ThreadPoolExecutor(2) as pool, make(pool=pool, filepath=path) as sampler:
            sampler.run(n_like_max=170, **GOAL)
            copy = pickle.loads(pickle.dumps(sampler))
            assert (copy.pool_l, copy.filepath) == (None, path)
            assert copy.run(**GOAL)  # and keeps it in the file
            assert sampler.run(**GOAL)  # goes on from there
        assert_same(copy, finished)
        assert_same(sampler, finished)
        assert nautilus.load(path).log_z == finished.log_z

    def test_while_it_runs(self, finished):
        sampler, copies = make(), []
        sampler.run(callback=lambda r: copies or copies.append(pickle.dumps(sampler)), **GOAL)
        copy = pickle.loads(copies[0])
        assert copy.n_like < finished.n_like
        assert copy.run(**GOAL)
        assert_same(copy, finished)


class TestFiles:
    def test_a_run_is_saved_afterwards_and_continued(self, tmp_path):
        path = tmp_path / "folder" / "run.dat"
        sampler = make(with_blobs)
        sampler.run(n_like_max=170, **GOAL)
        sampler.save(path)
        assert sampler.filepath is None
        assert nautilus.load(path).log_z == sampler.log_z
        with pytest.raises(CheckpointStorageError, match="exists and is not written over"):
            sampler.save(path)
        assert sampler.run(**GOAL)
        with make(with_blobs, filepath=path) as again:
            assert again.n_like == 170
            assert again.run(**GOAL)
        assert_same(again, sampler)
        assert nautilus.load(path).stop_reason == StopReason.GOAL
        sampler.save(path, overwrite=True)
        assert_same(make(with_blobs, filepath=path), sampler)

    @pytest.mark.parametrize("name", ["out", "out.hdf5"])
    def test_it_is_written_whatever_the_name(self, name, tmp_path, monkeypatch):
        monkeypatch.setattr("nautilus.checkpoint_settings._told", {"name"})
        sampler = make()
        sampler.run(n_like_max=200, **GOAL)
        sampler.write(tmp_path / name)
        with pytest.raises(RuntimeError, match="exists and is not written over"):
            sampler.write(tmp_path / name)
        sampler.write(tmp_path / name, overwrite=True)
        assert nautilus.load(tmp_path / name).log_z == sampler.log_z

    def test_one_that_has_not_begun(self, tmp_path, finished):
        make().save(tmp_path / "run")
        with make(filepath=tmp_path / "run") as sampler:
            assert sampler.run(**GOAL)
        assert_same(sampler, finished)

    def test_from_a_callback(self, tmp_path, finished):
        def callback(record):
            if record.message:  # a stage is complete, or the run has ended
                sampler.save(tmp_path / "copy", overwrite=True)

        sampler = make(filepath=tmp_path / "own")
        sampler.run(callback=callback, **GOAL)
        with make(filepath=tmp_path / "copy") as again:
            assert again.run(**GOAL)
        assert_same(again, finished)

    def test_nothing_of_another_kind_is_lost(self, tmp_path):
        (tmp_path / "notes").write_text("mine")
        with pytest.raises(nautilus.CheckpointForeignError, match="not a run file"):
            make().save(tmp_path / "notes", overwrite=True)
        assert (tmp_path / "notes").read_text() == "mine"
        with pytest.raises(SettingsError, match="path is None"):
            make().save(None)
        with pytest.raises(SettingsError, match="overwrite"):
            make().save(tmp_path / "run", overwrite="yes")

    def test_a_file_may_be_named_later(self, tmp_path, finished):
        sampler = make()
        sampler.run(n_like_max=170, **GOAL)
        sampler.filepath = tmp_path / "new" / "run.nautilus"
        assert sampler.run(**GOAL)
        assert_same(make(filepath=sampler.filepath), finished)

    def test_a_file_that_holds_less_or_another_run_is_not_taken(self, tmp_path):
        sampler = make()
        sampler.run(n_like_max=170, **GOAL)
        sampler.save(tmp_path / "less")
        make(seed=6).save(tmp_path / "other")
        sampler.run(n_like_max=200, **GOAL)
        for name, message in (("less", "holds 170 of the 200"), ("other", "seed is 6")):
            with pytest.raises(CheckpointMismatchError, match=message):
                sampler.filepath = tmp_path / name
        assert sampler.filepath is None
        assert sampler.n_like == 200

    def test_files_and_pools_stay_while_it_runs(self, tmp_path):
        sampler, errors = make(), []

        def change(_):
            for name, value in (("filepath", tmp_path / "run"), ("pool_l", 2), ("pool_s", 2)):
                with pytest.raises(SettingsError, match="while run"):
                    setattr(sampler, name, value)
                errors.append(name)

        sampler.run(n_like_max=60, callback=change)
        assert set(errors) == {"filepath", "pool_l", "pool_s"}

    @pytest.mark.parametrize("name", ["run.hdf5", "run"])
    def test_a_file_of_the_public_package_is_kept(self, name, tmp_path, monkeypatch):
        monkeypatch.setattr("nautilus.checkpoint_settings._told", {"name"})
        path, content = tmp_path / name, HDF5_MAGIC + b"theirs" * 50
        path.write_bytes(content)
        with pytest.raises(nautilus.CheckpointForeignError, match=r"HDF5.*resume=False"):
            make(filepath=path)
        sampler = make(filepath=path, resume=False)
        assert path.read_bytes() == content
        with pytest.warns(CheckpointKeptWarning, match="kept as") as caught:
            sampler.run(n_like_max=200)
        assert caught[0].filename == __file__
        assert nautilus.load(path).n_like == 200
        (kept,) = set(tmp_path.iterdir()) - {path}
        assert kept.read_bytes() == content
        assert str(kept) in str(caught[0].message)

    def test_a_dummy_model_is_told_how_to_read_a_run(self, tmp_path):
        path = tmp_path / "run.nautilus"
        with make(filepath=path) as sampler:
            sampler.run(n_like_max=60)
        dummy = {**SMALL, "filepath": path}
        with pytest.raises(CheckpointMismatchError, match="holds another run") as caught:
            Sampler(lambda u: u, lambda x: 0.0, n_dim=2, **dummy)
        assert f"nautilus.load({str(path)!r})" in str(caught.value)
        with pytest.raises(CheckpointMismatchError, match=r"nautilus\.load"):
            make(lambda p: 0.0, filepath=path).run()


def double(x):
    return 2 * x


class Replaced:
    """What somebody puts into the place of `nautilus.pool.Pool`."""

    made: ClassVar = []

    def __init__(self, n, initializer=None, initargs=()):
        self.n, self.is_ended, self.n_maps = n, False, 0
        initializer(*initargs)
        self.made.append(self)

    def map(self, function, values):
        self.n_maps += 1
        return [function(value) for value in values]

    def terminate(self):
        self.is_ended = True


class TestPools:
    def test_pools_of_a_sampler_map(self):
        with make(pool=(2, None)) as sampler:
            assert sampler.pool_s is None
            pool, sampler.pool_l = sampler.pool_l, None
            assert pool.map(double, range(5)) == [0, 2, 4, 6, 8]
            assert pool.size == 2
            sampler.pool_l = pool
            sampler.run(n_like_max=60)
            assert sampler.pool_l.map(lambda x: x + 1, [1]) == [2]

    def test_another_pool_changes_no_number(self, finished):
        with ThreadPool(1) as own, ThreadPoolExecutor(2) as other, make() as sampler:
            sampler.run(n_like_max=170, **GOAL)
            sampler.pool_l, sampler.pool_s = other, own
            assert sampler.pool_s.pool is own
            assert sampler.run(**GOAL)
        assert_same(sampler, finished)

    def test_one_of_no_known_kind_leaves_what_was_there(self):
        sampler = make()
        with pytest.raises(BackendError, match="pool is 'many'"):
            sampler.pool_l = "many"
        assert sampler.pool_l is None
        sampler.run(n_like_max=60)

    def test_workers_that_keep_their_likelihood(self):
        pool = nautilus.pool.NautilusPool(2, likelihood=double)
        try:
            assert pool.map(nautilus.pool.likelihood_worker, [1, 2, 3]) == [2, 4, 6]
            assert pool.size == 2
        finally:
            pool.pool.terminate()
        with pytest.raises(BackendError, match="initializer=initialize_worker"):
            nautilus.pool.likelihood_worker(1)

    def test_a_pool_that_was_initialised_by_hand(self, finished, monkeypatch):
        monkeypatch.setattr(nautilus.pool, "_held", {})
        nautilus.pool.initialize_worker(log_l)
        assert nautilus.pool.likelihood_worker({"a": 1.0, "b": 1.0}) == -0.5
        sampler = make(nautilus.pool.likelihood_worker)
        sampler.run(**GOAL)
        assert_same(sampler, finished)

    def test_a_wrapped_pool_is_what_it_wraps(self, finished):
        with ThreadPool(1) as own:
            wrapped = nautilus.pool.NautilusPool(own)
            assert wrapped.pool is own
            with make(pool=wrapped) as sampler:
                assert sampler.pool_l.pool is own
                assert sampler.run(**GOAL)
        assert_same(sampler, finished)

    def test_a_number_starts_the_class_that_was_put_in(self, finished, monkeypatch):
        monkeypatch.setattr(nautilus.pool, "Pool", Replaced)
        monkeypatch.setattr(nautilus.pool, "_held", {})
        monkeypatch.setattr(Replaced, "made", [])
        with make(pool=3) as sampler:
            (made,) = Replaced.made
            assert made.n == 3
            assert sampler.run(**GOAL)
            assert made.n_maps > 0
            assert nautilus.pool.likelihood_worker({"a": 1.0, "b": 1.0}) == -0.5
        assert made.is_ended
        assert_same(sampler, finished)
