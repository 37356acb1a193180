"""Error over the normalization batch size: after Wu & Johnson 2021 (left) and Wu & He 2018, Fig. 1 (right).

Left: what batch normalization loses with small batches, split up by the statistics that it is judged with. Right: the
same normalizer with each kind of population statistics, beside Batch Renormalization and group normalization.
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
from bn_study.analysis.asked import final
from bn_study.analysis.described import described
from bn_study.analysis.figure._style import BLUE, PAGE, PALETTE, say, style
from bn_study.analysis.needed import Needed
from bn_study.analysis.settings import missing
from bn_study.analysis.shown import Tables, of_grid
from bn_study.analysis.tables import Curve

SIZE = "norm.group_size"
PANELS = {
    "left": (
        ("test, population statistics", 0, "test/accuracy"),
        ("test, mini-batch statistics", 0, "test/accuracy_batch"),
        ("training, mini-batch statistics", 0, "train/accuracy_batch"),
    ),
    "right": (
        ("BN, moving averages", 0, "test/accuracy_moving"),
        ("BN, moving averages, m/(m−1)", 0, "test/accuracy_moving_unbiased"),
        ("BN, re-estimated", 0, "test/accuracy"),
        ("Batch Renorm", 1, "test/accuracy_moving"),
        ("Group norm", 2, "test/accuracy"),
    ),
}
"""Panel -> lines: name, which of the grids, metric."""
LOOKS = {
    "left": (("#D55E00", "o", "-"), (BLUE, "s", ":"), ("#009E73", "v", "-")),
    "right": (
        (BLUE, "o", "-"),
        (PALETTE[5], "s", "-"),
        (PALETTE[3], "D", "-"),
        (PALETTE[4], "^", "-"),
        ("0.3", "v", "-"),
    ),
}
COLUMNS = ("panel", "line", "series", "size", "value", "low", "high", "n", "lost")
GAPS = (("train/test inconsistency", 0, 1), ("generalization gap", 1, 2))
"""Name of a bracket at the smallest size, and the two lines of the left panel that it is between."""
NOISE = "training noise"
HEIGHT = 2.9  # inches


@dataclass(frozen=True)
class Drawing:
    """grids: those of batch normalization, of Batch Renormalization and of group normalization."""

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

        series: `mean` (value: mean error in percent over n runs that finished, with its 95% interval; lost: how many
        diverged) at a size, without one for a normalizer that has none; `reference` (batch normalization with moving
        averages at the largest size); and at the smallest size the brackets of the left panel, each a series of its
        name.
        """
        rows = [row for panel in PANELS for row in _means(tables, panel, self.grids)]
        table = pd.DataFrame(rows, columns=COLUMNS)
        rows += [*_brackets(table), *_reference(table)]
        return shown.numbers(rows, COLUMNS, ("size", "value", "low", "high"), whole=("n", "lost"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        text = [
            "Error at the end over the normalization batch size, the examples that share a mean and variance in "
            "training: mean over seeds with its 95% t-interval on the logit scale. Left, batch normalization: on test "
            "examples with statistics that are re-estimated on training data or are each batch's own, and on training "
            "examples with each batch's own; brackets at the smallest size. Right, on test examples: batch "
            "normalization with each kind of population statistics, Batch Renormalization (moving averages) and group "
            "normalization, which has no batch size; gray: batch normalization with moving averages at the largest "
            "size."
        ]
        if (data["lost"] > 0).any():
            text.append("Diverged runs are left out of means; a number in brackets says how many.")
        return " ".join([*text, described(shown.of_grids(tables.runs, self.grids))])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        sizes = sorted(data["size"].dropna().unique())
        with style():
            figure = Figure(figsize=(PAGE, HEIGHT), layout="constrained")
            for axes, panel in zip(figure.subplots(1, 2), PANELS, strict=True):
                own = data[data["panel"] == panel]
                if own.empty or not sizes:
                    say(axes, "no run is there yet")
                    axes.set_xticks([])
                    axes.set_yticks([])
                    continue
                _draw_lines(axes, own, panel)
                axes.set_xscale("log", base=2)
                axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
                axes.minorticks_off()
                room = 5.5 if panel == "left" else 1.3  # for the brackets
                axes.set_xlim(sizes[-1] * 1.3, sizes[0] / room)
                axes.set_xlabel("normalization batch size")
                axes.set_ylabel("error, %" if panel == "left" else "test error, %")
                if panel == "left":
                    _draw_brackets(axes, own, sizes[0])
                axes.legend(loc="upper left", handlelength=2.2, fontsize=6)
        return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _means(tables: Tables, panel: str, grids: list[str]) -> Iterator[dict[str, Any]]:
    for name, grid, metric in PANELS[panel]:
        runs = of_grid(tables.runs, grids[grid]) if grid < len(grids) else tables.runs.iloc[:0]
        column = final(metric).label(None)
        if not len(runs) or column not in runs:
            continue
        sizes = runs[SIZE] if SIZE in runs else pd.Series(math.nan, index=runs.index)
        for size in sorted({one for one in sizes if not missing(one)}) or [math.nan]:
            rows = runs if missing(size) else runs[sizes == size]
            values = rows[column].dropna().astype(float)
            if len(values):
                lost = int((rows["status"] == "diverged").sum())
                place = {"panel": panel, "line": name, "series": "mean", "size": size}
                yield place | _error(shown.mean(values, metric)) | {"lost": lost}


def _error(accuracy: dict[str, Any]) -> dict[str, Any]:
    """The same mean as an error in percent."""
    ends = {"value": "value", "low": "high", "high": "low"}
    return accuracy | {end: 100 * (1 - accuracy[other]) for end, other in ends.items()}


def _brackets(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Where the brackets of the left panel begin and end."""
    lines = [name for name, *_ in PANELS["left"]]
    means = table[table["panel"] == "left"].set_index(["line", "size"])["value"]
    sizes = sorted({size for _, size in means.index})
    ends = {name: [means.get((name, size), math.nan) for size in sizes[:1] + sizes[-1:]] for name in lines}
    if not sizes:
        return
    found = [(name, ends[lines[one]][0], ends[lines[other]][0]) for name, one, other in GAPS]
    for name, one, other in [*found, (NOISE, *ends[lines[2]])]:
        yield {"panel": "left", "series": name, "size": sizes[0], "low": min(one, other), "high": max(one, other)}


def _reference(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    line = table[(table["panel"] == "right") & (table["line"] == PANELS["right"][0][0])]
    for row in line[line["size"] == line["size"].max()].to_dict("records"):
        yield row | {"series": "reference"}


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_lines(axes: Axes, data: pd.DataFrame, panel: str) -> None:
    for row in data[data["series"] == "reference"].to_dict("records"):
        axes.axhspan(row["low"], row["high"], color="0.85", linewidth=0, zorder=0)
    means = data[data["series"] == "mean"]
    for (name, *_), (color, marker, dashes) in zip(PANELS[panel], LOOKS[panel], strict=True):
        line = means[means["line"] == name]
        look: dict[str, Any] = {"color": color, "linestyle": dashes, "label": name}
        if line.empty:
            continue
        if line["size"].isna().any():
            row = line.iloc[0]
            axes.axhline(row["value"], linewidth=1.0, **look)
            axes.axhspan(row["low"], row["high"], color=color, alpha=0.12, linewidth=0, zorder=0)
            continue
        size, value, low, high = (line[one].to_numpy(float) for one in ("size", "value", "low", "high"))
        axes.plot(size, value, marker=marker, markersize=3.5, **look)
        axes.vlines(size, low, high, color=color, linewidth=0.7)
        for row in line[line["lost"] > 0].to_dict("records"):
            axes.annotate(
                f"({row['lost']})", (row["size"], row["value"]), (3, 3), textcoords="offset points", fontsize=5
            )
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, 0), top + 0.25 * (top - bottom))  # room for the legend


def _draw_brackets(axes: Axes, data: pd.DataFrame, smallest: float) -> None:
    for place, name in enumerate([*(name for name, *_ in GAPS), NOISE]):
        row = data[data["series"] == name]
        if row.empty or not np.isfinite(row[["low", "high"]].to_numpy(float)).all():
            continue
        x = smallest / 1.5 ** (place + 1)
        low, high = float(row["low"].iloc[0]), float(row["high"].iloc[0])
        axes.plot([x * 1.1, x, x, x * 1.1], [low, low, high, high], "--", color="0.35", linewidth=0.7)
        axes.text(x / 1.04, (low + high) / 2, name, rotation=90, va="center", ha="left", fontsize=5, color="0.25")
