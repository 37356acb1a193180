"""Ioffe & Szegedy 2015, Fig. 1: faster training, and steadier inputs of a late layer.

(a) test accuracy against training steps, mean and 95% t-interval over seeds; (b, c) the {15, 50, 85}th percentiles of
what enters the nonlinearity of one unit of the last hidden layer, without and with batch normalization. The paper shows
"one typical sigmoid"; here a rule chooses it: the unit of median path length in the arm's run with the smallest seed.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, MultipleLocator

from bn_study.analysis import shown
from bn_study.analysis.described import activation, described, shown_of_several
from bn_study.analysis.figure._style import BLACK, LOOKS, PAGE, cross, say, step_ticks, style
from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.shown import Tables, select
from bn_study.analysis.stats import t_interval
from bn_study.analysis.tables import Curve
from bn_study.analysis.unit_paths import median_unit

PANELS = {"b": "none", "c": "batch"}
NORMS = tuple(PANELS.values())
ACCURACY = "test/accuracy"
QUANTILES = (15, 50, 85)
PERCENTILES = [f"p{one}" for one in QUANTILES]
COLUMNS = ("panel", "norm", "series", "run", "unit", "step", "value", "low", "high", "n")
FLOOR = 0.7  # of the accuracy axis in the paper
INPUT = 2.7  # of the paper's axis of a unit's input, which is symmetric


@dataclass(frozen=True)
class Drawing:
    """grid: whose runs are shown."""

    grid: str

    def needs(self) -> list[Needed]:
        """The accuracy, and percentiles of each unit of the last layer."""
        percentiles = [Needed(f"activation/unit_q{one}", f"{LAYERS}pre", vector=True) for one in QUANTILES]
        return [Needed(ACCURACY), *percentiles]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> records: the accuracy of every run shown, three percentiles of one unit of one run an arm."""
        drawn, _ = select(runs, self.grid, NORMS)
        wanted = {run: [Curve(ACCURACY, "")] for run in drawn["run"]}
        for _, arm in drawn.groupby("norm"):
            typical = shown.first_seed(arm)
            if site := _site(typical):
                start, end = _window(runs, typical)
                unit = partial(median_unit, site=site, quantiles=list(QUANTILES), start=start, end=end)
                wanted[typical["run"]] += [Curve(f"activation/unit_q{one}", site, unit) for one in QUANTILES]
        return wanted

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `accuracy` (value: mean over n runs, with its 95% interval), `p15`, `p50`, `p85` (of one unit of one
        run), `diverged` (where a run ended; value: the last one it recorded), `path_length` (mean over n seeds), and
        `ratio` (path length without over path length with batch normalization, geometric mean over paired seeds).
        """
        drawn, _ = select(tables.runs, self.grid, NORMS)
        arms = {norm: drawn[drawn["norm"] == norm] for norm in NORMS}
        rows = [row for norm, arm in arms.items() for row in _accuracy(tables, arm, norm)]
        rows += [row for panel, norm in PANELS.items() for row in _percentiles(tables, arms[norm], panel, norm)]
        return shown.numbers([*rows, *_drifts(tables.runs, arms)], COLUMNS, whole=("unit", "step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        drawn, fixed = select(tables.runs, self.grid, NORMS)
        series = set(data["series"])
        cut = " (what the whole split gives at the end is not drawn)" if shown.whole_at_end(drawn) else ""
        text = [
            f"After Ioffe & Szegedy 2015, Fig. 1. (a) Test accuracy of fixed examples against training steps{cut}, "
            "statistics re-estimated on training data: mean over seeds and, where there are two or more, its 95% "
            "t-interval on the logit scale."
        ]
        if "p50" in series:
            text.append(
                "(b, c) 15th, 50th and 85th percentile, over fixed test examples, of what enters the "
                f"{activation(drawn)} of one unit of the last hidden layer: the unit of median path length in the "
                f"run with the smallest seed ({', '.join(_units(drawn, data))})."
            )
        if "path_length" in series:
            start, end = _window(tables.runs, drawn.iloc[0])
            text.append(
                f"Drift: path length of these percentiles from step {start:,} to {end:,}, mean over percentiles, "
                "units and "
                "seeds" + ("; plain/BN: geometric mean of its ratio over paired seeds." if "ratio" in series else ".")
            )
        if "diverged" in series:
            text.append("✕: a run diverged there; means go on without it.")
        return " ".join([*text, *shown_of_several(fixed), described(drawn)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        drawn, _ = select(tables.runs, self.grid, NORMS)
        steps = int(drawn["steps"].max()) if len(drawn) else 0
        with style():
            figure = Figure(figsize=(PAGE, 2.2), layout="constrained")
            left, *others = figure.subplots(1, 3)
            for axes in (left, *others):
                step_ticks(axes, steps)
            _draw_accuracy(left, data[data["panel"] == "a"])
            left.set_xlabel("training steps\n(a)")
            bound = _bound(data)
            for axes, (panel, norm) in zip(others, PANELS.items(), strict=True):
                _draw_percentiles(axes, data[data["panel"] == panel], bound)
                axes.set_xlabel(f"training steps\n({panel}) {LOOKS[norm].label}")
                axes.set_ylabel(f"input of one {activation(drawn)}")
            others[1].sharey(others[0])
            figure.align_xlabels()
        return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _row(panel: str, norm: str, series: str, **numbers: Any) -> dict[str, Any]:
    return {"panel": panel, "norm": norm, "series": series} | numbers


def _accuracy(tables: Tables, arm: pd.DataFrame, norm: str) -> Iterator[dict[str, Any]]:
    """The mean curve of an arm, and the end of each diverged run."""
    rows = arm.to_dict("records")
    lines = [(row, shown.on_the_way(shown.curve(tables, row["run"], ACCURACY), row, ACCURACY)) for row in rows]
    for numbers in shown.mean_and_ends(lines, ACCURACY, series="accuracy"):
        yield _row("a", norm, **numbers)


def _percentiles(tables: Tables, arm: pd.DataFrame, panel: str, norm: str) -> Iterator[dict[str, Any]]:
    """One unit of one run of an arm, and where that run ended if it diverged."""
    if arm.empty:
        return
    typical = shown.first_seed(arm)
    lines = {quantile: shown.curve(tables, typical["run"], f"activation/unit_q{quantile}") for quantile in QUANTILES}
    for quantile, line in lines.items():
        for step, value, unit in line.itertuples(index=False):
            yield _row(panel, norm, f"p{quantile}", run=typical["run"], unit=unit, step=step, value=value)
    if len(lines[50]):
        yield from (_row(panel, norm, "diverged", **end) for end in shown.end(typical, lines[50]))


def _drifts(runs: pd.DataFrame, arms: dict[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """The drift index of each arm, and its ratio: geometric, as the claim contrasts it, over seeds of both."""
    lengths = {norm: _path_lengths(runs, arm) for norm, arm in arms.items()}
    for panel, norm in PANELS.items():
        if len(values := lengths[norm]):
            yield _row(panel, norm, "path_length", **shown.mean(values))
    plain, normalized = (lengths[norm] for norm in NORMS)
    if len(logs := np.log2((plain / normalized).dropna())):
        value, low, high = 2 ** np.array([logs.mean(), *t_interval(logs.mean(), logs.std(), len(logs))])
        yield _row("c", "", "ratio", value=value, low=low, high=high, n=len(logs))


def _path_lengths(runs: pd.DataFrame, arm: pd.DataFrame) -> pd.Series:
    """The drift index by seed, of the runs that have one."""
    column = None if arm.empty else _drift(runs, _site(arm.iloc[0]))
    lengths = pd.Series(dtype=float) if column is None else arm.set_index("seed")[column[0]].dropna()
    return lengths[lengths > 0]


def _units(drawn: pd.DataFrame, data: pd.DataFrame) -> Iterator[str]:
    for norm in NORMS:
        line = data[(data["norm"] == norm) & (data["series"] == "p50")]
        if len(line):
            seed = drawn.loc[drawn["run"] == line["run"].iloc[0], "seed"].iloc[0]
            yield f"{LOOKS[norm].label} unit {int(line['unit'].iloc[0])} of seed {seed}"


def _site(run: pd.Series) -> str:
    """What enters the nonlinearity of the last hidden layer; "" for a model without hidden layers."""
    depth = shown.depth(run)
    return f"layer{depth}/pre" if depth else ""


def _drift(runs: pd.DataFrame, site: str) -> tuple[str, int, int] | None:
    """The column of the drift index that a claim asked for, with its first and last step; None if there is none."""
    quantiles = ",".join(map(str, QUANTILES))
    label = rf"path_length\(end=(\d+),quantiles=\[{quantiles}\],relative=false,site={re.escape(site)},start=(\d+)\)"
    for column in runs.columns:
        if match := re.fullmatch(label, column):
            return column, int(match[2]), int(match[1])
    return None


def _window(runs: pd.DataFrame, run: pd.Series) -> tuple[int, int]:
    """The steps over which a path is measured: the drift index's, or the whole run where it has none."""
    column, steps = _drift(runs, _site(run)), int(run["steps"])
    return (0, steps) if column is None or column[1] >= steps else (column[1], min(column[2], steps))


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_accuracy(axes: Axes, data: pd.DataFrame) -> None:
    means = data[data["series"] == "accuracy"]
    for norm, line in means.groupby("norm", sort=False):
        look = LOOKS[norm]
        axes.fill_between(line["step"], line["low"], line["high"], color=look.color, alpha=0.2, linewidth=0)
        axes.plot(line["step"], line["value"], look.dashes, color=look.color, label=look.label)
    axes.set_ylim(*_accuracy_limits(means))
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(MultipleLocator(0.1 if high - low < 0.45 else 0.2))
    axes.set_ylabel("test accuracy")
    _draw_ends(axes, data)
    if means.empty:
        say(axes, "no accuracy")
    else:
        axes.legend(loc="lower right" if low == FLOOR else "best")


