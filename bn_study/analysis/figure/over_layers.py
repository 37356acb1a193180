"""A record over the hidden layers, a line for each arm: mean of its decimal logarithm and 95% t-interval over seeds.

The growth of gradients through depth (Yang et al. 2019), or of the moments of layers (Bjorck et al. 2018). BN is solid,
a plain net dashed; colors tell records and what else varies apart. A panel for each value of one setting.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bn_study.analysis import shown
from bn_study.analysis.arms import by_settings
from bn_study.analysis.described import described
from bn_study.analysis.figure import _style
from bn_study.analysis.figure._metric_words import recorded
from bn_study.analysis.figure._style import BLACK, colors, dashes, say, style
from bn_study.analysis.figure._text import folded
from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import HASH, Curve
from bn_study.plan.types import Natural, Positive

COLUMNS = ("grid", "panel", "arm", "norm", "name", "series", "layer", "value", "low", "high", "n")
ACROSS = 3  # panels in a row at most
HEIGHT = 2.1  # of a row of panels, in inches
ROW = 0.16  # of a line of the legend
LETTERS = 30  # in a line of the axis' name
LONG, LONGER = 40, 56  # letters of a line's name above which the legend has but two columns, or one


@dataclass(frozen=True)
class Drawing:
    """step: a measuring point, None for each run's last. power: of the record whose logarithm is drawn.

    growth: factor from layer to layer toward the input, drawn as a line for the arm `growth_of`; None: no line.
    """

    grids: list[str]
    panels: str | None
    records: list[str]
    site: str
    step: Natural | None
    power: Positive
    growth: Positive | None
    growth_of: str | None
    by: list[str] | None = None
    color: str | None = None

    def needs(self) -> list[Needed]:
        """The records of all hidden layers at the step."""
        return [Needed(name, f"{LAYERS}{self.site}", self.step) for name in self.records]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> the same."""
        return {
            row["run"]: [curve for need in self.needs() for curve in shown.curves_of(need, row, last=True)]
            for row in shown.of_grids(runs, self.grids).to_dict("records")
        }

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `mean` (value: mean over n runs of the decimal logarithm of |record|^power, with its 95% interval; what
        is 0 or not finite has none) and `theory` (a line of the given growth from layer to layer toward the input,
        through the last layer of the arm that it is of).
        """
        rows = [
            {"grid": grid, "panel": panel} | row
            for grid, panel, runs in shown.panels(tables.runs, self.grids, self.panels)
            for row in self._rows(tables, runs)
        ]
        return shown.numbers(rows, COLUMNS, whole=("layer", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        quantity = " and ".join(recorded(name, self.power) for name in self.records)
        when = "at the last step" if self.step is None else f"after {self.step:,} steps"
        text = [
            f"{quantity[:1].upper()}{quantity[1:]} ({' and '.join(self.records)} at layer<i>/{self.site}), {when}, "
            "over the hidden layers: mean over seeds of its decimal logarithm, with its 95% t-interval. "
            "Dashed: no normalization."
        ]
        if (data["series"] == "theory").any():
            text.append(
                f"Thin black line: growth by {self.growth:g} with each layer toward the input, for {self.growth_of}."
            )
        panels = [runs for _, _, runs in shown.panels(tables.runs, self.grids, self.panels)]
        if self.step is None and any((runs["status"] == "diverged").any() for runs in panels):
            text.append("Runs that diverged are left out.")
        return " ".join([*text, described(pd.concat(panels) if panels else tables.runs.iloc[:0])])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        names = list(dict.fromkeys(zip(data["grid"], data["panel"], strict=True))) or [("".join(self.grids[:1]), "")]
        means = data[data["series"] == "mean"]
        keys = list(dict.fromkeys(zip(means["name"], self._hues(means), strict=True)))
        looks = colors(keys)
        series = list(dict.fromkeys(zip(means["arm"], means["norm"], means["name"], strict=True)))
        longest = max((len(arm) + len(name) for arm, _, name in series), default=0)
        columns = 1 if longest > LONGER else 2 if len(series) == 4 or longest > LONG else 3
        rows = math.ceil((len(series) + (self.growth is not None)) / columns) * math.ceil(longest / _style.LETTERS)
        with style():
            figure, panels, left = _style.panels(len(names), ACROSS, HEIGHT, ROW * rows, sharey=True)
            handles: dict[str, Any] = {}
            for (grid, panel), axes, at_left in zip(names, panels, left, strict=True):
                own = data[(data["grid"] == grid) & (data["panel"] == panel)]
                handles |= self._draw_panel(axes, own, looks)
                text = " ".join(filter(None, [grid if len(self.grids) > 1 else "", panel]))
                _style.title(axes, text, min(ACROSS, len(names)))
                axes.set_xlabel("hidden layer")
                if at_left:
                    axes.set_ylabel("\n".join(folded(_axis(self.records, self.power), LETTERS)))
            if handles:
                lines, labels = list(handles.values()), ["\n".join(folded(one, _style.LETTERS)) for one in handles]
                figure.legend(
                    lines, labels, loc="outside lower center", ncols=columns, frameon=False, handlelength=2.6
                )  # fmt: skip
        return figure

    def _rows(self, tables: Tables, runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
        if self.step is None:  # the last step of a run that diverged is not that of the others
            runs = runs[runs["status"] != "diverged"]
        for arm in by_settings(runs, self.by):
            seeds = dict(zip((run[-HASH:] for run in arm.rows["run"]), arm.rows["seed"], strict=True))
            for name in self.records:
                found = _by_layer(tables.curves, {*seeds}, name, self.site, self.step)
                line = {"arm": arm.label, "norm": arm.norm, "name": name}
                values = self.power * np.log10(found["value"].abs().where(lambda one: one > 0))
                values = values.dropna().groupby([found["layer"], found["run"].map(seeds)], sort=False).mean()
                means = [(layer, shown.mean(own)) for layer, own in values.groupby(level=0)]
                for layer, mean in means:
                    yield line | {"series": "mean", "layer": layer} | mean
                if self.growth is not None and arm.label == self.growth_of and means:
                    last, mean = means[-1]
                    for layer, _ in means:
                        value = mean["value"] + (last - layer) * math.log10(self.growth)
                        yield line | {"series": "theory", "layer": layer, "value": value}

    def _hues(self, means: pd.DataFrame) -> list[str]:
        """What the color of each line stands for: the setting `color`, or all that its arm says but the normalizer."""
        if self.color is not None:
            return [_style.word(arm, self.color) for arm in means["arm"]]
        return [" ".join(word for word in arm.split() if not word.startswith("norm")) for arm in means["arm"]]

    def _draw_panel(self, axes: Axes, data: pd.DataFrame, looks: dict[Any, tuple[str, str]]) -> dict[str, Any]:
        """Draw one panel and return its lines by their names in the legend."""
        means = data[data["series"] == "mean"]
        handles: dict[str, Any] = {}
        if means.empty:
            say(axes, "no run recorded this yet")
            axes.set_xticks([])
            axes.set_yticks([])
            return handles
        means = means.assign(hue=self._hues(means))
        for (arm, norm, name, hue), line in means.groupby(["arm", "norm", "name", "hue"], sort=False):
            color, marker = looks[name, hue]
            layer, value, low, high = (line[one].to_numpy(float) for one in ("layer", "value", "low", "high"))
            axes.fill_between(layer, low, high, color=color, alpha=0.15, linewidth=0)
            (drawn,) = axes.plot(layer, value, dashes(str(norm)), color=color, marker=marker, markersize=2)
            label = " ".join(filter(None, [str(arm), recorded(str(name)) if len(self.records) > 1 else ""]))
            handles[label or recorded(str(name))] = drawn
        for arm, line in data[data["series"] == "theory"].groupby("arm", sort=False):
            (drawn,) = axes.plot(
                line["layer"].to_numpy(float), line["value"], "-", color=BLACK, linewidth=0.6, zorder=5
            )
            handles[f"theory for {arm}"] = drawn
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        return handles


def _by_layer(curves: pd.DataFrame, digits: set[str], name: str, site: str, step: int | None) -> pd.DataFrame:
    """Layer and value, a row for each run and layer, of what was recorded at the step (None: the run's last)."""
    found = curves[(curves["name"] == name) & curves["run"].isin(digits)]
    layers = found["site"].str.extract(rf"^layer(\d+)/{site}$")[0]
    found = found.assign(layer=pd.to_numeric(layers)).dropna(subset=["layer"])
    last = found.groupby("run")["step"].transform("max") if step is None else step
    found = found[(found["step"] == last) & np.isfinite(found["value"].astype(float))]
    return found.astype({"layer": int})


def _axis(records: list[str], power: float) -> str:
    """What is on the axis, in words: of several records what their names have in common."""
    if len(records) == 1:
        return f"log₁₀ of the {recorded(records[0], power)}"
    return f"log₁₀ |{' or '.join(sorted({name.partition('/')[0] for name in records}))}|"
