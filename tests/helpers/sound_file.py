"""Run files that are as they should be, with something in every table."""

import numpy as np
from small_run import in_turn

from nautilus.evaluate.blobs import BlobField, BlobLayout
from nautilus.result import make_answer
from nautilus.run.loop import answer
from nautilus.runfile import Account, Clocks, RunStore, new_header


def write_sound_file(path, small_run, state):
    """Write a file with a state of a small run that has complete stages."""
    names, told = ("x", "y"), ("x: uniform", "y: uniform, periodic")
    header = new_header(small_run.config, names, told, np.full((8, 2), 0.5))
    blobs = BlobField("word", state.ledger.blobs.dtype, ())
    account = Account(
        Clocks(3.0, 2.0),
        layout=BlobLayout((blobs,), "plain", named=False, is_given=False),
        goal=small_run.goal,
        stop_reason="the limit of likelihood calls was reached",
    )
    whole = state.with_all_densities(in_turn)
    said = make_answer(whole, lambda discard: answer(whole, discard), False)
    with RunStore.create(path, header, state) as store:
        store.save(state, account, lambda points: 2 * points, said)
    return path
