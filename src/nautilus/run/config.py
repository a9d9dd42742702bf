"""What decides the numbers of a run, and what ends it."""

from dataclasses import dataclass, field

from nautilus.proposal.settings import BuildSettings


@dataclass(frozen=True)
class Config:
    """Everything but the likelihood that the numbers of a run depend on.

    Parameters
    ----------
    n_dim
        Number of dimensions d.
    seed
        Seed of all random numbers.
    n_live
        Effective points wanted inside each contour.
    n_stage
        Points per contour; rounds with the posterior as target take twice as many.
    n_stage_max
        Most points of a contour and of a stage from the prior; sampling stages have at most four
        times as many, or as many as they need to confirm something.
    n_batch
        Points in one call of the likelihood.
    build
        How proposals are built.
    start_points
        Points of the unit cube that are evaluated first, for orientation.
    """

    n_dim: int
    seed: int
    n_live: int = 500
    n_stage: int = 500
    n_stage_max: int = 5000
    n_batch: int = 1
    build: BuildSettings = field(default_factory=BuildSettings)
    start_points: tuple[tuple[float, ...], ...] = ()


UNSEEN_SHARE = 0.25
"""The ladder ends where less than this share of f_live is expected above the cap: few points
have been there, so that what is above it would be missed by the posterior's proposals as well."""


@dataclass(frozen=True)
class Goal:
    """When a run is finished; may change whenever it is continued.

    Parameters
    ----------
    f_live
        The ladder of contours ends when the share of the evidence above the cap of the
        next one is below a quarter of this.
    n_eff
        Effective sample size wanted.
    discard_exploration
        Whether only points of the sampling phase count.
    n_like_max
        Most likelihood calls; infinity for no limit.
    n_shell
        Fewest points of the sampling phase.
    """

    f_live: float = 0.01
    n_eff: float = 10000.0
    discard_exploration: bool = False
    n_like_max: float = float("inf")
    n_shell: int = 1

    @property
    def f_unseen(self) -> float:
        """Share of the evidence above the cap at which the ladder ends."""
        return UNSEEN_SHARE * self.f_live
