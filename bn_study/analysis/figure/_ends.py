"""The last values of runs over a factor: what the figures `over_factor` and `over_depth` have in common.

A line for each arm (what else varies, but for the seed) and metric. Runs that diverged have no end value: they are
counted at the foot of the panel, and the mean above them is of the other seeds alone.
"""

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bn_study.analysis import interval, shown
from bn_study.analysis.arms import bound_to_norm, by_settings
from bn_study.analysis.asked import final
from bn_study.analysis.described import described
from bn_study.analysis.figure import _metric_words as metric_words
from bn_study.analysis.figure import _style
from bn_study.analysis.figure._factor_axis import limit_to_means, place_values
from bn_study.analysis.figure._style import LOOKS, MARKERS, PALETTE, say, style
from bn_study.analysis.figure._text import folded
from bn_study.analysis.measures import is_accuracy
from bn_study.analysis.needed import Needed
from bn_study.analysis.over import largest_usable
from bn_study.analysis.rounding import rounded
from bn_study.analysis.settings import comparable, missing, rank, written
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import Curve
from bn_study.plan.types import Fraction

COLUMNS = ("grid", "arm", "metric", "series", "place", "value", "low", "high", "n", "lost", "dataset", "seeds")
ACROSS = 3  # panels in a row
HEIGHT = 2.0  # of a row of panels, in inches
DASHES = ("-", "--", ":", "-.", (0, (1, 2.5)))
"""Tell metrics apart where colors tell arms apart."""
STEP = 0.045  # between the x of neighboring lines' whiskers, of the distance of two values
FOOT = 0.085  # of a panel's height, for a line that counts diverged runs


@dataclass(frozen=True)
class _Look:
    """How a line is drawn."""

    color: str
    marker: str
    dashes: Any
    label: str


@dataclass(frozen=True)
class Ends:
    """usable: the share of a line's best mean up to which a value of the factor counts as usable; None: not drawn."""

    grids: list[str]
    beside: list[str] | None
    factor: str
    metrics: list[str]
    descending: bool
    usable: Fraction | None
    by: list[str] | None = None
    color: str | None = None
    panels: str | None = None

    def needs(self) -> list[Needed]:
        """The metrics whose last values are drawn."""
        named = [metric.partition("@") for metric in self.metrics]
        return [Needed(name, site) for name, _, site in named]

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """The runs of the grids, without any of their records."""
        return {run: [] for run in shown.of_grids(runs, [*self.grids, *(self.beside or [])])["run"]}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each; `grid` is the name of the panel.

        series: `mean` (value: mean over n runs that finished, with its 95% interval; lost: how many diverged), at
        `place`, a value of the factor; the same without a place for arms that have no such option (those of the grids
        `beside`, one for each panel, and any arm of a panel's grid), which is a level; `chance` (1 / classes, for an
        accuracy); `usable` (the largest place up to which, from the best one on, all means reach that fraction of the
        best).
        """
        rows = [row for name, runs in self._panels(tables) for row in self._numbers(name, runs)]
        usable = [] if self.usable is None else _usable(rows, self.usable)
        return shown.numbers([*rows, *usable], COLUMNS, whole=("n", "lost"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        panels, factor = self._panels(tables), self.factor
        means, text = data[data["series"] == "mean"], []
        there = [one for one in self.metrics if one in set(means.loc[means["value"].notna(), "metric"])]
        text.append(
            f"{metric_words.shared(there or self.metrics)} at the end over {factor}: mean over seeds with its "
            f"{interval.words((there or self.metrics)[0])}."
        )
        if judged := metric_words.judged(there):
            text.append(f"What normalizes: {judged}.")
        if means["place"].isna().any():
            text.append(f"Horizontal, with a band: arms without {factor}.")
        if levels := int(means.loc[means["place"].isna(), ["grid", "arm", "lost"]].drop_duplicates()["lost"].sum()):
            text.append(f"Runs without {factor} that diverged, and are in no mean: {levels}.")
        if (means.loc[means["place"].notna(), "lost"] > 0).any():
            text.append("✕: runs that diverged, and how many; the mean is of the others, unlike in verdicts.")
        if (data["series"] == "usable").any():
            text.append(f"Vertical dashes: the largest {factor} at which a line reaches {self.usable:g} of its best.")
        if (data["series"] == "chance").any():
            text.append("Dotted, where the axis reaches it: chance.")
        fixed = [f"{name}: {words}" for name, runs in panels if not self.by and (words := _fixed(runs, factor))]
        if fixed:
            text.append(f"What goes with an arm: {'; '.join(fixed)}.")
        runs = pd.concat([runs for _, runs in panels]).drop_duplicates("run") if panels else tables.runs.iloc[:0]
        return " ".join([*text, described(runs)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        looks = _looks(data, self.color)
        names = self.grids if self.panels is None else list(dict.fromkeys(data["grid"]))
        columns, legend = _style.legend_size(look.label for look in looks.values() if len(looks) > 1)
        with style():
            figure, panels, left = _style.panels(len(names), ACROSS, HEIGHT, legend)
            for name, axes, at_left in zip(names, panels, left, strict=True):
                own = data[data["grid"] == name]
                _draw_panel(axes, own, looks, self.factor, self.descending)
                words = {f" ({one}, {seeds} seeds)" for one, seeds in zip(own["dataset"], own["seeds"], strict=True)}
                _style.title(axes, "".join([name, *words]), min(ACROSS, len(names)))
                axes.set_xlabel(self.factor)
                if at_left:
                    axes.set_ylabel(metric_words.shared(self.metrics))
            if len(looks) > 1:
                lines = [_line(look) for look in looks.values()]
                figure.legend(handles=lines, loc="outside lower center", ncols=columns, frameon=False, handlelength=2.6)
        return figure

    def _panels(self, tables: Tables) -> list[tuple[str, pd.DataFrame]]:
        """Name and runs of each panel that has any."""
        found = shown.panels(tables.runs, self.grids, self.panels, self.beside or [])
        shown_grids = self.grids if len(self.grids) > 1 or self.panels is None else []
        return [
            (" ".join(filter(None, [grid if grid in shown_grids else "", words])), runs) for grid, words, runs in found
        ]

    def _numbers(self, name: str, runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
        datasets = ", ".join(sorted({str(one) for one in runs["dataset"]}))
        panel = {"grid": name, "dataset": datasets, "seeds": runs["seed"].nunique()}
        classes = {int(one) for one in runs["classes"] if not missing(one)}
        for metric in self.metrics:
            for label, arm in _arms(runs, self.factor, self.by):
                for row in _ends(arm, self.factor, metric):
                    yield panel | {"arm": label, "metric": metric, "series": "mean"} | row
            if is_accuracy(metric) and len(classes) == 1:
                yield panel | {"metric": metric, "series": "chance", "value": 1 / next(iter(classes))}


# --- numbers ----------------------------------------------------------------------------------------------------------


def _ends(arm: pd.DataFrame, factor: str, metric: str) -> Iterator[dict[str, Any]]:
    """Mean of an arm's last values at each value of the factor, and how many runs diverged there."""
    column = final(metric).label(None)
    places = [comparable(one) for one in arm[factor]] if factor in arm else [None] * len(arm)
    for place in sorted(set(places), key=rank):
        rows = arm[[one == place for one in places]]
        values = shown.of_seeds(rows["seed"], rows[column]) if column in rows else pd.Series(dtype=float)
        lost = int((rows["status"] == "diverged").sum())
        if len(values) or lost:
            mean = shown.mean(values, metric)
            mean["value"] = rounded(mean["value"])  # before it is looked where a line reaches a share of its best
            yield {"place": place} | mean | {"lost": lost}


