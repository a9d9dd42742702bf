"""Fit the two planets of K2-24 to real radial velocities: 14 parameters and the evidence.

    python examples/k2_24.py
    python examples/k2_24.py --seed 2 --n-eff 2000 --pool 4 --out somewhere

Prints a summary and writes a corner plot, the velocities under the model, and the weighted
posterior as a table to the output folder. Model and priors are in ``k2_24_model.py``.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from k2_24_model import (
    PERIODIC,
    PLANETS,
    FloatArray,
    LogLikelihood,
    Velocities,
    load_velocities,
    minimum_mass,
    prior_distributions,
)
from k2_24_plots import plot_corner, plot_velocities
from loky import cpu_count

from nautilus import Posterior, Prior, Sampler
from nautilus.report import ProgressRecord

N_CURVES = 500
ONE_SIGMA = (0.158655, 0.5, 0.841345)
EXPECTED_LOG_Z = -98.90  # two other computations with these priors agree on it within 0.02

# In Earth masses. 2016: Petigura et al. (ApJ 818, 36), from these velocities. 2018: transit timing
# and more velocities, Petigura et al. (AJ 156, 89), as later work quotes them.
PUBLISHED_MASSES = {
    "b": "21.0 +- 5.4 (2016), 19.0 +2.2 -2.1 (2018)",
    "c": "27.0 +- 6.9 (2016), 15.4 +1.9 -1.8 (2018)",
}
PUBLISHED_ECCENTRICITIES = {"b": "0.06 (2018)", "c": "< 0.05 (2018)"}


def build_prior(data: Velocities) -> Prior:
    """Return the prior of the 14 parameters; the periastron angles are periodic."""
    prior = Prior()
    for name, distribution in prior_distributions(data).items():
        prior.add_parameter(name, dist=distribution, periodic=name in PERIODIC)
    return prior


def as_text(low: float, middle: float, high: float, digits: int) -> str:
    """Return a median with its one-sigma interval as text."""
    return f"{middle:.{digits}f} +{high - middle:.{digits}f} -{middle - low:.{digits}f}"


def interval(values: FloatArray, digits: int = 3) -> str:
    """Return the median of equally weighted values with its one-sigma interval as text."""
    return as_text(*np.quantile(values, ONE_SIGMA), digits)


def print_parameters(result: Posterior) -> None:
    """Print one line per parameter: median and 68 % interval."""
    print(f"\n{'parameter':<12} median and 68 % interval")
    for name, values in zip(result.names, result.quantile(ONE_SIGMA).T, strict=True):
        digits = 5 if name.startswith(("t0", "period", "trend_2")) else 3
        print(f"{name:<12} {as_text(*values, digits)}")


def print_planets(samples: Mapping[str, FloatArray]) -> None:
    """Print velocity semi-amplitudes, masses and eccentricities beside published ones."""
    for planet in PLANETS:
        k, ecc = np.exp(samples[f"ln_k_{planet}"]), samples[f"ecc_{planet}"]
        mass = minimum_mass(k, samples[f"period_{planet}"], ecc)
        limit = np.quantile(ecc, 0.95)
        print(f"\nK2-24 {planet}")
        print(f"  K (m/s)             {interval(k, 2)}")
        print(f"  mass (Earth masses) {interval(mass, 1)}")
        print(f"      published       {PUBLISHED_MASSES[planet]}")
        print(f"  eccentricity        {interval(ecc)}, below {limit:.2f} at 95 %")
        print(f"      published       {PUBLISHED_ECCENTRICITIES[planet]}")


def write_posterior(path: Path, result: Posterior) -> None:
    """Write the weighted samples as CSV: one column per parameter, then weight and log L."""
    header = ",".join([*result.names, "weight", "log_l"])
    table = np.column_stack([result.array, result.weights, result.log_l])
    np.savetxt(path, table, fmt="%.10g", delimiter=",", header=header, comments="")


def parse_arguments() -> argparse.Namespace:
    """Return the command line as a namespace."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n-eff", type=float, default=10000.0, help="effective sample size wanted")
    parser.add_argument(
        "--pool", type=int, default=cpu_count(), help="number of processes (default: all cores)"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="output folder")
    return parser.parse_args()


def write_files(out: Path, likelihood: LogLikelihood, result: Posterior) -> None:
    """Write the posterior table and the two figures to the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    write_posterior(out / "k2_24_posterior.csv", result)
    plot_corner(result, out / "k2_24_corner.png")
    draws = result.resample(N_CURVES).samples
    plot_velocities(likelihood.data, draws, likelihood.mid_time, out / "k2_24_velocities.png")
    print(f"\nPosterior and figures are in {out}/")


def main() -> int:
    """Run the sampler, print the summary, write the files; the status is 0 for success."""
    arguments = parse_arguments()
    likelihood = LogLikelihood(load_velocities())
    prior = build_prior(likelihood.data)
    # The likelihood takes microseconds: only the sampler's own work is worth sending elsewhere.
    pools = (None, arguments.pool)
    sampler = Sampler(prior, likelihood, vectorized=True, pool=pools, seed=arguments.seed)
    records: list[ProgressRecord] = []
    success = sampler.run(n_eff=arguments.n_eff, verbose=True, callback=records.append)

    result = sampler.result
    draws = result.resample().samples
    print_parameters(result)
    print_planets(draws)
    print(f"\nlog Z = {result.log_z:.4f} +- {result.log_z_err:.2g} (expected {EXPECTED_LOG_Z})")
    print(f"{result.n_like:,} likelihood calls, effective sample size {result.n_eff:,.0f}")
    last = records[-1]
    print(
        f"{last.elapsed_seconds:.1f} s, of which {last.own_seconds:.1f} s were the sampler's own "
        f"and {last.likelihood_seconds:.1f} s the likelihood's"
    )
    write_files(arguments.out, likelihood, result)
    return 0 if success else 1


if __name__ == "__main__":
    sys.exit(main())
