"""Quantiles of the values at every hidden layer over training: a row of small panels for each net, one for each layer.

The line is the median, the bands lie between the 15th and 85th and the 5th and 95th percentile; all are means over
seeds. A layer has the same axis in all nets, so that they are compared down the page. Plain networks are dashed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bn_study.analysis import shown
from bn_study.analysis.arms import SweepArm, by_settings
from bn_study.analysis.described import described
from bn_study.analysis.figure import _style
from bn_study.analysis.figure._style import cross, dashes, say, style
from bn_study.analysis.figure._text import folded
from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.shown import Tables, of_grid
from bn_study.analysis.tables import Curve

QUANTILES = (5, 15, 50, 85, 95)
BANDS = (("q5", "q95", 0.12), ("q15", "q85", 0.2))
"""Ends of each band, and how opaque it is."""
COLUMNS = ("panel", "layer", "arm", "norm", "series", "run", "step", "value", "low", "high", "n")
ACROSS = 5  # panels in a row at most
HEIGHT = 1.25  # of a row of panels, in inches
HEAD = 0.45  # of a net's name and the names of its axes


@dataclass(frozen=True)
class Drawing:
    """site: of each layer: linear, pre, post or out."""

    grid: str
    site: str
    by: list[str] | None = None
    color: str | None = None
    panels: str | None = None

    def needs(self) -> list[Needed]:
        """The quantiles of every hidden layer."""
        return [Needed(f"activation/q{quantile}", f"{LAYERS}{self.site}") for quantile in QUANTILES]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> the same."""
        rows = of_grid(runs, self.grid).to_dict("records")
        return {row["run"]: [curve for need in self.needs() for curve in shown.curves_of(need, row)] for row in rows}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `q5` to `q95` (value: mean of the quantile over n runs, with its 95% t-interval) and `diverged` (where
        a run ended; value: the last median it recorded).
        """
        rows = [
            {"panel": panel, "arm": arm.label, "norm": arm.norm} | row
            for _, panel, runs in shown.panels(tables.runs, [self.grid], self.panels)
            for arm in by_settings(runs, self.by)
            for row in self._rows(tables, arm)
        ]
        return shown.numbers(rows, COLUMNS, whole=("layer", "step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, and from which runs."""
        text = [
            f"5th, 15th, 50th, 85th and 95th percentile of the values at layer<i>/{self.site} over training steps: "
            "mean over seeds; the line is the median. Dashed: without normalization."
        ]
        if (data["series"] == "diverged").any():
            text.append("✕: a run diverged there; means go on without it.")
        return " ".join([*text, described(of_grid(tables.runs, self.grid))])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        nets = list(dict.fromkeys(zip(data["panel"], data["arm"], strict=True))) or [("", "")]
        layers = sorted(data["layer"].unique()) or [1]
        looks = _style.colors_by_setting(list(dict.fromkeys(data["arm"])), self.color)
        limits = {layer: _limits(data[data["layer"] == layer]) for layer in layers}
        across = min(len(layers), ACROSS)
        down = math.ceil(len(layers) / across)
        with style():
            figure = Figure(figsize=(_style.PAGE, len(nets) * (HEAD + HEIGHT * down)), layout="constrained")
            parts = figure.subfigures(len(nets), 1, squeeze=False)[:, 0]
            for part, (panel, arm) in zip(parts, nets, strict=True):
                own = data[(data["panel"] == panel) & (data["arm"] == arm)]
                part.suptitle("\n".join(folded(" ".join(filter(None, [panel, arm])), _style.TITLE)), fontsize=8)
                places = list(part.subplots(down, across, squeeze=False).flat)
                for place, (axes, layer) in enumerate(zip(places, layers, strict=False)):
                    _draw_panel(axes, own[own["layer"] == layer], looks, limits[layer])
                    axes.set_title(f"layer{layer}/{self.site}", fontsize=7)
                    if place + across >= len(layers):
                        axes.set_xlabel("training steps")
                    if place % across == 0:
                        axes.set_ylabel("values")
                for axes in places[len(layers) :]:
                    axes.set_visible(False)
        return figure

    def _rows(self, tables: Tables, arm: SweepArm) -> Iterator[dict[str, Any]]:
        runs = arm.rows.to_dict("records")
        for layer in range(1, max(map(shown.depth, runs)) + 1):
            for quantile in QUANTILES:
                name, site = f"activation/q{quantile}", f"layer{layer}/{self.site}"
                lines = [shown.curve(tables, row["run"], name, site) for row in runs]
                finite = (line[np.isfinite(line["value"])] for line in lines)
                for point in shown.mean_curve(shown.by_seed(arm.rows["seed"], finite), name):
                    yield {"layer": layer, "series": f"q{quantile}"} | point
                if quantile == 50:
                    for row, line in zip(runs, lines, strict=True):
                        ends = shown.end(row, line) if len(line) else ()
                        yield from ({"layer": layer, "series": "diverged"} | end for end in ends)


def _limits(data: pd.DataFrame) -> tuple[float, float] | None:
    """The axis of a layer in all nets. Nets with a run that diverged do not count, unless there are no others."""
    lost = data.loc[data["series"] == "diverged", ["panel", "arm"]].apply(tuple, axis=1)
    values = data[data["series"] != "diverged"]
    counting = values[~values[["panel", "arm"]].apply(tuple, axis=1).isin(lost)]
    drawn = (counting if len(counting) else values)["value"]
    if drawn.empty:
        return None
    space = 0.05 * (drawn.max() - drawn.min()) or 0.05
    return drawn.min() - space, drawn.max() + space


def _draw_panel(axes: Axes, data: pd.DataFrame, colors: dict[str, str], limits: tuple[float, float] | None) -> None:
    """Draw one layer of one net."""
    for (arm, norm), own in data[data["series"] != "diverged"].groupby(["arm", "norm"], sort=False):
        lines = own.pivot(index="step", columns="series", values="value")  # NaN where a quantile was not finite
        lines = lines.reindex(columns=[f"q{quantile}" for quantile in QUANTILES]).astype(float)
        steps = lines.index.to_numpy(float)
        for low, high, alpha in BANDS:
            axes.fill_between(steps, lines[low], lines[high], color=colors[arm], alpha=alpha, linewidth=0)
        axes.plot(steps, lines["q50"].to_numpy(), dashes(norm), color=colors[arm])
    if limits:
        axes.set_ylim(limits)
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], colors[row["arm"]])
    if not axes.lines:
        say(axes, "no run recorded this yet")
