"""Whole ways of using a sampler that front ends of the public package have, each a stand-in.

What those front ends ask for is known; the code is our own. Each stand-in finds the answer that is
known, from the prior it is given to what it writes down.
"""

import inspect
import json
import pickle
import warnings
from importlib import import_module
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
from scipy import stats

import nautilus
from nautilus import Prior, Sampler

# Runs as short as these are rightly not trusted; the answers are compared with the truth here.
pytestmark = [
    pytest.mark.usefixtures("small_runs"),
    pytest.mark.filterwarnings("ignore::nautilus.UntrustedResultWarning"),
    pytest.mark.filterwarnings("ignore::nautilus.CheckpointNameWarning"),
    pytest.mark.filterwarnings("ignore:n_batch is lowered:nautilus.NautilusWarning"),
]

CLOSE = 0.15
"""About ten quoted errors of log Z at the size of these runs."""

CENTRE, WIDTH = np.array([0.4, 0.6]), 0.1


def bell(x):
    """Return a normal density in two dimensions, which the unit square cuts at four widths."""
    square = np.sum((np.asarray(x) - CENTRE) ** 2, axis=-1)
    return -0.5 * square / WIDTH**2 - np.log(2 * np.pi * WIDTH**2)


def bell_of(parameters):
    return bell(np.stack([parameters["a"], parameters["b"]], axis=-1))


def square():
    prior = Prior()
    for key in "ab":
        prior.add_parameter(key)
    return prior


def assert_is_bell(log_z, points=None, log_w=None):
    """Judge what a stand-in wrote down: the evidence, and where the points lie."""
    assert float(log_z) == pytest.approx(0.0, abs=CLOSE)
    if points is not None:
        weights = None if log_w is None else np.exp(log_w)
        np.testing.assert_allclose(np.average(points, axis=0, weights=weights), CENTRE, atol=0.03)


class Search:
    """Stops a run every few hundred calls to write results, and keeps the sampler as a pickle."""

    def __init__(self, folder):
        self.checkpoint = folder / "search" / "internal" / "checkpoint.hdf5"
        self.kept = folder / "search.pickle"
        self.updates = []

    def fit(self, step):
        sampler = Sampler(
            prior=lambda x: x, likelihood=bell, n_dim=2, filepath=self.checkpoint, pool=None,
            vectorized=True, n_live=60, n_batch=50, split_threshold=100, n_networks=1,
            n_points_min=None, n_like_new_bound=None, seed=1,
        )  # fmt: skip
        while True:
            before = self.n_points(sampler)
            self.success = sampler.run(
                f_live=0.01, n_shell=1, n_eff=300, n_like_max=before + step, verbose=False
            )
            if self.n_points(sampler) == before:
                break
            self.updates.append(self.summary(sampler))
        self.keep(sampler)
        return self.summary(sampler)

    def n_points(self, sampler):
        try:
            return len(sampler.posterior()[1])
        except ValueError:
            return 0

    def keep(self, sampler):
        """Put the pools aside for as long as it takes to pickle; then the file is not needed."""
        pools = sampler.pool_l, sampler.pool_s
        sampler.pool_l = sampler.pool_s = None
        self.kept.write_bytes(import_module("cloudpickle").dumps(sampler))
        sampler.pool_l, sampler.pool_s = pools
        self.checkpoint.unlink()

    def load(self):
        return self.summary(pickle.loads(self.kept.read_bytes()))

    @staticmethod
    def summary(sampler):
        points, log_w, log_l = sampler.posterior()
        with pytest.warns(DeprecationWarning, match="log_z"):
            log_z = sampler.evidence()
        return {
            "log_evidence": log_z,
            "total_samples": int(sampler.n_like),
            "number_live_points": int(sampler.n_live),
            "parameters": points.tolist(),
            "weights": np.exp(log_w).tolist(),
            "log_likelihoods": log_l.tolist(),
        }


