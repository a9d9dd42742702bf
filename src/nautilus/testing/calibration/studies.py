"""The runs: each simulates its data, samples, and keeps what is judged."""

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nautilus import Posterior, Sampler
from nautilus._streams import stream
from nautilus._types import FloatArray
from nautilus._weights import average
from nautilus.errors import NautilusWarning
from nautilus.replica import DIFFERS
from nautilus.testing.calibration.models import Model, model_pairs, models
from nautilus.testing.calibration.ranks import rank_of
from nautilus.testing.campaign import code_digest, side_by_side
from nautilus.testing.problems import normal_pair, unit_prior
from nautilus.testing.suite import mend, whole_lines

Row = dict[str, Any]
"""What one run gave, as JSON knows it."""

N_DRAWS = 99
"""Posterior draws among which a true value is ranked: far fewer than independent ones there are."""

NARROW = 0.8
"""Factor on the distances of draws from their mean that makes posteriors wrong on purpose."""

OWN_PARTS = ("testing/calibration/models.py", "testing/calibration/studies.py")
"""What decides about the numbers of these runs beside the sampler."""


@dataclass(frozen=True)
class Task:
    """One simulated data set, or one seed.

    Attributes
    ----------
    study
        "ranks", "factors" or "pair".
    name
        Of the model or of the two models; of the pair, the number of live points.
    number
        Which data set; also the seed of the sampler.
    n_eff
        Effective sample size wanted.
    """

    study: str
    name: str
    number: int
    n_eff: float

    @property
    def key(self) -> str:
        """Text that is the same for two runs only if their numbers must be the same."""
        values = [self.study, self.name, self.number, float(self.n_eff)]
        return f"{json.dumps(values)} {code_digest(*OWN_PARTS)}"


def run_task(task: Task) -> Row:
    """Simulate, sample, and return the row."""
    warnings.simplefilter("ignore", NautilusWarning)  # findings are kept; edges are meant here
    cpu = time.process_time()
    answers = STUDIES[task.study](task)
    spent = {"cpu_seconds": round(time.process_time() - cpu, 3)}
    return {"key": task.key, "study": task.study, "name": task.name, **answers, **spent}


def _sample(model: Model, data: FloatArray, task: Task, *, replicate: bool = False) -> Posterior:
    sampler = Sampler(
        model.prior(), partial(model.log_likelihood, data), vectorized=True, seed=task.number
    )
    sampler.run(n_eff=task.n_eff, replicate=replicate)
    return sampler.result


def _told(result: Posterior) -> Row:
    return {
        "log_z": result.log_z,
        "log_z_err": result.log_z_err,
        "n_eff": result.n_eff,
        "n_like": result.n_like,
        "reason": result.stop_reason,
        "findings": list(result.findings),
    }


def _exact(model: Model, data: FloatArray) -> float | None:
    return None if model.log_z is None else model.log_z(data)


def run_ranks(task: Task) -> Row:
    """Draw parameters from the prior, data from them, and rank the former in their posterior.

    Ranked are all parameters and log L. For the negative control, those that live on a line are
    ranked once more, among draws that are drawn together towards their mean. A second run with
    another seed says whether the two differ.
    """
    model = models()[task.name]
    rng = stream(task.number, f"calibration {task.name}")
    truth = model.draw(rng)
    data = model.simulate(truth, rng)
    result = _sample(model, data, task, replicate=True)
    draws = result.resample(N_DRAWS, rng)
    true_values = np.array([float(truth[name][0]) for name in result.names])
    log_l = float(model.log_likelihood(data, truth)[0])
    ranks = rank_of(np.append(true_values, log_l), np.column_stack([draws.array, draws.log_l]))
    middle = result.mean()
    narrow = rank_of(true_values, middle + NARROW * (draws.array - middle))
    lines = [k for k, name in enumerate(result.names) if name not in model.periodic]
    return {
        **_told(result),
        "differs": any(text.startswith(DIFFERS) for text in result.findings),
        "exact_log_z": _exact(model, data),
        "ranks": dict(zip((*result.names, "log L"), ranks.tolist(), strict=True)),
        "narrow": {result.names[k]: int(narrow[k]) for k in lines},
    }


def run_factors(task: Task) -> Row:
    """Draw one of two models, parameters from its prior, data from them; sample both models."""
    pair = model_pairs()[task.name]
    rng = stream(task.number, f"calibration {task.name}")
    is_second = bool(rng.random() < 0.5)
    drawn = pair[is_second]
    data = drawn.simulate(drawn.draw(rng), rng)
    results = [_told(_sample(model, data, task)) for model in pair]
    return {
        "is_second": is_second,
        **{name: [result[name] for result in results] for name in ("log_z", "log_z_err")},
        "exact_log_z": [_exact(model, data) for model in pair],
        "n_like": sum(result["n_like"] for result in results),
        "reason": "; ".join(dict.fromkeys(result["reason"] for result in results)),
        "findings": [text for result in results for text in result["findings"]],
    }


def run_pair(task: Task) -> Row:
    """Run the pair of normals in 15 dimensions with some number of live points."""
    problem = normal_pair()
    if problem.memberships is None or problem.mode_weights is None:
        raise TypeError(f"{problem.name} does not say which mode its points belong to")
    sampler = Sampler(
        unit_prior, problem.log_likelihood, n_dim=problem.n_dim, pass_dict=False, vectorized=True,
        n_live=int(task.name), seed=task.number,
    )  # fmt: skip
    sampler.run(n_eff=task.n_eff)
    result = sampler.result
    weights, errors = average(problem.memberships(result.array), result.weights)
    return {
        **_told(result),
        "exact_log_z": problem.log_z,
        "weights": weights.tolist(),
        "weight_errors": errors.tolist(),
        "exact_weights": problem.mode_weights.tolist(),
    }


STUDIES: dict[str, Callable[[Task], Row]] = {
    "ranks": run_ranks,
    "factors": run_factors,
    "pair": run_pair,
}


def collect(
    tasks: Sequence[Task], path: Path, n_workers: int, tell: Callable[[str], object]
) -> list[Row]:
    """Make the runs that are not stored yet, and return the rows of all.

    Parameters
    ----------
    tasks
        The runs.
    path
        File of rows, one JSON object on each line; made if it is not there. Rows of other settings
        or of another version of the code stay in it and are not used.
    n_workers
        Runs made at a time.
    tell
        Is told of each run as it ends. One that broke off is told and not stored, and is made
        again the next time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mend(path)
    wanted = {task.key: task for task in tasks}
    known: list[Row] = [json.loads(line) for line in whole_lines(path)]
    rows = {row["key"]: row for row in known if row["key"] in wanted}
    missing = [task for key, task in wanted.items() if key not in rows]
    with path.open("a", encoding="utf-8") as file:
        answers = side_by_side(run_task, [(task,) for task in missing], n_workers)
        for done, (number, row) in enumerate(answers, 1):
            task = missing[number]
            label = f"[{done}/{len(missing)}] {task.study} {task.name} {task.number}:"
            if isinstance(row, BaseException):
                tell(f"{label} {type(row).__name__}: {row}")
                continue
            file.write(json.dumps(row) + "\n")
            file.flush()
            rows[task.key] = row
            tell(f"{label} {row['n_like']:,} calls, {row['cpu_seconds']:.1f} s; {row['reason']}")
    return [rows[key] for key in wanted if key in rows]
