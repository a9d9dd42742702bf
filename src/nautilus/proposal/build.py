"""Build a learned proposal: base, emulator, envelope, norm."""

from dataclasses import replace

import numpy as np

from nautilus._streams import stream
from nautilus._types import FloatArray, RunTasks
from nautilus.emulator.emulator import Emulator
from nautilus.geometry.coordinates import cut_periodic
from nautilus.geometry.fit import least_points
from nautilus.proposal.coverage import cover
from nautilus.proposal.envelope import (
    ceiling_for,
    choose_base,
    choose_ceiling,
    choose_floors,
    refit,
    thin_out,
)
from nautilus.proposal.learn import learn
from nautilus.proposal.learned import CHUNK, LearnedProposal, draw_base
from nautilus.proposal.lift import choose_lifts
from nautilus.proposal.norm import normalise
from nautilus.proposal.seen import Seen, temper
from nautilus.proposal.settings import BuildSettings
from nautilus.proposal.target import CappedTarget

N_REFITS = 2
GOOD_ACCEPTANCE = 0.2
"""A base is refitted to the emulated target if fewer of its draws are accepted."""


def build_proposal(
    points: FloatArray,
    log_l: FloatArray,
    log_g: FloatArray,
    target: CappedTarget,
    settings: BuildSettings,
    address: tuple[int, int],
    run_tasks: RunTasks,
    emulator: Emulator | None = None,
) -> LearnedProposal:
    """Return a proposal that imitates the target.

    Parameters
    ----------
    points, log_l, log_g
        All evaluated points (n, d), their log L and the log density that they
        were drawn from as a whole, shapes (n,).
    target
        What to imitate.
    settings
        How.
    address
        Seed of the run and number of the proposal.
    run_tasks
        Runs the training of networks and the chunks of the norm elsewhere.
    emulator
        One to use again; None trains a new one.
    """
    log_target = target.log_value(log_l)
    weights = temper(log_target - log_g, least_points(points.shape[1]))
    if emulator is None:
        coordinates = cut_periodic(points, weights, settings.periodic)
    else:
        coordinates = emulator.coordinates
    seen = Seen(points, coordinates.to_space(points), log_l, log_g, log_target, weights)
    rng = stream(address[0], "cluster", address[1])
    first, known = choose_base(seen, target, settings, rng)
    lifts = choose_lifts(known)
    known = known.reweighted(lifts)
    log_ceiling = choose_ceiling(known.lifted(lifts), settings)
    if emulator is None:
        emulator = learn(seen, first, target, coordinates, settings, address, run_tasks)
    none = np.zeros(0)
    draft = LearnedProposal(
        coordinates, known.base, emulator, target, log_ceiling, none, lifts, 0.0, 0.0
    )
    for attempt in range(N_REFITS + 1):
        rng = stream(address[0], "base", address[1], attempt)
        trial, space = draw_base(draft.base, coordinates, 2 * CHUNK, rng)
        log_ratio = draft.log_ratio(trial, space)
        log_ceiling = min(draft.log_ceiling, ceiling_for(log_ratio, settings.acceptance_min))
        draft = replace(draft, log_ceiling=log_ceiling)
        accept = thin_out(log_ratio, log_ceiling)
        if attempt == N_REFITS or accept.mean() > GOOD_ACCEPTANCE:
            break
        refitted = cover(refit(known.base, space, accept, settings), seen)
        lifts = choose_lifts(refitted)
        log_ceiling = choose_ceiling(refitted.lifted(lifts), settings)
        draft = replace(draft, base=refitted.base, log_ceiling=log_ceiling, lifts=lifts)
    floors = choose_floors(draft, seen, space, accept, settings)
    return normalise(replace(draft, floors=floors), settings, address, run_tasks)
