"""One run of the scoreboard in a process of its own; prints one JSON object on the last line.

Started by ``scoreboard.py`` with the Python of the package that is measured, and with the folder
of its source on the path. The problem is that of this checkout, whatever package is measured.

A row has the fields of its key (``scoreboard_runs.KEY``) and these; what is not known is null or,
where a run has no result, missing:

    status              done, timed out, no result, broken (the process failed)
    stop_reason         why it stopped, in words
    is_success          whether the wanted effective sample size was reached
    n_like              likelihood calls
    n_exploration       points of stages of the exploration
    own_cpu_seconds     CPU seconds of the process without those of the likelihood
    seconds             wall seconds; likelihood_seconds are part of them
    peak_mib            largest resident size of the process
    n_eff_reached       effective sample size, (sum w)^2 / sum w^2
    log_z, log_z_err    what the sampler says; log_z_true is exact
    log_z_error         log_z - log_z_true, in nats
    log_z_pull          the same in quoted errors
    mean_pull, sd_pull  largest error of a posterior mean, of a standard deviation, in their errors
    weight_pull         largest error of the weight of a mode, in its errors
    mode_weights        weights found of the modes
    findings            what the sampler itself says against its result
    timeout, machine    seconds that it was given; machines of equal labels have comparable seconds
"""

import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from catalogue import FloatArray, load_testing
from run_one import Stopwatch, make_sampler, peak_memory_mib
from scoreboard_problems import factories

Row = dict[str, Any]
Answers = tuple[Row, FloatArray, FloatArray]
"""What a sampler says, points of shape (n, d), and their log weights of shape (n,)."""

Reader = Callable[[], Answers]

FLOOR = 2e-4
"""Errors are not taken for smaller than this share of a standard deviation, or of one for weights
of modes: arithmetic and tables of exact answers are not judged."""

ROUNDING = 1e-9
"""Nor is log Z known better than to this, in nats."""


def run_ours(problem: Any, watch: Stopwatch, key: Row) -> Reader:
    """Run this package, and return what reads its answers."""
    sampler = make_sampler(problem, watch, key["seed"], key["settings"])
    is_success = sampler.run(n_eff=key["n_eff"], timeout=key["timeout"], verbose=False)

    def read() -> Answers:
        result = sampler.result
        told = {
            "n_like": result.n_like,
            "n_exploration": result.run.n_exploration,
            "is_success": bool(is_success),
            "stop_reason": str(result.stop_reason),
            "log_z": float(result.log_z),
            "log_z_err": float(result.log_z_err),
            "findings": list(result.findings),
        }
        return told, *sampler.posterior()[:2]

    return read


def run_public(problem: Any, watch: Stopwatch, key: Row) -> Reader:
    """Run the public package; its documentation gives n_eff^-1/2 as the error of log Z."""
    sampler = make_sampler(problem, watch, key["seed"], key["settings"])
    is_success = sampler.run(n_eff=key["n_eff"], timeout=key["timeout"], verbose=False)

    def read() -> Answers:
        n_explored = sum(sampler.shell_end_exp) if sampler.explored else sampler.n_like
        told = {
            "n_like": int(sampler.n_like),
            "n_exploration": int(n_explored),
            "is_success": bool(is_success),
            "stop_reason": "",
            "log_z": float(sampler.log_z),
            "log_z_err": float(sampler.n_eff) ** -0.5,
            "findings": [],
        }
        return told, *sampler.posterior()[:2]

    return read


def run_dynesty(problem: Any, watch: Stopwatch, key: Row) -> Reader:
    """Run dynesty until it is satisfied; it knows no wanted effective sample size."""
    dynesty: Any = importlib.import_module("dynesty")
    settings = {"nlive": 1000, "sample": "rwalk", **key["settings"]}
    sampler = dynesty.NestedSampler(
        lambda point: float(watch(point[None])[0]),
        lambda point: point,
        problem.n_dim,
        periodic=list(problem.periodic) or None,
        rstate=np.random.default_rng(key["seed"]),
        **settings,
    )
    sampler.run_nested(print_progress=False)

    def read() -> Answers:
        results = sampler.results
        told = {
            "n_like": watch.n_calls,
            "n_exploration": None,
            "is_success": True,
            "stop_reason": "",
            "log_z": float(results.logz[-1]),
            "log_z_err": float(results.logzerr[-1]),
            "findings": [],
        }
        return told, results.samples_u, results.logwt

    return read


