"""Values as text and bytes: what a file can hold, and what is refused."""

import json
from dataclasses import dataclass, fields

import numpy as np
import pytest

from nautilus.errors import CheckpointDamagedError, CheckpointError
from nautilus.geometry.mixture import Mixture
from nautilus.proposal.cube import CubeProposal
from nautilus.proposal.target import CappedTarget
from nautilus.run.config import Config, Goal
from nautilus.run.state import Phase, Stage
from nautilus.runfile import arrays, registry, schema
from nautilus.runfile.codec import Encoded, decode, encode, schema_text
from nautilus.runfile.kinds import kind_of
from nautilus.runfile.record import Draws, Results

# A change here is a change of the schema: raise the version by a migration that brings older files
# forward, and only then write down the new form. A file of each form is kept as well; how it is
# made stands in test_runfile_frozen.py.
FROZEN = {
    1: {
        "Account": {
            "clocks": "Clocks",
            "counts": "Counts",
            "layout": "BlobLayout or None",
            "goal": "Goal or None",
            "stop_reason": "str",
        },
        "Answer": {
            "log_weights": "array of float64",
            "log_z": "float",
            "log_z_err": "float",
            "n_eff": "float",
            "eta": "float",
            "tail_index": "float",
            "findings": "str, ...",
            "discard_exploration": "bool",
            "detection_limit": "DetectionLimit",
        },
        "Baseline": {
            "centres": "array of float64",
            "whitening": "array of float64",
            "coefficients": "array of float64",
        },
        "BlobField": {"name": "str", "dtype": "dtype", "shape": "int, ..."},
        "BlobLayout": {
            "fields": "BlobField, ...",
            "form": "'structured' or 'plain'",
            "named": "bool",
            "is_given": "bool",
        },
        "BuildSettings": {
            "emulator": "EmulatorSettings",
            "periodic": "int, ...",
            "enlarge": "float",
            "n_points_min": "int",
            "n_train_max": "int",
            "n_components_max": "int",
            "norm_error": "float",
            "cut_off_max": "float",
            "cut_deep_max": "float",
            "n_norm_chunks_max": "int",
            "acceptance_min": "float",
            "base_share": "float",
        },
        "CappedTarget": {"log_level": "float", "log_boost": "float", "reference": "float"},
        "Clocks": {"elapsed": "float", "likelihood": "float"},
        "Config": {
            "n_dim": "int",
            "seed": "int",
            "n_live": "int",
            "n_stage": "int",
            "n_stage_max": "int",
            "n_batch": "int",
            "build": "BuildSettings",
            "start_points": "float, ..., ...",
        },
        "Coordinates": {"cuts": "array of float64"},
        "Counts": {"n_calls": "int", "seconds": "float", "n_errors": "int", "n_nan": "int"},
        "CubeProposal": {"n_dim": "int"},
        "DetectionLimit": {
            "probability": "float",
            "anywhere": "float",
            "log_l": "array of float64",
            "log_volume": "array of float64",
            "log_part": "array of float64",
        },
        "Draws": {"points": "array of float64"},
        "Emulator": {
            "number": "int",
            "coordinates": "Coordinates",
            "scale": "LearningScale",
            "gates": "Mixture",
            "baseline": "Baseline or None",
            "centre": "array of float64",
            "whitening": "array of float64",
            "networks": "Network, ...",
            "amplitude": "float",
            "log_l_max": "float",
            "errors": "array of float64",
            "caution": "float",
        },
        "EmulatorSettings": {
            "n_networks": "int",
            "hidden_layers": "int, ...",
            "schedule": "Schedule",
            "accuracy": "float",
            "caution": "float",
        },
        "Goal": {
            "f_live": "float",
            "n_eff": "float",
            "discard_exploration": "bool",
            "n_like_max": "float",
            "n_shell": "int",
        },
        "LearnedProposal": {
            "coordinates": "Coordinates",
            "base": "Mixture",
            "emulator": "Emulator",
            "target": "CappedTarget",
            "log_ceiling": "float",
            "floors": "array of float64",
            "lifts": "array of float64",
            "log_norm": "float",
            "log_norm_error": "float",
        },
        "LearningScale": {"reference": "float", "width": "float"},
        "Mixture": {
            "log_shares": "array of float64",
            "means": "array of float64",
            "cholesky": "array of float64",
            "dof": "array of float64",
        },
        "MixtureProposal": {"coordinates": "Coordinates", "mixture": "Mixture"},
        "Network": {"weights": "array of float32, ...", "biases": "array of float32, ..."},
        "Parameters": {"array": "array of float64"},
        "Phase": {"EXPLORATION": "exploration", "SAMPLING": "sampling"},
        "Progress": {
            "phase": "Phase",
            "n_surprises": "int",
            "n_rounds": "int",
            "n_detours": "int",
            "findings": "str, ...",
            "f_remaining": "float",
            "n_live": "int or None",
            "n_before": "int",
            "start_log_l": "array of float64",
            "n_stages": "int",
            "is_pending": "bool",
            "n_proposals": "int",
            "n_emulators": "int",
            "n_like": "int",
            "n_saves": "int",
            "account": "Account",
        },
        "Results": {
            "rows": "array of int64",
            "log_l": "array of float64",
            "blobs": "array or None",
        },
        "RunHeader": {
            "config": "Config",
            "parameters": "str, ...",
            "prior": "str, ...",
            "probes": "array of float64",
            "package": "str",
            "created": "str",
            "periodic": "array of float64 or None",
        },
        "Schedule": {
            "n_epochs": "int",
            "n_updates_max": "int",
            "batch_size": "int",
            "learning_rate": "float",
            "decay": "float",
        },
        "Stage": {"phase": "Phase", "counts": "array of int64"},
    }
}
TABLES = {
    1: {
        "run": "number, part, header, data, digest",
        "progress": "number, part, header, data, digest",
        "emulators": "number, part, header, data, digest",
        "proposals": "number, part, header, data, digest",
        "stages": "number, part, header, data, digest",
        "draws": "number, part, header, data, digest",
        "results": "number, part, header, data, digest",
        "parameters": "number, part, header, data, digest",
        "answer": "number, part, header, data, digest",
        "owner": "host, space, pid, started, token",
    }
}
KINDS_KEPT = "biufcSU"


