"""What a file holds, as the process knows it that wrote or read it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from nautilus.emulator.emulator import Emulator
from nautilus.proposal.base import Proposal
from nautilus.run.state import Ledger, PendingStage, Stage


@dataclass(frozen=True)
class Written:
    """What a file holds, as the very objects of the state that was written or read last.

    Parameters
    ----------
    proposals
        In the order of their numbers.
    emulators
        Those that proposals share, in the order of their numbers.
    complete
        Stages whose results are there in their final form.
    blob_type
        Type of the blobs of these, or None.
    pending
        The stage after these with what is there of it, or None.
    n_parts
        Number of rows of results of that one.
    n_parameters
        Number of stages, from the first on, of which the file has the parameters.
    n_saves
        Number of saves.
    mark
        Digest of the progress, by which a file is known to hold this and nothing newer.
    """

    proposals: tuple[Proposal, ...] = ()
    emulators: tuple[Emulator, ...] = ()
    complete: tuple[Stage, ...] = ()
    blob_type: np.dtype[Any] | None = None
    pending: PendingStage | None = None
    n_parts: int = 0
    n_parameters: int = 0
    n_saves: int = 0
    mark: bytes = b""


def blob_type_of(ledger: Ledger) -> np.dtype[Any] | None:
    """Return the type of the blobs of all complete stages, or None."""
    return None if ledger.blobs is None else ledger.blobs.dtype
