"""Santurkar et al. 2018, Fig. 2: is a net whose layers' inputs are unstable harder to train?

Left, a metric over training; right, the distribution of one unit of some layers at every measuring point, time running
from front to back, for a plain net, one with batch normalization, and one with noise behind it.
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
from scipy import stats

from bn_study.analysis import interval, shown
from bn_study.analysis.described import described, shown_of_several
from bn_study.analysis.figure._style import BLUE, PAGE, PALETTE, cross, dashes, say, style, third_ticks
from bn_study.analysis.needed import Needed
from bn_study.analysis.shown import Tables, select
from bn_study.analysis.tables import EVERY, Curve

COLORS = {"none": PALETTE[1], "batch": BLUE, "noisy_batch": PALETTE[2]}
NAMES = {"none": "Standard", "batch": "Standard + BatchNorm", "noisy_batch": "Standard + “Noisy” BatchNorm"}
MARKERS = {"noisy_batch": "^"}
NORMS = tuple(NAMES)
HISTOGRAM, EDGES = "unit/histogram", "unit/edges"
COLUMNS = ("panel", "norm", "series", "run", "site", "step", "x", "value", "low", "high", "n")
POINTS = 61  # of a density's line
CENTRAL = (0.01, 0.99)  # the part of all values of a layer that its axis shows
HEIGHT = 1.8  # of every ridge, in distances between two measuring points


@dataclass(frozen=True)
class Drawing:
    """sites: of the layers whose units are shown."""

    grid: str
    metric: str
    sites: list[str]

    def needs(self) -> list[Needed]:
        """The metric, and the whole histograms."""
        return [
            Needed(self.metric),
            *(Needed(name, site, vector=True) for name in (HISTOGRAM, EDGES) for site in self.sites),
        ]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Run id -> the metric of every run shown, and the whole histograms of one run an arm."""
        drawn, _ = select(runs, self.grid, NORMS)
        wanted = {run: [Curve(self.metric, "")] for run in drawn["run"]}
        for _, arm in drawn.groupby("norm"):
            wanted[shown.first_seed(arm)["run"]] += [
                Curve(name, site, EVERY) for name in (HISTOGRAM, EDGES) for site in self.sites
            ]
        return wanted

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each.

        series: `mean` (value: mean over n runs of the metric, with its 95% interval), `density` (value: of the unit's
        values at x, of one run) and `diverged` (where a run ended; value: the last one it recorded).
        """
        drawn, _ = select(tables.runs, self.grid, NORMS)
        arms = {norm: arm for norm in NORMS if len(arm := drawn[drawn["norm"] == norm])}
        rows = [row for norm, arm in arms.items() for row in _metric(tables, arm, norm, self.metric)]
        for site in self.sites:
            rows += _densities(tables, arms, site)
        return shown.numbers(rows, COLUMNS, ("x", "value", "low", "high"), whole=("step", "n"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        drawn, fixed = select(tables.runs, self.grid, NORMS)
        series = set(data["series"])
        text = [
            f"After Santurkar et al. 2018, Fig. 2. (a) {self.metric} against training steps: mean over seeds and, "
            f"where there are two or more, its {interval.words(self.metric)}."
        ]
        if "density" in series:
            text.append(
                "(b) Values of one fixed unit or feature map of a layer for fixed test examples, as training sees "
                "them: a density for each measuring point, the start of training in front. Every ridge is drawn "
                f"equally high; a layer's axis shows the central {100 * (CENTRAL[1] - CENTRAL[0]):.0f}% of all its "
                f"values. Run shown: {', '.join(_seeds(drawn, data))}, the smallest of the arm."
            )
        if "diverged" in series:
            text.append("✕: a run diverged there; means go on without it.")
        return " ".join([*text, *shown_of_several(fixed), described(drawn)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        drawn, _ = select(tables.runs, self.grid, NORMS)
        steps = int(drawn["steps"].max()) if len(drawn) else 0
        with style():
            figure = Figure(figsize=(PAGE, 1.3 + 0.75 * max(len(self.sites), 2)), layout="constrained")
            left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.7))[0]
            axes = left.subplots()
            third_ticks(axes, steps)
            _draw_metric(axes, data[data["panel"] == "a"], self.metric)
            axes.set_xlabel("Steps\n(a)")
            if axes.get_legend_handles_labels()[0]:
                left.legend(loc="outside upper center", frameon=False)
            grids = right.subplots(len(self.sites), len(NORMS), sharex="row", squeeze=False)
            for row, site in zip(grids, self.sites, strict=True):
                _draw_layer(row, data[(data["panel"] == "b") & (data["site"] == site)], site)
            for column, norm in zip(grids[0], NORMS, strict=True):
                column.set_title(NAMES[norm].replace("Standard + ", "+ "), fontsize=7)
            grids[-1][1].set_xlabel("values of one unit\n(b)")
        return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _metric(tables: Tables, arm: pd.DataFrame, norm: str, metric: str) -> Iterator[dict[str, Any]]:
    """The mean curve of an arm, and the end of each diverged run."""
    lines = [(row, shown.curve(tables, row["run"], metric)) for row in arm.to_dict("records")]
    for numbers in shown.mean_and_ends(lines, metric):
        yield {"panel": "a", "norm": norm} | numbers


def _densities(tables: Tables, arms: dict[str, pd.DataFrame], site: str) -> Iterator[dict[str, Any]]:
    """The densities of one layer, over an axis that all arms share."""
    runs = {norm: shown.first_seed(arm)["run"] for norm, arm in arms.items()}
    found = {norm: list(_histograms(tables, run, site)) for norm, run in runs.items()}
    if not (axis := _axis([(counts, edges) for one in found.values() for _, counts, edges in one])).size:
        return
    for norm, histograms in found.items():
        for step, counts, edges in histograms:
            for x, value in zip(axis, density(counts, edges, axis), strict=True):
                yield {
                    "panel": "b", "norm": norm, "series": "density", "run": runs[norm], "site": site, "step": step,
                    "x": float(f"{x:.4g}"), "value": float(f"{value:.4g}"),
                }  # fmt: skip


def _histograms(tables: Tables, run: str, site: str) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Step, counts and edges, as recorded."""
    counts, edges = (_vectors(tables, run, name, site) for name in (HISTOGRAM, EDGES))
    for step in sorted(counts.keys() & edges.keys()):
        yield step, counts[step], edges[step]


