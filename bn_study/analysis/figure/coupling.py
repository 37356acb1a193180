"""Santurkar et al. 2018, Fig. 3, over steps: how much the steps of other layers change a layer's gradient and the loss.

A column for each network. Above, the cosine of the angle between a layer's gradient before and after all earlier layers
took their step (Def. 2.1); below, the interaction of the layers' steps, which the paper does not have.
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
from bn_study.analysis.figure._style import LOOKS, PAGE, cross, say, style, third_ticks
from bn_study.analysis.figure._text import folded
from bn_study.analysis.needed import Needed
from bn_study.analysis.shown import Tables, select
from bn_study.analysis.tables import Curve
from bn_study.errors import UsageError

NORMS = tuple(LOOKS)
COSINE, INTERACTION = "cosine", "interaction"
LABELS = {
    COSINE: "cosine of a layer's gradient\nbefore and after the\nearlier layers' step",
    INTERACTION: "interaction of\nthe layers' steps",
}
COLUMNS = ("panel", "column", "norm", "series", "run", "step", "value", "low", "high", "n")
LETTERS = 110  # of a line of titles across the page


@dataclass(frozen=True)
class Drawing:
    """A column for each grid.

    columns: its heading in words. sites: of the cosine, `layer5/linear`. relative: whether the steps are of equal
    length relative to the parameters instead of those of the probe's step size.
    """

    grids: list[str]
    columns: list[str]
    sites: list[str]
    relative: bool

    def needs(self) -> list[Needed]:
        """The cosine at each site, and the interaction. Raises UsageError if lists differ in length."""
        if not len(self.grids) == len(self.columns) == len(self.sites):
            raise UsageError("coupling: give a column and a site for each of the grids")
        return [*(Needed(self._name(COSINE), site) for site in dict.fromkeys(self.sites)), self._interaction]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> its cosine at the site of its grid, and its interaction."""
        found: dict[str, list[Curve]] = {}
        for grid, site in zip(self.grids, self.sites, strict=True):
            for run in select(runs, grid, NORMS)[0]["run"]:
                wanted = [Curve(self._name(COSINE), site), Curve(self._interaction.name, "")]
                found[run] = list(dict.fromkeys([*found.get(run, []), *wanted]))
        return found

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `mean` (value: mean over n runs of what they recorded at a step, with its 95% interval; of the
        interaction, the geometric mean) and `diverged` (where a run ended; value: the last one it recorded). Values
        that are not finite do not count, nor does an interaction of 0, which has no logarithm.
        """
        rows = [
            {"panel": panel, "column": column} | row
            for column, grid, site in zip(self.columns, self.grids, self.sites, strict=True)
            for panel, name, place in ((COSINE, self._name(COSINE), site), (INTERACTION, self._interaction.name, ""))
            for row in _rows(tables, select(tables.runs, grid, NORMS)[0], name, place)
        ]
        return shown.numbers(rows, COLUMNS, whole=("step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        text = ["After Santurkar et al. 2018, Fig. 3."]
        if (data["series"] == "mean").any():
            size = "of equal length relative to all parameters" if self.relative else "of the stated step size"
            sites = ", ".join(f"{site} ({column})" for column, site in zip(self.columns, self.sites, strict=True))
            text.append(
                f"Steps are {size}, along the gradient of one fixed training batch, in training mode. Above: cosine of "
                "the angle between the gradient of a layer's weights before and after all earlier layers took their "
                f"step; 1: they do not disturb it; at {sites}. Below: |D - Σ D_l| / Σ |D_l|, where D is the change of "
                "the loss when all layers take their step and D_l when layer l alone does; 0: the steps add up. Mean "
                "over seeds (below: geometric mean) with its 95% interval. Dashed: without normalization."
            )
        if (data["series"] == "diverged").any():
            text.append("✕: a run diverged there; means go on without it.")
        chosen = {key: value for grid in self.grids for key, value in select(tables.runs, grid, NORMS)[1].items()}
        drawn = [select(tables.runs, grid, NORMS)[0] for grid in self.grids]
        return " ".join([*text, *shown_of_several(chosen), described(pd.concat(drawn).drop_duplicates("run"))])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        with style():
            figure = Figure(figsize=(PAGE, 4.2), layout="constrained")
            grid = figure.subplots(2, len(self.columns), squeeze=False, sharex="col", sharey="row")
            for panel, row in zip((COSINE, INTERACTION), grid, strict=True):
                _scale(row, data[data["panel"] == panel], panel)
                row[0].set_ylabel(LABELS[panel])
                for column, axes in zip(self.columns, row, strict=True):
                    _draw_panel(axes, data[(data["panel"] == panel) & (data["column"] == column)])
            for column, name, above, below in zip(self.columns, self.grids, *grid, strict=True):
                runs = select(tables.runs, name, NORMS)[0]
                third_ticks(below, int(runs["steps"].max()) if len(runs) else 0)
                below.set_xlabel("training steps")
                above.set_title("\n".join(folded(column, LETTERS // len(self.columns))), fontsize=8)
            found = [axes.get_legend_handles_labels() for axes in grid.flat]
            handles = {label: line for lines, labels in found for line, label in zip(lines, labels, strict=True)}
            if handles:
                figure.legend(
                    handles.values(), handles, loc="outside lower center", ncols=2, handlelength=2.6, frameon=False
                )
        return figure

    def _name(self, record: str) -> str:
        return f"coupling/{'relative_' if self.relative else ''}{record}"

    @property
    def _interaction(self) -> Needed:
        return Needed(self._name(INTERACTION))


# --- numbers ----------------------------------------------------------------------------------------------------------


def _rows(tables: Tables, runs: pd.DataFrame, name: str, site: str) -> Iterator[dict[str, Any]]:
    """The mean curve of each arm, and the end of each diverged run."""
    for norm in NORMS:
        own = runs[runs["norm"] == norm].to_dict("records")
        lines = [(row, shown.curve(tables, row["run"], name, site)) for row in own]
        for point in _means([line for _, line in lines], name) if lines else ():
            yield {"norm": norm, "series": "mean"} | point
        for row, line in lines:
            yield from ({"norm": norm, "series": "diverged"} | end for end in shown.end(row, line))


def _means(lines: list[pd.DataFrame], name: str) -> Iterator[dict[str, Any]]:
    """The mean over runs at each step; of the interaction, back from the logarithms."""
    log = name.endswith(INTERACTION)
    kept = [line[np.isfinite(line["value"]) & ((line["value"] > 0) | (not log))] for line in lines]
    if not log:
        yield from shown.mean_curve(kept, name)
        return
    for point in shown.mean_curve((line.assign(value=np.log10(line["value"])) for line in kept), name):
        yield point | {key: 10.0 ** point[key] for key in ("value", "low", "high")}


# --- picture ----------------------------------------------------------------------------------------------------------


def _scale(row: np.ndarray, data: pd.DataFrame, panel: str) -> None:
    """One axis for all columns, wide enough for the means; bands may leave it."""
    values = data.loc[data["series"] == "mean", "value"].to_numpy(float)
    if panel == INTERACTION:
        row[0].set_yscale("log")
        if values.size:
            row[0].set_ylim(values.min() / 1.5, values.max() * 1.5)
    else:
        row[0].set_ylim(min(0.0, values.min() - 0.05) if values.size else 0.0, 1.03)


def _draw_panel(axes: Axes, data: pd.DataFrame) -> None:
    means = data[data["series"] == "mean"]
    if means.empty:
        say(axes, "no coupling recorded")
    for norm, line in means.groupby("norm", sort=False):
        look = LOOKS[str(norm)]
        step, value, low, high = (line[one].to_numpy(float) for one in ("step", "value", "low", "high"))
        bottom, top = axes.get_ylim()
        axes.fill_between(
            step, np.clip(low, bottom, top), np.clip(high, bottom, top), color=look.color, alpha=0.15, linewidth=0
        )
        axes.plot(step, value, look.dashes, color=look.color, label=look.label)
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], LOOKS[row["norm"]].color)
