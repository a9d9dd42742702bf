"""Our own trainer beside scikit-learn's and PyTorch's, on one regression.

    python benchmarks/trainer.py                # five seeds, prints a table
    python benchmarks/trainer.py --seeds 1 2    # fewer

The regression is that of the emulator: log L of the ten-dimensional LogGamma problem at points
around its posterior, on the learning scale, by one network with two hidden layers of 64 tanh units.
All trainers get the same points and are judged on the same fresh points. Each holds back a tenth of
the training points and keeps the network that is best there. The error is the root mean square
error on the learning scale over the spread of log L on it: 1 means that nothing was learned.

On first use the script makes an environment of its own in ``.benchmark/trainer``. PyTorch is left
out of the table where it cannot be installed. Seconds are CPU seconds of one thread.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".benchmark" / "trainer"
REQUIREMENTS = ("scikit-learn==1.9.1",)
OPTIONAL_REQUIREMENT = "torch==2.13.0"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

N_DIM = 10
N_TEST = 10_000
LAYERS = (64, 64)
BLUR = 1.0 / 30.0
SPREAD = 5.0**0.5
"""About the standard deviation of log L over a posterior of ten dimensions."""

Single = NDArray[np.float32]
Fit = Callable[[Single, Single, int], Callable[[Single], Single]]


def environment_python() -> Path:
    """Return the Python of the benchmark's environment, making it if needed."""
    python = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = ENVIRONMENT / "done"
    if not done.exists():
        print(f"Making an environment in {ENVIRONMENT} ...", file=sys.stderr, flush=True)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*install, "--editable", str(ROOT), *REQUIREMENTS], check=True)
        subprocess.run([*install, OPTIONAL_REQUIREMENT], check=False)
        done.touch()
    return python


def points_near_posterior(n_points: int, seed: int) -> tuple[NDArray[np.float64], Single]:
    """Return points of the posterior moved by the width of its modes, and their log L."""
    from nautilus.testing.problems import loggamma  # noqa: PLC0415 - only in the environment

    problem = loggamma(N_DIM)
    rng = np.random.default_rng(seed)
    grid = np.linspace(0.0, 1.0, 20_001)
    columns = [
        np.interp(rng.random(n_points), problem.marginals[axis](grid), grid)
        for axis in range(N_DIM)
    ]
    points = np.column_stack(columns) + BLUR * rng.standard_normal((n_points, N_DIM))
    points = np.clip(points, 1e-6, 1.0 - 1e-6)
    return points, np.asarray(problem.log_likelihood(points), dtype=np.float32)


def fit_ours(
    inputs: Single, targets: Single, seed: int, factor: int = 1
) -> Callable[[Single], Single]:
    """Train with the package's own code and schedule, with more updates by a factor."""
    from nautilus.emulator.network import new_network  # noqa: PLC0415
    from nautilus.emulator.training import Schedule, train  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    usual = Schedule()
    schedule = replace(
        usual,
        n_epochs=factor * usual.n_epochs,
        n_updates_max=factor * usual.n_updates_max,
    )
    kept = rng.random(len(inputs)) >= 0.1
    weights = np.ones(len(inputs), np.float32)
    validation = inputs[~kept], targets[~kept], weights[~kept]
    start = new_network((N_DIM, *LAYERS), rng)
    network, _ = train(start, inputs[kept], targets[kept], weights[kept], validation, schedule, rng)
    return network.predict


def fit_sklearn(inputs: Single, targets: Single, seed: int) -> Callable[[Single], Single]:
    """Train scikit-learn's MLPRegressor until its own rule stops it."""
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415

    model = MLPRegressor(
        hidden_layer_sizes=LAYERS,
        activation="tanh",
        early_stopping=True,
        max_iter=1000,
        random_state=seed,
    )
    predict: Callable[[Single], Single] = model.fit(inputs, targets).predict
    return predict


