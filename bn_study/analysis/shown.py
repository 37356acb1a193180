"""What figures and reports show: the tables, the runs that they select, and the curves of these runs."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bn_study.analysis import interval
from bn_study.analysis.arms import grouped, left_open
from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.rounding import rounded, rounded_table
from bn_study.analysis.settings import RESULTS, as_selector, comparable, lacks, option, rank, where, written
from bn_study.analysis.tables import EVERY, HASH, Curve
from bn_study.plan import declared, parts

REAL = ("value", "low", "high")
IMAGES = "probe.curves.images"
"""The number of fixed examples of each split on which a run is measured on the way."""
FULL = "probe.curves.full"
"""Sources of statistics with which a run's last step is measured on the whole split, not on these."""


@dataclass(frozen=True)
class Tables:
    """The tables of an experiment, as they are after `csv_files.read_csv` (see `runs_table` and `curves_table`).

    verdicts: see `verdicts_table`; and `quantity` and `contrast`, what a claim measures and compares, in words.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)

    @cached_property
    def by_name(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The curves by run (the digits that end its id) and name, in order of steps."""
        return dict(list(self.curves.sort_values("step", kind="stable").groupby(["run", "name"])))


def of_grid(runs: pd.DataFrame, grid: str) -> pd.DataFrame:
    """The runs that a grid asks for."""
    return runs[[grid in grids.split() for grids in runs["grids"]]] if len(runs) else runs


def of_grids(runs: pd.DataFrame, grids: Iterable[str]) -> pd.DataFrame:
    """The runs that any of some grids asks for, once each, in the order of the grids."""
    found = [of_grid(runs, grid) for grid in grids] if len(runs) else []
    return pd.concat([runs.iloc[:0], *found]).drop_duplicates("run").reset_index(drop=True)


def named_grids(options: Mapping[str, Any]) -> list[str]:
    """The grids that a figure's options name to be shown: `grid`, which may be several in one, and `grids`."""
    return [one for key in ("grid", "grids") for one in named(options.get(key))]


def named(option: Any) -> list[Any]:
    """The names in an option of a figure: one, or a list of them. Anything else names nothing, and is a mistake."""
    return [option] if isinstance(option, str) else option if isinstance(option, list) else []


