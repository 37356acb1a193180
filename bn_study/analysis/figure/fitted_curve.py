"""How well nets fit a curve: test error over training, and the curve itself over the data; after Morvan's tutorial.

A pair of panels for each grid: mean squared error on the test split, mean over seeds with its 95% t-interval; and what
one run an arm predicts at its end, over the test points. The tutorial's colors stand for the arms.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bn_study.analysis import shown
from bn_study.analysis.described import described, shown_of_several
from bn_study.analysis.figure._style import PAGE, TUTORIAL, cross, dashes, say, step_ticks, style
from bn_study.analysis.needed import Needed
from bn_study.analysis.shown import Tables, select
from bn_study.analysis.tables import EVERY, Curve

NORMS = ("none", "batch")
LOSS = "test/loss"
PREDICTIONS = ("input", "target", "output")
COLUMNS = ("grid", "norm", "series", "run", "step", "input", "value", "low", "high", "n")
LABELS = {"none": "Without BN", "batch": "With BN"}
HEIGHT = 1.9  # inches


@dataclass(frozen=True)
class Drawing:
    """grids: with a pair of panels each."""

    grids: list[str]

    def needs(self) -> list[Needed]:
        """The test error, and what is predicted at the end."""
        return [Needed(LOSS), *(Needed(f"predictions/{one}", vector=True) for one in PREDICTIONS)]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> its test error, and of one run an arm what it predicts at the end."""
        found: dict[str, list[Curve]] = {}
        for grid in self.grids:
            drawn, _ = select(runs, grid, NORMS)
            for _, arm in drawn.groupby("norm"):
                for place, run in enumerate(arm["run"]):
                    ends = [Curve(f"predictions/{one}", "", EVERY, (-1,)) for one in PREDICTIONS if place == 0]
                    found[run] = list(dict.fromkeys([*found.get(run, []), Curve(LOSS, ""), *ends]))  # of several grids
        return found

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `error` (value: mean over n runs, with its 95% interval), `diverged` (where a run ended), `target` and
        `output` (at an input, of the test points and of what the arm's run with the smallest seed makes of it).
        """
        rows = [row for grid in self.grids for row in _rows(tables, grid)]
        return shown.numbers(rows, COLUMNS, ("input", "value", "low", "high"), whole=("step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        found = [select(tables.runs, grid, NORMS) for grid in self.grids]
        runs = pd.concat([drawn for drawn, _ in found]) if found else tables.runs.iloc[:0]
        fixed = {name: value for _, chosen in found for name, value in chosen.items()}
        text = [
            f"For {' and '.join(self.grids)}: mean squared error on the test split over training steps, mean over "
            "seeds with its 95% t-interval, and what the run with the smallest seed predicts at its end, over the "
            "test points (red), statistics re-estimated on training data. Dashed, orange: without; blue: with batch "
            "normalization."
        ]
        if len(runs) and (runs["status"] == "diverged").any():
            text.append("✕: a run diverged there; means go on without it.")
        return " ".join([*text, *shown_of_several(fixed), described(runs)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        with style():
            figure = Figure(figsize=(PAGE, HEIGHT), layout="constrained")
            found = figure.subplots(1, 2 * len(self.grids) or 1, squeeze=False)[0]
            for place, grid in enumerate(self.grids):
                own = data[data["grid"] == grid]
                _draw_error(found[2 * place], own)
                _draw_fit(found[2 * place + 1], own)
                found[2 * place].set_title(f"{grid}: test error", fontsize=7)
                found[2 * place + 1].set_title(f"{grid}: fit", fontsize=7)
        return figure


def _rows(tables: Tables, grid: str) -> Iterator[dict[str, Any]]:
    drawn, _ = select(tables.runs, grid, NORMS)
    for norm, arm in drawn.groupby("norm", sort=False):
        about = {"grid": grid, "norm": norm}
        lines = [(row, shown.curve(tables, row["run"], LOSS)) for row in arm.to_dict("records")]
        yield from (about | numbers for numbers in shown.mean_and_ends(lines, LOSS, series="error"))
        first = arm["run"].iloc[0]
        inputs, targets, outputs = (
            shown.curve(tables, first, f"predictions/{one}").sort_values("unit")["value"].tolist()
            for one in PREDICTIONS
        )
        for series, values in (("target", targets), ("output", outputs)):
            for at, value in zip(inputs, values, strict=True):
                yield about | {"series": series, "run": first, "input": at, "value": value, "n": 1}


def _draw_error(axes: Axes, data: pd.DataFrame) -> None:
    errors = data[data["series"] == "error"]
    if errors.empty:
        say(axes, "no run is there yet")
        return
    axes.set_yscale("log")
    value = errors["value"].to_numpy(float)
    axes.set_ylim(value.min() / 1.3, value.max() * 1.3)
    for norm, line in errors.groupby("norm", sort=False):
        step, mean, low, high = (line[one].to_numpy(float) for one in ("step", "value", "low", "high"))
        low, high = (np.clip(one, *axes.get_ylim()) for one in (low, high))
        axes.fill_between(step, low, high, color=TUTORIAL[norm], alpha=0.25, linewidth=0)
        axes.plot(step, mean, dashes(str(norm)), color=TUTORIAL[norm], label=LABELS[norm])
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], TUTORIAL[row["norm"]])
    step_ticks(axes, int(errors["step"].max()))
    axes.set_xlabel("training steps")
    axes.legend(loc="lower left", handlelength=1.8, fontsize=6)


def _draw_fit(axes: Axes, data: pd.DataFrame) -> None:
    points = data[data["series"] == "target"]
    if points.empty:
        say(axes, "no curve was recorded")
        return
    one = points[points["norm"] == points["norm"].iloc[0]]
    axes.plot(one["input"], one["value"], "o", color="red", alpha=0.2, markersize=2.5, markeredgewidth=0)
    for norm, line in data[data["series"] == "output"].groupby("norm", sort=False):
        axes.plot(line["input"], line["value"], dashes(str(norm)), color=TUTORIAL[norm], linewidth=1.3)
    axes.set_xlabel("x")
