"""Whether the contours of a run give each mode its share: where a part of a posterior gets lost.

    OMP_NUM_THREADS=1 python benchmarks/fairness.py random-modes-11 [--seed 0] [--calls 12000]

A proposal for a contour of volume V should have about the density 1 / V wherever log L is above
the contour. For each mode this prints, contour by contour,

- its true share of the volume inside, from uniform points in the ball in which its term alone
  exceeds the contour,
- the share that the points evaluated before say it has, and how many of them lie there,
- the fairness: the density of the stage's mixture times V, its mean over these uniform points,
  which are held out of every fit,
- how many points of the stage fell into it.

A mode is forgotten when its fairness falls towards zero while its true share does not, or when a
fair share is so few points that none is left by chance. Only problems whose modes are round
Gaussians can be looked at.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from scipy.special import gammaln, logsumexp

from nautilus import Sampler
from nautilus.proposal.learned import LearnedProposal
from nautilus.run.level import log_volume_inside
from nautilus.run.mixture import history_log_density, stage_log_densities
from nautilus.run.state import RunState
from nautilus.testing.problems import Problem, gallery, unit_prior
from nautilus.testing.problems.mixtures import NormalMixture

N_TRIALS = 200_000
"""Points tried in the ball of a mode, or in the cube where the ball is larger."""

N_KEPT = 300
"""Points at which fairness is averaged."""


def uniform_inside(
    problem: Problem, mode: int, log_level: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return uniform points of a contour where a mode is the likeliest, and their log volume."""
    mixture = problem.log_likelihood
    d, width = problem.n_dim, mixture.widths[mode, 0]
    log_peak = np.log(mixture.shares[mode]) - d * np.log(width) - 0.5 * d * np.log(2.0 * np.pi)
    # Where this term is the largest of k it is at least the sum over k.
    reach = log_peak - log_level + np.log(len(mixture.shares))
    if reach <= 0.0:
        return np.empty((0, d)), -np.inf
    radius = width * np.sqrt(2.0 * reach)
    log_ball = d * np.log(radius) + 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1.0)
    if log_ball < 0.0:
        points = rng.standard_normal((N_TRIALS, d))
        points *= (rng.random(N_TRIALS) ** (1.0 / d) / np.linalg.norm(points, axis=1))[:, None]
        points = mixture.centres[mode] + radius * points
    else:
        points, log_ball = rng.random((N_TRIALS, d)), 0.0
    points = points[((points > 0.0) & (points < 1.0)).all(axis=1)]
    is_own = problem.memberships(points).argmax(axis=1) == mode
    points = points[is_own & (mixture(points) > log_level)]
    with np.errstate(divide="ignore"):
        return points[:N_KEPT], float(log_ball + np.log(len(points) / N_TRIALS))


def rows(problem: Problem, state: RunState) -> Iterator[str]:
    """Yield a line for each contour and mode."""
    ledger, log_q = state.ledger, state.table.log_q
    rng = np.random.default_rng(0)
    stage = ledger.stage_of_point
    modes = problem.memberships(ledger.points).argmax(axis=1)
    for t, drawn in enumerate(ledger.stages):
        used = np.flatnonzero(drawn.counts)
        newest = state.proposals[used[-1]]
        if not isinstance(newest, LearnedProposal) or newest.target.is_posterior:
            continue
        log_level, before = newest.target.log_level, stage < t
        log_g = history_log_density(
            log_q[before][:, : len(ledger.stages[t - 1].counts)], ledger.stages[:t]
        )
        inside = ledger.log_l[before] > log_level
        log_volume = log_volume_inside(ledger.log_l[before], log_g, log_level)
        share = np.exp(-log_g[inside] - logsumexp(-log_g[inside]))
        for mode, weight in enumerate(problem.mode_weights):
            points, log_own = uniform_inside(problem, mode, log_level, rng)
            if not len(points):
                continue
            mine = modes[before][inside] == mode
            at_points = np.zeros((len(points), len(drawn.counts)))  # only columns in use count
            for k in used:
                at_points[:, k] = state.proposals[k].log_density(points)
            log_m = stage_log_densities(at_points, (drawn,))
            fell = (stage == t) & (ledger.log_l > log_level) & (modes == mode)
            yield (
                f"| {t} | {log_volume:.1f} | {mode} | {weight:.3f}"
                f" | {np.exp(log_own - log_volume):.4f} | {share[mine].sum():.4f} ({mine.sum()})"
                f" | {np.exp(log_m + log_volume).mean():.2f} | {fell.sum()} |"
            )


def main() -> None:
    """Make a run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=12_000, help="the run ends after so many")
    given = parser.parse_args()
    problem = gallery()[given.problem]()
    if not isinstance(problem.log_likelihood, NormalMixture):
        parser.error(f"{given.problem} is no mixture of round Gaussians")
    sampler = Sampler(
        unit_prior, problem.log_likelihood, n_dim=problem.n_dim, vectorized=True, seed=given.seed
    )
    sampler.run(n_like_max=given.calls)
    print("| stage | log V | mode | weight | true share | seen (points) | fairness | fell in |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows(problem, sampler._session.state):  # noqa: SLF001 - as no user can
        print(row)


if __name__ == "__main__":
    main()
