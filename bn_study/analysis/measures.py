"""Measures: one number per run, by name. What a claim or a tuning entry asks of a run's records.

A measure is a function `(run, *, ...) -> float` in `MEASURES`; every keyword is supplied by the experiment's YAML, but
for `level`, which depends on the data set and comes from the claim's or tuning entry's `level`. NaN means "not reached"
for `steps_to` and "not defined" for the others. `Measure.replacement` says what stands for a missing value.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from bn_study.analysis import arguments
from bn_study.analysis.over import Over, parse_over
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.types import Count, Natural, Number
from bn_study.store.stored_run import StoredRun

Quantiles = Annotated[list[Annotated[float, Field(ge=0, le=100)]], Field(min_length=1)]
"""Percentiles, 0 to 100, as in the names of the records: 15 is `activation/unit_q15`."""


SMALLEST = float(np.finfo(np.float32).tiny)
SCALES: dict[str, Callable[[float], float]] = {"log2": math.log2, "log10": math.log10}


class NotMeasured(UsageError):
    """A run was not measured at the step that a measure asks for."""


def steps_to(run: StoredRun, *, metric: str, level: Number) -> float:
    """The first of two consecutive measuring points at or above `level`; NaN if there is none or the run diverged."""
    steps, values = _points(run, metric)
    above = values >= level
    first = np.flatnonzero(above[:-1] & above[1:])
    return math.nan if diverged(run) or not first.size else float(steps[first[0]])


def final(run: StoredRun, *, metric: str) -> float:
    """The last recorded value."""
    return float(_points(run, metric)[1][-1])


def combined(run: StoredRun, *, metrics: dict[str, Number]) -> float:
    """The weighted sum of several metrics' last values, as the accuracy with one source of statistics minus another."""
    return sum(weight * final(run, metric=metric) for metric, weight in metrics.items())


def value(run: StoredRun, *, name: str, site: str, step: Natural | None) -> float:
    """What was recorded under a name and site ("" for none) at a step, which must be a measuring point; None: the last.

    NaN if the run ended before.
    """
    return _at(run, name, site, step)


def average(run: StoredRun, *, name: str, site: str, start: Natural, end: Natural, log: bool) -> float:
    """The mean of a record over the measuring points from step `start` to step `end`; log: of its decimal logarithm.

    NaN if there is no such point, or where a value has no logarithm or is not finite.
    """
    if (name, site) not in run.scalars:
        raise UsageError(f"run {run.id}: {_not_recorded(run, name, site)}")
    steps, values = run.scalars[name, site]
    shown = values[(start <= steps) & (steps <= end)]
    if not shown.size or not np.isfinite(shown).all() or (log and (shown <= 0).any()):
        return math.nan
    return float(np.mean(np.log10(shown) if log else shown))


def layer_mean(run: StoredRun, *, name: str, site: str, step: Natural | None) -> float:
    """The mean of a record over all hidden layers. `site` is the part after the layer's name, as in `path_growth`."""
    return float(np.mean([_at(run, name, one, step) for one in _layer_sites(run, name, site).values()]))


def depth_slope(
    run: StoredRun, *, name: str, site: str, step: Natural | None, log: bool, first: Count, last: Count | None
) -> float:
    """By how much a record grows with each hidden layer: least-squares slope over the layers `first` to `last`.

    log: of its decimal logarithm; a layer without one makes the slope NaN. last: None for the last hidden layer. NaN
    with fewer than two layers.
    """
    sites = _layer_sites(run, name, site)
    layers = [layer for layer in sorted(sites) if first <= layer <= (last or max(sites))]
    if len(layers) < 2:
        return math.nan
    values = np.array([_at(run, name, sites[layer], step) for layer in layers])
    if log:
        values = np.array([math.log10(one) if one > 0 else math.nan for one in values])
    return float(np.polyfit(layers, values, 1)[0]) if np.isfinite(values).all() else math.nan


def depth_ratio(
    run: StoredRun, *, name: str, site: str, step: Natural | None, first: Count, last: Count | None, absolute: bool
) -> float:
    """The decimal logarithm of a record at layer `first` over the one at layer `last` (None: the last hidden layer).

    absolute: its size without its sign: how far from 1 the ratio is, in decades. A record of exactly 0 counts as the
    smallest normal float32, so that what vanished altogether has a ratio too.
    """
    sites = _layer_sites(run, name, site)
    ends = (_at(run, name, sites.get(layer, f"layer{layer}/{site}"), step) for layer in (first, last or max(sites)))
    high, low = (math.log10(max(one, SMALLEST)) if math.isfinite(one) else math.nan for one in ends)
    return abs(high - low) if absolute else high - low


