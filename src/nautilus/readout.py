"""What can be read off a run at any moment."""

from typing import Any

import numpy as np

from nautilus._rows import html_of, text_of
from nautilus.posterior import Posterior
from nautilus.posterior_tuple import PosteriorRequest, as_tuple
from nautilus.prior import PriorMap
from nautilus.replica import Replica
from nautilus.result import efficiency, known_error
from nautilus.run.estimate import Estimate
from nautilus.run.state import Phase
from nautilus.run.stop import StopReason
from nautilus.session import Session
from nautilus.settings import flag, number


class Readout:
    """The answers that a run has so far; computed from its state whenever they are asked for.

    Parameters
    ----------
    prior
        Turns points of the unit cube into parameters.
    session
        The run.
    """

    def __init__(self, prior: PriorMap, session: Session) -> None:
        self._prior = prior
        self._session = session
        self._replica = Replica()
        self._discard_exploration = False
        self._n_drawn = 0

    @property
    def discard_exploration(self) -> bool:
        """Whether only the sampling phase counts; may be switched at any time."""
        return self._discard_exploration

    @discard_exploration.setter
    def discard_exploration(self, value: bool) -> None:
        self._discard_exploration = flag("discard_exploration", value)

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the last call of `run` ended; None before the first, and while one goes on."""
        ended = self._replica.stop_reason
        told = self._session.stop_reason if ended is None else ended
        return next((reason for reason in StopReason if reason == told), None)

    @property
    def log_z(self) -> float | None:
        """Natural logarithm of the evidence; None as long as there is no result."""
        log_z = self._answer().log_z
        return log_z if np.isfinite(log_z) else None

    @property
    def log_z_err(self) -> float:
        """Standard error of `log_z`; infinite until a sampling stage stands: it is not known."""
        return known_error(self._session.state, self._answer().log_z_err)

    @property
    def n_eff(self) -> float:
        """Effective sample size (sum w)^2 / sum w^2 of the points that count."""
        return self._answer().n_eff

    @property
    def n_like(self) -> int:
        """Points whose likelihood was evaluated."""
        return self._session.state.n_like

    @property
    def eta(self) -> float:
        """Effective sample size per likelihood call; of the sampling phase if only that counts."""
        return efficiency(self._session.state, self._answer(), self.discard_exploration)

    @property
    def f_live(self) -> float | None:
        """Share of the evidence above the cap of the last contour looked at, 0 to 1; see `run`.

        None in the sampling phase, which is beyond contours.
        """
        state = self._session.state
        return None if state.phase is Phase.SAMPLING else state.f_remaining

    @property
    def result(self) -> Posterior:
        """The result so far as one plain value.

        Raises
        ------
        NoResultError
            If no point has any weight yet.
        """
        return self._session.result(self.discard_exploration, self._replica.notes)

    @property
    def replica(self) -> Posterior | None:
        """The result of the second run that ``run(replicate=True)`` makes; None without one.

        Its calls, `replica.n_like`, come on top of `n_like`.
        """
        return self._replica.result(self.discard_exploration)

    def posterior(
        self,
        return_as_dict: bool | None = None,
        equal_weight: bool = False,
        equal_weight_boost: float = 1.0,
        return_blobs: bool = False,
    ) -> tuple[Any, ...]:
        """Return the weighted posterior sample as a tuple.

        Parameters
        ----------
        return_as_dict
            Whether points are a dictionary of arrays by name rather than an array; by default
            only where the prior is a function that returns dictionaries.
        equal_weight
            Whether points are drawn by weight and returned with equal weights. Each call is a
            fresh draw; the k-th of a sampler depends on its seed and on k alone, so that a script
            that is repeated has the same ones. ``result.resample(rng=...)`` draws as often as one
            likes from one generator.
        equal_weight_boost
            Larger values return more, partly repeated, points of equal weight.
        return_blobs
            Whether to append the blobs.

        Returns
        -------
        points
            Parameters, shape (n, p), or a dictionary.
        log_w
            Logarithms of the normalised weights, shape (n,); -inf for points of a stage that is
            not complete yet, which come last.
        log_l
            Log-likelihoods, shape (n,).
        blobs
            One entry per point; only if asked for.

        Raises
        ------
        NoResultError
            If no point has any weight yet.
        SettingsError
            If blobs are asked for, but the likelihood returns none; if a dictionary is, but the
            prior gives parameters without names; or if the boost is not a number of at least 0.
        """
        boost = number("equal_weight_boost", equal_weight_boost, 0.0)
        given = as_tuple(
            self.result, self._prior, self._session.state_to_read, self.discard_exploration,
            PosteriorRequest(return_as_dict, equal_weight, boost, return_blobs, self._n_drawn),
        )  # fmt: skip
        self._n_drawn += bool(equal_weight)
        return given

    def __repr__(self) -> str:
        return text_of(*self._told())

    def _repr_html_(self) -> str:
        return html_of(*self._told())

    def _told(self) -> tuple[str, list[tuple[str, str]]]:
        """Return what is known without computing anything."""
        session, config = self._session, self._session.current_config
        reached = session.how_far if session.state.n_like else "not run yet"
        return "Sampler", [
            ("dimensions", f"{config.n_dim}"),
            ("n_live, seed", f"{config.n_live:,}, {config.seed}"),
            ("phase", session.state.phase.value),
            ("reached", reached),
            ("stopped", session.stop_reason),
        ]

    def _answer(self) -> Estimate:
        return self._session.estimate(self.discard_exploration)
