"""Posterior: weighted samples, evidence and diagnostics of a run, as one plain value."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from html import escape
from textwrap import wrap
from typing import Any, Self, final

import numpy as np
from numpy.typing import ArrayLike

from nautilus import _archive, _circle, _samples, _weights
from nautilus._arithmetic import in_own_arithmetic
from nautilus._numbers import reals_of
from nautilus._samples import Draws
from nautilus._streams import stream
from nautilus._types import BlobArray, FloatArray, freeze
from nautilus._weights import edge_mass, equal_weight
from nautilus.errors import CheckpointDamagedError, NautilusError, SettingsError
from nautilus.report.format import format_count, format_log_z, format_number
from nautilus.report.record import SAMPLING
from nautilus.report.table import Table, html_table, parameter_table, text_table
from nautilus.run.detection import DetectionLimit
from nautilus.run_information import RunInformation

__all__ = ["Draws", "Posterior", "edge_mass", "equal_weight"]

_REPR_ROWS = 10

_TEXT_WIDTH = 67
"""Columns of a text in the summary, of 80 in all."""


@in_own_arithmetic
@final
@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Posterior:
    """The result of a run: weighted samples, the evidence, and how far to trust them.

    The value is independent of the sampler that made it. Its arrays are read-only copies.

    Attributes
    ----------
    names
        Names of the parameters, d of them, all different.
    array
        Physical parameters, shape (n, d). Use `samples` to have them by name.
    log_weights
        Natural logarithms of the weights, shape (n,), normalised so that the weights sum to one;
        they may be given with any normalisation. -inf is a point without weight.
    log_l
        Natural logarithm of the likelihood, shape (n,); -inf is a likelihood of zero.
    blobs
        What the likelihood returned beside log L, n entries (structured, or of shape (n, ...)), or
        None.
    log_z
        Natural logarithm of the evidence, the integral of the likelihood over the prior.
    log_z_err
        Standard error of ``log_z``; NaN or infinite if it is not known, which it is not until a
        sampling stage stands.
    n_eff
        Effective sample size (sum of weights)^2 / (sum of squared weights), at least 0.
    n_like
        Likelihood calls that the run has made.
    eta
        Sampling efficiency: effective sample size per likelihood call.
    tail_index
        Pareto tail index of the weights; above 0.5 their variance need not exist, and above 0.7
        the result is not to be trusted (Vehtari et al. 2024). NaN if there are too few points.
    findings
        Sentences that say why the result is not to be trusted; empty if nothing speaks against it.
    notes
        What else is to be known of the run, such as how often the likelihood returned NaN.
    stop_reason
        Why the run stopped.
    seed
        Seed of the run.
    run
        What is known of the run beside its result, or None.
    periodic
        Both ends of the range of each periodic parameter, which are one point, shape (d, 2); NaN
        for a parameter that is not periodic. None if none is.
    detection_limit
        How large a part of the posterior could have been missed by all points; None if it is not
        known.

    Notes
    -----
    What `mean`, `covariance`, `std`, `quantile`, `interval` and the tables say of a periodic
    parameter is computed from `unwrapped`, where its circle is cut where the posterior is emptiest
    and laid out on a line. Its mean lies within the range; quantiles and ends of intervals stay in
    order and may lie outside, by less than a period. Where the posterior fills the whole circle,
    mean and quantiles depend on an arbitrary cut and mean little.

    Raises
    ------
    SettingsError
        If an array has the wrong shape, a name is missing or doubled, or a number has no meaning.
    NoResultError
        If no point has any weight.
    """

    names: tuple[str, ...]
    array: FloatArray
    log_weights: FloatArray
    log_l: FloatArray
    blobs: BlobArray | None = None
    log_z: float
    log_z_err: float
    n_eff: float
    n_like: int
    eta: float
    tail_index: float
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stop_reason: str = ""
    seed: int
    run: RunInformation | None = None
    periodic: FloatArray | None = None
    detection_limit: DetectionLimit | None = None

    def __post_init__(self) -> None:
        replace = object.__setattr__
        replace(self, "names", _samples.as_strings("names", self.names))
        replace(self, "findings", _samples.as_strings("findings", self.findings))
        replace(self, "notes", _samples.as_strings("notes", self.notes))
        replace(self, "array", reals_of("array", self.array))
        replace(self, "log_l", reals_of("log_l", self.log_l))
        if self.blobs is not None:
            replace(self, "blobs", np.array(self.blobs))
        columns = {"log_weights": self.log_weights, "log_l": self.log_l}
        _samples.check_shapes(self.names, self.array, columns, self.blobs)
        replace(self, "periodic", _samples.as_circles(self.periodic, len(self.names)))
        _samples.check_result(self.log_z, self.log_z_err, self.n_eff, self.n_like, self.seed)
        replace(self, "log_weights", _weights.normalise(self.log_weights))
        _samples.check_finite(_weights.carrying(self.log_weights)[0], self.log_l)
        freeze(self)

    @property
    def samples(self) -> Mapping[str, FloatArray]:
        """The parameters by name, each of shape (n,); weigh them with `weights`."""
        return _samples.by_name(self.names, self.array)

    @property
    def unwrapped(self) -> FloatArray:
        """The parameters for linear statistics and plots, shape (n, d).

        It is `array`, but for periodic parameters. Their circle is cut in the middle of its
        emptiest arc: of all arcs of a twentieth of the circle, that with the least posterior mass,
        where a mass of at most 1e-4 counts as none; of arcs that are equally empty, the longest
        stretch side by side is cut in its middle. Values are then moved by whole periods so that
        they are in order from one side of the cut to the other, and so that their mean lies within
        the range of the prior. Without a periodic parameter this is `array` itself.
        """
        if self.periodic is None:
            return self.array
        return _circle.unwrap(self.array, self.log_weights, self.periodic)

    @property
    def weights(self) -> FloatArray:
        """The normalised weights, shape (n,), which sum to one."""
        return np.exp(self.log_weights)

    @property
    def information(self) -> float:
        """Kullback-Leibler divergence from prior to posterior in nats: E[log L] - log Z.

        The expectation is over the posterior. It says how much was learned: roughly the logarithm
        of the factor by which the data have compressed the prior's volume. It is zero if the
        likelihood is flat; the estimate can be negative by about its error.
        """
        mask, weights = _weights.carrying(self.log_weights)
        # The shift keeps the digits where log L and log Z are both huge.
        return float(weights @ (self.log_l[mask] - self.log_z))

    def mean(self) -> FloatArray:
        """Return the posterior mean of each parameter, shape (d,), in the order of ``names``."""
        return _weights.mean(self.unwrapped, self.log_weights)

    def covariance(self) -> FloatArray:
        """Return the posterior covariance, shape (d, d).

        These are the second central moments of the weighted sample, without a small-sample
        factor: a single point has covariance zero.
        """
        return _weights.covariance(self.unwrapped, self.log_weights)

    def std(self) -> FloatArray:
        """Return the posterior standard deviation of each parameter, shape (d,)."""
        return np.sqrt(np.diag(self.covariance()))

    def quantile(self, q: ArrayLike) -> FloatArray:
        """Return posterior quantiles of each parameter.

        A sorted value stands at the middle of its own weight on the cumulative scale; between two
        values the quantile is linear, and outside the first and last it is constant. With equal
        weights this is NumPy's ``method="hazen"``.

        Parameters
        ----------
        q
            One level, or k levels, between 0 and 1.

        Returns
        -------
        FloatArray
            Shape (d,) for one level, (k, d) for a sequence.

        Raises
        ------
        SettingsError
            If a level is outside [0, 1] or is not a number.
        """
        levels = reals_of("q", q)
        if levels.ndim > 1 or not np.all((levels >= 0.0) & (levels <= 1.0)):
            raise SettingsError(
                f"q is {q!r}; expected one level between 0 and 1 or a flat sequence of them. "
                "Divide percentages by 100."
            )
        values = _weights.quantile(self.unwrapped, self.log_weights, np.atleast_1d(levels))
        return values if levels.ndim else values[0]

    def interval(self, level: float = 0.68) -> FloatArray:
        """Return the equal-tailed credible interval of each parameter.

        Parameters
        ----------
        level
            Posterior mass inside, above 0 and below 1.

        Returns
        -------
        FloatArray
            Lower and upper ends, shape (d, 2).

        Raises
        ------
        SettingsError
            If ``level`` is out of range.
        """
        if not 0.0 < level < 1.0:
            raise SettingsError(
                f"level is {level!r}; expected a number above 0 and below 1. "
                "Divide percentages by 100."
            )
        tail = 0.5 * (1.0 - level)
        return self.quantile([tail, 1.0 - tail]).T

    def resample(self, n: int | None = None, rng: int | np.random.Generator | None = None) -> Draws:
        """Draw equally weighted samples.

        Systematic resampling: a point of weight w appears floor(n w) or ceil(n w) times, so that
        the draws add as little noise as possible; heavy points repeat. The draws are shuffled.
        For the highest precision work with the weighted samples instead.

        Parameters
        ----------
        n
            Number of draws, at least 1; None for the effective sample size, rounded.
        rng
            Generator or seed. None takes the seed of the run, so that the draws are the same each
            time.

        Returns
        -------
        Draws
            Samples with their log L and blobs.

        Raises
        ------
        SettingsError
            If ``n`` is not a whole number above zero.
        """
        size = max(1, round(self.n_eff)) if n is None else n
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise SettingsError(
                f"n is {n!r}; expected a whole number of draws above 0, or None for about n_eff."
            )
        source = stream(self.seed, "resample") if rng is None else np.random.default_rng(rng)
        index = _weights.systematic_index(self.log_weights, int(size), source)
        return Draws(
            names=self.names,
            array=self.array[index],
            log_l=self.log_l[index],
            blobs=None if self.blobs is None else self.blobs[index],
        )

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write everything to one file, from which `load` makes the same value, bit for bit.

        It is an archive of arrays as ``numpy.savez`` writes them, usually named ``*.npz``.

        Parameters
        ----------
        path
            Where; folders that are missing are made.
        overwrite
            Whether a file of that name is lost.

        Raises
        ------
        SettingsError
            If the blobs are objects, which no file keeps.
        CheckpointStorageError
            If something is there already, or the file cannot be made.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["run"] = None if self.run is None else asdict(self.run)
        limit = self.detection_limit
        values["detection_limit"] = None if limit is None else asdict(limit)
        _archive.write_archive(path, "posterior", values, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the value that `save` wrote to a file.

        Raises
        ------
        CheckpointError
            If there is no such file, or it is another kind of file, damaged, or of a newer version
            of this package; the subclass says what.
        """
        values = _archive.read_archive(path, "posterior")
        try:
            told = values.get("run")
            values["run"] = None if told is None else RunInformation(**told)
            limit = values.get("detection_limit")
            values["detection_limit"] = None if limit is None else DetectionLimit(**limit)
            checked = cls(**values)
        except (NautilusError, TypeError) as error:
            raise CheckpointDamagedError(f"{path} does not hold a posterior: {error}") from error
        # To normalise weights once more could change their last bits.
        _samples.restore(checked, {"log_weights": values["log_weights"]})
        return checked

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a plain dictionary, ``samples`` by name in place of ``array``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        del values["array"]
        return {"samples": dict(self.samples), **values, "information": self.information}

    def summary(self, level: float = 0.68) -> str:
        """Return a table of parameters and the evidence with its diagnostics, as text.

        Parameters
        ----------
        level
            Posterior mass of the intervals, above 0 and below 1.
        """
        table = text_table(*self._table(level))
        return "\n".join((table, "", *self._statements()))

    def _table(self, level: float) -> Table:
        ends = self.interval(level)
        columns = (self.mean(), self.std(), self.quantile(0.5), ends[:, 0], ends[:, 1])
        return parameter_table(self.names, np.stack(columns, axis=1), level)

    def _statements(self) -> list[str]:
        calls = f"{format_count(self.n_eff)} from {format_count(self.n_like)} likelihood calls"
        diagnostics = f"eta {format_number(self.eta)}, tail index {format_number(self.tail_index)}"
        told = [
            ("log Z", format_log_z(self.log_z, self.log_z_err)),
            ("information", f"{format_number(self.information)} nats"),
            ("n_eff", f"{calls} ({diagnostics})"),
            ("stopped", self.stop_reason),
            *self._limits(),
            *(("finding", finding) for finding in self.findings),
            *(("note", note) for note in self.notes),
            *self._advice(),
        ]
        return [f"{label:11}  {text}" for label, text in told if text]

    def _limits(self) -> tuple[tuple[str, str], ...]:
        """Say how large a part could have been missed."""
        limit = self.detection_limit
        if limit is None:
            return ()
        told = f"parts above {100 * limit.anywhere:.2g}% of the prior"
        if len(limit.log_l):
            share = 100 * float(np.median(limit.share))
            told += f", or {share:.2g}% of a contour around them,"
        told += f" would have been hit ({limit.probability:.0%}); smaller ones leave no trace"
        first, *rest = wrap(told, _TEXT_WIDTH)
        return (("limit", first), *(("", line) for line in rest))

    def _advice(self) -> tuple[tuple[str, str], ...]:
        """Say what to change if calls are expensive and most of them explored."""
        run = self.run
        if run is None or run.phase != SAMPLING or 2 * run.n_exploration <= self.n_like:
            return ()
        share = f"{run.n_exploration / self.n_like:.0%}"
        return (
            (
                "advice",
                f"{share} of the calls explored; their number goes with n_live ({run.n_live}).",
            ),
            ("", "A smaller n_live saves most of them and may miss small modes;"),
            ("", "a smaller n_eff saves little, and a larger one is cheap now."),
        )

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        header, rows = self._table(0.68)
        shown = [row[:3] for row in rows[:_REPR_ROWS]]
        more = len(rows) - len(shown)
        evidence = format_log_z(self.log_z, self.log_z_err)
        size = f"{format_count(len(self))} points, n_eff {format_count(self.n_eff)}"
        lines = [f"Posterior: {size}, log Z {evidence}", text_table(header[:3], shown)]
        if more:
            lines.append(f"and {more} more; see summary()")
        if self.findings:
            lines.append(f"findings that speak against this result: {len(self.findings)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = html_table(*self._table(0.68))
        return table + "".join(f"<p>{escape(line)}</p>" for line in self._statements())

    def __setstate__(self, state: dict[str, Any]) -> None:
        _samples.restore(self, state)
