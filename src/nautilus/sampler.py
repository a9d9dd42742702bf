"""Sampler: the friendly face of the package."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any, Literal, Self

import numpy as np

from nautilus._arithmetic import own_arithmetic
from nautilus._keywords import explains_keywords
from nautilus._signals import Termination
from nautilus._version import __version__
from nautilus.checkpoint import Checkpoint
from nautilus.checkpoint_settings import hint_at_reading, make_checkpoint_settings
from nautilus.evaluate.flight import GRACE_SECONDS
from nautilus.legacy import Legacy
from nautilus.limits import Limits, make_limits
from nautilus.model import choose_likelihood, make_likelihood, make_prior_map, new_session
from nautilus.parameters import start_in_cube
from nautilus.prior import Prior
from nautilus.recheck import make_recheck
from nautilus.replica import Judge, make_judge
from nautilus.report import Output, ProgressRecord, header_line, make_reporter
from nautilus.result import warn_about
from nautilus.run.config import Goal
from nautilus.run.stop import StopReason
from nautilus.session import Session
from nautilus.settings import N_LIVE, make_config, make_goal, parse_support, periodic_axes


class Sampler(Legacy):
    """Draws the posterior and estimates the evidence of an expensive likelihood.

    Each keyword but `pool` can be read as an attribute of the same name. A sampler can be pickled;
    the copy goes on with the same numbers, and without the pool.

    Parameters
    ----------
    prior
        A `Prior`, or a function from the unit cube to parameters (then `n_dim` is needed).
    likelihood
        Function that returns the natural logarithm of the likelihood, optionally followed by
        blobs: ``log_l``, ``(log_l, blob, ...)`` or ``(log_l, {name: blob})``. May be left out if
        there is a `likelihood_factory`.
    n_dim
        Number of dimensions of the unit cube.
    n_live
        Effective number of points, 500 by default, that every contour of the exploration must
        hold inside. More finds smaller modes and costs proportionally more calls.
    n_update
        Likelihood calls per contour of the exploration; by default `n_live` up to 500, and from
        there a fifth of it but at least 500. A round with the posterior as target takes twice as
        many, at least 200.
    enlarge_per_dim
        Factor on all lengths of the geometry around the points, at least 1.
    n_points_min
        Fewest effective points per component of that geometry.
    split_threshold
        Accepted for scripts of the public package, at any value; has no meaning here.
    periodic
        Indices of periodic dimensions, besides those that the prior declares.
    n_networks
        Networks in the ensemble; 0 leaves only local quadratic models.
    neural_network_kwargs
        ``hidden_layer_sizes``, ``learning_rate_init``, ``batch_size``, ``max_iter``.
    prior_args
        Further positional arguments of a prior that is a function; they come before the point, as
        in the public package.
    prior_kwargs
        Its further keyword arguments.
    likelihood_args
        Further positional arguments of the likelihood; they come before the parameters.
    likelihood_kwargs
        Its further keyword arguments.
    n_batch
        Points in one call of a vectorised likelihood, 256 by default. It does not depend on the
        stage or the number of workers, because numbers may depend on it.
    n_like_new_bound
        Most likelihood calls of a contour and of a stage from the prior; ten times `n_update` by
        default. A sampling stage takes at most four times as many, or as many as it needs to
        confirm something.
    vectorized
        Whether the likelihood takes many points at once.
    pass_dict
        Whether it takes a dictionary; by default if the prior is a `Prior`.
    pool
        Where calls and the sampler's own work run: None; a number of processes; "mpi" in a script
        that ``mpiexec`` or ``srun`` started; an executor, a Dask client, the module ``ray``, a
        client or view of ipyparallel, an object with ``map``; or a pair of these for likelihood
        and sampler.
    seed
        Seed of all random numbers; None draws one, to be read from the attribute `seed`.
    blobs_dtype
        Data type of the blobs; `object` keeps whatever is returned as it is. By default numbers
        and text get their own type and become objects only where they have to.
    filepath
        File that keeps the run, so that nothing evaluated is lost whatever ends the process; an
        SQLite database, usually named ``*.nautilus``; folders that are missing are made. None keeps
        the run in memory only.
    resume
        What becomes of a run that is in the file: True continues it; False loses it; "overwrite"
        keeps its file under a name with date and time. A file of the public package is kept so
        with False as well.
    pad_batch
        Whether shorter vectorised calls are filled up to `n_batch` points.
    on_error
        What to do if the likelihood raises: "raise", "retry", or count the point as "-inf".
    on_nan
        What to do if it returns NaN: "raise", or count the point as "-inf".
    threads_per_worker
        Numerical threads of one call; None leaves the settings of worker processes as they are.
        Threads of this process share one numerical thread whatever it says, and serial calls have
        one for None.
    call_timeout
        Seconds of wall time that one call of the likelihood may take, from 0.001 to 1e8; then it
        counts as a call that raised `TimeoutError`, and `on_error` says what follows. A worker
        process in which a call cannot be stopped is ended; in this process, and in threads of it,
        such a call goes on until it returns. None for no limit.
    likelihood_factory
        Function without arguments that returns the likelihood, instead of `likelihood`; called
        once in each process that evaluates it, for what cannot be sent there.
    save_interval
        Most seconds of wall time between two saves of results within a stage, at least 0; more
        often where saving takes less than a two-hundredth of the time. Whatever else changes is
        saved at once.
    n_recheck
        Points of the file, 3 by default, that are evaluated again before its run is continued, to
        find out whether the likelihood is still the same.
    recheck_tolerance
        Difference in log L that is let pass there, at least 0; 0.001 by default.
    take_over
        Whether the file is taken from a process that may still be running. Needed if that process
        was killed on another machine.
    start_points
        Points that are known to be good, such as an optimum or some of an earlier chain: free
        parameters of a `Prior`, or points of the unit cube if the prior is a function, shape (d,)
        or (n, d) with n up to 1,000, or a dictionary of arrays with the names of the free
        parameters. They are evaluated first, and the exploration draws around them as long as they
        stand alone in a contour. They get no weight, so that they bias nothing.

    Raises
    ------
    KeywordError
        If there is no such keyword; it is a `TypeError` too.
    SettingsError, PriorError, BackendError
        If a keyword has a value that cannot be used.
    CheckpointError
        If the file cannot be used (the subclass says why), or holds another run
        (CheckpointMismatchError).

    Warns
    -----
    UnusedKeywordWarning
        If a keyword is given that has no meaning here.
    UnusualSettingWarning
        If `n_live` is below 50, or `enlarge_per_dim` above 1.5 and enlarges volumes more than a
        thousandfold; the largest value of use is taken then.
    CheckpointNameWarning
        If `filepath` ends as names of HDF5 files do; once in a process.

    Notes
    -----
    If a call of the likelihood is expensive, ask `run` for an ``n_eff`` of 500 to 2,000, which is
    enough for most purposes: posterior means are then known to 2 to 5 % of a standard deviation.
    Most calls of such a run explore, and their number goes with `n_live`: half of it halves them,
    and twice as large a mode may be missed. The page *Convergence and diagnostics* has figures.

    Examples
    --------
    >>> from nautilus import Prior, Sampler
    >>> prior = Prior()
    >>> prior.add_parameter("a", dist=(-5, 5))
    >>> sampler = Sampler(prior, lambda p: -0.5 * p["a"] ** 2, n_live=100, seed=1)
    >>> sampler.run(n_eff=500)
    True
    >>> round(sampler.log_z, 1)
    -1.4
    """

    @explains_keywords
    def __init__(  # noqa: PLR0913, PLR0917 - the public keywords, in the public order
        self,
        prior: Prior | Callable[..., Any],
        likelihood: Callable[..., Any] | None = None,
        n_dim: int | None = None,
        n_live: int = N_LIVE,
        n_update: int | None = None,
        enlarge_per_dim: float = 1.1,
        n_points_min: int | None = None,
        split_threshold: float = 100,
        periodic: Iterable[int] | None = None,
        n_networks: int = 4,
        neural_network_kwargs: Mapping[str, Any] | None = None,
        prior_args: Iterable[Any] = (),
        prior_kwargs: Mapping[str, Any] | None = None,
        likelihood_args: Iterable[Any] = (),
        likelihood_kwargs: Mapping[str, Any] | None = None,
        n_batch: int | None = None,
        n_like_new_bound: int | None = None,
        vectorized: bool = False,
        pass_dict: bool | None = None,
        pool: Any = None,
        seed: int | None = None,
        blobs_dtype: Any = None,
        filepath: str | os.PathLike[str] | None = None,
        resume: bool | Literal["overwrite"] = True,
        *,
        pad_batch: bool = False,
        on_error: Literal["raise", "-inf", "retry"] = "raise",
        on_nan: Literal["raise", "-inf"] = "raise",
        threads_per_worker: int | None = 1,
        call_timeout: float | None = None,
        likelihood_factory: Callable[[], Callable[..., Any]] | None = None,
        save_interval: float = 60.0,
        n_recheck: int = 3,
        recheck_tolerance: float = 1e-3,
        take_over: bool = False,
        start_points: Any = None,
    ) -> None:
        given = locals().copy()  # each keyword is an attribute of the same name
        kept = make_checkpoint_settings(filepath, resume, save_interval, take_over)
        recheck = make_recheck(n_recheck, recheck_tolerance)
        prior_map = make_prior_map(
            prior, n_dim, args=prior_args, kwargs=prior_kwargs, pass_dict=pass_dict,
            vectorized=vectorized,
        )  # fmt: skip
        described = make_likelihood(
            choose_likelihood(likelihood, likelihood_factory), prior_map,
            args=likelihood_args, kwargs=likelihood_kwargs,
            pass_dict=pass_dict, vectorized=vectorized, n_batch=n_batch, pad_batch=pad_batch,
            blobs_dtype=blobs_dtype, takes_objects=filepath is None,
            on_error=on_error, on_nan=on_nan, call_timeout=call_timeout,
        )  # fmt: skip
        config = make_config(
            prior_map.n_dim, n_live=n_live, n_update=n_update, enlarge_per_dim=enlarge_per_dim,
            n_points_min=n_points_min,
            periodic=periodic_axes(periodic, prior_map.periodic, prior_map.n_dim),
            n_networks=n_networks, neural_network_kwargs=neural_network_kwargs,
            n_like_new_bound=n_like_new_bound, seed=seed,
            n_batch=described.n_batch if described.vectorized else 1,
            start_points=start_in_cube(start_points, prior_map),
        )  # fmt: skip
        checkpoint = None if kept is None else Checkpoint(kept, prior_map)
        session = new_session(
            config, prior_map, described, pool, threads_per_worker, checkpoint, recheck
        )
        with hint_at_reading(kept):
            session.find_saved(is_seed_given=seed is not None)
        super().__init__(prior_map, session, described, given)
        if session.goal is not None:  # of the run in the file
            self.discard_exploration = session.goal.discard_exploration

    @explains_keywords
    def run(  # noqa: PLR0913 - likewise
        self,
        f_live: float = 0.01,
        n_shell: int = 1,
        n_eff: float = 10000,
        n_like_max: float = np.inf,
        discard_exploration: bool = False,
        timeout: float = np.inf,
        verbose: bool = False,
        callback: Callable[[ProgressRecord], object] | None = None,
        *,
        deadline: datetime | float | Literal["slurm"] | None = None,
        grace: float = GRACE_SECONDS,
        replicate: bool | Judge = False,
        n_live: int | None = None,
    ) -> bool:
        """Explore, then sample, until the goal or a limit is reached; call again to go on.

        Parameters
        ----------
        f_live
            The ladder of contours ends when the share of the evidence above the cap of the
            next one, the integral of L less its value on the contour, is below a quarter of this.
        n_shell
            Fewest points of the sampling phase.
        n_eff
            Effective sample size wanted. If calls are expensive, 500 to 2,000 is enough for most
            purposes; see `Sampler`.
        n_like_max
            Most likelihood calls, those of earlier calls of `run` included. A run makes at least
            one call if any is left; if the first limit is below `n_batch`, that is lowered.
        discard_exploration
            Whether only points of the sampling phase count, here and in the results.
        timeout
            Seconds after which the run stops; calls under way that end within `grace` seconds
            more are kept. One call in this process, without a pool, is never stopped half-way.
        verbose
            Whether progress is shown.
        callback
            Receives a `ProgressRecord` after each step.
        deadline
            Time at which the run has to have stopped: a `datetime` (without a time zone, local
            time), seconds since 1970, or "slurm" for half a minute before the end of the batch
            job. It stops `grace` seconds earlier.
        grace
            Seconds that calls under way may go on after a limit, an interrupt or an error, at
            least 0; 5 by default. Those that take longer are dropped and made again later.
        replicate
            Whether a second run follows when the goal is reached, with another seed and the same
            settings, goal and pools, and is compared with the first: the check that no single run
            can make of itself. It takes about as many calls again. Where log Z, a mean or a
            standard deviation differs by more than the errors allow (at a rate of 0.001 of all
            runs if they are right), that is a finding. A function takes the two results, first and
            second, and returns the finding as a sentence, or None; it replaces that comparison.
            `replica` is the second result. The limits are those of both runs together; `callback`
            hears of the second one after the first, counting from zero. With a file, the second
            one is kept beside it as ``<name>.replica.<suffix>``, and is continued likewise.
        n_live
            Effective number of points that every contour must hold inside at least from now on. If
            the run has fewer, the ladder climbs once more from the prior up; emulators learn from
            all points, and all count in the result. If it has as many, nothing changes. Contours
            still have `n_update` calls each. `result` can be read meanwhile, but its error is
            infinite, as it is in every exploration, until a sampling stage stands again. Kept in
            the file: a script that is repeated goes on with it.

        Returns
        -------
        bool
            Whether the goal was reached, and the second run completed if there is to be one;
            `stop_reason` says why the run stopped.

        Raises
        ------
        LikelihoodError, PriorError, BackendError
            If the likelihood, the prior or the workers fail; what was evaluated is kept, and
            `run` can be called again.
        CheckpointError
            If the run cannot be saved; likewise.
        SettingsError
            If a goal or a limit has no meaning.
        KeyboardInterrupt, SystemExit
            On Ctrl-C, and on SIGTERM and SIGUSR1; likewise. A script that does not catch them
            ends with the status 130, 143 or 138.

        Warns
        -----
        UnusualSettingWarning
            If `f_live` is below 1e-12 or above 1, which are then taken, or `n_batch` is lowered.
        UntrustedResultWarning
            For each finding that says why the result is not to be trusted.
        EdgeMassWarning
            If posterior mass is piled up at an edge of the prior, or in a tail of it.
        CheckpointKeptWarning
            If a file of the public package was in the place of the run file, and was renamed.
        """
        goal = make_goal(f_live, n_shell, n_eff, n_like_max, discard_exploration)
        limits = make_limits(timeout, deadline, grace)
        judge = make_judge(replicate)
        support = None if n_live is None else parse_support(n_live)
        self.discard_exploration = goal.discard_exploration
        session = self._session

        def carry_on(run: Session, goal: Goal, limits: Limits) -> StopReason:
            reporter = make_reporter(verbose, callback=callback)
            wanted = support if run is session else session.current_config.n_live
            try:
                with closing(reporter):
                    if verbose:
                        told = {
                            "n_live": wanted or run.current_config.n_live,
                            "seed": run.config.seed,
                        }
                        reporter.note(header_line(__version__, self.n_dim, **told))
                    return run.run(goal, limits, reporter, wanted)
            except (KeyboardInterrupt, Termination):
                before = "" if run is session else "nautilus: the first of two runs is complete.\n"
                Output(sys.stderr).write(f"{before}{run.how_to_continue()}\n")
                raise

        self._replica.prepare(session, is_wanted=judge is not None)
        reason = carry_on(session, goal, limits)
        if judge is not None and reason.is_success:
            reason = self._replica.run(session, goal, limits, judge, carry_on)
            if verbose:
                Output(sys.stderr).write("".join(f"{note}\n" for note in self._replica.notes))
        if self.log_z is not None:
            periodic = session.config.build.periodic
            with own_arithmetic():
                state = session.state_to_read
                warn_about(state, session.estimate, self._prior, periodic, discard_exploration)
        return reason.is_success

    def close(self) -> None:
        """End worker processes that belong to the sampler; pools that were given stay."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