class TestSchema:
    def test_what_a_file_can_hold_changes_only_with_the_version(self):
        """Order counts: fields are written in it."""
        known = FROZEN[schema.newest()]
        found = schema_text()
        assert found == known
        for name, entries in known.items():
            assert list(found[name]) == list(entries)
        assert arrays.KINDS == KINDS_KEPT

    def test_tables_change_only_with_the_version(self):
        found = {}
        for statement in schema.STATEMENTS:
            name, columns = statement.removeprefix("CREATE TABLE ").removesuffix(")").split(" (", 1)
            columns = columns.split(", PRIMARY")[0].split(", ")
            found[name] = ", ".join(column.split()[0] for column in columns)
        assert found == TABLES[schema.newest()]
        assert schema.APPLICATION_ID.to_bytes(4, "big") == b"NAUT"

    def test_everything_registered_is_a_frozen_dataclass(self):
        for record in registry.RECORDS.values():
            assert record.__dataclass_params__.frozen
            assert all(field.init for field in fields(record))

    @pytest.mark.parametrize("annotation", [object, dict, tuple[int, int], list[int], int | str])
    def test_annotations_without_meaning_are_noticed(self, annotation):
        with pytest.raises(TypeError, match="has no place in a run file"):
            kind_of(annotation)


def tree_of(value):
    encoded = encode(value)
    return json.loads(encoded.header), encoded.data


TARGET = '{"type":"CappedTarget","fields":{"log_level":1.0,"log_boost":1.0,"reference":1.0}}'
MIXTURE = Mixture(np.zeros(2), np.ones((2, 3)), np.stack([np.eye(3)] * 2), np.full(2, np.inf))


class TestNumbers:
    def test_numbers_are_readable_and_those_that_json_lacks_are_kept(self):
        tree, _ = tree_of(CappedTarget(-0.1, np.inf, 1e18))
        infinity = "bits:7ff0000000000000"
        assert tree["fields"] == {"log_level": -0.1, "log_boost": infinity, "reference": 1e18}

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_the_order_in_memory_is_kept(self, order, bits):
        draws = Draws(np.asarray(np.arange(6.0).reshape(2, 3), order=order))
        assert bits(decode((Draws,), encode(draws))) == bits(draws)

    def test_parts_of_larger_arrays_are_copied(self):
        whole = np.arange(24.0).reshape(4, 6)
        loaded = decode((Draws,), encode(Draws(whole[::2, ::-3])))
        np.testing.assert_array_equal(loaded.points, whole[::2, ::-3])
        assert loaded.points.flags.c_contiguous

    def test_arrays_are_aligned_and_cannot_be_changed(self):
        odd = Results(np.arange(3), np.zeros(3), np.array([b"a", b"b", b"c"]))
        loaded = decode((Results,), encode(odd))
        assert loaded.rows.flags.aligned
        assert not loaded.rows.flags.writeable
        assert not loaded.blobs.flags.writeable

    def test_bytes_are_little_endian_whatever_the_type(self, bits):
        results = Results(np.arange(2), np.zeros(2), np.array([1, 2], ">i2"))
        encoded = encode(results)
        assert encoded.data.endswith(b"\1\0\2\0")
        assert bits(decode((Results,), encoded)) == bits(results)

    def test_records_with_gaps_lose_the_gaps(self):
        gaps = np.dtype([("a", "i1"), ("b", "f8")], align=True)
        blobs = np.array([(1, 2.5), (3, np.nan)], gaps)
        loaded = decode((Results,), encode(Results(np.arange(2), np.zeros(2), blobs))).blobs
        assert loaded.dtype.itemsize == 9
        for name in ("a", "b"):
            np.testing.assert_array_equal(loaded[name], blobs[name])