def moment_drift(run: StoredRun, *, site: str, start: Natural, end: Natural) -> float:
    """How far a unit's mean and standard deviation move between measuring points, in the unit's standard deviations.

    The sum over points of |change of the mean| + |change of the standard deviation|, divided by the time's mean of the
    standard deviation, mean over units. Source: the moments of Santurkar et al. 2018, Fig. 8.
    """
    means, variances = (
        _stretch(run, f"drift/unit_{one}", site, start, end, "the probe drift") for one in ("mean", "variance")
    )
    deviations = np.sqrt(variances)
    if len(means) < 2:
        return math.nan
    moved = np.abs(np.diff(means, axis=0)).sum(axis=0) + np.abs(np.diff(deviations, axis=0)).sum(axis=0)
    width = deviations.mean(axis=0)
    return float((moved[width > 0] / width[width > 0]).mean()) if (width > 0).any() else math.nan


def path_length(
    run: StoredRun, *, site: str, quantiles: Quantiles, start: Natural, end: Natural, relative: bool
) -> float:
    """How far the distribution of a unit's values moved: the sum of |p_q(t) - p_q(t-1)|, mean over units and quantiles.

    t runs over the measuring points from step `start` to step `end` (to the run's last, if it is shorter). `relative`
    divides each unit's path by its own width, the mean over time of its largest minus its smallest quantile; units
    without width are left out. In the units of the activation, or of its width. NaN with fewer than two points.
    Source: the percentiles of Ioffe & Szegedy 2015, Fig. 1b and 1c.
    """
    values = _unit_quantiles(run, site, quantiles, start, end)
    lengths = _lengths(values)
    if relative:
        width = np.ptp(values, axis=1).mean(axis=0) if len(values) else np.zeros(values.shape[2])
        lengths = lengths[width > 0] / width[width > 0]
    return float(lengths.mean()) if lengths.size else math.nan


def path_growth(
    run: StoredRun, *, site: str, quantiles: Quantiles, start: Natural, end: Natural, relative: bool
) -> float:
    """By how much drift grows with depth: least-squares slope of log2 path_length over the index of the hidden layer.

    `site` is the part after the layer's name: `pre` takes every `layer<i>/pre` that was recorded. 0.14 is ten percent
    more drift with each layer. NaN with fewer than two layers, or where a layer's path has no logarithm.
    """
    found = (re.fullmatch(rf"layer(\d+)/{re.escape(site)}", one) for one in {place for _, place in run.arrays})
    layers = sorted(int(match[1]) for match in found if match)
    if not layers:
        raise UsageError(f"run {run.id} recorded no vectors at layer<i>/{site}; name the site in the grid's probes")
    lengths = np.array(
        [
            path_length(run, site=f"layer{layer}/{site}", quantiles=quantiles, start=start, end=end, relative=relative)
            for layer in layers
        ]
    )
    if len(layers) < 2 or not (lengths > 0).all():
        return math.nan
    return float(np.polyfit(layers, np.log2(lengths), 1)[0])


def unit_path_lengths(run: StoredRun, site: str, quantiles: list[float], start: int, end: int) -> np.ndarray:
    """The path length of each unit, mean over quantiles, shape (units,); NaN with fewer than two measuring points."""
    return _lengths(_unit_quantiles(run, site, quantiles, start, end))


