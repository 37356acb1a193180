"""Where batch normalization stands, by activation: a dot for each arm, and what placing it before gains over after.

A row for each activation and placement; mean over seeds and its 95% t-interval. Beside it the difference that seeds
have in pairs, on an axis of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bn_study.analysis import interval, shown
from bn_study.analysis.asked import final
from bn_study.analysis.described import described
from bn_study.analysis.figure._style import BLACK, BLUE, PAGE, say, style
from bn_study.analysis.measures import is_accuracy
from bn_study.analysis.needed import Needed
from bn_study.analysis.settings import written
from bn_study.analysis.shown import Tables, of_grid
from bn_study.analysis.tables import Curve

PLACES = {
    "none": ("without BN", BLACK, "o", False),
    "before": ("BN before", BLUE, "o", True),
    "after": ("BN after", "#D55E00", "s", True),
}
"""Placement -> name, color, marker and whether it is filled."""
COLUMNS = ("grid", "dataset", "activation", "place", "rate", "series", "value", "low", "high", "n", "lost")
ROW = 0.17  # height of a row, in inches
REACH = 2.0  # how far beyond the normalized arms a plain one may widen an axis, in lengths of theirs
NEAR = 1.2  # an accuracy of so many times 1 / classes is chance, because classes are not equally frequent
FOOT = 0.62  # of a grid's axes, their names and title


@dataclass(frozen=True)
class Drawing:
    """metrics: the first of them is drawn."""

    grids: list[str]
    metrics: list[str]

    def needs(self) -> list[Needed]:
        """The metrics whose last values are drawn."""
        return [Needed(metric) for metric in self.metrics]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """The runs of the grids, without any of their records."""
        return {run: [] for run in shown.of_grids(runs, self.grids)["run"]}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `mean` (value: mean of the first metric over n runs that finished, with its 95% interval; lost: how
        many diverged) and `difference` (before - after, of the n seeds that finished with both).
        """
        rows = [row for grid in self.grids for row in _rows(of_grid(tables.runs, grid), grid, self.metrics[0])]
        return shown.numbers(rows, COLUMNS, whole=("n", "lost"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        text = [
            f"{self.metrics[0]} at the end, statistics re-estimated on training data, by activation and placement: "
            f"mean over seeds with its {interval.words(self.metrics[0])}; right, the difference of before and after, "
            "paired by seed, with its 95% t-interval. "
            "Each arm has the learning rate in its row."
        ]
        if (data["lost"] > 0).any():
            text.append("A number in brackets: runs that diverged, which the mean leaves out.")
        runs = shown.of_grids(tables.runs, self.grids)
        if lost := list(_at_chance(data, runs)) if is_accuracy(self.metrics[0]) else []:
            text.append(f"At chance, so that the learning rate in the row says nothing: {'; '.join(lost)}.")
        return " ".join([*text, described(runs)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        heights = [
            FOOT + ROW * max(len(data[(data["grid"] == grid) & (data["series"] == "mean")]), 3) for grid in self.grids
        ]
        with style():
            figure = Figure(figsize=(PAGE, sum(heights)), layout="constrained")
            found = figure.subplots(
                len(self.grids) or 1, 2, squeeze=False, sharey="row", height_ratios=heights, width_ratios=[2.2, 1]
            )
            for (left, right), grid in zip(found, self.grids, strict=True):
                own = data[data["grid"] == grid]
                if own.empty:
                    right.set_axis_off()
                    say(left, "no run is there yet")
                    continue
                heights_of = _draw_means(left, own)
                _draw_differences(right, own, heights_of)
                left.set_title(f"{grid} ({own['dataset'].iloc[0]})", fontsize=8)
                left.set_xlabel(self.metrics[0].replace("/", " "))
                right.set_xlabel("before − after")
        return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _rows(runs: pd.DataFrame, grid: str, metric: str) -> Iterator[dict[str, Any]]:
    if runs.empty:
        return
    column = final(metric).label(None)
    runs = runs.assign(place=runs["norm"].where(runs["norm"] == "none", runs.get("norm.placement")))
    datasets = ", ".join(sorted(set(runs["dataset"])))
    for activation, arms in runs.groupby("model.activation"):
        about = {"grid": grid, "dataset": datasets, "activation": activation}
        found: dict[str, pd.Series] = {}
        for place in PLACES:
            arm = arms[arms["place"] == place]
            if len(arm):
                found[place] = shown.of_seeds(arm["seed"], arm[column])
                rates = " or ".join(written(one) for one in sorted(set(arm["optimizer.learning_rate"])))
                lost = int((arm["status"] == "diverged").sum())
                yield (
                    about
                    | {"place": place, "rate": rates, "series": "mean"}
                    | shown.mean(found[place], metric)
                    | {"lost": lost}
                )
        if "before" in found and "after" in found:
            yield about | {"series": "difference"} | shown.mean((found["before"] - found["after"]).dropna())


def _at_chance(data: pd.DataFrame, runs: pd.DataFrame) -> Iterator[str]:
    """The arms whose accuracy a guess among the classes reaches."""
    for row in data[data["series"] == "mean"].to_dict("records"):
        classes = runs.loc[runs["dataset"] == row["dataset"], "classes"].dropna().unique()
        if len(classes) == 1 and row["value"] <= NEAR / classes[0]:
            words = f"{row['activation']}, {PLACES[row['place']][0]}, lr={row['rate']}"
            yield f"{words} ({row['value']:.3g}, with {classes[0]:g} classes)"


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_means(axes: Axes, data: pd.DataFrame) -> dict[str, float]:
    """Draw the dots, and return the height of each activation's middle row."""
    labels, middles = {}, {}
    height = 0.0
    for activation, rows in data[data["series"] == "mean"].groupby("activation", sort=False):
        middles[str(activation)] = height - (len(rows) - 1) / 2
        for row in rows.to_dict("records"):
            name, color, marker, filled = PLACES[row["place"]]
            lost = f" ({row['lost']})" if row["lost"] else ""
            labels[height] = f"{activation}, {name}, lr={row['rate']}{lost}"
            axes.plot([row["low"], row["high"]], [height, height], color=color, linewidth=0.9)
            face = color if filled else "white"
            axes.plot([row["value"]], [height], marker, color=color, markerfacecolor=face, markersize=4)
            height -= 1
        height -= 0.6
    _limit(axes, data[data["series"] == "mean"], labels)
    axes.set_yticks(list(labels), list(labels.values()))
    axes.set_ylim(height + 0.8, 0.8)
    axes.grid(axis="y", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    return middles


def _limit(axes: Axes, means: pd.DataFrame, heights: Iterable[float]) -> None:
    """The axis from the normalized arms; a plain one that would dwarf them is written at the edge with its value."""
    means = means.assign(low=means["low"].fillna(means["value"]), high=means["high"].fillna(means["value"]))
    drawn = means[(means["place"] != "none") & means["value"].notna()]
    if drawn.empty:  # every normalized run diverged
        drawn = means[means["value"].notna()]
    if drawn.empty:
        return
    low, high = drawn["value"].min(), drawn["value"].max()
    reach = REACH * ((high - low) or 0.05)
    low, high = (
        max(min(drawn["low"].min(), means["low"].min()), low - reach),
        min(max(drawn["high"].max(), means["high"].max()), high + reach),
    )
    space = 0.06 * (high - low) or 0.05
    axes.set_xlim(low - space, high + space)
    for height, value in zip(heights, means["value"], strict=True):
        if value < low - space:
            axes.text(low - space / 2, height, f"← {value:.3g}", va="center", fontsize=6)
        elif value > high + space:
            axes.text(high + space / 2, height, f"{value:.3g} →", va="center", ha="right", fontsize=6)


def _draw_differences(axes: Axes, data: pd.DataFrame, heights: dict[str, float]) -> None:
    for row in data[data["series"] == "difference"].to_dict("records"):
        height = heights[row["activation"]]
        axes.plot([row["low"], row["high"]], [height, height], color=BLACK, linewidth=0.9)
        axes.plot([row["value"]], [height], "D", color=BLACK, markersize=3.5)
    axes.axvline(0, color="0.5", linewidth=0.7, linestyle=":")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