@pytest.mark.parametrize("step", [pytest.param(30, marks=pytest.mark.long), 180, 10_000])
def test_a_search_that_writes_results_on_the_way(step, tmp_path):
    search = Search(tmp_path)
    found = search.fit(step)
    assert search.success
    assert_is_bell(found["log_evidence"], found["parameters"], np.log(found["weights"]))
    assert search.load() == found == json.loads(json.dumps(found))
    assert found == search.updates[-1]
    sizes = [update["total_samples"] for update in search.updates]
    assert sizes == sorted(set(sizes))
    assert len(sizes) >= (found["total_samples"] - 1) // step
    assert all(len(update["weights"]) == update["total_samples"] for update in search.updates)


class Written:
    """Goes on in steps, each written to a file from which the next process goes on."""

    def __init__(self, path):
        self.path = path

    def step(self, n_calls):
        sampler = Sampler(square(), bell_of, seed=2, filepath=self.path, resume=True)
        assert isinstance(sampler.points, list) and isinstance(sampler.log_l, list)  # noqa: PT018
        sampler.filepath = None  # the front end itself decides when something is written
        sampler.run(n_like_max=sampler.n_like + n_calls, n_eff=300, verbose=False)
        sampler.write(self.path, overwrite=True)
        return sampler


def test_steps_that_are_written_over_each_other(tmp_path):
    written = Written(tmp_path / "checkpoint.hdf")
    sizes = []
    while True:
        sampler = written.step(250)
        sizes.append(sampler.n_like)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if sampler.effective_sample_size() >= 300 and sampler.explored:
                break
    assert len(sizes) > 2
    assert np.diff([0, *sizes]).max() == 250
    assert sum(map(len, sampler.log_l)) == sum(map(len, sampler.points)) == sampler.n_like
    whole = Sampler(square(), bell_of, seed=2)
    whole.run(n_eff=300, n_like_max=sampler.n_like)
    assert whole.log_z == sampler.log_z == nautilus.load(written.path).log_z
    assert_is_bell(sampler.log_z, *sampler.posterior()[:2])


class Interface:
    """Passes on those of its settings that the signatures know, with a pool of its own."""

    def run(self, folder):
        settings = {
            "n_live": 60, "npool": 2, "n_eff": 300, "verbose": False, "seed": 3, "plot": True
        }  # fmt: skip
        with ThreadPool(settings.pop("npool")) as pool:
            sampler = Sampler(
                stats.uniform.ppf, bell, n_dim=2, pass_dict=False, pool=pool,
                filepath=str(folder / "label_nautilus.hdf5"), resume=False,
                **self.known(Sampler.__init__, settings),
            )  # fmt: skip
            self.success = sampler.run(**self.known(sampler.run, settings))
        points, log_w, log_l = sampler.posterior()
        samples, _, _ = sampler.posterior(equal_weight=True)
        return sampler, points, log_w, log_l, samples

    @staticmethod
    def known(function, settings):
        names = [parameter.name for parameter in inspect.signature(function).parameters.values()]
        return {key: value for key, value in settings.items() if key in names}


def test_an_interface_that_sorts_settings_by_signature(tmp_path):
    interface = Interface()
    sampler, points, log_w, log_l, samples = interface.run(tmp_path)
    assert interface.success == True  # noqa: E712 - as scripts write it
    assert_is_bell(sampler.log_z, points, log_w)
    assert_is_bell(sampler.log_z, samples)
    np.testing.assert_allclose(bell(points), log_l)
    assert json.loads(json.dumps({"success": interface.success, "n": sampler.n_like}))["success"]


def transform(u):
    u[0], u[1] = 2 * u[0], 3 * u[1]  # in place, as samplers in other languages want it
    return u


