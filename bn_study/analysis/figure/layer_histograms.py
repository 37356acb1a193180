"""Histograms of every layer's values with and without batch normalization, after M. Zhou's (Morvan's) tutorial.

Rows: Wx+b without BN, Wx+b with BN (before the normalizer), the activations without BN, the activations with BN. A
column for each layer, L0 is the network's input. Here the tutorial's two colors stand for the arms.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bn_study.analysis import shown
from bn_study.analysis.described import described, shown_of_several
from bn_study.analysis.figure._style import PAGE, TUTORIAL, say, style
from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.shown import Tables, select
from bn_study.analysis.tables import EVERY, HASH, Curve
from bn_study.plan.types import Natural

NORMS = ("none", "batch")
ROWS = (
    ("linear", "none", "Wx+b"),
    ("linear", "batch", "Wx+b, BN net"),
    ("post", "none", "Act"),
    ("post", "batch", "BN Act"),
)
"""Kind of value, arm, and the row's name; that of the last two is the tutorial's."""
COLUMNS = ("norm", "kind", "layer", "series", "low", "high", "value", "n")
HEIGHT = 3.3  # inches
LEAST = 0.005
"""Share of values outside the range from which on a panel states it; less would be 0%."""


@dataclass(frozen=True)
class Drawing:
    """step: a measuring point, None for each run's last."""

    grid: str
    step: Natural | None

    def needs(self) -> list[Needed]:
        """Saturation and histograms of all layers, and histograms of the network's input."""
        ends = ["input", *(f"{LAYERS}{kind}" for kind in ("linear", "post"))]
        shares = [Needed("saturation/share", f"{LAYERS}post", self.step)]
        shares += [Needed("histograms/outside", one, self.step) for one in ends]
        return [*shares, *(Needed("histograms/counts", one, self.step, vector=True) for one in ends)]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> the histograms of one run an arm, and of every run how many activations are saturated."""
        drawn, _ = select(runs, self.grid, NORMS)
        at = (-1 if self.step is None else self.step,)
        found: dict[str, list[Curve]] = {}
        for _, arm in drawn.groupby("norm"):
            for place, row in enumerate(arm.to_dict("records")):
                sites = [f"layer{layer}" for layer in range(1, shown.depth(row) + 1)]
                found[row["run"]] = [Curve("saturation/share", f"{site}/post", None, at) for site in sites]
                if place == 0:
                    ends = ["input", *(f"{site}/{kind}" for site in sites for kind in ("linear", "post"))]
                    found[row["run"]] += [Curve("histograms/counts", one, EVERY, at) for one in ends]
                    found[row["run"]] += [Curve("histograms/outside", one, None, at) for one in ends]
        return found

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `count` (value: values between low and high, of the arm's run with the smallest seed), `outside` (value:
        the share of all values that are in no bar) and `saturated` (value: share of the activations within a
        twentieth of their range from either end, mean over n runs).
        """
        drawn, _ = select(tables.runs, self.grid, NORMS)
        rows = [
            row for norm, arm in drawn.groupby("norm", sort=False) for row in _rows(tables, str(norm), arm, self.step)
        ]
        return shown.numbers(rows, COLUMNS, ("low", "high", "value"), whole=("layer", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        drawn, fixed = select(tables.runs, self.grid, NORMS)
        seeds = drawn.groupby("norm", sort=False)["seed"].first().astype(int)
        each = f"seed {' and '.join(f'{one} (norm={norm})' for norm, one in seeds.items())}"
        seed = each if seeds.nunique() > 1 else f"seed {seeds.iloc[0]}" if len(seeds) else "one seed"
        when = "at the last step" if self.step is None else f"after {self.step:,} steps"
        text = [
            f"Histograms of test examples {when}, of {seed}, over ranges that are the same in every net; a panel "
            "states the share outside if there is one. L0: the network's input. Wx+b: as it enters the normalizer, "
            "which has re-estimated statistics. sat: share of activations within a twentieth of their range from "
            "either end, mean over seeds. The colors are the tutorial's: orange without, blue with batch normalization."
        ]
        return " ".join([*text, *shown_of_several(fixed), described(drawn)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        layers = int(data["layer"].max()) + 1 if len(data) else 1
        with style():
            figure = Figure(figsize=(PAGE, HEIGHT), layout="constrained")
            found = figure.subplots(len(ROWS), layers, squeeze=False)
            for row, (kind, norm, name) in enumerate(ROWS):
                for layer in range(layers):
                    axes = found[row, layer]
                    own = data[(data["kind"] == kind) & (data["norm"] == norm) & (data["layer"] == layer)]
                    _draw_panel(axes, own, TUTORIAL[norm], opaque=kind == "post", ticks=row % 2 == 1)
                    if row == 0:
                        axes.set_title(f"L{layer}", fontsize=7)
                found[row, 0].set_ylabel(name, fontsize=7)
            if data.empty:
                for axes in found.flat:
                    axes.set_axis_off()
                say(found[1, 0], "no run is there yet")
        return figure


def _rows(tables: Tables, norm: str, arm: pd.DataFrame, step: int | None) -> Iterator[dict[str, Any]]:
    first = arm.iloc[0]
    layers = range(1, shown.depth(first.to_dict()) + 1)
    counts, beyond = (_at(tables, [first["run"]], f"histograms/{one}", step) for one in ("counts", "outside"))
    for kind in ("linear", "post"):
        for layer in (0, *layers):
            site = f"layer{layer}/{kind}" if layer else "input"
            values = counts[counts["site"] == site].sort_values("unit")["value"].to_numpy(float)
            limits = json.loads(first[f"probe.histograms.{kind if layer else 'input'}_range"])
            edges = np.linspace(limits[0], limits[1], len(values) + 1)
            about = {"norm": norm, "kind": kind, "layer": layer}
            for low, high, value in zip(edges[:-1], edges[1:], values, strict=True):
                yield about | {"series": "count", "low": low, "high": high, "value": value, "n": 1}
            for share in beyond.loc[beyond["site"] == site, "value"]:
                yield about | {"series": "outside", "value": share, "n": 1}
    finished = arm if step is not None else arm[arm["status"] != "diverged"]  # whose last step is that of the others
    shares = _at(tables, list(finished["run"]), "saturation/share", step)
    for layer in layers:
        found = shares.loc[shares["site"] == f"layer{layer}/post", "value"]
        if len(found):
            about = {"norm": norm, "kind": "post", "layer": layer}
            yield about | {"series": "saturated", "value": found.mean(), "n": len(found)}


def _at(tables: Tables, runs: list[str], name: str, step: int | None) -> pd.DataFrame:
    """What runs recorded at a step (None: each at its last)."""
    digits = {run[-HASH:] for run in runs}
    found = tables.curves[(tables.curves["name"] == name) & tables.curves["run"].isin(digits)]
    last = found.groupby("run")["step"].transform("max") if step is None else step
    return found[found["step"] == last]


def _draw_panel(axes: Axes, data: pd.DataFrame, color: str, opaque: bool, ticks: bool) -> None:
    axes.set_yticks([])
    axes.set_xticks([])
    counts = data[data["series"] == "count"]
    if counts.empty:
        return
    low, high, value = (counts[one].to_numpy(float) for one in ("low", "high", "value"))
    axes.bar(low, value, high - low, align="edge", color=color, alpha=1 if opaque else 0.5)
    axes.set_xlim(low[0], high[-1])
    if ticks:
        axes.set_xticks([low[0], high[-1]], [f"{low[0]:g}", f"{high[-1]:g}"], fontsize=5.5)
        left, right = axes.get_xticklabels()
        left.set_horizontalalignment("left")
        right.set_horizontalalignment("right")
    saturated = data.loc[data["series"] == "saturated", "value"]
    outside = data.loc[data["series"] == "outside", "value"]
    said = [f"sat {share:.0%}" for share in saturated] + [f"{share:.0%} outside" for share in outside if share >= LEAST]
    if said:
        axes.text(0.5, 0.97, "\n".join(said), transform=axes.transAxes, ha="center", va="top", fontsize=5)
        axes.set_ylim(0, value.max() * 1.3 or 1)
