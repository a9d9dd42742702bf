"""Problems that factorise into one-dimensional densities."""

from .axes import (
    Axis,
    ExponentialAxis,
    FlatAxis,
    LogGammaAxis,
    MixtureAxis,
    NormalAxis,
    VonMisesAxis,
    product_problem,
)
from .base import Problem, require

EXACT = "product of one-dimensional distribution functions, cut at the walls exactly."


def loggamma(n_dim: int) -> Problem:
    """Return the LogGamma problem: four modes, skewed and normal axes, all of width 1/30.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 2. The first axis has two log-gamma peaks and the second
        two normal ones, at 1/3 and 2/3; half of the others are log-gamma, the rest normal, at 2/3.

    Raises
    ------
    SettingsError
        If `n_dim` is below 2.
    """
    require(n_dim >= 2, "n_dim", n_dim, "at least 2")
    width = 1.0 / 30.0
    near, far = 1.0 / 3.0, 2.0 / 3.0
    axes: list[Axis] = [
        MixtureAxis((LogGammaAxis(near, width), LogGammaAxis(far, width))),
        MixtureAxis((NormalAxis(near, width), NormalAxis(far, width))),
    ]
    n_skewed = (n_dim - 2) // 2
    axes += [LogGammaAxis(far, width)] * n_skewed
    axes += [NormalAxis(far, width)] * (n_dim - 2 - n_skewed)
    text = "LogGamma problem (Beaujean & Caldwell 2013), log Z = 0 in all space; "
    return product_problem(f"loggamma-{n_dim}", axes, text + EXACT)


def uninformed(n_dim: int = 15, n_informed: int = 5, sigma: float = 0.05) -> Problem:
    """Return a Gaussian on the first axes and nothing on the others; log Z = 0."""
    require(0 <= n_informed <= n_dim, "n_informed", n_informed, "at most n_dim")
    axes: list[Axis] = [NormalAxis(0.4, sigma)] * n_informed
    axes += [FlatAxis()] * (n_dim - n_informed)
    text = f"Gaussian on {n_informed} axes of {n_dim}, the others flat; "
    return product_problem(f"uninformed-{n_dim}", axes, text + EXACT)


def corner(n_dim: int = 5, scale: float = 0.02) -> Problem:
    """Return an exponential decline from the corner of the cube: all mass at the edges."""
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(scale > 0.0, "scale", scale, "a positive length")
    axes: list[Axis] = [ExponentialAxis(scale)] * n_dim
    return product_problem(f"corner-{n_dim}", axes, "Exponential from the corner; " + EXACT)


def walls(n_dim: int = 5) -> Problem:
    """Return a Gaussian of width 0.1 centred on walls and beyond them.

    The centres repeat 0, 1.05, 0.5, -0.1 along the axes.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    centres = (0.0, 1.05, 0.5, -0.1)
    axes: list[Axis] = [NormalAxis(centres[i % 4], 0.1) for i in range(n_dim)]
    return product_problem(f"walls-{n_dim}", axes, "Gaussian cut by walls; " + EXACT)


def mostly_forbidden(n_dim: int = 3, width: float = 0.2) -> Problem:
    """Return a Gaussian that is allowed in a small box only, log L = -inf elsewhere.

    Parameters
    ----------
    n_dim
        Number of dimensions, at least 1.
    width
        Side of the allowed box, in (0, 0.3]; it starts at 0.7 on each axis, and the Gaussian of
        width 0.05 has its centre in the box's lower corner. By default 99.2 % of the cube of
        three dimensions is forbidden.

    Raises
    ------
    SettingsError
        If `width` is out of range.
    """
    require(n_dim >= 1, "n_dim", n_dim, "at least 1")
    require(0.0 < width <= 0.3, "width", width, "a length in (0, 0.3]")
    axes: list[Axis] = [NormalAxis(0.7, 0.05, 0.7, 0.7 + width)] * n_dim
    return product_problem(f"mostly-forbidden-{n_dim}", axes, "Gaussian in a box; " + EXACT)


def phases(n_phases: int = 2, concentration: float = 20.0) -> Problem:
    """Return angles whose mode sits where 1 wraps to 0, and one ordinary axis.

    Parameters
    ----------
    n_phases
        Number of periodic axes, at least 1; they come first.
    concentration
        Concentration of the von Mises densities, positive.

    Raises
    ------
    SettingsError
        If a parameter is out of range.
    """
    require(n_phases >= 1, "n_phases", n_phases, "at least 1")
    require(concentration > 0.0, "concentration", concentration, "a positive number")
    axes: list[Axis] = [VonMisesAxis(0.0, concentration)] * n_phases
    axes.append(NormalAxis(0.4, 0.05))
    text = "Von Mises densities about the seam of periodic axes, one normal axis; " + EXACT
    return product_problem(f"phases-{n_phases + 1}", axes, text, tuple(range(n_phases)))
