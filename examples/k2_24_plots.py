"""Figures of the K2-24 example: a corner plot, and the data under draws from the posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import corner
import matplotlib.pyplot as plt
import numpy as np
from k2_24_model import PLANETS, FloatArray, Velocities, keplerian_velocity, velocity_model

from nautilus import Posterior

plt.switch_backend("Agg")  # files only: no display is needed

CORNER_LABELS = {
    "ln_k_b": r"$\ln K_b$",
    "ln_k_c": r"$\ln K_c$",
    "ecc_b": r"$e_b$",
    "ecc_c": r"$e_c$",
    "omega_b": r"$\omega_b$",
    "omega_c": r"$\omega_c$",
    "ln_jitter": r"$\ln \sigma_{\rm jit}$",
    "trend_2": r"$\ddot\gamma / 2$",
    "trend_1": r"$\dot\gamma$",
    "trend_0": r"$\gamma$",
}
SHADES = ((2.5, 97.5, 0.2), (16.0, 84.0, 0.35))


def plot_corner(result: Posterior, path: Path) -> None:
    """Write the corner plot of the parameters that the velocities, not the transits, determine."""
    columns = [result.names.index(name) for name in CORNER_LABELS]
    figure = corner.corner(
        result.unwrapped[:, columns],
        weights=result.weights,
        labels=list(CORNER_LABELS.values()),
        range=result.interval(0.995)[columns],
        quantiles=[0.16, 0.5, 0.84],
        plot_datapoints=False,
        smooth=1.0,
    )
    figure.savefig(path, dpi=80)
    plt.close(figure)


def plot_velocities(
    data: Velocities, draws: Mapping[str, FloatArray], mid_time: float, path: Path
) -> None:
    """Write the data with the model's 68 % and 95 % bands, over time and folded for each planet.

    Parameters
    ----------
    data
        The velocities.
    draws
        Equally weighted posterior draws by parameter name, each of shape (n_draws,).
    mid_time
        Origin of the trend in days.
    path
        File to write.
    """
    figure, axes = plt.subplot_mosaic(
        [["all", "all"], list(PLANETS)], figsize=(10, 7), layout="constrained"
    )
    time = np.linspace(data.time[0] - 3.0, data.time[-1] + 3.0, 800)
    _band(axes["all"], time, velocity_model(time, draws, mid_time), "C0")
    axes["all"].errorbar(data.time, data.velocity, data.error, fmt="k.", capsize=0)
    axes["all"].set(xlabel="BJD - 2454833 (days)", ylabel="radial velocity (m/s)", title="K2-24")
    at_data = velocity_model(data.time, draws, mid_time)
    for colour, planet in zip(("C1", "C2"), PLANETS, strict=True):
        others = np.median(at_data - _velocity_of(planet, data.time, draws), axis=0)
        _plot_folded(axes[planet], planet, data, others, draws, colour)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _plot_folded(
    axis: Any,
    planet: str,
    data: Velocities,
    others: FloatArray,
    draws: Mapping[str, FloatArray],
    colour: str,
) -> None:
    period, transit = (np.median(draws[f"{name}_{planet}"]) for name in ("period", "t0"))
    phase = np.linspace(-0.5, 0.5, 200)
    model = _velocity_of(planet, transit + phase * period, draws)
    _band(axis, phase, model, colour)
    cycles = (data.time - transit) / period
    axis.errorbar(
        cycles - np.round(cycles), data.velocity - others, data.error, fmt="k.", capsize=0
    )
    axis.set(xlabel="orbital phase from transit", ylabel="radial velocity (m/s)")
    axis.set_title(f"K2-24 {planet}, the rest removed")


def _velocity_of(planet: str, time: FloatArray, draws: Mapping[str, FloatArray]) -> FloatArray:
    names = ("t0", "period", "ln_k", "ecc", "omega")
    t0, period, ln_k, ecc, omega = (draws[f"{name}_{planet}"][:, None] for name in names)
    return keplerian_velocity(time, t0, period, np.exp(ln_k), ecc, omega)


def _band(axis: Any, x: FloatArray, curves: FloatArray, colour: str) -> None:
    for low, high, alpha in SHADES:
        edges = np.percentile(curves, [low, high], axis=0)
        axis.fill_between(x, *edges, color=colour, alpha=alpha, linewidth=0)
    axis.plot(x, np.median(curves, axis=0), color=colour)
