"""Ioffe & Szegedy 2015, Figs. 2 and 3: accuracy over training steps, and how many steps match the plain net's best.

A line for each arm, its name the normalizer and its learning rate as a multiple of the plain net's base rate. A diamond
is where an arm's mean first reaches the largest mean of the plain net at that rate; the table beside it says how many
steps that took, and the arm's own largest mean.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bn_study.analysis import shown
from bn_study.analysis.described import described
from bn_study.analysis.figure._style import BLACK, PAGE, PALETTE, cross, dashes, say, step_ticks, style
from bn_study.analysis.needed import Needed
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import Curve

METRIC = "test/accuracy"
RATE = "optimizer.learning_rate"
COLUMNS = ("arm", "norm", "series", "run", "step", "value", "low", "high", "n")
HEIGHT = 2.7  # inches
PLAIN = (BLACK, "0.5")


@dataclass(frozen=True)
class Drawing:
    """grids: whose runs are shown together."""

    grids: list[str]

    def needs(self) -> list[Needed]:
        """The test accuracy."""
        return [Needed(METRIC)]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> its test accuracy."""
        return {run: [Curve(METRIC, "")] for run in shown.of_grids(runs, self.grids)["run"]}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `mean` (value: mean over n runs, with its 95% interval), `diverged` (where a run ended), `best` (an
        arm's largest mean, and where it is) and `match` (where an arm's mean first reaches that of the plain net at its
        base rate; no step where it does not).
        """
        runs = shown.of_grids(tables.runs, self.grids)
        rows = [row for name, arm in _arms(runs) for row in _rows(tables, name, arm)]
        means = pd.DataFrame([row for row in rows if row["series"] == "mean"], columns=COLUMNS)
        best = {name: line.loc[line["value"].astype(float).idxmax()] for name, line in means.groupby("arm", sort=False)}
        target = best[_BASE]["value"] if _BASE in best else math.nan
        for name, one in best.items():
            line = means[means["arm"] == name]
            there = line[line["value"] >= target]
            about = {"arm": name, "norm": one["norm"], "n": one["n"]}
            rows.append(about | {"series": "best", "step": one["step"], "value": one["value"]})
            step = int(there["step"].min()) if len(there) else None
            rows.append(about | {"series": "match", "step": step, "value": target})
        return shown.numbers(rows, COLUMNS, whole=("step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        runs = shown.of_grids(tables.runs, self.grids)
        cut = " (what the whole split gives at the end is not drawn)" if shown.whole_at_end(runs) else ""
        text = [
            f"Test accuracy of fixed examples over training steps{cut}, statistics re-estimated on training data: "
            "mean over seeds with its 95% t-interval on the logit scale. ×k: k times the base learning rate "
            f"{_base(runs):g} of the plain net. Diamonds: where a mean first reaches the plain net's largest."
            if len(runs)
            else "Test accuracy over training steps."
        ]
        text += [
            f"{row['arm']}: {_steps(row['step'])}, at most {_best(data, row['arm']):.1%}."
            for row in data[data["series"] == "match"].to_dict("records")
        ]
        if (data["series"] == "diverged").any():
            text.append("✕: a run diverged there; means go on without it.")
        return " ".join([*text, described(runs)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        runs = shown.of_grids(tables.runs, self.grids)
        names = list(dict.fromkeys(data["arm"]))
        plain = [name for name in names if name.startswith(_BASE)]
        others = [name for name in names if name not in plain]
        looks = dict(zip(plain, cycle(PLAIN), strict=False)) | dict(zip(others, cycle(PALETTE), strict=False))
        with style():
            figure = Figure(figsize=(PAGE, HEIGHT), layout="constrained")
            axes, beside = figure.subplots(1, 2, width_ratios=[1.5, 1])
            if not names:
                say(axes, "no run is there yet")
            _draw_curves(axes, data, looks)
            step_ticks(axes, int(runs["steps"].max()) if len(runs) else 0)
            axes.set_xlabel("training steps")
            axes.set_ylabel("test accuracy")
            _draw_table(beside, data, names)
        return figure


# --- numbers ----------------------------------------------------------------------------------------------------------

_BASE = "Plain"


def _base(runs: pd.DataFrame) -> float:
    """The smallest learning rate of the plain net, or of any if there is no plain one."""
    plain = runs[runs["norm"] == "none"]
    return float((plain if len(plain) else runs)[RATE].min())


def _arms(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and runs: `Plain`, `BN ×5`, `BN ×5 sigmoid`, plain nets first and by rising rates."""
    if runs.empty:
        return []
    usual = runs["model.activation"].mode()[0]
    found = []
    for (norm, activation, rate), arm in runs.groupby(["norm", "model.activation", RATE]):
        times = round(rate / _base(runs), 2)
        name = {"none": _BASE, "batch": "BN"}.get(norm, f"norm={norm}")
        words = [name, *([f"×{times:g}"] if norm != "none" or times != 1 else [])]
        words += [activation] if activation != usual else []
        found.append(((norm != "none", activation != usual, rate), " ".join(words), arm))
    return [(name, arm) for _, name, arm in sorted(found, key=lambda one: one[0])]


def _rows(tables: Tables, name: str, arm: pd.DataFrame) -> Iterator[dict[str, Any]]:
    rows = arm.to_dict("records")
    lines = [(row, shown.on_the_way(shown.curve(tables, row["run"], METRIC), row, METRIC)) for row in rows]
    for numbers in shown.mean_and_ends(lines, METRIC):
        yield {"arm": name, "norm": arm["norm"].iloc[0]} | numbers


def _best(data: pd.DataFrame, arm: str) -> float:
    return float(data.loc[(data["series"] == "best") & (data["arm"] == arm), "value"].iloc[0])


def _steps(step: Any) -> str:
    return "does not match it" if step is pd.NA or pd.isna(step) else f"matches it after {int(step):,} steps"


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_curves(axes: Axes, data: pd.DataFrame, looks: dict[str, str]) -> None:
    for (arm, norm), line in data[data["series"] == "mean"].groupby(["arm", "norm"], sort=False):
        step, value, low, high = (line[one].to_numpy(float) for one in ("step", "value", "low", "high"))
        axes.fill_between(step, low, high, color=looks[arm], alpha=0.15, linewidth=0)
        axes.plot(step, value, dashes(norm), color=looks[arm], label=arm)
    for row in data[(data["series"] == "match") & data["step"].notna()].to_dict("records"):
        axes.plot([row["step"]], [row["value"]], "D", color=looks[row["arm"]], markersize=4, zorder=5, clip_on=False)
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], looks[row["arm"]])
    if looks:
        axes.legend(loc="lower right", handlelength=2.6)


def _draw_table(axes: Axes, data: pd.DataFrame, names: list[str]) -> None:
    """The paper's Fig. 3: steps to the plain net's best, and the arm's own."""
    axes.set_axis_off()
    matches = data[data["series"] == "match"].set_index("arm")["step"]
    cells = [
        [name, "–" if pd.isna(matches[name]) else f"{int(matches[name]):,}", f"{_best(data, name):.1%}"]
        for name in names
    ]
    if not cells:
        return
    target = data.loc[data["series"] == "match", "value"].iloc[0]
    table = axes.table(
        cells, colLabels=["", f"steps to {target:.1%}", "max"], loc="center", cellLoc="right", colLoc="right",
        edges="horizontal", colWidths=[0.48, 0.32, 0.2],
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.scale(1, 1.2)
    for (_, column), cell in table.get_celld().items():
        cell.set_linewidth(0.5)
        if column == 0:
            cell.get_text().set_horizontalalignment("left")
