"""A metric over training steps, a line for each arm of a grid: mean and 95% t-interval over seeds.

An arm is a combination of all settings that vary in the grid (or in all grids shown), but for the seed; the legend
names it in words of the command line. Plain networks are dashed, normalized ones solid; the color stands for the other
settings.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bn_study.analysis import interval, shown
from bn_study.analysis.arms import SweepArm, by_settings
from bn_study.analysis.described import described
from bn_study.analysis.figure import _style
from bn_study.analysis.figure._style import LOOKS, colors, cross, dashes, log_step_ticks, say, step_ticks, style
from bn_study.analysis.figure._text import folded
from bn_study.analysis.measures import is_accuracy
from bn_study.analysis.needed import Needed
from bn_study.analysis.shown import Tables, of_grids
from bn_study.analysis.tables import Curve

COLUMNS = ("panel", "arm", "series", "run", "step", "value", "low", "high", "n")
ACROSS = 3  # panels in a row
HEIGHT, LOWER = 2.6, 2.0  # of one panel and of a row of several, in inches
MANY = 16  # measuring points from which on not each is marked
CROWD = 4  # arms above which bands are fainter
DECADES = 1.5  # over which a positive metric ranges before its axis is logarithmic
Look = tuple[str, str]
"""Color and marker."""


@dataclass(frozen=True)
class Drawing:
    """grid: one, or several whose arms are shown together, because no product of settings has just these arms.
    metric: the name of a record, and its site if it has one: `test/loss`, `activation/std@layer3/pre`.
    """

    grid: str | list[str]
    metric: str
    by: list[str] | None = None
    color: str | None = None
    panels: str | None = None

    def needs(self) -> list[Needed]:
        """The metric."""
        name, _, site = self.metric.partition("@")
        return [Needed(name, site)]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> its records of the metric."""
        rows = of_grids(runs, self._grids).to_dict("records")
        return {row["run"]: [curve for need in self.needs() for curve in shown.curves_of(need, row)] for row in rows}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `mean` (value: mean over n runs of what they recorded at a step, with its 95% interval) and `diverged`
        (where a run ended; value: the last one it recorded). Values that are not finite do not count.
        """
        rows = [{"panel": panel} | row for panel, arm in self._arms(tables) for row in self._rows(tables, arm)]
        return shown.numbers(rows, COLUMNS, whole=("step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        means = data[data["series"] == "mean"]
        runs = of_grids(tables.runs, self._grids)
        text = [f"No run recorded {self.metric}."]
        if len(means):
            judged = (
                ", statistics re-estimated on training data" if self.metric.endswith(("/accuracy", "/loss")) else ""
            )
            text = [
                f"{self.metric} against training steps{judged}: mean over seeds and, where there are two or more, its "
                f"{interval.words(self.metric)}. Dashed: without normalization."
            ]
            if self.metric.startswith(("validation/", "test/")) and means["step"].max() < runs["steps"].max():
                text.append("Of fixed examples; what the whole split gives at the end is not drawn.")
            if first := _first_of_log(means):
                text.append(f"The axis of steps is logarithmic from step {first:,} on, linear before.")
        if (data["series"] == "diverged").any():
            text.append("✕: a run diverged there, counted in the legend; means go on without it.")
        return " ".join([*text, described(runs)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        arms = self._arms(tables)
        names = list(dict.fromkeys(panel for panel, _ in arms)) or [""]
        steps = max((int(arm.rows["steps"].max()) for _, arm in arms), default=0)
        labels = _labels([arm for _, arm in arms if (data["arm"] == arm.label).any()])
        columns, legend = _style.legend_size(labels.values())
        looks = self._looks([arm for _, arm in arms])
        with style():
            height = HEIGHT if len(names) == 1 else LOWER
            figure, panels, left = _style.panels(len(names), ACROSS, height, legend, sharey=True)
            handles: dict[str, Any] = {}
            for name, axes, at_left in zip(names, panels, left, strict=True):
                if first := _first_of_log(data[data["series"] == "mean"]):
                    log_step_ticks(axes, first, steps)
                else:
                    step_ticks(axes, steps)
                _limit(axes, data, self.metric)
                handles |= _draw_panel(axes, data[data["panel"] == name], [a for p, a in arms if p == name], looks)
                _style.title(axes, name, min(ACROSS, len(names)))
                axes.set_xlabel("training steps")
                if at_left:
                    axes.set_ylabel(self.metric.replace("/", " ").replace("_", " "))
                if not (data["series"] == "mean").any():
                    say(axes, f"no run recorded {self.metric}" if arms else "no run is there yet")
            if any(labels.values()):
                shown_labels = {arm: text for arm, text in labels.items() if arm in handles}
                figure.legend(
                    [handles[arm] for arm in shown_labels], list(shown_labels.values()), loc="outside lower center",
                    ncols=columns, handlelength=2.6, frameon=False,
                )  # fmt: skip
        return figure

    @property
    def _grids(self) -> list[str]:
        return [self.grid] if isinstance(self.grid, str) else self.grid

    def _arms(self, tables: Tables) -> list[tuple[str, SweepArm]]:
        """The panel and runs of each line."""
        panels = shown.divided(of_grids(tables.runs, self._grids), self.panels)
        return [(words, arm) for words, runs in panels for arm in by_settings(runs, self.by)]

    def _rows(self, tables: Tables, arm: SweepArm) -> Iterator[dict[str, Any]]:
        """The mean curve of an arm, and the end of each diverged run."""
        (need,) = self.needs()
        lines = [
            (row, shown.on_the_way(shown.curve(tables, row["run"], need.name, need.site), row, self.metric))
            for row in arm.rows.to_dict("records")
        ]
        for numbers in shown.mean_and_ends(lines, self.metric):
            yield {"arm": arm.label} | numbers

    def _looks(self, arms: Sequence[SweepArm]) -> dict[str, Look]:
        """Look of each arm, by label.

        Plain and normalized arms of one color differ in nothing else, unless there are several normalizers, which
        dashes do not tell apart. An arm without other settings has its normalizer's own color.
        """
        if self.color is not None:
            found = _style.colors_by_setting([arm.label for arm in arms], self.color)
            return {label: (color, "o") for label, color in found.items()}
        several = len({arm.norm for arm in arms} - {"none"}) > 1
        keys: dict[str, Hashable] = {arm.label: (arm.norm if several else "", arm.others) for arm in arms}
        own = {arm.label: LOOKS[arm.norm].color for arm in arms if arm.norm in LOOKS and not _others(arm)}
        free = colors((key for label, key in keys.items() if label not in own), own.values())
        return {arm.label: (own[arm.label], "o") if arm.label in own else free[keys[arm.label]] for arm in arms}


def _others(arm: SweepArm) -> bool:
    """Whether an arm has settings beside its normalizer."""
    return any(value is not None for value in arm.others)


# --- numbers ----------------------------------------------------------------------------------------------------------


def _first_of_log(means: pd.DataFrame) -> int | None:
    """The first step of a log axis, if the measuring points are spaced more evenly on it than on a linear one."""
    steps = np.unique(means["step"].to_numpy(float))
    steps = steps[steps > 0]
    if len(steps) < 3 or steps[-1] < 10 * steps[0]:
        return None
    linear, log = (np.diff(one).std() / np.diff(one).mean() for one in (steps, np.log(steps)))
    return int(steps[0]) if log < linear else None


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_panel(axes: Axes, data: pd.DataFrame, arms: Sequence[SweepArm], looks: dict[str, Look]) -> dict[str, Any]:
    """Draws one panel; its lines by their arms."""
    handles: dict[str, Any] = {}
    alpha = 0.15 if data["arm"].nunique() <= CROWD else 0.07
    for arm in arms:
        line = data[(data["series"] == "mean") & (data["arm"] == arm.label)]
        _draw_band(axes, line, looks[arm.label][0], alpha)
        handles[arm.label] = _draw_line(axes, line, arm, looks[arm.label])
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], looks[row["arm"]][0])
    return handles


def _draw_band(axes: Axes, line: pd.DataFrame, color: str, alpha: float) -> None:
    step, low, high = (line[one].to_numpy(float) for one in ("step", "low", "high"))
    if axes.get_yscale() == "log":  # which has no place for the negative end of an interval
        low, high = (np.clip(one, *axes.get_ylim()) for one in (low, high))
    axes.fill_between(step, low, high, color=color, alpha=alpha, linewidth=0)


def _draw_line(axes: Axes, line: pd.DataFrame, arm: SweepArm, look: Look) -> Any:
    color, marker = look
    step, value = (line[one].to_numpy(float) for one in ("step", "value"))
    every = max(1, len(line) // MANY)
    return axes.plot(step, value, dashes(arm.norm), color=color, marker=marker, markersize=2.5, markevery=every)[0]


def _labels(arms: Sequence[SweepArm]) -> dict[str, str]:
    """What the legend says of each arm: its name, and how many of its runs diverged."""
    found = {}
    for label, text in _style.shortened(arm.label for arm in arms).items():
        runs = pd.concat([arm.rows["status"] for arm in arms if arm.label == label])
        lost = int((runs == "diverged").sum())
        words = f"(✕ {lost} of {len(runs)})" if lost else ""
        found[label] = "\n".join(folded(" ".join(filter(None, [text, words])), _style.LETTERS))
    return found


def _limit(axes: Axes, data: pd.DataFrame, metric: str) -> None:
    """Limits of the value's axis, from the means; a run that diverged may leave any scale and does not set it."""
    means = data[data["series"] == "mean"]
    if means.empty:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    accuracy = is_accuracy(metric)
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