def test_derived_parameters_as_blobs_through_a_pool_with_map():
    class Pool:
        """What a front end brings along: no more than `map`."""

        @staticmethod
        def map(function, points):
            return [function(point) for point in points]

    def log_l(p):
        x = np.asarray(p) / (2, 3)
        return bell(x), -0.5 * x[0], x[0] + x[1]

    sampler = Sampler(
        transform, log_l, 2, n_live=60, n_update=60, enlarge_per_dim=1.1, n_points_min=52,
        split_threshold=100.0, n_networks=1, n_batch=100, seed=None, filepath=None, resume=False,
        pool=Pool(), blobs_dtype=float,
    )  # fmt: skip
    sampler.run(f_live=0.01, n_shell=100, n_eff=300.0, n_like_max=np.inf,
                discard_exploration=False, verbose=False)  # fmt: skip
    results = sampler.posterior(return_blobs=True)
    rows = [(*point, *list(blob)) for point, _, _, blob in zip(*results, strict=True)]
    chain = np.array(rows)
    np.testing.assert_allclose(chain[:, 2], -0.25 * chain[:, 0])
    np.testing.assert_allclose(chain[:, 3], chain[:, 0] / 2 + chain[:, 1] / 3)
    assert_is_bell(sampler.log_z, chain[:, :2] / (2, 3), results[1])
    assert len(sampler.posterior()[0]) == len(chain) == sampler.n_like


def test_one_derived_parameter_is_a_plain_number():
    sampler = Sampler(lambda u: u, lambda x: (bell(x), 2 * x[0]), 2, blobs_dtype=float)
    sampler.run()
    points, _, _, blobs = sampler.posterior(return_blobs=True)
    assert isinstance(blobs[0], float)
    np.testing.assert_allclose(blobs, 2 * points[:, 0])


def test_a_vectorised_fit_on_devices_that_keeps_the_sampler():
    """The sampler carries an attribute of the front end; the pool is for its own work alone."""
    sampler = Sampler(
        prior=square(), likelihood=bell, pass_dict=False, vectorized=True, n_batch=5000,
        pool=(None, 1), seed=4,
    )  # fmt: skip
    success = sampler.run(n_eff=300, discard_exploration=True, verbose=False)
    if not success:
        pytest.fail("a front end raises here")
    sampler._transform_back = lambda x: {"a": x[:, 0], "b": x[:, 1]}
    draws = sampler._transform_back(sampler.posterior(equal_weight=True)[0])
    assert_is_bell(sampler.log_z, np.c_[draws["a"], draws["b"]])
    assert sampler.discard_exploration
    assert nautilus.__version__


def test_workers_that_a_front_end_starts_with_the_names_of_the_module(monkeypatch):
    module = import_module("nautilus.pool")
    monkeypatch.setattr(module, "_held", {})  # threads keep it in this process
    with ThreadPool(2, initializer=module.initialize_worker, initargs=(bell,)) as threads:
        pool = module.NautilusPool(threads)
        assert pool.size == 2
        found = list(pool.map(module.likelihood_worker, [CENTRE, CENTRE + WIDTH]))
        assert found == [bell(CENTRE), bell(CENTRE + WIDTH)]
        sampler = Sampler(square(), bell, pass_dict=False, pool=threads)
        sampler.run()
        assert list(sampler.pool_l.map(bell, [CENTRE])) == [bell(CENTRE)]
    assert_is_bell(sampler.log_z, *sampler.posterior()[:2])


def test_draws_of_equal_weight_until_there_are_enough():
    sampler = Sampler(square(), bell, pass_dict=False, pool=1)
    sampler.run()
    samples, log_l = np.zeros((0, 2)), np.zeros(0)
    while len(samples) < 3000:
        result = sampler.posterior(equal_weight=True)
        samples, log_l = np.vstack((samples, result[0])), np.concatenate((log_l, result[2]))
    np.testing.assert_allclose(bell(samples), log_l)
    _, counts = np.unique(samples, axis=0, return_counts=True)
    assert (counts == 1).any()
    assert_is_bell(sampler.log_z, samples)