def _vectors(tables: Tables, run: str, name: str, site: str) -> dict[int, np.ndarray]:
    """A whole vector by step."""
    rows = shown.curve(tables, run, name, site).sort_values(["step", "unit"])
    return {int(step): one["value"].to_numpy(float) for step, one in rows.groupby("step")}


def _axis(histograms: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Points between which the central values of all histograms together lie; none where there is no histogram."""
    if not histograms:
        return np.array([])
    centers = np.concatenate([(edges[1:] + edges[:-1]) / 2 for _, edges in histograms])
    weights = np.concatenate([counts / counts.sum() for counts, _ in histograms])
    order = np.argsort(centers)
    shares = np.cumsum(weights[order]) / weights.sum()
    low, high = (centers[order][np.searchsorted(shares, one)] for one in CENTRAL)
    margin = 0.1 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, POINTS)


def density(counts: np.ndarray, edges: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """A histogram as a smooth density: a Gaussian at each bin, as wide as Scott's rule says, and at least as a bin.

    counts (bins,), edges (bins + 1,), axis (points,) -> (points,). Source of the rule: Scott 1992.
    """
    centers, total = (edges[1:] + edges[:-1]) / 2, counts.sum()
    spread = math.sqrt(np.average((centers - np.average(centers, weights=counts)) ** 2, weights=counts))
    width = max(spread * total ** (-1 / 5), edges[1] - edges[0])
    return stats.norm.pdf(axis[:, None], centers, width) @ (counts / total)


def _seeds(drawn: pd.DataFrame, data: pd.DataFrame) -> Iterator[str]:
    for norm in NORMS:
        run = data.loc[(data["norm"] == norm) & (data["series"] == "density"), "run"]
        if len(run):
            yield f"{NAMES[norm]} seed {drawn.loc[drawn['run'] == run.iloc[0], 'seed'].iloc[0]}"


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_metric(axes: Axes, data: pd.DataFrame, metric: str) -> None:
    means = data[data["series"] == "mean"]
    for norm, line in means.groupby("norm", sort=False):
        axes.fill_between(line["step"], line["low"], line["high"], color=COLORS[norm], alpha=0.2, linewidth=0)
        axes.plot(line["step"], line["value"], dashes(norm), color=COLORS[norm], label=NAMES[norm],
                  marker=MARKERS.get(norm), markersize=3, markevery=max(1, len(line) // 8))  # fmt: skip
    if interval.is_share(metric):  # which the margin of an axis would leave
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0), min(high, 1))
    axes.set_ylabel(metric.replace("/", " "))
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["step"], row["value"], COLORS[row["norm"]])
    if means.empty:
        say(axes, f"no run recorded {metric}")


def _draw_layer(row: np.ndarray, data: pd.DataFrame, site: str) -> None:
    """A panel for each net; a later density is drawn higher and behind the one before."""
    layer = site.partition("/")[0].replace("layer", "layer ")
    for axes, norm in zip(row, NORMS, strict=True):
        own = data[data["norm"] == norm]
        lines = list(own.groupby("step"))
        for place, (_, line) in enumerate(lines):
            base, value = np.full(len(line), float(place)), line["value"].to_numpy()
            top = base + HEIGHT * value / (value.max() or 1.0)
            axes.fill_between(line["x"], base, top, facecolor=COLORS[norm], alpha=1, edgecolor="white", linewidth=0.5,
                              zorder=2 + len(lines) - place)  # fmt: skip
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        if lines:
            axes.set_xlim(own["x"].min(), own["x"].max())
            axes.set_ylim(-0.3, len(lines) - 1 + HEIGHT + 0.2)
        else:
            say(axes, "no values")
    if steps := sorted(data.loc[data["norm"] == NORMS[0], "step"].unique()):
        row[0].set_yticks([0, len(steps) - 1], [f"{steps[0]:,}", f"{steps[-1]:,}"])
        row[0].tick_params(axis="y", length=0)
    row[0].set_ylabel(f"{layer}\nsteps")
