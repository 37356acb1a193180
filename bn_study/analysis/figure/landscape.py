"""Santurkar et al. 2018, Fig. 4: how the loss and its gradient change along the gradient, over training.

(a) the range of losses at θ - ηg, (b) that of the gradient's change, (c) the effective smoothness, for steps η in
proportion to the learning rate as in the paper; (d, e, f) the same for steps that are as long relative to the
parameters, because weights that are followed by a normalizer may be scaled freely.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from bn_study.analysis import shown
from bn_study.analysis.described import described, shown_of_several
from bn_study.analysis.figure._style import BLUE, LOOKS, PAGE, PALETTE, cross, say, style, third_ticks
from bn_study.analysis.needed import Needed
from bn_study.analysis.shown import Tables, select
from bn_study.analysis.tables import Curve
from bn_study.plan.types import Count

COLORS = {"none": PALETTE[1], "batch": BLUE}  # red and blue in the paper
NAMES = {"none": "Standard", "batch": "Standard + BatchNorm"}
NORMS = tuple(NAMES)
PANELS = {
    "a": ("landscape/loss_low", "landscape/loss_high"),
    "b": ("landscape/predictiveness_low", "landscape/predictiveness_high"),
    "c": ("landscape/smoothness",),
    "d": ("landscape/relative_loss_low", "landscape/relative_loss_high"),
    "e": ("landscape/relative_predictiveness_low", "landscape/relative_predictiveness_high"),
    "f": ("landscape/relative_smoothness",),
}
"""The record that is drawn as a line, or the two between which a band is."""
LABELS = {
    "a": "loss at θ − ηg",
    "b": "‖∇L(θ) − ∇L(θ − ηg)‖",
    "c": "largest ‖Δ∇L‖ / ‖ηg‖",
    "d": "loss at θ − ηg",
    "e": "‖∇L(θ) − ∇L(θ − ηg)‖",
    "f": "largest ‖Δ∇L‖ / ‖g‖\nover ‖ηg‖ / ‖θ‖",
}
TITLES = {"a": "Loss landscape", "b": "Gradient predictiveness", "c": "“Effective” β-smoothness"}
TITLES |= {below: TITLES[above] for above, below in zip("abc", "def", strict=True)}
ROWS = {
    "abc": "Step sizes η in proportion to the learning rate",
    "def": "Steps of fixed length relative to the parameters",
}
COLUMNS = ("panel", "norm", "series", "run", "step", "value", "low", "high", "n")


@dataclass(frozen=True)
class Drawing:
    """window: of the running median, in measuring points."""

    grid: str
    window: Count

    def needs(self) -> list[Needed]:
        """What the probe landscape records, but for the ranges."""
        return [Needed(name) for names in PANELS.values() for name in names]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> what the probe landscape recorded of it, but for the ranges."""
        drawn, _ = select(runs, self.grid, NORMS)
        return {run: [Curve(name, "") for names in PANELS.values() for name in names] for run in drawn["run"]}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `band` (low, high) or `line` (value), a running median over `window` measuring points of the median over
        n runs, and `diverged` (where a run ended; value: the last one it recorded of the line, or of the band's upper
        end). What is not finite counts as infinitely large; a median that is so is left out.
        """
        drawn, _ = select(tables.runs, self.grid, NORMS)
        rows = [
            row
            for panel, names in PANELS.items()
            for norm in NORMS
            for row in _rows(tables, drawn[drawn["norm"] == norm], panel, norm, names, self.window)
        ]
        return shown.numbers(rows, COLUMNS, whole=("step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        drawn, fixed = select(tables.runs, self.grid, NORMS)
        series = set(data["series"])
        text = ["After Santurkar et al. 2018, Fig. 4."]
        if series:
            rates, lengths = (_range(drawn, name) for name in ("step_sizes", "displacements"))
            text.append(
                "θ: all trainable parameters; g: gradient of the loss L of one fixed training batch at θ, in training "
                "mode without noise and dropout. (a) Smallest to largest loss at θ − ηg, (b) smallest to largest "
                f"‖∇L(θ) − ∇L(θ − ηg)‖, (c) largest of that change divided by ‖ηg‖, over step sizes η {rates}. (d, e) "
                f"The same over steps of relative length ‖ηg‖ / ‖θ‖ {lengths}; (f) the largest relative change of the "
                "gradient divided by the relative length of the step. Median over seeds, then running median over "
                f"{self.window} measuring points. The paper takes the batch of each step."
            )
        if "diverged" in series:
            text.append("✕: a run diverged there; medians go on without it.")
        return " ".join([*text, *shown_of_several(fixed), described(drawn)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        drawn, _ = select(tables.runs, self.grid, NORMS)
        steps = int(drawn["steps"].max()) if len(drawn) else 0
        with style():
            figure = Figure(figsize=(PAGE, 4.4), layout="constrained")
            for part, (row, title) in zip(figure.subfigures(2, 1, squeeze=False)[:, 0], ROWS.items(), strict=True):
                part.suptitle(title, fontsize=8)
                for panel, axes in zip(row, part.subplots(1, 3), strict=True):
                    third_ticks(axes, steps)
                    _draw_panel(axes, data[data["panel"] == panel])
                    axes.set_xlabel(f"Steps\n({panel}) {TITLES[panel]}")
                    axes.set_ylabel(LABELS[panel], fontsize=7)
            handles, labels = figure.axes[0].get_legend_handles_labels()
            if handles:
                figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _rows(
    tables: Tables, arm: pd.DataFrame, panel: str, norm: str, names: tuple[str, ...], window: int
) -> Iterator[dict[str, Any]]:
    """The band or line of an arm, and where each of its runs ended that diverged."""
    found = {"panel": panel, "norm": norm}
    lines = [_medians(tables, arm, name, window) for name in names]
    table = pd.concat([line["median"] for line in lines], axis=1, keys=range(len(lines)))
    for step, values in table[np.isfinite(table).all(axis=1)].iterrows():
        drawn = {"value": values[0]} if len(names) == 1 else {"low": values[0], "high": values[1]}
        series = "line" if len(names) == 1 else "band"
        yield found | {"series": series, "step": step, "n": lines[0].loc[step, "n"]} | drawn
    for row in arm.to_dict("records"):
        upper = shown.curve(tables, row["run"], names[-1])
        yield from (found | {"series": "diverged"} | end for end in shown.end(row, upper))


def _medians(tables: Tables, arm: pd.DataFrame, name: str, window: int) -> pd.DataFrame:
    """By step: the running median of the median over n runs."""
    lines = [shown.curve(tables, run, name) for run in arm["run"]]
    points = pd.concat([line.assign(value=line["value"].fillna(np.inf)) for line in [tables.curves[:0], *lines]])
    by_step = points.groupby("step")["value"].agg(["median", "count"])
    # pandas has no rolling median of infinities, so they pass through it as the largest finite number
    largest = np.finfo(float).max
    medians = by_step["median"].clip(upper=largest).rolling(window, center=True, min_periods=1).median()
    return pd.DataFrame({"median": medians.mask(medians >= largest, np.inf), "n": by_step["count"]})


def _range(runs: pd.DataFrame, option: str) -> str:
    """`0.05 to 0.4 (8 values)`, by what the runs themselves say."""
    column = f"probe.landscape.{option}"
    texts = runs[column].dropna().tolist() if column in runs else []
    values = json.loads(texts[0]) if texts else []
    return f"{min(values):g} to {max(values):g} ({len(values)} values)" if values else "not stated"


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_panel(axes: Axes, data: pd.DataFrame) -> None:
    """Ends of a band are drawn as lines, dashed for the plain net, so that bands are told apart without color."""
    drawn = data[data["series"] != "diverged"]
    for norm, line in drawn.groupby("norm", sort=False):
        color, dashes = COLORS[norm], LOOKS[norm].dashes
        step = line["step"].to_numpy(float)
        if (line["series"] == "band").all():
            axes.fill_between(step, line["low"], line["high"], color=color, alpha=0.25, linewidth=0)
            axes.plot(step, line["low"], dashes, color=color, linewidth=0.7)
            axes.plot(step, line["high"], dashes, color=color, linewidth=0.7, label=NAMES[norm])
        else:
            axes.plot(step, line["value"], dashes, color=color)
    values = drawn[["value", "low", "high"]].to_numpy(float)
    values = values[np.isfinite(values)]
    if drawn.empty:
        say(axes, "no landscape")
        axes.set_yticks([])
    elif (data["panel"].isin(["a", "d"])).any() and values.min() > 0:
        _log(axes, values)
    else:
        axes.set_ylim(bottom=0)
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], COLORS[row["norm"]])


def _log(axes: Axes, values: np.ndarray) -> None:
    """A log axis, with labels that are readable over less than a decade too."""
    axes.set_yscale("log")
    few = values.max() < 10 * values.min()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if few else (1,)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