def test_a_prior_of_distributions_and_the_old_names():
    """A uniform and a normal parameter; log Z by the name of the oldest releases."""
    prior = Prior()
    prior.add_parameter("slope", dist=(0.0, 2.0))
    prior.add_parameter("norm", dist=stats.norm(loc=1.0, scale=0.3))
    prior.add_parameter("fixed", dist=1.5)
    prior.add_parameter("same", dist="slope")

    def log_l(p):
        assert (p["fixed"], p["same"]) == (1.5, p["slope"])
        return stats.norm.logpdf(p["slope"], 1.0, 0.1) + stats.norm.logpdf(p["norm"], 1.0, 0.4)

    sampler = Sampler(prior, log_l)
    sampler.run(verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        log_z, n_eff, eta = (
            sampler.evidence(),
            sampler.effective_sample_size(),
            sampler.asymptotic_sampling_efficiency(),
        )
    assert (log_z, n_eff, eta) == (sampler.log_z, sampler.n_eff, sampler.eta)
    assert log_z == pytest.approx(np.log(0.5) + stats.norm.logpdf(0, 0, 0.5), abs=CLOSE)
    table = dict(zip(prior.keys, sampler.posterior()[0].T, strict=False))
    assert list(table) == prior.keys[:2]


def test_settings_are_read_back_for_the_header_of_a_file(tmp_path):
    """The file is named only while it runs; before the sampler is pickled it is None."""
    sampler = Sampler(
        square(), bell_of, n_networks=1, filepath=tmp_path / "a" / "b" / "run.h5", periodic=None
    )
    sampler.run()
    header = {
        name: getattr(sampler, name)
        for name in ("n_live", "n_update", "n_batch", "n_networks", "vectorized", "pass_dict",
                     "blobs_dtype", "explored", "n_like", "n_dim", "seed")
    }  # fmt: skip
    header |= {"keys": list(sampler.prior.keys), "filepath": str(sampler.filepath)}
    told = json.loads(json.dumps(header))
    assert told == header
    assert (told["explored"], told["keys"], told["n_batch"]) == (True, ["a", "b"], 1)
    assert sampler.likelihood({"a": 0.4, "b": 0.6}) == bell(CENTRE)
    sampler.filepath = None
    again = pickle.loads(import_module("cloudpickle").dumps(sampler))
    assert again.log_z == sampler.log_z
    assert_is_bell(again.log_z, *again.posterior()[:2])


def test_a_checkpoint_is_read_without_its_model(tmp_path):
    path = tmp_path / "checkpoint.hdf5"
    sampler = Sampler(square(), bell_of, filepath=path)
    sampler.run()
    sampler.close()
    dummy = {"likelihood": lambda _: 0, "n_dim": 2, "filepath": path}
    with pytest.raises(nautilus.CheckpointMismatchError, match=r"nautilus\.load"):
        Sampler(lambda _: [0, 0], **dummy)
    with pytest.raises(nautilus.PriorError, match="n_dim=2") as caught:
        Sampler(lambda _: 0, **dummy)
    assert f"nautilus.load({str(path)!r})" in caught.value.__notes__[0]
    assert nautilus.load(path).log_z == sampler.log_z


def test_a_run_as_small_as_tests_of_front_ends_have():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nautilus.NautilusWarning)
        sampler = Sampler(square(), bell_of, n_live=10, enlarge_per_dim=100, n_networks=1)
        sampler.run(f_live=1.0, n_eff=0.0, verbose=False)
        samples, _, log_l = sampler.posterior(equal_weight=True)
    assert len(samples) == len(log_l) > 0
    assert np.isfinite(sampler.log_z)


@pytest.mark.parametrize("calls", [1, 7, 40, 300])
def test_what_is_known_after_any_number_of_calls(calls):
    sampler = Sampler(square(), bell_of)
    assert sampler.log_z is None
    success = sampler.run(n_like_max=calls, n_eff=10_000)
    assert success == False  # noqa: E712 - as scripts write it
    points, log_w, log_l = sampler.posterior()
    assert len(points) == len(log_w) == len(log_l) == sampler.n_like == calls
    assert np.sum(np.exp(log_w)) == pytest.approx(1.0)
    assert np.isfinite(sampler.log_z)


class Galaxy:
    def __init__(self, mass):
        self.mass = mass


def test_objects_and_nothing_as_blobs():
    def log_l(p):
        return bell_of(p), Galaxy(p["a"]), None

    sampler = Sampler(square(), log_l)
    sampler.run()
    points, _, _, blobs = sampler.posterior(return_blobs=True)
    assert [blob["blob_0"].mass for blob in blobs] == points[:, 0].tolist()
    assert {blob["blob_1"] for blob in blobs} == {None}
