"""The result of a run: statistics with exact answers, edges, and clear errors."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from nautilus.errors import (
    CheckpointDamagedError,
    CheckpointForeignError,
    CheckpointStorageError,
    CheckpointVersionError,
    NoResultError,
    SettingsError,
)
from nautilus.posterior import Posterior, edge_mass, equal_weight
from nautilus.run_information import RunInformation

TAILS = 0.5 * (1.0 - 0.68), 0.5 * (1.0 + 0.68)


def make(n=50, d=2, **changes):
    rng = np.random.default_rng(3)
    values = {
        "names": tuple("abcdefghijkl"[:d]),
        "array": rng.normal(size=(n, d)),
        "log_weights": rng.normal(size=n),
        "log_l": rng.normal(size=n),
        "blobs": None,
        "log_z": -98.9031,
        "log_z_err": 0.0213,
        "n_eff": 12.4,
        "n_like": 34500,
        "eta": 0.29,
        "tail_index": 0.31,
        "stop_reason": "n_eff reached",
        "seed": 7,
    }
    return Posterior(**{**values, **changes})


def gaussian(n=20_000):
    """Weighted points of a known Gaussian, drawn from a wider one."""
    rng = np.random.default_rng(11)
    target = multivariate_normal([1.0, -2.0], [[0.5, 0.3], [0.3, 0.4]])
    proposal = multivariate_normal([1.0, -2.0], np.eye(2))
    points = proposal.rvs(n, random_state=rng)
    log_w = target.logpdf(points) - proposal.logpdf(points)
    n_eff = np.exp(log_w).sum() ** 2 / np.exp(2 * log_w).sum()
    return make(array=points, log_weights=log_w, log_l=target.logpdf(points), n_eff=n_eff, log_z=0)


class TestValue:
    def test_weights_are_normalised_whatever_they_were(self):
        log_w = np.array([1e6, 1e6 + np.log(3.0), -np.inf])
        posterior = make(n=3, log_weights=log_w)
        np.testing.assert_allclose(posterior.weights, [0.25, 0.75, 0.0], rtol=1e-9)

    def test_samples_are_columns_by_name(self):
        posterior = make(d=3)
        assert list(posterior.samples) == ["a", "b", "c"]
        np.testing.assert_array_equal(posterior.samples["b"], posterior.array[:, 1])
        with pytest.raises(TypeError, match="does not support item assignment"):
            posterior.samples["b"] = 0

    @pytest.mark.parametrize("name", ["array", "log_weights", "log_l", "blobs"])
    def test_nothing_can_be_changed(self, name):
        posterior = make(blobs=np.zeros(50))
        with pytest.raises(ValueError, match="read-only"):
            getattr(posterior, name)[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            posterior.samples["a"][0] = 0
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
            setattr(posterior, name, None)

    def test_the_arrays_given_stay_free(self):
        given = np.zeros((4, 1))
        posterior = make(n=4, d=1, array=given)
        given[:] = 5.0
        assert np.all(posterior.array == 0.0)

    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
    def test_copies_are_the_same_and_as_frozen(self, clone):
        posterior = make(blobs=np.arange(50))
        twin = clone(posterior)
        for name in ("array", "log_weights", "log_l", "blobs"):
            np.testing.assert_array_equal(getattr(twin, name), getattr(posterior, name))
            assert not getattr(twin, name).flags.writeable
        assert not clone(posterior.resample()).array.flags.writeable

    def test_to_dict_holds_everything(self):
        content = make(findings=("tail",)).to_dict()
        assert set(content["samples"]) == {"a", "b"}
        assert content["log_z"] == -98.9031
        assert content["findings"] == ("tail",)
        assert "array" not in content
        assert np.isfinite(content["information"])


class TestStatistics:
    def test_moments_of_three_points_by_hand(self):
        posterior = make(
            n=3,
            array=[[0.0, 1.0], [1.0, 1.0], [3.0, 5.0]],
            log_weights=np.log([0.5, 0.25, 0.25]),
        )
        np.testing.assert_allclose(posterior.mean(), [1.0, 2.0])
        np.testing.assert_allclose(posterior.covariance(), [[1.5, 2.0], [2.0, 3.0]])
        np.testing.assert_allclose(posterior.std(), np.sqrt([1.5, 3.0]))

    def test_covariance_survives_a_large_offset(self):
        values = 1e9 + np.array([[0.0], [1.0]])
        posterior = make(n=2, d=1, array=values, log_weights=[0.0, 0.0])
        assert posterior.covariance() == pytest.approx(0.25)

    @pytest.mark.parametrize("levels", [0.5, [0.0, 0.1, 0.25, 0.5, 0.9, 1.0]])
    def test_equal_weights_give_the_rule_of_hazen(self, levels):
        posterior = make(n=37, log_weights=np.zeros(37))
        expected = np.quantile(posterior.array, levels, axis=0, method="hazen")
        np.testing.assert_allclose(posterior.quantile(levels), expected, atol=1e-12)

    def test_weighted_quantiles_by_hand(self):
        posterior = make(n=3, d=1, array=[[2.0], [0.0], [1.0]], log_weights=np.log([1, 2, 1]))
        levels = [0.0, 0.25, 0.4375, 0.625, 0.875, 1.0]
        expected = [0.0, 0.0, 0.5, 1.0, 2.0, 2.0]
        np.testing.assert_allclose(posterior.quantile(levels)[:, 0], expected)

    def test_shapes(self):
        posterior = make(d=3)
        assert posterior.quantile(0.5).shape == (3,)
        assert posterior.quantile([0.5]).shape == (1, 3)
        assert posterior.quantile([]).shape == (0, 3)
        assert posterior.interval().shape == (3, 2)

    def test_known_gaussian(self):
        posterior = gaussian()
        tolerance = 5.0 / np.sqrt(posterior.n_eff)
        np.testing.assert_allclose(posterior.mean(), [1.0, -2.0], atol=tolerance)
        np.testing.assert_allclose(posterior.covariance(), [[0.5, 0.3], [0.3, 0.4]], atol=tolerance)
        expected = norm(1.0, np.sqrt(0.5)).ppf(TAILS)
        np.testing.assert_allclose(posterior.interval()[0], expected, atol=2 * tolerance)

    def test_information_of_a_gaussian_likelihood(self):
        # Prior: flat, of volume V. Likelihood: a normalised density p. Then Z = 1 / V, and the
        # divergence is log V minus the entropy of p.
        volume = 400.0
        posterior = dataclasses.replace(gaussian(), log_z=-np.log(volume))
        entropy = multivariate_normal(cov=[[0.5, 0.3], [0.3, 0.4]]).entropy()
        expected = np.log(volume) - entropy
        assert posterior.information == pytest.approx(expected, abs=0.05)

    def test_information_keeps_its_digits(self):
        posterior = make(log_l=np.full(50, 1e15 + 2.0), log_z=1e15)
        assert posterior.information == pytest.approx(2.0)


class TestEdges:
    def test_points_without_weight_do_not_count(self):
        plain = make(n=3, array=[[0.0, 1.0], [1.0, 4.0], [2.0, 0.0]], log_weights=[0.0, 0.0, 0.0])
        more = make(
            n=4,
            array=[[0.0, 1.0], [np.inf, np.nan], [1.0, 4.0], [2.0, 0.0]],
            log_weights=[0.0, -np.inf, 0.0, 0.0],
            log_l=[*plain.log_l[:1], -np.inf, *plain.log_l[1:]],
        )
        for method in ("mean", "covariance", "std", "interval"):
            np.testing.assert_array_equal(getattr(more, method)(), getattr(plain, method)())
        assert more.information == plain.information
        assert np.all(np.isfinite(more.resample(1000).log_l))
        assert more.summary()

    def test_a_single_point(self):
        posterior = make(n=1, d=1, array=[[4.0]], log_weights=[-1e300], n_eff=1.0)
        assert posterior.mean() == [4.0]
        assert posterior.covariance() == [[0.0]]
        assert np.all(posterior.interval() == 4.0)
        assert posterior.resample().samples["a"] == [4.0]
        assert "4" in posterior.summary()

    def test_an_error_that_is_not_known(self):
        posterior = make(log_z_err=np.nan, tail_index=np.nan, eta=np.nan)
        assert "-98.90 +- ?" in posterior.summary()
        assert "eta ?, tail index ?" in posterior.summary()


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"array": np.zeros(50)}, r"array has shape \(50,\).*array\[:, None\]"),
            ({"array": np.zeros((0, 2))}, r"array has shape \(0, 2\)"),
            ({"names": ("a",)}, "expected 2 different names"),
            ({"names": ("a", "a")}, "expected 2 different names"),
            ({"names": "ab"}, "names is 'ab'; expected a tuple of strings"),
            ({"names": ("a", 1)}, "expected a tuple of strings"),
            ({"findings": "tail"}, "findings is 'tail'; expected a tuple of strings"),
            ({"notes": "NaN"}, "notes is 'NaN'; expected a tuple of strings"),
            ({"log_weights": np.zeros(49)}, r"log_weights has shape \(49,\); expected \(50,\)"),
            ({"log_weights": np.full(50, np.nan)}, r"log_weights\[0\] is nan"),
            ({"log_weights": np.full(50, np.inf)}, r"log_weights\[0\] is inf"),
            ({"log_l": np.zeros((50, 1))}, r"log_l has shape \(50, 1\)"),
            ({"blobs": np.zeros((3, 50))}, "expected 50 entries"),
            ({"blobs": np.float64(1.0)}, "expected 50 entries"),
            ({"log_l": np.full(50, -np.inf)}, "Point 0 has weight, but its log L is -inf"),
            ({"log_z": np.nan}, "log_z is nan; expected a finite number"),
            ({"log_z_err": -0.1}, "log_z_err is -0.1"),
            ({"n_eff": -1.0}, "n_eff is -1.0"),
            ({"n_eff": np.nan}, "n_eff is nan"),
            ({"n_like": -1}, "n_like is -1"),
            ({"seed": -1}, "seed is -1"),
        ],
    )
    def test_construction(self, changes, message):
        with pytest.raises(SettingsError, match=message):
            make(**changes)

    def test_no_weight_at_all(self):
        with pytest.raises(NoResultError, match="None of the 50 points has any weight"):
            make(log_weights=np.full(50, -np.inf))

    @pytest.mark.parametrize("q", [-0.1, 1.1, np.nan, [0.5, 16], [[0.5]]])
    def test_quantile(self, q):
        with pytest.raises(SettingsError, match="Divide percentages by 100"):
            make().quantile(q)

    @pytest.mark.parametrize("level", [0.0, 1.0, 68, np.nan])
    def test_interval(self, level):
        with pytest.raises(SettingsError, match="level is"):
            make().interval(level)

    @pytest.mark.parametrize("n", [0, -3, 2.5, True, "10"])
    def test_resample(self, n):
        with pytest.raises(SettingsError, match="expected a whole number of draws"):
            make().resample(n)


class TestResample:
    def test_default_size_and_repeatability(self):
        posterior = make()
        first, second = posterior.resample(), posterior.resample()
        assert len(first) == 12
        np.testing.assert_array_equal(first.array, second.array)
        assert not np.array_equal(first.array, posterior.resample(rng=1).array)
        np.testing.assert_array_equal(
            posterior.resample(rng=1).array, posterior.resample(rng=np.random.default_rng(1)).array
        )

    def test_at_least_one_draw(self):
        assert len(make(n_eff=0.2).resample()) == 1

    def test_each_point_appears_n_w_times_rounded(self):
        posterior = make(array=np.arange(100.0).reshape(50, 2))
        draws = posterior.resample(1000)
        counts = np.bincount((draws.samples["a"] / 2).astype(int), minlength=50)
        assert counts.sum() == 1000
        assert np.all(np.abs(counts - 1000 * posterior.weights) < 1.0)

    def test_on_average_in_proportion_to_weight(self):
        posterior = make(n=3, d=1, array=[[0.0], [1.0], [2.0]], log_weights=np.log([0.2, 0.7, 0.1]))
        rng = np.random.default_rng(5)
        drawn = np.concatenate([posterior.resample(1, rng).array[:, 0] for _ in range(3000)])
        shares = np.bincount(drawn.astype(int), minlength=3) / 3000
        np.testing.assert_allclose(shares, [0.2, 0.7, 0.1], atol=5 * 0.5 / np.sqrt(3000))

    def test_draws_are_shuffled(self):
        posterior = make(n=1000, array=np.arange(2000.0).reshape(1000, 2))
        drawn = posterior.resample(1000).samples["a"]
        assert abs(np.corrcoef(drawn, np.arange(1000))[0, 1]) < 0.2

    @pytest.mark.parametrize("shape", [(50,), (50, 3), (50, 1)])
    def test_log_l_and_blobs_belong_to_the_draws(self, shape):
        array = np.arange(100.0).reshape(50, 2)
        blobs = np.broadcast_to(array[:, :1], (50, 3))[:, : shape[-1] if len(shape) > 1 else 1]
        posterior = make(array=array, log_l=-array[:, 0], blobs=blobs.reshape(shape))
        draws = posterior.resample(200)
        np.testing.assert_array_equal(draws.log_l, -draws.samples["a"])
        assert draws.blobs.shape == (200, *shape[1:])
        np.testing.assert_array_equal(draws.blobs.reshape(200, -1)[:, 0], draws.samples["a"])

    def test_structured_blobs(self):
        blobs = np.zeros(50, dtype=[("radius", float), ("label", "U3")])
        blobs["radius"] = np.arange(50)
        blobs["label"] = "abc"
        posterior = make(blobs=blobs, log_l=np.arange(50.0))
        draws = posterior.resample(20)
        np.testing.assert_array_equal(draws.blobs["radius"], draws.log_l)
        assert draws.blobs["label"][0] == "abc"


class TestEqualWeight:
    def test_without_boost_nothing_repeats(self):
        log_w = np.random.default_rng(0).normal(size=500)
        index = equal_weight(log_w, 1.0, np.random.default_rng(1))
        assert len(np.unique(index)) == len(index)
        assert np.argmax(log_w) in index

    @pytest.mark.parametrize("boost", [0.3, 1.0, 2.5, 7.0])
    def test_counts_are_the_expected_ones_rounded_and_right_on_average(self, boost):
        weights = np.array([1.0, 0.5, 0.11, 0.0])
        with np.errstate(divide="ignore"):
            log_w = np.log(weights) - 1234.5
        rng = np.random.default_rng(2)
        counts = np.array(
            [np.bincount(equal_weight(log_w, boost, rng), minlength=4) for _ in range(2000)]
        )
        assert np.all(np.abs(counts - boost * weights) < 1.0)
        assert np.all(counts[:, 3] == 0)
        tolerance = 5 * 0.5 / np.sqrt(2000)
        np.testing.assert_allclose(counts.mean(axis=0), boost * weights, atol=tolerance)

    @pytest.mark.parametrize("boost", [0.0, -1.0, np.nan, np.inf])
    def test_boost_out_of_range(self, boost):
        with pytest.raises(SettingsError, match="equal_weight_boost is"):
            equal_weight(np.zeros(3), boost, np.random.default_rng(0))


class TestEdgeMass:
    def test_by_hand(self):
        points = np.array([[0.0, 0.5], [0.0005, 0.9995], [0.5, 1.0], [0.001, 0.999]])
        log_w = np.log([0.1, 0.2, 0.3, 0.4])
        np.testing.assert_allclose(edge_mass(points, log_w), [[0.3, 0.0], [0.0, 0.5]])

    def test_a_flat_posterior_has_the_width(self):
        points = (np.arange(10_000)[:, None] + 0.5) / 10_000
        np.testing.assert_allclose(edge_mass(points, np.zeros(10_000)), [[1e-3, 1e-3]])
        np.testing.assert_allclose(edge_mass(points, np.zeros(10_000), 0.5), [[0.5, 0.5]])

    @pytest.mark.parametrize(
        ("points", "width", "message"),
        [
            (np.zeros(3), 1e-3, r"shape \(3,\)"),
            (np.zeros((2, 1)), 1e-3, "beside 3 log weights"),
            (np.full((3, 1), 1.5), 1e-3, "not physical parameters"),
            (np.full((3, 1), np.nan), 1e-3, "not physical parameters"),
            (np.zeros((3, 1)), 0.0, "width is 0.0"),
            (np.zeros((3, 1)), 0.6, "width is 0.6"),
        ],
    )
    def test_misuse(self, points, width, message):
        with pytest.raises(SettingsError, match=message):
            edge_mass(points, np.zeros(3), width)


BLOBS = {
    "none": None,
    "numbers": np.arange(150.0).reshape(50, 3),
    "truth values": np.arange(50) % 2 == 0,
    "text": np.array([f"é{i}" for i in range(50)]),
    "structured": np.array(
        [(i, f"n{i}", [i, 2.0]) for i in range(50)],
        dtype=[("i", "i4"), ("name", "S5"), ("pair", float, 2)],
    ),
}

RUN = RunInformation(
    n_dim=2, n_live=60, phase="sampling", n_stages=3, n_proposals=4, n_calls=300,
    n_exploration=200,
    elapsed_seconds=0.1, likelihood_seconds=1 / 3, call_seconds=np.nan, prior=("a: é", "b: 1"),
    package="0.1.0", created="",
)  # fmt: skip


class TestFiles:
    @pytest.mark.parametrize("blobs", BLOBS.values(), ids=BLOBS)
    def test_everything_comes_back_bit_for_bit(self, blobs, tmp_path, bits):
        rng = np.random.default_rng(1)
        posterior = make(
            array=np.asfortranarray(rng.normal(size=(50, 2))), log_weights=rng.normal(size=50),
            log_l=rng.normal(size=50), blobs=blobs, log_z=np.float64(-1 / 3), log_z_err=np.inf,
            tail_index=np.nan, n_like=4, findings=("one", "zwölf"), notes=("two",),
            run=RUN, seed=2**62 + 1, periodic=[(np.nan, np.nan), (-1 / 3, 2 / 3)],
        )  # fmt: skip
        posterior.save(tmp_path / "some" / "result")
        found = Posterior.load(tmp_path / "some" / "result")
        assert bits(found) == bits(posterior)
        with pytest.raises(ValueError, match="read-only"):
            found.log_weights[0] = 0.0

    def test_numbers_of_numpy_become_plain_ones(self, tmp_path):
        make(n_like=np.int64(4), seed=np.uint64(5)).save(tmp_path / "result")
        found = Posterior.load(tmp_path / "result")
        assert (found.n_like, found.seed) == (4, 5)

    def test_weights_are_not_normalised_again(self, tmp_path):
        for seed in range(20):
            log_w = np.random.default_rng(seed).normal(size=50, scale=5)
            posterior = make(log_weights=log_w)
            posterior.save(tmp_path / "result", overwrite=True)
            np.testing.assert_array_equal(
                Posterior.load(tmp_path / "result").log_weights, posterior.log_weights
            )

    def test_a_file_that_is_there_is_kept(self, tmp_path):
        path = tmp_path / "result"
        make(seed=1).save(path)
        with pytest.raises(CheckpointStorageError, match=r"not written over.*overwrite=True"):
            make(seed=2).save(path)
        assert Posterior.load(path).seed == 1
        make(seed=2).save(path, overwrite=True)
        assert Posterior.load(path).seed == 2
        assert list(tmp_path.iterdir()) == [path]

    def test_objects_are_refused_before_anything_is_written(self, tmp_path):
        with pytest.raises(SettingsError, match=r"blobs are of type object.*numbers"):
            make(blobs=np.array([None] * 50)).save(tmp_path / "result")
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written_to(self, tmp_path):
        (tmp_path / "file").touch()
        for path in (tmp_path / "file" / "result", tmp_path):
            with pytest.raises(CheckpointStorageError, match="cannot be made"):
                make().save(path, overwrite=True)
        with pytest.raises(CheckpointStorageError, match="cannot be opened"):
            Posterior.load(tmp_path / "nowhere")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"a text", "no file of a posterior"),
            (b"SQLite format 3\0" + bytes(200), r"nautilus\.load"),
            (b"\x89HDF\r\n\x1a\n", "no file of a posterior"),
        ],
    )
    def test_a_file_of_another_kind(self, content, message, tmp_path):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(CheckpointForeignError, match=message):
            Posterior.load(tmp_path / "file")

    @pytest.mark.parametrize(
        "told", [b"no json", b"[]", b'{"kind": "chain", "version": 1, "values": {}}', None]
    )
    def test_arrays_of_another_kind(self, told, tmp_path):
        arrays = {"array": np.zeros(3)}
        if told is not None:
            arrays["json"] = np.frombuffer(told, np.uint8)
        np.savez(tmp_path / "file.npz", **arrays)
        with pytest.raises(CheckpointForeignError, match="no file of a posterior"):
            Posterior.load(tmp_path / "file.npz")

    def change(self, path, **changes):
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        told = json.loads(arrays["json"].tobytes())
        told["values"].update(changes.pop("values", {}))
        told.update(changes)
        arrays["json"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez(file, **arrays)

    def test_values_that_no_result_has(self, tmp_path):
        for values in ({"n_eff": -1.0}, {"more": 3}, {"names": ["a"]}, {"run": {"n_dim": 2}}):
            path = tmp_path / "result"
            make().save(path, overwrite=True)
            self.change(path, values=values)
            with pytest.raises(CheckpointDamagedError, match="does not hold a posterior"):
                Posterior.load(path)

    def test_a_newer_version(self, tmp_path):
        make().save(tmp_path / "result")
        self.change(tmp_path / "result", version=2)
        with pytest.raises(CheckpointVersionError, match="newer version"):
            Posterior.load(tmp_path / "result")

    def test_no_damage_goes_unnoticed(self, tmp_path, bits):
        path = tmp_path / "result"
        posterior = make(n=5, blobs=np.arange(5))
        posterior.save(path)
        content = path.read_bytes()
        for place in range(0, len(content), 7):
            changed = bytearray(content)
            changed[place] ^= 0x55
            path.write_bytes(changed)
            try:
                found = Posterior.load(path)
            except (CheckpointDamagedError, CheckpointForeignError):
                continue
            assert bits(found) == bits(posterior)  # bytes without meaning, such as dates
        for n in range(0, len(content), 13):
            path.write_bytes(content[:n])
            with pytest.raises(CheckpointDamagedError, match="cannot be read"):
                Posterior.load(path)

    def test_nothing_in_a_file_is_executed(self, tmp_path):
        make().save(tmp_path / "result")
        with np.load(tmp_path / "result") as stored:
            arrays = {name: stored[name] for name in stored.files}
        arrays["blobs"] = np.array([Evil()] * 50)
        np.savez(tmp_path / "evil.npz", **arrays)
        with pytest.raises(CheckpointDamagedError, match="allow_pickle=False"):
            Posterior.load(tmp_path / "evil.npz")


class Evil:
    def __reduce__(self):
        return pytest.fail, ("it was executed",)


class TestText:
    def test_summary(self):
        posterior = make(
            n=4,
            names=("amplitude", "x"),
            array=[[2072.7940, 0.0], [2072.7950, 1e-5], [2072.7940, 0.0], [2072.7950, 1e-5]],
            log_weights=np.zeros(4),
            log_l=np.full(4, -98.9031 + 3.25),
            findings=("the tail is heavy",),
        )
        lines = posterior.summary().splitlines()
        assert lines[0].split() == ["parameter", "mean", "std", "median", "68%", "interval"]
        assert lines[1].split()[:4] == ["amplitude", "2072.794500", "0.000500", "2072.794500"]
        assert lines[1].endswith("[2072.794000, 2072.795000]")
        assert lines[4:] == [
            "log Z        -98.903 +- 0.021",
            "information  3.25 nats",
            "n_eff        12 from 34,500 likelihood calls (eta 0.29, tail index 0.31)",
            "stopped      n_eff reached",
            "finding      the tail is heavy",
        ]
        assert "95% interval" in posterior.summary(0.95)

    def test_repr_is_short(self):
        text = repr(make(d=12, findings=("one", "two")))
        assert text.startswith("Posterior: 50 points, n_eff 12, log Z -98.903 +- 0.021\n")
        assert "and 2 more" in text
        assert "findings that speak against this result: 2" in text
        assert len(text.splitlines()) == 14

    def test_html_is_escaped(self):
        posterior = make(names=("<script>", "a & b"), findings=("x < y",))
        html = posterior._repr_html_()
        assert "&lt;script&gt;" in html
        assert "<script>" not in html
        assert "a &amp; b" in html
        assert "x &lt; y" in html