def panels(
    runs: pd.DataFrame, grids: Sequence[str], setting: str | None, beside: Sequence[str] = ()
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Grid, value of a setting in words, and runs of each panel of a figure that has any.

    setting: what makes panels of one grid; None for one panel, whose words are "". beside: a grid for each of the
    grids, whose runs are shown with it.
    """
    for place, grid in enumerate(grids):
        own = of_grids(runs, [grid, *beside[place : place + 1]])
        yield from ((grid, words, rows) for words, rows in divided(own, setting))


def divided(runs: pd.DataFrame, setting: str | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Runs by the value of a setting in words; all of them, with "", where there is no such setting."""
    names = [setting] if setting is not None and setting in runs else []
    for values, rows in grouped(runs, names) if len(runs) else []:
        yield as_selector(values), rows.reset_index(drop=True)


def select(runs: pd.DataFrame, grid: str, norms: tuple[str, ...]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The runs of a grid that a figure of these normalizers shows, one a seed and normalizer, in order of both.

    Where the grid has more, because another setting varies as well, those with its first value are shown: the first
    that all of them have, or else that each has. The second result says which value that is.
    """
    rows = of_grid(runs, grid)
    arms = {norm: where(rows, {"norm": norm}) for norm in norms}
    fixed: dict[str, str] = {}
    while left := [factor for arm in arms.values() for factor in left_open(arm)]:
        factor = left[0]
        offered = {
            norm: {comparable(one): one for one in arm[factor] if comparable(one) is not None}
            for norm, arm in arms.items()
            if not lacks(arm, factor)
        }
        common = set.intersection(*(set(one) for one in offered.values()))
        first = {norm: one[min(common or one, key=rank)] for norm, one in offered.items()}
        arms = {norm: where(arm, {factor: first[norm]}) if norm in first else arm for norm, arm in arms.items()}
        words = dict.fromkeys(map(written, first.values()))
        each = [f"{written(value)} (norm={norm})" for norm, value in first.items()]
        fixed[factor] = ", ".join(words if len(words) == 1 else each)
    found = [arm.sort_values("seed") for arm in arms.values() if len(arm)]
    return (pd.concat(found) if found else pd.DataFrame(columns=[*RESULTS, "norm", "steps"])), fixed


def curve(tables: Tables, run: str, name: str, site: str | None = None) -> pd.DataFrame:
    """One record of a run over its steps: columns step, value, unit. site: None where it was recorded at one alone."""
    found = tables.by_name.get((run[-HASH:], name), tables.curves.iloc[:0])
    return (found if site is None else found[found["site"] == site])[["step", "value", "unit"]]


def on_the_way(line: pd.DataFrame, row: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """A curve of a metric without the run's last step, if that is of the whole split and the others of a part of it.

    A curve with both would end in a jump. Where nothing but the start was measured before, the last step stays.
    """
    split, _, measured = metric.partition("/")
    source = measured.partition("_")[2] or "reestimated"
    if split not in ("validation", "test") or not _other_at_end(row, split, source):
        return line
    before = line[line["step"] < row["steps"]]
    return before if (before["step"] > 0).any() else line


def whole_at_end(runs: pd.DataFrame) -> bool:
    """Whether the last step of test accuracy is of the whole split in any of these runs (see `on_the_way`)."""
    return any(_other_at_end(row, "test", "reestimated") for row in runs.to_dict("records"))


def _other_at_end(row: Mapping[str, Any], split: str, source: str) -> bool:
    """Whether a run's last step is of more examples than the others; the size of a split is only known as an option."""
    size, images = option(row.get(f"dataset.{split}")), option(row.get(IMAGES))
    return source in (option(row.get(FULL)) or []) and (size is None or images is None or size > images)


def mean_curve(lines: Iterable[pd.DataFrame], metric: str) -> Iterator[dict[str, Any]]:
    """The mean of curves of a metric (see `by_seed`), one point per step: step, value, low and high of its interval, n.

    The mean is rounded, so that the step where it reaches a level is the same on every machine.
    """
    means = pd.concat(list(lines)).groupby("step")["value"].agg(["mean", "std", "count"])
    for step, value, deviation, count in means.itertuples():
        low, high = interval.of_mean(value, deviation, count, metric)
        yield {"step": step, "value": rounded(value), "low": low, "high": high, "n": count}


def mean_and_ends(
    lines: Sequence[tuple[Mapping[str, Any], pd.DataFrame]], metric: str, series: str = "mean"
) -> Iterator[dict[str, Any]]:
    """The rows of an arm in a figure's numbers: a series of its mean curve, and the series `diverged` (see `end`).

    lines: each run's row and its curve of the metric.
    """
    if not lines:
        return
    finite = (line[np.isfinite(line["value"])] for _, line in lines)
    for point in mean_curve(by_seed((row["seed"] for row, _ in lines), finite), metric):
        yield {"series": series} | point
    for row, line in lines:
        yield from ({"series": "diverged"} | one for one in end(row, line))


def of_seeds(seeds: pd.Series, values: pd.Series) -> pd.Series:
    """A number for each seed, the mean of its runs that have one. seeds, values: of the runs, in the same order."""
    return pd.Series(values.to_numpy(float), index=seeds).groupby(level=0, sort=False).mean().dropna()


def by_seed(seeds: Iterable[int], lines: Iterable[pd.DataFrame]) -> list[pd.DataFrame]:
    """A curve for each seed, the mean of its runs' curves: seeds are the only replicates. seeds: of the lines."""
    found: dict[int, list[pd.DataFrame]] = {}
    for seed, line in zip(seeds, lines, strict=True):
        found.setdefault(seed, []).append(line)
    return [
        own[0] if len(own) == 1 else pd.concat(own).groupby("step", as_index=False)["value"].mean()
        for own in found.values()
    ]


def mean(values: pd.Series, metric: str = "") -> dict[str, Any]:
    """A mean as it is shown: value, low and high of its 95% interval, n values. metric: see `interval.of_mean`."""
    low, high = interval.of_values(values, metric)
    return {"value": values.mean(), "low": low, "high": high, "n": len(values)}


def end(row: Mapping[str, Any], line: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Where a run ended, if it diverged (run, step), at the last finite value it recorded."""
    if row["status"] == "diverged":
        finite = line["value"][np.isfinite(line["value"])]
        value = float(finite.iloc[-1]) if len(finite) else math.nan
        yield {"run": row["run"], "step": int(row["diverged_at"]), "value": value}


def numbers(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], real: Sequence[str] = REAL, whole: Sequence[str] = ()
) -> pd.DataFrame:
    """The numbers of a figure as it draws them, rounded (see `rounding`). real, whole: columns of such numbers."""
    table = rounded_table(pd.DataFrame(list(rows), columns=list(columns)))
    return table.astype(dict.fromkeys(real, "float64") | dict.fromkeys(whole, "Int64"))


def curves_of(need: Needed, run: Mapping[str, Any], last: bool = False) -> list[Curve]:
    """The curves of one run that hold what is needed of it; at its last measuring point alone, or at all."""
    sites = [need.site]
    if need.site.startswith(LAYERS):
        sites = [f"layer{layer}/{need.site.removeprefix(LAYERS)}" for layer in range(1, depth(run) + 1)]
    steps = (need.step,) if need.step is not None else (-1,) if last else None
    return [Curve(need.name, site, EVERY if need.vector else None, steps) for site in sites]


def first_seed(arm: pd.DataFrame) -> pd.Series:
    """The run of an arm's smallest seed, whatever became of it: the one whose single units are drawn."""
    return arm.sort_values("seed").iloc[0]


def depth(run: Mapping[str, Any]) -> int:
    """How many hidden layers a run's network has, as its model declares it; 0 for a model that is not here."""
    model = run.get("model")
    if model not in parts.names("model"):
        return 0
    options = {key: option(run.get(f"model.{key}")) for key in parts.parameters("model", model)}
    return declared.layers(model, options)


def hidden(widths: object) -> list[int]:
    """The widths of the hidden layers from their JSON text in a table; empty if the model has no such setting."""
    found = json.loads(widths) if isinstance(widths, str) and widths.startswith("[") else []
    return [int(one) for one in found]
