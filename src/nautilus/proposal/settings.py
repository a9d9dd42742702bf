"""How proposals are built."""

from dataclasses import dataclass, field

from nautilus.emulator.emulator import EmulatorSettings


@dataclass(frozen=True)
class BuildSettings:
    """How proposals are built.

    Parameters
    ----------
    emulator
        How emulators are built.
    periodic
        Periodic dimensions.
    enlarge
        Factor on all lengths of the base.
    n_points_min
        Fewest effective points per component of a base.
    n_train_max
        Most training points of an emulator.
    n_components_max
        Most components of one fit; a base may consist of two, with tails and gaps besides.
    norm_error
        Wanted relative error of the normalisation.
    cut_off_max
        Largest share of the target that the base may cut off.
    cut_deep_max
        Largest share where the base is too low by a larger factor.
    n_norm_chunks_max
        Most chunks of trials for the normalisation.
    acceptance_min
        Smallest acceptance; the ceiling is lowered to keep it.
    base_share
        At least about this share of the draws comes from the base alone.
    """

    emulator: EmulatorSettings = field(default_factory=EmulatorSettings)
    periodic: tuple[int, ...] = ()
    enlarge: float = 1.1
    n_points_min: int = 0
    n_train_max: int = 20000
    n_components_max: int = 24
    norm_error: float = 0.02
    cut_off_max: float = 0.02
    cut_deep_max: float = 0.001
    n_norm_chunks_max: int = 100
    acceptance_min: float = 0.03
    base_share: float = 0.05
