"""The evidence of the K2-24 example's model, with one planet and with both.

    python benchmarks/k2_24_evidence.py                # some minutes
    python benchmarks/k2_24_evidence.py --draws 200000 # quick

The three numbers of the trend enter linearly and have normal priors: they are integrated in closed
form. The others are drawn from their priors, but for amplitudes and jitter, which are drawn from a
Student density about where a first round found them, and one time in five from the prior, so that
the weights are bounded. Needs nothing of the sampler.
"""

import argparse
import importlib
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from catalogue import ROOT, FloatArray
from scipy import stats

sys.path.insert(0, str(ROOT / "examples"))
model: Any = importlib.import_module("k2_24_model")

DEFENSIVE = 0.2
FREEDOM = 4.0
BLOCK = 20_000


def log_evidence_given(parameters: dict[str, FloatArray], planets: tuple[str, ...]) -> FloatArray:
    """Return the log likelihood with the trend integrated over its priors, shape (n,)."""
    data = model.load_velocities()
    priors = model.prior_distributions(data)
    offset = data.time - model.LogLikelihood(data).mid_time
    scales = [priors[f"trend_{k}"].std() for k in range(3)]
    design = np.stack([s * offset**k for k, s in enumerate(scales)])
    residual = np.broadcast_to(data.velocity, (len(parameters["ln_jitter"]), len(offset)))
    for planet in planets:
        own = {k: parameters[f"{k}_{planet}"][:, None] for k in ("t0", "period", "ecc", "omega")}
        amplitude = np.exp(parameters[f"ln_k_{planet}"])[:, None]
        residual = residual - model.keplerian_velocity(
            data.time, own["t0"], own["period"], amplitude, own["ecc"], own["omega"]
        )
    variance = data.error**2 + np.exp(2.0 * parameters["ln_jitter"])[:, None]
    precision = np.einsum("ik,jk,nk->nij", design, design, 1.0 / variance) + np.eye(3)
    projection = (residual / variance) @ design.T
    fit = np.linalg.solve(precision, projection[:, :, None])[:, :, 0]
    misfit = (residual**2 / variance + np.log(2.0 * np.pi * variance)).sum(axis=1)
    log_det = np.linalg.slogdet(precision)[1]
    return np.asarray(0.5 * ((projection * fit).sum(axis=1) - misfit - log_det))


@dataclass(frozen=True)
class Guess:
    """Where amplitudes and jitter are drawn: centre and width by name."""

    centres: dict[str, float]
    widths: dict[str, float]

    def draw(
        self, rng: np.random.Generator, n: int, planets: tuple[str, ...]
    ) -> tuple[dict[str, FloatArray], FloatArray]:
        """Return parameters, each of shape (n,), and log prior minus log density, shape (n,)."""
        priors = model.prior_distributions(model.load_velocities())
        names = [k for k in priors if k == "ln_jitter" or k.rpartition("_")[2] in planets]
        drawn = {k: np.asarray(priors[k].ppf(rng.random(n))) for k in names}
        is_prior = rng.random(n) < DEFENSIVE
        log_prior, log_guess = np.zeros(n), np.zeros(n)
        for name in self.centres.keys() & drawn.keys():
            about = stats.t(FREEDOM, self.centres[name], self.widths[name])
            drawn[name] = np.where(is_prior, drawn[name], about.rvs(size=n, random_state=rng))
            log_prior += priors[name].logpdf(drawn[name])
            log_guess += about.logpdf(drawn[name])
        log_density = np.logaddexp(np.log(DEFENSIVE) + log_prior, np.log1p(-DEFENSIVE) + log_guess)
        return drawn, log_prior - log_density


def weigh(
    rng: np.random.Generator, n: int, planets: tuple[str, ...], guess: Guess
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return log weights, shape (n,), and the amplitudes and jitter drawn."""
    log_weights, kept = [], []
    for start in range(0, n, BLOCK):
        drawn, correction = guess.draw(rng, min(BLOCK, n - start), planets)
        log_weights.append(log_evidence_given(drawn, planets) + correction)
        kept.append({k: drawn[k] for k in guess.centres if k in drawn})
    joined = {k: np.concatenate([block[k] for block in kept]) for k in kept[0]}
    return np.concatenate(log_weights), joined


def evidence(n_planets: int, n: int, seed: int) -> tuple[float, float, float]:
    """Return log Z, its standard error, and the effective number of draws."""
    planets = model.PLANETS[:n_planets]
    rng = np.random.default_rng([seed, n_planets])
    guess = Guess(
        {"ln_jitter": 1.0, "ln_k_b": 1.5, "ln_k_c": 1.5},
        {"ln_jitter": 0.5, "ln_k_b": 0.5, "ln_k_c": 0.5},
    )
    for _ in range(2):
        log_weights, drawn = weigh(rng, max(n // 20, BLOCK), planets, guess)
        weights = np.exp(log_weights - log_weights.max())
        weights /= weights.sum()
        centres = {k: float(weights @ v) for k, v in drawn.items()}
        widths = {k: float(np.sqrt(weights @ (v - centres[k]) ** 2)) for k, v in drawn.items()}
        guess = Guess(centres, widths)
    log_weights, _ = weigh(rng, n, planets, guess)
    peak = float(log_weights.max())
    weights = np.exp(log_weights - peak)
    error = float(weights.std() / weights.mean() / np.sqrt(n))
    return (
        peak + float(np.log(weights.mean())),
        error,
        float(weights.sum() ** 2 / (weights**2).sum()),
    )


def main() -> None:
    """Print both evidences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=4_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for n_planets in (1, 2):
        log_z, error, n_eff = evidence(n_planets, arguments.draws, arguments.seed)
        print(f"{n_planets}: log Z = {log_z:.4f} +- {error:.4f}, n_eff {n_eff:,.0f}", flush=True)


if __name__ == "__main__":
    main()
