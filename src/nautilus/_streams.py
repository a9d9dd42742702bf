"""Random numbers with an address: the same address always gives the same numbers."""

from hashlib import blake2b

import numpy as np

SEED_BITS = 63


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """Return the generator that belongs to one address.

    Parameters
    ----------
    seed
        Seed of the run, a non-negative integer.
    purpose
        What the numbers are for, such as ``"draw"`` or ``"train"``.
    *index
        Non-negative integers that number the use, such as proposal and chunk.

    Returns
    -------
    numpy.random.Generator
        A fresh generator; two different addresses give independent streams.
    """
    word = int.from_bytes(blake2b(purpose.encode(), digest_size=4).digest(), "little")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(word, *index)))


def replica_seed(seed: int) -> int:
    """Return the seed of the second run beside the one with this seed.

    It is the first number of the stream ``"replica"`` of that seed, uniform below 2^63.
    """
    return int(stream(seed, "replica").integers(2**SEED_BITS))


def new_seed() -> int:
    """Draw a seed from the operating system's entropy."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> (64 - SEED_BITS))
