"""Every type that a run file can hold comes back as it was, bit by bit."""

import json
from dataclasses import fields
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nautilus.errors import CheckpointDamagedError
from nautilus.runfile.codec import Encoded, decode, encode
from nautilus.runfile.registry import CHOICES, RECORDS

SIDES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
PLAIN = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    hnp.byte_string_dtypes(min_len=1, max_len=5),
    hnp.unicode_string_dtypes(endianness="?", min_len=1, max_len=5),
)
ENTRY = st.tuples(PLAIN, hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
RECORD = st.lists(ENTRY, min_size=1, max_size=3).map(
    lambda entries: np.dtype([(f"ä{i}", d, shape) for i, (d, shape) in enumerate(entries)])
)


def in_any_order(array_and_order):
    array, order = array_and_order
    return np.asarray(array, order=order)


def arrays(dtypes):
    plain = hnp.arrays(dtypes, SIDES)
    return st.tuples(plain, st.sampled_from("CF")).map(in_any_order)


def values(annotation):
    """Return a strategy for what an annotation stands for."""
    simple = {
        float: st.floats(),
        int: st.integers(-(2**63) + 1, 2**63 - 1),
        bool: st.booleans(),
        str: st.text(st.characters()),
    }
    if annotation in simple:
        return simple[annotation]
    if annotation in CHOICES.values():
        return st.sampled_from(annotation)
    if annotation in RECORDS.values():
        return records(annotation)
    return made_of(get_origin(annotation), get_args(annotation))


def made_of(origin, inner):
    if origin is np.ndarray:
        scalar = get_args(inner[1])[0]
        known = scalar in {np.float64, np.float32, np.int64}
        return arrays(st.just(np.dtype(scalar)) if known else st.one_of(PLAIN, RECORD))
    if origin is np.dtype:
        return st.one_of(PLAIN, RECORD)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    return st.one_of(st.none(), values(inner[0]))


def records(record):
    hints = get_type_hints(record)
    return st.builds(record, **{field.name: values(hints[field.name]) for field in fields(record)})


@pytest.mark.parametrize("name", list(RECORDS))
def test_it_comes_back_bit_by_bit(name, bits):
    @settings(max_examples=25)
    @given(records(RECORDS[name]))
    def check(value):
        encoded = encode(value)
        assert encoded.header.isascii()
        assert bits(decode((RECORDS[name],), encoded)) == bits(value)

    check()


@given(arrays(st.one_of(PLAIN, RECORD)))
def test_blobs_of_every_type_come_back(blobs):
    results = RECORDS["Results"](np.arange(1), np.zeros(1), blobs)
    loaded = decode((RECORDS["Results"],), encode(results)).blobs
    assert (loaded.dtype, loaded.shape) == (blobs.dtype, blobs.shape)
    assert loaded.flags.f_contiguous == blobs.flags.f_contiguous
    assert loaded.tobytes() == blobs.tobytes()


@settings(max_examples=120)
@given(
    records(RECORDS["LearnedProposal"]), st.integers(0, 10**6), st.binary(min_size=1, max_size=4)
)
def test_what_was_changed_is_read_or_refused_but_nothing_else(value, place, bytes_):
    encoded = encode(value)
    header = bytearray(encoded.header.encode())
    place %= len(header)
    header[place : place + len(bytes_)] = bytes_
    try:
        text = header.decode()
        decode(tuple(RECORDS.values()), Encoded(text, encoded.data))
    except (CheckpointDamagedError, UnicodeDecodeError):
        pass


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "fields", "part", "dtype", "shape", "order", "n_dim"]), inner
    ),
), st.binary(max_size=16))  # fmt: skip
def test_trees_of_any_form_are_refused(tree, data):
    with pytest.raises(CheckpointDamagedError, match=r"."):
        decode(tuple(RECORDS.values()), Encoded(json.dumps(tree), data))