def median_unit(run: StoredRun, site: str, quantiles: list[float], start: int, end: int) -> int:
    """The unit of median path length (the lower one of the middle two, the first of equals): "one typical sigmoid"."""
    lengths = unit_path_lengths(run, site, quantiles, start, end)
    return int(np.argsort(lengths, kind="stable")[(len(lengths) - 1) // 2])


MEASURES: dict[str, Callable[..., float]] = {
    one.__name__: one
    for one in (
        *(steps_to, final, combined, value, average, layer_mean, depth_slope, depth_ratio),
        *(moment_drift, path_length, path_growth),
    )
}


def diverged(run: StoredRun) -> bool:
    return run.provenance["status"] == "diverged"


@dataclass(frozen=True)
class Measure:
    """A checked measure: its name, its arguments but for the level, the scale it is contrasted on.

    over: what a seed's runs over one factor make of it; the scale is then that number's.
    """

    name: str
    args: Mapping[str, Any]
    scale: str | None
    over: Over | None = None

    @property
    def needs_level(self) -> bool:
        """Whether a claim has to give one, for the measure or for what is taken over a factor."""
        return self._takes_level or (self.over is not None and self.over.needs_level)

    @property
    def over_factor(self) -> str | None:
        """The factor in which the runs of a seed differ, if the measure is a number over one."""
        return self.over.factor if self.over is not None else None

    @property
    def _takes_level(self) -> bool:
        return arguments.takes_level(MEASURES[self.name])

    @property
    def replacement(self) -> Literal["length", "chance", "worst"]:
        """What stands for a run without a value.

        length: the run's steps, as for a censored time. chance: 1 / classes, for an accuracy. worst: an extreme of the
        finite values of either arm, for whatever has no natural floor.
        """
        if self.name == "steps_to":
            return "length"
        accuracy = str(self.args.get("metric", "")).rpartition("/")[2].startswith("accuracy")
        return "chance" if accuracy else "worst"

    def label(self, level: float | None) -> str:
        """The canonical column name, without the scale: `steps_to(level=0.95,metric=test/accuracy)`. Has no spaces."""
        args = dict(self.args) | ({"level": float(level)} if self._takes_level and level is not None else {})
        return f"{self.name}({','.join(f'{key}={_word(args[key])}' for key in sorted(args))})"

    def of(self, run: StoredRun, level: float | None) -> float:
        """The unscaled value; NaN for a diverged run, whatever it recorded; what stands for it is decided later."""
        if diverged(run):
            return math.nan
        return MEASURES[self.name](run, **self.args, **({"level": level} if self._takes_level else {}))

    def words(self, level: float | None) -> str:
        """The measure with its scale and all, to be read."""
        return " ".join(filter(None, [self.scale, self.over.words() if self.over else "", self.label(level)]))

    def scaled(self, value: float) -> float:
        """The value on the measure's scale; NaN where it has no logarithm."""
        if self.scale is None or math.isnan(value):
            return value
        return SCALES[self.scale](value) if value > 0 else math.nan


def parse(spec: Mapping[str, Any]) -> Measure:
    """`{steps_to: {metric: test/accuracy}, scale: log2}` as a Measure. Raises UsageError for what is wrong with it."""
    names = [key for key in spec if key not in ("scale", "over")]
    if len(names) != 1:
        raise UsageError(f"a measure is one name with its arguments, and perhaps a scale; found {names or 'no name'}")
    name, scale = names[0], spec.get("scale")
    if name not in MEASURES:
        raise UsageError(parts.unknown("measure", name, MEASURES))
    if scale is not None and scale not in SCALES:
        raise UsageError(parts.unknown("scale", str(scale), SCALES))
    if not isinstance(spec[name] or {}, Mapping):
        raise UsageError(f"the arguments of {name} must be a mapping, not {spec[name]!r}")
    args = arguments.checked(MEASURES[name], spec[name] or {})
    over = parse_over(spec["over"]) if spec.get("over") is not None else None
    return Measure(name, args, scale, over)


def label(spec: Mapping[str, Any], level: float | None) -> str:
    """The column name of a measure as written in the YAML, at a level (None where the measure needs none)."""
    return parse(spec).label(level)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_word(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_word(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return re.sub(r"\s+", "_", str(value))


def _points(run: StoredRun, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a metric that belongs to no site.

    A net whose normalisers have no statistics records one accuracy, which is the one by any source of them.
    """
    if (metric, "") not in run.scalars:
        plain = re.sub("_(moving|moving_unbiased|batch)$", "", metric)
        if (plain, "") in run.scalars and not any(name.startswith(f"{plain}_") for name, _ in run.scalars):
            return run.scalars[plain, ""]
        known = [name for name, site in run.scalars if not site]
        raise UsageError(f"run {run.id}: {parts.unknown('metric', metric, known)}")
    return run.scalars[metric, ""]


def _at(run: StoredRun, name: str, site: str, step: int | None) -> float:
    if (name, site) not in run.scalars:
        raise UsageError(f"run {run.id}: {_not_recorded(run, name, site)}")
    steps, values = run.scalars[name, site]
    if step is None:
        return float(values[-1])
    if step not in steps:
        if step <= steps[-1]:
            known = ", ".join(map(str, steps))
            raise NotMeasured(f"run {run.id}: {name} was not measured at step {step}, but at {known}")
        return math.nan
    return float(values[np.flatnonzero(steps == step)[0]])


def _layer_sites(run: StoredRun, name: str, site: str) -> dict[int, str]:
    """The recorded sites `layer<i>/<site>` of a name, by i."""
    found = (re.fullmatch(rf"layer(\d+)/{re.escape(site)}", place) for one, place in run.scalars if one == name)
    sites = {int(match[1]): match[0] for match in found if match}
    if not sites:
        raise UsageError(f"run {run.id}: {_not_recorded(run, name, f'layer<i>/{site}')}")
    return sites


def _not_recorded(run: StoredRun, name: str, site: str) -> str:
    known = sorted({one for one, _ in run.scalars})
    what = (
        parts.unknown("record", name, known) if name not in known else f"{name} was not recorded at {site or 'no site'}"
    )
    return f"{what}; name it in the grid's probes"


def _stretch(run: StoredRun, name: str, site: str, start: int, end: int, probe: str) -> np.ndarray:
    """A vector record from step start to step end, shape (points, units)."""
    if (name, site) not in run.arrays:
        raise UsageError(f"run {run.id} has no vectors {name} at {site}; add {probe} to the grid")
    steps, values = run.arrays[name, site]
    return values[(start <= steps) & (steps <= end)]


def _unit_quantiles(run: StoredRun, site: str, quantiles: list[float], start: int, end: int) -> np.ndarray:
    """Shape (points, quantiles, units): the percentiles of each unit at the measuring points from start to end."""
    columns = []
    for quantile in quantiles:
        name, probe = f"activation/unit_q{quantile:g}", "the probe activations with units: true"
        columns.append(_stretch(run, name, site, start, end, probe))
    return np.stack(columns, axis=1)


def _lengths(values: np.ndarray) -> np.ndarray:
    if len(values) < 2:
        return np.full(values.shape[2], math.nan)
    return np.abs(np.diff(values, axis=0)).sum(axis=0).mean(axis=0)