RUNNERS = {"ours": run_ours, "public": run_public, "dynesty": run_dynesty}


def largest_pull(deviations: FloatArray, errors: FloatArray, scales: FloatArray) -> float:
    """Return the largest deviation in units of its error, all of shape (k,)."""
    return float(np.max(np.abs(deviations) / np.hypot(errors, FLOOR * scales)))


def moment_pulls(problem: Any, summary: Any) -> Row:
    """Return the largest errors of means and standard deviations in their own errors."""
    if problem.mean is None or problem.variance is None:
        return {"mean_pull": None, "sd_pull": None}
    d, sd = problem.n_dim, np.sqrt(problem.variance)
    values, errors = summary.values, summary.errors
    # The error of a square root is that of the square over twice the root.
    return {
        "mean_pull": largest_pull(values[:d] - problem.mean, errors[:d], sd),
        "sd_pull": largest_pull(np.sqrt(values[d : 2 * d]) - sd, errors[d : 2 * d] / (2 * sd), sd),
    }


def mode_pulls(
    problem: Any, points: FloatArray, weights: FloatArray, average: Callable[..., Any]
) -> Row:
    """Return the weights found of modes, and the largest of their errors in units of it.

    A mode that was never seen has a weight of zero, and seems to have no error: none is taken for
    smaller than that of as many points as count, drawn from the exact posterior.
    """
    exact = problem.mode_weights
    if exact is None:
        return {"weight_pull": None, "mode_weights": []}
    found, errors = average(problem.memberships(points), weights)
    ideal = np.sqrt(exact * (1.0 - exact) * (weights**2).sum())
    pull = largest_pull(found - exact, np.maximum(errors, ideal), np.ones_like(exact))
    return {"weight_pull": pull, "mode_weights": [round(float(w), 6) for w in found]}


def accuracy(problem: Any, marginals: Any, answers: Answers) -> Row:
    """Return what a run says and how far its answers are from the exact ones."""
    told, points, log_weights = answers
    weights = np.exp(log_weights - np.max(log_weights))
    weights /= weights.sum()
    error = told["log_z"] - problem.log_z
    return {
        **told,
        "n_eff_reached": float(1.0 / (weights**2).sum()),
        "log_z_error": error,
        "log_z_pull": float(error / np.hypot(told["log_z_err"], ROUNDING)),
        **moment_pulls(problem, marginals.summarise(points, log_weights, problem)),
        **mode_pulls(problem, points, weights, marginals.average),
    }


def measure(problem: Any, marginals: Any, key: Row) -> Row:
    """Make one run, and return its row."""
    watch = Stopwatch(problem.log_likelihood)
    wall, cpu = time.perf_counter(), time.process_time()
    read = RUNNERS[key["package"]](problem, watch, key)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    is_late = wall >= key["timeout"]
    row = {
        "n_dim": problem.n_dim,
        "log_z_true": problem.log_z,
        "status": "done",
        "n_like": watch.n_calls,
        "own_cpu_seconds": round(cpu - watch.cpu, 3),
        "seconds": round(wall, 3),
        "likelihood_seconds": round(watch.wall, 3),
        "peak_mib": peak_memory_mib(),
    }
    try:
        row |= accuracy(problem, marginals, read())
    except Exception as error:
        if type(error).__name__ != "NoResultError":
            raise
        row |= {"status": "no result", "stop_reason": str(error)}
    if is_late and not row.get("is_success"):
        row["status"] = "timed out"
    return row


def main() -> None:
    """Read the key of the run, measure, print the row."""
    key = json.loads(sys.argv[1])
    problems_of = factories()
    (marginals,) = load_testing("marginals")
    problem = problems_of[key["problem"]]()
    if key["source"] is not None:
        package = importlib.import_module("nautilus")
        if not Path(str(package.__file__)).is_relative_to(key["source"]):
            raise SystemExit(f"{package.__file__} was imported, not the source in {key['source']}.")
    warnings.simplefilter("ignore")
    print(json.dumps(measure(problem, marginals, key)))


if __name__ == "__main__":
    main()
