"""A metric over training steps, a line for each arm of a grid: mean and 95 % t-interval over seeds.

An arm is a combination of all settings that vary in the grid, but for the seed; the legend names it in words of the
command line. Plain networks are dashed, normalised ones solid; the colour stands for the other settings.
"""

import math
import textwrap
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bn_study.analysis.figure import _tables
from bn_study.analysis.figure._style import LOOKS, PAGE, colors, cross, dashes, log_step_ticks, say, step_ticks, style
from bn_study.analysis.figure._tables import Arm, Tables, of_grid
from bn_study.analysis.rounding import rounded_table
from bn_study.analysis.tables import Curve

COLUMNS = ("arm", "series", "run", "step", "value", "low", "high", "n")
HEIGHT = 2.6  # of the axes with their labels, in inches
ROW = 0.15  # height of a line of the legend
LETTER = 0.053  # width of a letter of the legend, on average
SAMPLE = 0.55  # width of the legend's piece of line, with the space between columns
LETTERS = 100  # in a line of the legend
MANY = 16  # measuring points from which on not each is marked
CROWD = 4  # arms above which bands are fainter
DECADES = 1.5  # over which a positive metric ranges before its axis is logarithmic


def curves(runs: pd.DataFrame, *, grid: str, metric: str) -> dict[str, list[Curve]]:
    """Run id -> its records of the metric."""
    return {run: [Curve(metric, "")] for run in of_grid(runs, grid)["run"]}


def plotted(tables: Tables, *, grid: str, metric: str) -> pd.DataFrame:
    """Every number in the figure, a row each.

    series: `mean` (value: mean over n runs of what they recorded at a step, with its 95 % interval) and `diverged`
    (where a run ended; value: the last one it recorded). Values that are not finite do not count.
    """
    found = [row for arm in _arms(tables, grid) for row in _rows(tables, arm, metric)]
    table = rounded_table(pd.DataFrame(found, columns=COLUMNS))
    return table.astype(dict.fromkeys(("value", "low", "high"), float) | dict.fromkeys(("step", "n"), "Int64"))


def caption(tables: Tables, *, grid: str, metric: str) -> str:
    """What is shown, by which rules, of which runs."""
    data = plotted(tables, grid=grid, metric=metric)
    means = data[data["series"] == "mean"]
    text = [f"No run recorded {metric}."]
    if len(means):
        judged = ", statistics re-estimated on training data" if metric.endswith(("/accuracy", "/loss")) else ""
        text = [
            f"{metric} against training steps{judged}: mean over seeds and, where there are two or more, its 95 % "
            "t-interval. Dashed: without normalisation."
        ]
        if first := _first_of_log(means):
            text.append(f"The axis of steps is logarithmic from step {first:,} on, linear before.")
    if (data["series"] == "diverged").any():
        text.append("✕: a run diverged there, counted in the legend; means go on without it.")
    return " ".join([*text, _tables.described(of_grid(tables.runs, grid))])


def draw(tables: Tables, *, grid: str, metric: str) -> Figure:
    """The figure, of the numbers in `plotted`."""
    data = plotted(tables, grid=grid, metric=metric)
    means = data[data["series"] == "mean"]
    arms = _arms(tables, grid)
    steps = max((int(arm.rows["steps"].max()) for arm in arms), default=0)
    labels = {arm.label: _legend(arm) for arm in arms if (data["arm"] == arm.label).any()}
    columns, lines = _layout(list(labels.values()))
    with style():
        figure = Figure(figsize=(PAGE, HEIGHT + ROW * lines), layout="constrained")
        axes = figure.subplots()
        if first := _first_of_log(means):
            log_step_ticks(axes, first, steps)
        else:
            step_ticks(axes, steps)
        looks = _looks(arms)
        _limit(axes, data, metric)
        alpha = 0.15 if len(labels) <= CROWD else 0.07
        for arm in arms:
            line = means[means["arm"] == arm.label]
            _draw_band(axes, line, looks[arm.label][0], alpha)
            _draw_line(axes, line, arm, looks[arm.label], labels.get(arm.label, ""))
        for row in data[data["series"] == "diverged"].to_dict("records"):
            cross(axes, row["step"], row["value"], looks[row["arm"]][0])
        axes.set_xlabel("training steps")
        axes.set_ylabel(metric.replace("/", " ").replace("_", " "))
        if means.empty:
            say(axes, f"no run recorded {metric}" if arms else "no run is there yet")
        if any(labels.values()):
            figure.legend(loc="outside lower center", ncols=columns, handlelength=2.6, frameon=False)
    return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _arms(tables: Tables, grid: str) -> list[Arm]:
    rows = of_grid(tables.runs, grid)
    return _tables.arms(rows) if len(rows) else []