def _accuracy_limits(means: pd.DataFrame) -> tuple[float, float]:
    """The paper's 0.7 to 1, unless an arm is below at half time: then from below everything, so that each is seen."""
    late = means[means["step"] >= means["step"].max() / 2]
    if (late["value"] >= FLOOR).all():
        return FLOOR, 1.0
    return math.floor(10 * means["value"].min()) / 10, 1.0


def _draw_percentiles(axes: Axes, data: pd.DataFrame, bound: float) -> None:
    """Black in both panels, as in the paper: their titles say which net it is."""
    for quantile in QUANTILES:
        line = data[data["series"] == f"p{quantile}"]
        axes.plot(line["step"], line["value"].where(np.isfinite(line["value"])), "-", color=BLACK)
    axes.set_ylim(-bound, bound)
    axes.yaxis.set_major_locator(FixedLocator([-2, 0, 2]) if bound == INPUT else MaxNLocator(4, steps=[1, 2, 5, 10]))
    _draw_ends(axes, data)
    if not data["series"].isin(PERCENTILES).any():
        say(axes, "no percentiles")
    if inset := ", ".join(_inset(data)):
        box = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1}
        axes.text(0.97, 0.03, inset, transform=axes.transAxes, ha="right", va="bottom", fontsize=7, bbox=box)


def _inset(data: pd.DataFrame) -> Iterator[str]:
    for series, text in (("path_length", "drift"), ("ratio", "plain/BN")):
        for value in data.loc[data["series"] == series, "value"]:
            yield f"{text} {value:.3g}"


def _draw_ends(axes: Axes, data: pd.DataFrame) -> None:
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], LOOKS[row["norm"]].color)


def _bound(data: pd.DataFrame) -> float:
    """Half the height of panels b and c: the paper's, or more where a unit's input needs it, with room for the inset.

    Runs that diverged do not count, unless there are no others: they may leave any scale.
    """
    lines = data[data["series"].isin(PERCENTILES) & np.isfinite(data["value"])]
    lost = set(data.loc[data["series"] == "diverged", "run"])
    counting = lines[[run not in lost for run in lines["run"]]]
    largest = (counting if len(counting) else lines)["value"].abs().max() if len(lines) else 0.0
    return max(INPUT, 1.25 * float(largest))
