"""Names of the public package, so that scripts and front ends written for it run as they are."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, NoReturn, Self, TypeVar, overload

import numpy as np

from nautilus._streams import stream
from nautilus._types import BlobArray, FloatArray, IntArray
from nautilus._warn import warn_user
from nautilus.checkpoint_settings import make_checkpoint_settings
from nautilus.errors import SettingsError
from nautilus.evaluate.backends import ExecutorHandle
from nautilus.evaluate.likelihood import Likelihood
from nautilus.pool import NautilusPool, as_handles
from nautilus.prior import DictionaryMap, FunctionPrior, PriorMap
from nautilus.readout import Readout
from nautilus.report.status import print_status, print_status_header
from nautilus.run.config import Config
from nautilus.run.state import Phase, RunState
from nautilus.session import Session
from nautilus.settings import flag

Value = TypeVar("Value")


class Keyword(Generic[Value]):
    """A keyword of the constructor as an attribute, which can be read but not set.

    Parameters
    ----------
    resolve
        Gives what the run uses; by default the attribute is what was given.
    """

    def __init__(self, resolve: Callable[[Config], Value] | None = None) -> None:
        self._resolve = resolve
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, sampler: None, owner: type) -> Self: ...

    @overload
    def __get__(self, sampler: "Legacy", owner: type) -> Value: ...

    def __get__(self, sampler: "Legacy | None", owner: type) -> Self | Value:
        if sampler is None:
            return self
        if self._resolve is not None:
            return self._resolve(sampler._session.current_config)  # noqa: SLF001 - a part of that class
        value: Value = sampler._given[self._name]  # noqa: SLF001 - likewise
        return value

    def __set__(self, sampler: "Legacy", value: object) -> NoReturn:
        raise SettingsError(
            f"{self._name} cannot be set: it is part of what the run is. Make a new Sampler with"
            f" {self._name}={value!r}."
        )


class Legacy(Readout):
    """What front ends of the public package read, set and call beside the rest.

    Every keyword of the constructor is an attribute of the same name. Where None stands for a
    default that is known, and for seeds that were drawn, the attribute says what the run uses.

    Parameters
    ----------
    prior
        Turns points of the unit cube into parameters.
    session
        The run.
    likelihood
        The likelihood as it is called.
    given
        The keywords of the constructor by name; what is none is left out.
    """

    n_dim = Keyword(lambda config: config.n_dim)
    """Number of dimensions of the unit cube."""
    seed = Keyword(lambda config: config.seed)
    """Seed of all random numbers of this run."""
    prior = Keyword[Any]()
    """The prior as it was given; a function takes points of the unit cube alone."""
    likelihood = Keyword[Callable[..., Any]]()
    """The likelihood as it was given; it takes parameters alone."""
    n_batch = Keyword(lambda config: config.n_batch)
    """Points in one call of the likelihood: 1 unless it is vectorised."""
    periodic = Keyword(lambda config: config.build.periodic)
    """Indices of periodic dimensions, those that the prior declares included."""
    n_live = Keyword(lambda config: config.n_live)
    n_update = Keyword(lambda config: config.n_stage)
    n_like_new_bound = Keyword(lambda config: config.n_stage_max)
    enlarge_per_dim = Keyword(lambda config: config.build.enlarge)
    n_points_min = Keyword[int | None]()
    split_threshold = Keyword[float]()
    n_networks = Keyword(lambda config: config.build.emulator.n_networks)
    neural_network_kwargs = Keyword[Mapping[str, Any]]()
    prior_args = Keyword[Any]()
    prior_kwargs = Keyword[Mapping[str, Any]]()
    likelihood_args = Keyword[Any]()
    likelihood_kwargs = Keyword[Mapping[str, Any]]()
    vectorized = Keyword[bool]()
    pass_dict = Keyword[bool | None]()
    blobs_dtype = Keyword[Any]()
    resume = Keyword[Any]()
    pad_batch = Keyword[bool]()
    on_error = Keyword[str]()
    on_nan = Keyword[str]()
    threads_per_worker = Keyword[int | None]()
    call_timeout = Keyword[float | None]()
    likelihood_factory = Keyword[Callable[[], Any] | None]()
    save_interval = Keyword[float]()
    n_recheck = Keyword[int]()
    recheck_tolerance = Keyword[float]()
    take_over = Keyword[bool]()
    start_points = Keyword[Any]()

    def __init__(
        self,
        prior: PriorMap,
        session: Session,
        likelihood: Likelihood,
        given: Mapping[str, Any],
    ) -> None:
        super().__init__(prior, session)
        known = {name: given[name] for name in given if _is_keyword(type(self), name)}
        self._given = {**known, "likelihood": likelihood.bound()}
        if isinstance(prior, FunctionPrior):
            self._given["prior"] = prior.bound()
        if isinstance(prior, DictionaryMap):
            self._given["pass_dict"] = True
        self._rng: np.random.Generator | None = None

    @property
    def explored(self) -> bool:
        """Whether the run has reached the sampling phase; a surprise can re-open exploration."""
        return self._session.state.phase is Phase.SAMPLING

    @property
    def points(self) -> list[FloatArray]:
        """Points of the unit cube that were evaluated, one array of shape (n, d) per stage.

        Stages take the place of the shells of the public package. The last one may be under way;
        before it, joined together, the points are those of `posterior` and in its order.
        """
        return _by_stage(self._session.state, lambda some: some.points)

    @property
    def log_l(self) -> list[FloatArray]:
        """Their log-likelihoods, one array of shape (n,) per stage."""
        return _by_stage(self._session.state, lambda some: some.log_l)

    @property
    def blobs(self) -> list[BlobArray] | None:
        """Their blobs, one array per stage; None if there are none."""
        state = self._session.state
        # The blobs of the first stage come with its first result, those of the ledger with its end.
        has_none = state.ledger.blobs is None and (
            state.pending is None or state.pending.blobs is None
        )
        return None if has_none else _by_stage(state, lambda some: some.blobs)

    @property
    def rng(self) -> np.random.Generator:
        """A generator that belongs to the seed, for whoever wants one; it feeds nothing here."""
        if self._rng is None:
            self._rng = stream(self.seed, "rng")
        return self._rng

    @property
    def filepath(self) -> Path | None:
        """File that keeps the run, or None; may be set between calls of `run`.

        After None the run is in memory only. A name of a file that is there is taken only if that
        file holds this run, and nothing less of it.
        """
        return self._session.path

    @filepath.setter
    def filepath(self, value: str | os.PathLike[str] | None) -> None:
        self._session.keep_in(
            make_checkpoint_settings(value, True, self.save_interval, self.take_over)
        )

    @property
    def pool_l(self) -> NautilusPool | None:
        """Where the likelihood is evaluated; None in this process. May be set as `pool` is given.

        Numbers do not depend on it.
        """
        return _as_pool(self._session.pools[0])

    @pool_l.setter
    def pool_l(self, pool: object) -> None:
        own = self._session.pools[1]
        self._session.move(as_handles(pool, self.likelihood), own)

    @property
    def pool_s(self) -> NautilusPool | None:
        """Where the sampler's own work is done; likewise."""
        return _as_pool(self._session.pools[1])

    @pool_s.setter
    def pool_s(self, pool: object) -> None:
        calls = self._session.pools[0]
        self._session.move(calls, as_handles(pool, self.likelihood))

    def evidence(self) -> float | None:
        """Return `log_z`, which is to be preferred."""
        _warn_of("evidence", "log_z")
        return self.log_z

    def effective_sample_size(self) -> float:
        """Return `n_eff`, which is to be preferred."""
        _warn_of("effective_sample_size", "n_eff")
        return self.n_eff

    def asymptotic_sampling_efficiency(self) -> float:
        """Return `eta`, which is to be preferred."""
        _warn_of("asymptotic_sampling_efficiency", "eta")
        return self.eta

    def print_status(self, status: str = "", header: bool = False, end: str = "\n") -> None:
        """Print where the run stands as a row of a table.

        Parameters
        ----------
        status
            Text of the first column.
        header
            Whether to print the names of the columns instead.
        end
            What is printed after the row.
        """
        if header:
            print_status_header(end)
            return
        print_status(
            status, n_proposals=len(self._session.state.proposals), n_like=self.n_like,
            f_live=self.f_live, n_eff=self.n_eff, log_z=self.log_z, end=end,
        )  # fmt: skip

    def shell_bound_occupation(self, fractional: bool = True) -> FloatArray | IntArray:
        """Return how far the proposals overlap.

        Proposals are soft and have no bounds that a point is inside of or not. So the entry (i, j)
        says how many of the points that were drawn from proposal i lie where proposal j is at
        least as dense as i. Along a row of the first, the prior, one reads how the proposals
        shrink: each share is about that of the prior which the proposal covers. Two proposals with
        small entries both ways know different places.

        Parameters
        ----------
        fractional
            Whether to give shares of the points of i rather than their number.

        Returns
        -------
        FloatArray or IntArray
            Shape (K, K) for K proposals, of points of complete stages; the first is the prior. The
            diagonal is one. Shares are NaN where no point was drawn.
        """
        log_q = self._session.densities()
        proposal = self._session.state.ledger.proposal_of_point
        denser = log_q >= log_q[np.arange(len(log_q)), proposal][:, None]
        counts = np.zeros((log_q.shape[1], log_q.shape[1]), dtype=np.int64)
        np.add.at(counts, proposal, denser)
        with np.errstate(invalid="ignore"):
            return counts / counts.diagonal()[:, None] if fractional else counts

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the run as it is now to a run file, for a run that was begun without `filepath`.

        ``Sampler(..., filepath=path)`` continues it with the same numbers, `nautilus.load` reads
        its result. This sampler does not keep the file; set `filepath` for that.

        Parameters
        ----------
        path
            Where; folders that are missing are made.
        overwrite
            Whether a run file of that name is lost.

        Raises
        ------
        CheckpointError
            If something is there already, or the file cannot be made.
        """
        settings = make_checkpoint_settings(path, not flag("overwrite", overwrite), 0.0, False)
        if settings is None:
            raise SettingsError("path is None; give the name of a file.")
        self._session.save_as(settings)

    def write(self, filepath: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Do as `save`: a run file, whatever its name, and never an HDF5 file."""
        self.save(filepath, overwrite)


def _is_keyword(kind: type, name: str) -> bool:
    return isinstance(getattr(kind, name, None), Keyword)


def _as_pool(handle: ExecutorHandle) -> NautilusPool | None:
    return None if handle.is_serial else NautilusPool(handle)


def _by_stage(state: RunState, values_of: Callable[[Any], Any]) -> list[Any]:
    """Return copies of what belongs to the points of each stage."""
    ledger, pending = state.ledger, state.pending
    ends = np.cumsum([stage.n_points for stage in ledger.stages])
    parts = np.split(values_of(ledger), ends[:-1]) if len(ends) else []
    if pending is not None and pending.n_done:
        parts.append(values_of(pending)[pending.is_done])
    return [part.copy() for part in parts]


def _warn_of(method: str, attribute: str) -> None:
    warn_user(f"{method}() is deprecated; read the attribute {attribute}.", DeprecationWarning)