class TestParts:
    def test_a_part_is_named_and_found_again(self):
        target = CappedTarget(1.0)
        encoded = encode(target, (CappedTarget(1.0), target))
        assert json.loads(encoded.header) == {"part": 1}
        others = (CappedTarget(5.0), CappedTarget(6.0))
        assert decode((CappedTarget,), encoded, others) is others[1]

    @pytest.mark.parametrize("number", [2, -1, True, None, "0", 1.0])
    def test_parts_that_are_not_there(self, number):
        encoded = Encoded(json.dumps({"part": number}), b"")
        with pytest.raises(CheckpointDamagedError, match="one of 2 parts"):
            decode((CappedTarget,), encoded, (CappedTarget(5.0), CappedTarget(6.0)))

    def test_a_part_of_another_type(self):
        with pytest.raises(CheckpointDamagedError, match=r"CappedTarget.*expected Goal"):
            decode((Goal,), Encoded('{"part":0}', b""), (CappedTarget(5.0),))


@dataclass(frozen=True)
class Stranger:
    n_dim: int


class TestRefused:
    @pytest.mark.parametrize(
        ("value", "match"),
        [
            (Stranger(2), "Stranger is of type Stranger and cannot be saved"),
            (CubeProposal(2.0), "CubeProposal.n_dim is of type float .* expected int"),
            (CubeProposal(True), "CubeProposal.n_dim is of type bool"),
            (CubeProposal(2**63), "CubeProposal.n_dim is of type int"),
            (CappedTarget("1"), "log_level is of type str"),
            (CappedTarget(None), "log_level is of type NoneType"),
            (Goal(discard_exploration=1), "discard_exploration is of type int"),
            (Config(2, 1, build=None), "Config.build is of type NoneType .* BuildSettings"),
            (Draws(np.zeros(2, np.float32)), "Draws.points is an array of float32"),
            (Draws([1.0]), "Draws.points is of type list"),
            (Stage("exploration", np.ones(1, int)), "Stage.phase is of type str"),
            (Results(np.arange(1), np.ones(1), np.array([None])), "type object cannot be saved"),
            (Results(np.arange(1), np.ones(1), np.array(["2020"], "M8[s]")), "datetime64"),
            (Results(np.arange(1), np.ones(1), np.zeros(1, [("a", "O")])), "type object"),
            (Results(np.arange(1), np.ones(1), np.zeros(1, "V3")), r"type \|V3 cannot be saved"),
        ],
    )
    def test_what_cannot_be_saved(self, value, match):
        with pytest.raises(CheckpointError, match=match):
            encode(value)

    def test_what_the_others_are_changes_of_is_one(self):
        assert decode((CappedTarget,), Encoded(TARGET, b"")) == CappedTarget(1.0, 1.0, 1.0)

    @pytest.mark.parametrize(
        "header",
        [
            "", "{", "[]", "null", "5", "NaN", '"Goal"', "[" * 100_000, '{"type":"CappedTarget"}',
            '{"type":"CappedTarget","fields":[]}', '{"type":"CappedTarget","fields":5}',
            '{"type":"CappedTarget","fields":null}',
            '{"type":["CappedTarget"],"fields":{}}',
            '{"type":"os.system","fields":{}}', '{"type":"Stranger","fields":{"n_dim":1}}',
            '{"type":"Goal","fields":{}}', '{"type":"CappedTarget","fields":{"log_level":1.0}}',
            '{"type":"CappedTarget","fields":{"log_boost":1.0,"log_level":1.0,"reference":1.0}}',
            TARGET[:-2] + ',"more":1.0}}',
            TARGET.replace('"log_level":1.0', '"log_level":1.0,"log_level":1.0'),
            TARGET[:-1] + ',"more":1}',
        ],
    )  # fmt: skip
    def test_headers_that_are_none(self, header):
        with pytest.raises(CheckpointDamagedError, match=r"."):
            decode((CappedTarget,), Encoded(header, b""))

    @pytest.mark.parametrize(
        "number",
        ["1", "true", "null", '"1.0"', "1e999", "NaN", "Infinity", "[1.0]", '"bits:7ff0"',
         '"bits:7ff000000000000g"', '"bits: 7ff00000000000 "', "9" * 5000],
    )  # fmt: skip
    def test_numbers_that_are_none(self, number):
        header = TARGET.replace('"log_level":1.0', f'"log_level":{number}')
        with pytest.raises(CheckpointDamagedError, match=r"."):
            decode((CappedTarget,), Encoded(header, b""))

    @pytest.mark.parametrize(
        ("name", "value"),
        [("n_dim", 2.0), ("n_dim", True), ("n_dim", 2**63), ("n_dim", "2"), ("n_dim", None),
         ("build", None), ("build", {"type": "Goal", "fields": {}})],
    )  # fmt: skip
    def test_fields_of_another_kind(self, name, value):
        tree, data = tree_of(Config(2, 1))
        tree["fields"][name] = value
        with pytest.raises(CheckpointDamagedError, match=rf"Config\.{name} is"):
            decode((Config,), Encoded(json.dumps(tree), data))

    @pytest.mark.parametrize("phase", ["EXPLORATION", "", None, 1, ["sampling"]])
    def test_members_that_are_none(self, phase):
        tree, data = tree_of(Stage(Phase.SAMPLING, np.ones(3, int)))
        tree["fields"]["phase"] = phase
        with pytest.raises(CheckpointDamagedError, match=r"phase is .* one of exploration"):
            decode((Stage,), Encoded(json.dumps(tree), data))

    @pytest.mark.parametrize("change", [-16, -8, -1, 1, 8])
    def test_too_few_or_too_many_bytes(self, change):
        encoded = encode(MIXTURE)
        data = encoded.data + b"\0" * change if change > 0 else encoded.data[:change]
        with pytest.raises(CheckpointDamagedError, match=r"bytes"):
            decode((Mixture,), Encoded(encoded.header, data))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("dtype", "|O"), ("dtype", "<f4"), ("dtype", ">f8"), ("dtype", "<f3"), ("dtype", "f8"),
            ("dtype", "float64"), ("dtype", "<V8"), ("dtype", "<M8[s]"), ("dtype", None),
            ("dtype", []), ("dtype", {}), ("dtype", "<f8,<f8"), ("dtype", [["a", "<f8", []]]),
            ("shape", [2]), ("shape", [-2, -3]), ("shape", [2, 3.0]), ("shape", [True, 6]),
            ("shape", None), ("shape", 6), ("shape", [2, 4]), ("shape", [1] * 99),
            ("shape", [10**6, 10**6, 10**6]), ("shape", [2**41, 0]),
            ("shape", [0, 2**40, 2**40]), ("order", "A"), ("order", None), ("order", []),
            ("order", {}), ("more", 1),
        ],
    )  # fmt: skip
    def test_arrays_that_are_none(self, name, value):
        tree, data = tree_of(Draws(np.zeros((2, 3))))
        tree["fields"]["points"][name] = value
        with pytest.raises(CheckpointDamagedError, match=r"Draws"):
            decode((Draws,), Encoded(json.dumps(tree), data))

    @pytest.mark.parametrize(
        ("dtype", "data"),
        [
            ("|b1", b"\1\2\0"),
            ("<U1", b"\xff" * 12),
            ("|S0", b""),
            ("<U0", b""),
            ([["a", "|b1", []]], b"\1\2\0"),
            ([["a", "|b1", [2]], ["a", "|b1", []]], b"\0" * 9),
            ([["a", "|O", []]], b"\0" * 24),
            ([["a", [["b", "|O", []]], []]], b"\0" * 24),
            ([["a", "|b1", [-1]]], b""),
            ([["a", "|b1", [2**40, 2**40]]], b""),
            ([["a", "|b1"]], b"\0" * 3),
            ([[5, "|b1", []]], b"\0" * 3),
            (["|b1"], b"\0" * 3),
        ],
    )
    def test_blobs_that_are_none(self, dtype, data):
        tree, start = tree_of(Results(np.arange(3), np.zeros(3), np.ones(3)))
        tree["fields"]["blobs"]["dtype"] = dtype
        with pytest.raises(CheckpointDamagedError, match=r"Results\.blobs"):
            decode((Results,), Encoded(json.dumps(tree), start[:-24] + data))

    def test_sizes_are_checked_before_memory_is_taken(self, monkeypatch):
        tree, data = tree_of(Draws(np.zeros((2, 3))))
        tree["fields"]["points"]["shape"] = [2**40, 2**20]
        monkeypatch.setattr(arrays, "restore", lambda *_: pytest.fail("memory was taken"))
        with pytest.raises(CheckpointDamagedError, match=r"array of 9223372036854775808 bytes"):
            decode((Draws,), Encoded(json.dumps(tree), data))