def _usable(rows: list[dict[str, Any]], fraction: float) -> Iterator[dict[str, Any]]:
    lines: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["series"] == "mean" and isinstance(row["place"], (int, float)):
            lines.setdefault((row["grid"], row["arm"], row["metric"]), []).append(row)
    for line in lines.values():
        places, values = (np.array([row[one] for row in line], float) for one in ("place", "value"))
        place = largest_usable(places, values, fraction=fraction)
        if not math.isnan(place):
            chosen = next(row for row in line if row["place"] == place)
            yield chosen | {"series": "usable"}


def _arms(runs: pd.DataFrame, factor: str, by: list[str] | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """The arms of a panel's lines: all settings that vary, except the factor and settings bound to an arm."""
    options = [name for name in runs if name.startswith(f"{factor}.")]
    left = runs.drop(columns=[*bound_to_norm(runs, factor), *options], errors="ignore").assign(**{factor: None})
    for arm in by_settings(left if by is None else runs, by):
        yield arm.label, runs.loc[arm.rows.index]


def _fixed(runs: pd.DataFrame, factor: str) -> str:
    """`norm=none optimizer.learning_rate=1, norm=batch optimizer.learning_rate=3`; "" where nothing is bound."""
    names = [one for one in bound_to_norm(runs, factor) if not one.startswith(("norm.", "probe"))]
    first = runs.drop_duplicates("norm").sort_values("norm", key=lambda norms: norms != "none", kind="stable")
    words = [
        " ".join([f"norm={row['norm']}", *(f"{name}={written(row[name])}" for name in names)])
        for row in first.to_dict("records")
    ]
    return ", ".join(words) if names else ""


# --- picture ----------------------------------------------------------------------------------------------------------


def _looks(data: pd.DataFrame, setting: str | None) -> dict[tuple[str, str], _Look]:
    """By arm and metric: colors tell arms apart and dashes metrics, or colors metrics where there is one arm."""
    means = data[data["series"] == "mean"]
    arms, metrics = (list(dict.fromkeys(means[one])) for one in ("arm", "metric"))
    colors = _style.colors_by_setting(arms, setting)
    texts = _style.shortened(arms)
    found: dict[tuple[str, str], _Look] = {}
    for place, metric in enumerate(metrics):
        for arm in arms:
            words: list[Hashable] = [texts[arm], metric if len(metrics) > 1 else ""]
            label = "\n".join(folded(" ".join(str(one) for one in words if one), _style.LETTERS))
            at = place if len(metrics) > 1 else arms.index(arm)
            plain = _style.word(arm, "norm") == "norm=none"
            dashes = DASHES[at % len(DASHES)] if len(metrics) > 1 else LOOKS["none"].dashes if plain else "-"
            color = colors[arm] if len(arms) > 1 else PALETTE[place % len(PALETTE)]
            found[arm, metric] = _Look(color, MARKERS[at % len(MARKERS)], dashes, label)
    return found


def _draw_panel(
    axes: Axes, data: pd.DataFrame, looks: dict[tuple[str, str], _Look], factor: str, descending: bool
) -> None:
    means = data[data["series"] == "mean"]
    swept = sorted({one for one in means["place"] if not missing(one)}, key=rank)
    if not swept:
        say(axes, f"no run of {factor} yet")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    at = place_values(axes, swept, descending)
    limit_to_means(axes, means, bounded=bool(means["metric"].map(is_accuracy).all()))
    lines = list(means.groupby(["arm", "metric"], sort=False))
    shift = dict(zip((key for key, _ in lines), STEP * (np.arange(len(lines)) - (len(lines) - 1) / 2), strict=True))
    for key, line in lines:
        here = line[[not missing(one) for one in line["place"]]]
        x = np.array([at[comparable(one)] for one in here["place"]]) + shift[key]
        _draw_line(axes, x, here, looks[key])
        _draw_level(axes, line[[missing(one) for one in line["place"]]], looks[key])
    _count_diverged(axes, means, at, looks)
    for row in data[data["series"] == "usable"].to_dict("records"):
        look, x = looks[row["arm"], row["metric"]], at[comparable(row["place"])]
        axes.axvline(x + shift[row["arm"], row["metric"]], color=look.color, linewidth=0.7, linestyle="--", zorder=0)
    for value in data.loc[data["series"] == "chance", "value"].unique():
        low, high = axes.get_ylim()
        if low <= value <= high:
            axes.axhline(value, color="0.5", linewidth=0.7, linestyle=":", zorder=0)


def _draw_line(axes: Axes, x: np.ndarray, line: pd.DataFrame, look: _Look) -> None:
    value, low, high = (line[one].to_numpy(float) for one in ("value", "low", "high"))
    bottom, top = axes.get_ylim()  # an interval may leave the panel
    reach = np.nan_to_num([value - np.maximum(low, bottom), np.minimum(high, top) - value])
    bars = axes.errorbar(x, value, reach, color=look.color, linestyle="none", elinewidth=0.7, capsize=1.5)
    bars.lines[0].set_visible(False)
    axes.add_line(_line(look, x, value))


def _line(look: _Look, x: Any = (), y: Any = ()) -> Line2D:
    return Line2D(
        x, y, color=look.color, linestyle=look.dashes, marker=look.marker, markersize=3, linewidth=1.0, label=look.label
    )


def _draw_level(axes: Axes, line: pd.DataFrame, look: _Look) -> None:
    """Arms without the factor hold for all of its values."""
    for row in line[line["value"].notna()].to_dict("records"):
        axes.axhline(row["value"], color=look.color, linestyle=look.dashes, zorder=1)
        if not math.isnan(row["low"]):
            axes.axhspan(row["low"], row["high"], color=look.color, alpha=0.12, linewidth=0, zorder=0)


def _count_diverged(axes: Axes, means: pd.DataFrame, at: dict[Any, float], looks: dict[tuple[str, str], _Look]) -> None:
    """Crosses with numbers below the lines, a row for each arm that lost runs (once, not for each metric)."""
    lost = means[(means["lost"] > 0) & ~means["place"].map(missing)].drop_duplicates(["arm", "place"])
    arms = list(dict.fromkeys(lost["arm"]))
    low, high = axes.get_ylim()
    foot = min(FOOT, 0.5 / max(len(arms), 1))  # of many arms, together half of the panel
    whole = (high - low) / (1 - foot * len(arms))
    axes.set_ylim(high - whole, high)
    for row in lost.to_dict("records"):
        height = high - whole + whole * foot * (len(arms) - arms.index(row["arm"]) - 0.5)
        color = looks[row["arm"], row["metric"]].color
        x = at[comparable(row["place"])]
        axes.plot([x], [height], marker="x", markersize=3.5, color=color, linestyle="none", zorder=5)
        axes.annotate(
            str(row["lost"]), (x, height), (3, 0), textcoords="offset points", va="center", fontsize=5.5, color=color
        )
