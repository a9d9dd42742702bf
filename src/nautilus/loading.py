"""Results from a run file alone."""

import os
from dataclasses import replace

from nautilus._arithmetic import own_arithmetic
from nautilus.errors import CheckpointDamagedError, CheckpointError, SettingsError
from nautilus.estimates import Estimates
from nautilus.evaluate.tasks import TaskRunner
from nautilus.posterior import Posterior
from nautilus.result import describe_run, make_answer, make_posterior, notes_of
from nautilus.runfile import Answer, SavedRun, read_run
from nautilus.settings import flag

KILLED = "its process goes on or was killed; Sampler(..., filepath=...) and run() continue"
"""Stands for the reason why a run stopped that did not say so itself."""


def load(
    path: str | os.PathLike[str], *, discard_exploration: bool | None = None, pool: object = None
) -> Posterior:
    """Return the result in a run file; neither prior nor likelihood is needed.

    The file is only read, also while a run writes it. Points of a stage that is not complete do
    not count, unless there is no other: of the first stage those before the first unfinished one
    do.

    Parameters
    ----------
    path
        The file.
    discard_exploration
        Whether only points of the sampling phase count; None for what the run was told.
    pool
        Where densities are computed if the weights have to be, as for `Sampler`. They are stored
        when a run stops, so that this takes long only for large runs that were killed or if
        `discard_exploration` is another than in the run.

    Returns
    -------
    Posterior
        The result; its `run` tells about the run.

    Raises
    ------
    CheckpointError
        If the file cannot be used; the subclass says why.
    NoResultError
        If no point has any weight yet.
    SettingsError
        If a keyword has no meaning, or what the environment says about locks.

    Examples
    --------
    >>> import nautilus
    >>> posterior = nautilus.load("run.nautilus")  # doctest: +SKIP
    >>> posterior.log_z  # doctest: +SKIP
    -4.158
    """
    saved = read_run(path, None)
    saved = replace(saved, state=saved.state.with_first_points())
    goal = saved.account.goal
    discard = goal.discard_exploration if goal else False
    if discard_exploration is not None:
        discard = flag("discard_exploration", discard_exploration)
    _require_parameters(saved, path)
    known = answer_of(saved, discard, pool)
    state, account = saved.state, saved.account
    parameters = saved.parameters[: state.ledger.n_points]
    try:
        return make_posterior(
            state, known, lambda rows: (saved.header.parameters, parameters[rows]),
            seed=saved.header.config.seed,
            discard_exploration=discard,
            stop_reason=account.stop_reason or KILLED,
            notes=notes_of(account.counts),
            run=describe_run(saved.header, state, account),
            periodic=saved.header.periodic,
        )  # fmt: skip
    except SettingsError as error:
        raise CheckpointDamagedError(f"{path} does not hold what a run finds: {error}") from error


@own_arithmetic()
def answer_of(saved: SavedRun, discard_exploration: bool, pool: object) -> Answer | None:
    """Return what the complete stages say: the stored answer if it does, else computed anew."""
    known = saved.answer
    fits = (
        known is not None
        and known.discard_exploration == discard_exploration
        and len(known.log_weights) == saved.state.ledger.n_points
    )
    return known if fits else _compute(saved, discard_exploration, pool)


def _require_parameters(saved: SavedRun, path: str | os.PathLike[str]) -> None:
    if len(saved.parameters) < saved.state.ledger.n_points:
        raise CheckpointError(
            f"{path} has the parameters of {len(saved.parameters)} of"
            f" {saved.state.ledger.n_points} points: the prior failed when they were to be saved."
            " Open it with Sampler(prior, likelihood, filepath=...) and call run()."
        )


def _compute(saved: SavedRun, discard: bool, pool: object) -> Answer | None:
    with TaskRunner(pool) as runner:
        state = saved.with_densities(runner.map).state
    estimates = Estimates()
    return make_answer(state, lambda discards: estimates.of(state, discards), discard)
