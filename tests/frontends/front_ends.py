"""The front ends that are run, and what each of their scripts does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FrontEnd:
    """A package that drives ``nautilus``.

    Parameters
    ----------
    name
        Name in the table.
    requirements
        What pip is asked for.
    scripts
        What each script does, by its name.
    exceptions
        Scripts that may break with this package alone: what the error says, and why.
    """

    name: str
    requirements: tuple[str, ...]
    scripts: dict[str, str]
    exceptions: dict[str, tuple[str, str]]


FRONT_ENDS = (
    FrontEnd(
        "lenstronomy",
        ("lenstronomy==1.14.2", "tqdm"),
        {
            "lenstronomy_sequence": "`FittingSequence` with `Nautilus`",
            "lenstronomy_class": "the class `Nautilus` of older releases, with a pool",
        },
        {},
    ),
    FrontEnd(
        "PyAutoFit",
        ("autofit==2026.7.29.1",),
        {"autofit_search": "the search `Nautilus`, with files, a pool, and loaded again"},
        {},
    ),
    FrontEnd(
        "Bagpipes",
        ("bagpipes==1.3.6",),
        {"bagpipes_fit": "`fit` with three bands and `sampler='nautilus'`"},
        {},
    ),
    FrontEnd(
        "jwspecfit",
        ("jwspecfit[mcmc]==1.1.9",),
        {"jwspecfit_lines": "`jwspecmcmc.fit_lines` with `sampler='nautilus'`"},
        {},
    ),
    FrontEnd(
        "cogwheel",
        ("cogwheel-pe==1.6.0",),
        {
            "cogwheel_run": "`sampling.Nautilus` in a folder",
            "cogwheel_dummy": "`read_log_z` of that folder's file",
        },
        {
            "cogwheel_dummy": (
                "nautilus.load",
                "`nautilus.load(path).log_z` reads a file without its model",
            )
        },
    ),
)