def fit_torch(inputs: Single, targets: Single, seed: int) -> Callable[[Single], Single]:
    """Train with PyTorch: the same optimiser, schedule and number of updates as ours."""
    import torch  # noqa: PLC0415

    from nautilus.emulator.training import Schedule  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    schedule = Schedule()
    x, y = torch.from_numpy(inputs), torch.from_numpy(targets)
    kept = torch.rand(len(x)) >= 0.1
    training, held_out = (x[kept], y[kept]), (x[~kept], y[~kept])
    widths = (N_DIM, *LAYERS)
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(LAYERS[-1], 1), torch.nn.Flatten(0))
    size, n = schedule.batch_size, len(training[0])
    n_updates = int(min(schedule.n_epochs * n / size, schedule.n_updates_max))
    optimiser = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.99), weight_decay=schedule.decay
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.learning_rate, n_updates, pct_start=0.1, cycle_momentum=False
    )
    best, best_error = model.state_dict(), float("inf")
    order, start = torch.randperm(n), 0
    for step in range(1, n_updates + 1):
        if start + size > n:
            order, start = torch.randperm(n), 0
        rows = order[start : start + size]
        start += size
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(model(training[0][rows]), training[1][rows]).backward()
        optimiser.step()
        cycle.step()
        if step % 100 == 0 or step == n_updates:
            with torch.no_grad():
                error = float(torch.nn.functional.mse_loss(model(held_out[0]), held_out[1]))
            if error < best_error:
                best = {name: value.clone() for name, value in model.state_dict().items()}
                best_error = error
    model.load_state_dict(best)
    return lambda given: model(torch.from_numpy(given)).detach().numpy()


TRAINERS: dict[str, tuple[str | None, Fit]] = {
    "ours (NumPy)": (None, fit_ours),
    "ours, four times the updates": (None, partial(fit_ours, factor=4)),
    "scikit-learn MLPRegressor": ("sklearn", fit_sklearn),
    "PyTorch": ("torch", fit_torch),
}


def measure(fit: Fit, n_points: int, seed: int) -> tuple[float, float]:
    """Return the error on fresh points as a share of their spread, and the training's seconds."""
    from nautilus.emulator.target import LearningScale  # noqa: PLC0415

    points, log_l = points_near_posterior(n_points, seed)
    fresh, truth = points_near_posterior(N_TEST, 10_000 + seed)
    scale = LearningScale(float(np.median(log_l)), 3.0 * SPREAD + 1.0)
    centre, width = points.mean(axis=0), points.std(axis=0)
    inputs, test = (((p - centre) / width).astype(np.float32) for p in (points, fresh))
    targets = scale.compress(log_l)
    middle, spread = targets.mean(), targets.std()
    start = time.process_time()
    predict = fit(inputs, ((targets - middle) / spread).astype(np.float32), seed)
    seconds = time.process_time() - start
    error = predict(test) * spread + middle - scale.compress(truth)
    return float(np.sqrt(np.mean(error**2)) / scale.compress(truth).std()), seconds


def main() -> None:
    """Print the table, in the benchmark's own environment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--points", type=int, nargs="+", default=[2_000, 10_000])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.here:
        command = [str(environment_python()), __file__, "--here", *sys.argv[1:]]
        single = dict.fromkeys(THREAD_VARIABLES, "1")
        inner = subprocess.run(command, check=False, env={**os.environ, **single})
        raise SystemExit(inner.returncode)
    print("| points | trainer | error / spread | CPU seconds |")
    print("|--:|---|--:|--:|")
    for n_points in arguments.points:
        for name, (module, fit) in TRAINERS.items():
            if module is not None and importlib.util.find_spec(module) is None:
                continue
            measure(fit, 300, 0)  # loads the library, whose seconds do not count
            runs = [measure(fit, n_points, seed) for seed in arguments.seeds]
            errors, seconds = zip(*runs, strict=True)
            spread = stdev(errors) if len(errors) > 1 else float("nan")
            print(
                f"| {n_points:,} | {name} | {fmean(errors):.3f} +- {spread:.3f} "
                f"| {fmean(seconds):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