def _rows(tables: Tables, arm: Arm, metric: str) -> Iterator[dict[str, Any]]:
    """The mean curve of an arm, and where each of its runs ended that diverged."""
    lines = [(row, _tables.curve(tables, row["run"], metric)) for row in arm.rows.to_dict("records")]
    for point in _tables.mean_curve(line[np.isfinite(line["value"])] for _, line in lines):
        yield {"arm": arm.label, "series": "mean"} | point
    for row, line in lines:
        yield from ({"arm": arm.label, "series": "diverged"} | end for end in _tables.end(row, line))


def _first_of_log(means: pd.DataFrame) -> int | None:
    """The first step of a log axis, if the measuring points are spaced more evenly on it than on a linear one."""
    steps = np.unique(means["step"].to_numpy(float))
    steps = steps[steps > 0]
    if len(steps) < 3 or steps[-1] < 10 * steps[0]:
        return None
    linear, log = (np.diff(one).std() / np.diff(one).mean() for one in (steps, np.log(steps)))
    return int(steps[0]) if log < linear else None


# --- picture ----------------------------------------------------------------------------------------------------------


def _looks(arms: list[Arm]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each arm, by label.

    Plain and normalised arms of one colour differ in nothing else, unless there are several normalisers, which dashes
    do not tell apart. An arm without other settings has its normaliser's own colour.
    """
    several = len({arm.norm for arm in arms} - {"none"}) > 1
    keys: dict[str, Hashable] = {arm.label: (arm.norm if several else "", arm.others) for arm in arms}
    own = {arm.label for arm in arms if arm.norm in LOOKS and all(value is None for value in arm.others)}
    found = colors(key for label, key in keys.items() if label not in own)
    return {arm.label: (LOOKS[arm.norm].color, "o") if arm.label in own else found[keys[arm.label]] for arm in arms}


def _draw_band(axes: Axes, line: pd.DataFrame, color: str, alpha: float) -> None:
    step, low, high = (line[one].to_numpy(float) for one in ("step", "low", "high"))
    if axes.get_yscale() == "log":  # which has no place for the negative end of an interval
        low, high = (np.clip(one, *axes.get_ylim()) for one in (low, high))
    axes.fill_between(step, low, high, color=color, alpha=alpha, linewidth=0)


def _draw_line(axes: Axes, line: pd.DataFrame, arm: Arm, look: tuple[str, str], label: str) -> None:
    color, marker = look
    step, value = (line[one].to_numpy(float) for one in ("step", "value"))
    every = max(1, len(line) // MANY)
    axes.plot(step, value, dashes(arm.norm), color=color, marker=marker, markersize=2.5, markevery=every, label=label)


def _legend(arm: Arm) -> str:
    """An arm's name and how many of its runs diverged."""
    lost = int((arm.rows["status"] == "diverged").sum())
    words = f"(✕ {lost} of {len(arm.rows)})" if lost else ""
    return textwrap.fill(" ".join(filter(None, [arm.label, words])), LETTERS)


def _layout(labels: list[str]) -> tuple[int, int]:
    """Columns of the legend, and lines of text in it."""
    letters = max((len(line) for label in labels for line in label.splitlines()), default=0)
    columns = max(1, min(len(labels), int(PAGE / (LETTER * letters + SAMPLE))))
    rows = math.ceil(len(labels) / columns)
    return columns, rows * max((label.count("\n") + 1 for label in labels), default=0)


def _limit(axes: Axes, data: pd.DataFrame, metric: str) -> None:
    """Limits of the value's axis, from the means; a run that diverged may leave any scale and does not set it."""
    means = data[data["series"] == "mean"]
    if means.empty:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    accuracy = metric.rpartition("/")[2].startswith("accuracy")
    ends = data[data["series"] == "diverged"].groupby("arm")["step"].max()
    last = means["arm"].map(ends).astype(float).fillna(-1.0)
    steady = means[(means["step"] == 0) | (means["step"].astype(float) > last)]
    values = (means if accuracy or steady.empty else steady)["value"].to_numpy(float)
    low, high = float(values.min()), float(values.max())
    if not accuracy and low > 0 and high / low > 10**DECADES:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.2)
        return
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    bounds = (0.0, 1.0) if accuracy else (-math.inf, math.inf)
    axes.set_ylim(max(low - margin, bounds[0]), min(high + margin, bounds[1]))
