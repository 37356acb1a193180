"""Bjorck et al. 2018, Fig. 1: training and test accuracy at several learning rates, against the share of training.

Mean over seeds and, as in the original, one standard deviation around it. A color for each learning rate, largest
first; BN is solid and a plain net dashed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bn_study.analysis import shown
from bn_study.analysis.described import described
from bn_study.analysis.figure._style import PAGE, PALETTE, cross, dashes, say, style
from bn_study.analysis.needed import Needed
from bn_study.analysis.settings import rank, written
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import Curve

METRICS = ("train/accuracy", "test/accuracy")
RATE = "optimizer.learning_rate"
COLUMNS = ("panel", "norm", "rate", "series", "run", "share", "value", "deviation", "n")
COLORS = ("#E69F00", "#0072B2", "#009E73", *PALETTE[3:])
"""Orange, blue and green from the largest rate down, as in the original, of colors that color-blind readers know."""
HEIGHT = 2.9  # inches
SPAN = 0.45  # of accuracy, from the smallest value that is shown to the largest


@dataclass(frozen=True)
class Drawing:
    """grids: whose runs are shown together."""

    grids: list[str]

    def needs(self) -> list[Needed]:
        """Training and test accuracy."""
        return [Needed(metric) for metric in METRICS]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> its training and test accuracy."""
        return {run: [Curve(metric, "") for metric in METRICS] for run in shown.of_grids(runs, self.grids)["run"]}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `mean` (value: mean over n runs of an accuracy, in percent; deviation: their standard deviation) at a
        share of training in percent, and `diverged` (where a run ended; value: the last one it recorded).
        """
        runs = shown.of_grids(tables.runs, self.grids)
        return shown.numbers(_rows(tables, runs), COLUMNS, ("share", "value", "deviation"), whole=("n",))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        runs = shown.of_grids(tables.runs, self.grids)
        cut = "; what the whole test split gives at the end is not drawn" if shown.whole_at_end(runs) else ""
        text = [
            "Training (left) and test accuracy (right) against the share of training, of fixed examples of each "
            f"split, with statistics re-estimated on training data{cut}. Mean over seeds and, as in the original, one "
            "standard deviation around it. Dashed: without normalization."
        ]
        drops = {str(one) for one in runs.get("optimizer.decay_at", []) if str(one) not in ("[]", "nan")}
        if drops:
            text.append(f"The learning rate drops at these shares of training: {', '.join(sorted(drops))}.")
        if (runs["status"] == "diverged").any():
            text.append("✕: a run diverged there; means go on without it.")
        return " ".join([*text, described(runs)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        rates = sorted(set(data["rate"]), key=rank, reverse=True)
        looks = {rate: COLORS[at % len(COLORS)] for at, rate in enumerate(rates)}
        with style():
            figure = Figure(figsize=(PAGE, HEIGHT), layout="constrained")
            panels = figure.subplots(1, 2)
            for axes, metric in zip(panels, METRICS, strict=True):
                _draw_panel(axes, data[data["panel"] == metric], looks)
                axes.set_ylabel(f"{metric.replace('/', ' ')}, %")
                axes.set_xlabel("% of training")
                axes.set_xlim(0, 100)
                axes.set_xticks(range(0, 101, 20))
            if len(data):
                figure.legend(
                    *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False,
                    handlelength=2.6,
                )  # fmt: skip
        return figure


def _rows(tables: Tables, runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    arms = sorted(runs.groupby(["norm", RATE]), key=lambda one: (one[0][0] == "none", -one[0][1])) if len(runs) else []
    for metric in METRICS:
        for (norm, rate), arm in arms:
            line = {"panel": metric, "norm": norm, "rate": rate}
            found = []
            for row in arm.to_dict("records"):
                curve = shown.on_the_way(shown.curve(tables, row["run"], metric), row, metric)
                found.append(curve.assign(share=100 * curve["step"] / row["steps"], value=100 * curve["value"]))
                for end in shown.end(row, curve):
                    share = 100 * end["step"] / row["steps"]
                    yield line | {"series": "diverged", "run": row["run"], "share": share, "value": 100 * end["value"]}
            means = pd.concat(found).groupby("share")["value"].agg(["mean", "std", "count"])
            for share, mean, deviation, count in means[means["count"] > 0].itertuples():
                yield line | {"series": "mean", "share": share, "value": mean, "deviation": deviation, "n": count}


def _draw_panel(axes: Axes, data: pd.DataFrame, looks: dict[Any, str]) -> None:
    means = data[data["series"] == "mean"]
    if means.empty:
        say(axes, "no run recorded accuracies yet")
        return
    top = min(float(means["value"].max()) * 1.02, 100.0)
    axes.set_ylim(max(top - 100 * SPAN, 0.0) if means["value"].min() < top - 100 * SPAN else None, top)
    for (norm, rate), line in means.groupby(["norm", "rate"], sort=False):
        share, value, deviation = (line[one].to_numpy(float) for one in ("share", "value", "deviation"))
        axes.fill_between(share, value - deviation, value + deviation, color=looks[rate], alpha=0.18, linewidth=0)
        axes.plot(share, value, dashes(norm), color=looks[rate], label=_label(norm, rate))
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["share"], row["value"], looks[row["rate"]])


def _label(norm: str, rate: float) -> str:
    words = {"none": "without BN", "batch": "with BN"}.get(norm, f"norm={norm}")
    return f"lr={written(rate)} {words}"
