"""What runs end with over one factor that was swept, a panel for each grid: mean and 95 % t-interval over seeds.

A line for each arm (what else varies, but for the seed) and metric. Runs that diverged have no end value: they are
counted at the foot of the panel, and the mean above them is of the other seeds alone.
"""

import math
import textwrap
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from bn_study.analysis.figure import _tables
from bn_study.analysis.figure._style import LOOKS, MARKERS, PAGE, PALETTE, say, style
from bn_study.analysis.figure._tables import Tables, of_grid
from bn_study.analysis.over import largest_usable
from bn_study.analysis.rounding import rounded, rounded_table
from bn_study.analysis.settings import RESULTS, comparable, missing, rank, written
from bn_study.analysis.tables import Curve, final
from bn_study.plan.types import Fraction

COLUMNS = ("grid", "arm", "metric", "series", "place", "value", "low", "high", "n", "lost", "dataset", "seeds")
ACROSS = 3  # panels in a row
HEIGHT = 2.0  # of a row of panels, in inches
ROW = 0.15  # of a line of the legend
LETTER, SAMPLE = 0.053, 0.55  # width of a letter of the legend, and of its piece of line
LETTERS = 100  # in a line of the legend
DASHES = ("-", "--", ":", "-.", (0, (1, 2.5)))
"""Tell metrics apart where colours tell arms apart."""
STEP = 0.045  # between the x of neighbouring lines' whiskers, of the distance of two values
CROWD = 30  # letters at the ticks of a panel
FOOT = 0.085  # of a panel's height, for a line that counts diverged runs
SOURCES = {
    "": "statistics re-estimated on training data",
    "_moving": "moving averages",
    "_moving_unbiased": "moving averages, their variance times m/(m-1)",
    "_batch": "the statistics of each test batch itself",
}
"""What follows the name of a metric, and what a normaliser then uses (bn_study/training/probe/curves.py)."""


@dataclass(frozen=True)
class _Look:
    """How a line is drawn."""

    color: str
    marker: str
    dashes: Any
    label: str


def curves(
    runs: pd.DataFrame,
    *,
    grids: list[str],
    beside: list[str] | None,
    factor: str,
    metrics: list[str],
    descending: bool,
    usable: Fraction | None,
) -> dict[str, list[Curve]]:  # fmt: skip
    """The runs of the grids; none of their records."""
    return {run: [] for grid in [*grids, *(beside or [])] for run in of_grid(runs, grid)["run"]}


def plotted(
    tables: Tables,
    *,
    grids: list[str],
    beside: list[str] | None,
    factor: str,
    metrics: list[str],
    descending: bool,
    usable: Fraction | None,
) -> pd.DataFrame:
    """Every number in the figure, a row each.

    series: `mean` (value: mean over n runs that finished, with its 95 % interval; lost: how many diverged), at `place`,
    a value of the factor; the same without a place for arms that have no such option (those of the grids `beside`, one
    for each panel, and any arm of a panel's grid), which is a level; `chance` (1 / classes, for an accuracy); `usable`
    (the largest place up to which, from the best one on, all means reach that fraction of the best).
    """
    rows = [row for grid, runs in _panels(tables, grids, beside) for row in _numbers(grid, runs, factor, metrics)]
    if usable is not None:
        rows += list(_usable(rows, usable))
    table = rounded_table(pd.DataFrame(rows, columns=COLUMNS))
    return table.astype(dict.fromkeys(("value", "low", "high"), float) | dict.fromkeys(("n", "lost"), "Int64"))


def caption(
    tables: Tables,
    *,
    grids: list[str],
    beside: list[str] | None,
    factor: str,
    metrics: list[str],
    descending: bool,
    usable: Fraction | None,
) -> str:
    """What is shown, by which rules, of which runs."""
    panels = _panels(tables, grids, beside)
    data = plotted(
        tables, grids=grids, beside=beside, factor=factor, metrics=metrics, descending=descending, usable=usable
    )
    means, text = data[data["series"] == "mean"], []
    shown = [one for one in metrics if one in set(means.loc[means["value"].notna(), "metric"])]
    text.append(f"{_words(shown or metrics)} at the end over {factor}: mean over seeds with its 95 % t-interval.")
    if judged := _judged(shown):
        text.append(f"What normalises: {judged}.")
    if means["place"].isna().any():
        text.append(f"Horizontal, with a band: arms without {factor}.")
    if (means["lost"] > 0).any():
        text.append("✕: runs that diverged, and how many; the mean is of the others, unlike in verdicts.")
    if (data["series"] == "usable").any():
        text.append(f"Vertical dashes: the largest {factor} at which a line reaches {usable:g} of its best.")
    if (data["series"] == "chance").any():
        text.append("Dotted, where the axis reaches it: chance.")
    fixed = [f"{grid}: {words}" for grid, runs in panels if (words := _fixed(runs, factor))]
    if fixed:
        text.append(f"What goes with an arm: {'; '.join(fixed)}.")
    runs = pd.concat([runs for _, runs in panels]).drop_duplicates("run") if panels else tables.runs.iloc[:0]
    return " ".join([*text, _tables.described(runs)])


def draw(
    tables: Tables,
    *,
    grids: list[str],
    beside: list[str] | None,
    factor: str,
    metrics: list[str],
    descending: bool,
    usable: Fraction | None,
) -> Figure:
    """The figure, of the numbers in `plotted`."""
    data = plotted(
        tables, grids=grids, beside=beside, factor=factor, metrics=metrics, descending=descending, usable=usable
    )
    looks = _looks(data)
    across = min(ACROSS, len(grids)) or 1
    down = max(1, math.ceil(len(grids) / across))
    columns, rows = _layout([look.label for look in looks.values() if look.label])
    with style():
        figure = Figure(figsize=(PAGE, HEIGHT * down + ROW * rows), layout="constrained")
        found = figure.subplots(down, across, squeeze=False)
        for place, axes in enumerate(found.flat):
            if place >= len(grids):
                axes.set_visible(False)
                continue
            own = data[data["grid"] == grids[place]]
            _draw_panel(axes, own, looks, factor, descending)
            about = [f" ({one}, {seeds} seeds)" for one, seeds in set(zip(own["dataset"], own["seeds"], strict=True))]
            axes.set_title("".join([grids[place], *about]), fontsize=8)
            axes.set_xlabel(factor)
            if place % across == 0:
                axes.set_ylabel(_words(metrics))
        if len(looks) > 1:
            lines = [_line(look) for look in looks.values()]
            figure.legend(handles=lines, loc="outside lower center", ncols=columns, frameon=False, handlelength=2.6)
    return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _panels(tables: Tables, grids: list[str], beside: list[str] | None) -> list[tuple[str, pd.DataFrame]]:
    """Each grid with its runs and those of the grid beside it, if there are any."""
    found = []
    for place, grid in enumerate(grids):
        names = [grid, *(beside or [])[place : place + 1]]
        runs = pd.concat([of_grid(tables.runs, one) for one in names]) if len(tables.runs) else tables.runs
        if len(runs):
            found.append((grid, runs.drop_duplicates("run").reset_index(drop=True)))
    return found


def _numbers(grid: str, runs: pd.DataFrame, factor: str, metrics: list[str]) -> Iterator[dict[str, Any]]:
    datasets = ", ".join(sorted({str(one) for one in runs["dataset"]}))
    about = {"grid": grid, "dataset": datasets, "seeds": runs["seed"].nunique()}
    for metric in metrics:
        column = final(metric).label(None)
        for label, arm in _arms(runs, factor):
            places = [comparable(one) for one in arm[factor]] if factor in arm else [None] * len(arm)
            for place in sorted(set(places), key=rank):
                rows = arm[[one == place for one in places]]
                values = rows[column].dropna() if column in rows else pd.Series(dtype=float)
                lost = int((rows["status"] == "diverged").sum())
                if len(values) or lost:
                    low, high = _tables.interval(values.mean(), values.std(), len(values))
                    mean = rounded(values.mean())  # before it is looked where a line reaches a share of its best
                    numbers = {"value": mean, "low": low, "high": high, "n": len(values), "lost": lost}
                    yield about | {"arm": label, "metric": metric, "series": "mean", "place": place} | numbers
        classes = {int(one) for one in runs["classes"] if not missing(one)}
        if _is_accuracy(metric) and len(classes) == 1:
            yield about | {"metric": metric, "series": "chance", "value": 1 / classes.pop()}


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


def _arms(runs: pd.DataFrame, factor: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """What the lines of a panel stand for: everything that varies but the factor, and what goes with an arm."""
    options = [name for name in runs if name.startswith(f"{factor}.")]
    left = runs.drop(columns=[*_bound(runs, factor), *options], errors="ignore").assign(**{factor: None})
    for arm in _tables.arms(left):
        yield arm.label, runs.loc[arm.rows.index]


def _bound(runs: pd.DataFrame, factor: str) -> list[str]:
    """The settings that have one value with each normaliser, but not with all: a learning rate tuned for each."""
    settings = [name for name in runs if name not in (*RESULTS, "norm", factor) and "(" not in name]
    norms = [comparable(one) for one in runs["norm"]]
    found = []
    for name in settings:
        pairs = {(norm, comparable(one)) for norm, one in zip(norms, runs[name], strict=True)}
        if len({value for _, value in pairs}) > 1 and len(pairs) == len({norm for norm, _ in pairs}):
            found.append(name)
    return found


def _fixed(runs: pd.DataFrame, factor: str) -> str:
    """`norm=none optimizer.learning_rate=1, norm=batch optimizer.learning_rate=3`; "" where nothing is bound."""
    names = [one for one in _bound(runs, factor) if not one.startswith(("norm.", "probe"))]
    first = runs.drop_duplicates("norm").sort_values("norm", key=lambda norms: norms != "none", kind="stable")
    words = [
        " ".join([f"norm={row['norm']}", *(f"{name}={written(row[name])}" for name in names)])
        for row in first.to_dict("records")
    ]
    return ", ".join(words) if names else ""


def _is_accuracy(metric: str) -> bool:
    return metric.rpartition("/")[2].startswith("accuracy")


def _words(metrics: list[str]) -> str:
    """`test accuracy`: what the metrics' names begin with, in words."""
    shortest = min(metrics, key=len, default="")
    name = shortest if all(one.startswith(shortest) for one in metrics) else ""
    return name.replace("/", " ").replace("_", " ") or "value"


def _judged(metrics: list[str]) -> str:
    """Of which statistics each metric is, in words, if they have names for that."""
    found = {}
    for metric in metrics:
        kind = metric.rpartition("/")[2]
        base = next((one for one in ("accuracy", "loss") if kind.startswith(one)), None)
        if base and kind.removeprefix(base) in SOURCES:
            found[metric] = SOURCES[kind.removeprefix(base)]
    if len(found) == 1:
        return next(iter(found.values()))
    return "; ".join(f"{metric}: {words}" for metric, words in found.items())


# --- picture ----------------------------------------------------------------------------------------------------------


def _looks(data: pd.DataFrame) -> dict[tuple[str, str], _Look]:
    """By arm and metric: colours tell arms apart and dashes metrics, or colours metrics where there is one arm."""
    means = data[data["series"] == "mean"]
    arms, metrics = (list(dict.fromkeys(means[one])) for one in ("arm", "metric"))
    own = {f"norm={norm}": look.color for norm, look in LOOKS.items()}
    free: Iterator[str] = iter([one for one in PALETTE if one not in own.values()] * len(arms))
    colors = {arm: own[arm] if arm in own else next(free) for arm in arms}
    found: dict[tuple[str, str], _Look] = {}
    for place, metric in enumerate(metrics):
        for arm in arms:
            words: list[Hashable] = [arm, metric if len(metrics) > 1 else ""]
            label = textwrap.fill(" ".join(str(one) for one in words if one), LETTERS)
            at = place if len(metrics) > 1 else arms.index(arm)
            dashes = LOOKS["none"].dashes if len(metrics) == 1 and arm == "norm=none" else DASHES[at % len(DASHES)]
            if len(metrics) == 1 and arm != "norm=none":
                dashes = "-"
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
    at = _scale(axes, swept, descending)
    _limit(axes, means)
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


def _scale(axes: Axes, swept: list[Any], descending: bool) -> dict[Any, float]:
    """The place of each value of the factor, and the axis for it.

    Numbers above 0 that span a decade have a logarithmic axis, other numbers a linear one, and names are listed. A
    place is in units of the smallest distance of two values, so that whiskers can stand beside each other.
    """
    numbers = [one for one in swept if isinstance(one, (int, float))]
    if len(numbers) < len(swept):
        places = np.arange(len(swept), dtype=float)
    else:
        log = min(numbers) > 0 and max(numbers) >= 10 * min(numbers)
        scaled = np.log(numbers) if log else np.array(numbers, float)
        nearest = np.diff(scaled).min() if len(scaled) > 1 else 1.0
        places = (scaled - scaled[0]) / nearest
    axes.set_xlim(places[0] - 0.5, places[-1] + 0.5)
    if descending:
        axes.invert_xaxis()
    found = dict(zip(swept, places.tolist(), strict=True))
    _ticks(axes, found)
    return found


def _ticks(axes: Axes, at: dict[Any, float]) -> None:
    """A tick at each value; where that is too much text only powers of ten have their number, or else it is turned."""
    long = sum(len(written(one)) + 1 for one in at) > CROWD
    powers = [one for one in at if isinstance(one, (int, float)) and one > 0 and math.log10(one).is_integer()]
    named = powers if long and len(powers) > 1 else list(at)
    turned: dict[str, Any] = {}
    if long and named != powers:
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.xaxis.set_major_locator(FixedLocator([at[one] for one in named]))
    axes.xaxis.set_minor_locator(FixedLocator([at[one] for one in at if one not in named]))
    axes.set_xticklabels([written(one) for one in named], **turned)


def _draw_line(axes: Axes, x: np.ndarray, line: pd.DataFrame, look: _Look) -> None:
    value, low, high = (line[one].to_numpy(float) for one in ("value", "low", "high"))
    bottom, top = axes.get_ylim()  # an interval may leave what is possible, or the panel
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


def _limit(axes: Axes, means: pd.DataFrame) -> None:
    """From the means, and intervals as far as they do not dwarf them; accuracies within 0 and 1."""
    values = means["value"].dropna()
    if values.empty:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    low, high = float(values.min()), float(values.max())
    reach = (high - low) or 0.05 * abs(high) or 0.05
    low = max(min(low, float(means["low"].min())), low - reach) if means["low"].notna().any() else low
    high = min(max(high, float(means["high"].max())), high + reach) if means["high"].notna().any() else high
    if means["metric"].map(_is_accuracy).all():
        low, high = max(low, 0.0), min(high, 1.0)
    space = 0.05 * (high - low) or reach
    axes.set_ylim(low - space, high + space)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _count_diverged(axes: Axes, means: pd.DataFrame, at: dict[Any, float], looks: dict[tuple[str, str], _Look]) -> None:
    """Crosses with numbers below the lines, a row for each arm that lost runs (once, not for each metric)."""
    lost = means[(means["lost"] > 0) & ~means["place"].map(missing)].drop_duplicates(["arm", "place"])
    arms = list(dict.fromkeys(lost["arm"]))
    low, high = axes.get_ylim()
    whole = (high - low) / (1 - FOOT * len(arms))
    axes.set_ylim(high - whole, high)
    for row in lost.to_dict("records"):
        height = high - whole + whole * FOOT * (len(arms) - arms.index(row["arm"]) - 0.5)
        color = looks[row["arm"], row["metric"]].color
        x = at[comparable(row["place"])]
        axes.plot([x], [height], marker="x", markersize=3.5, color=color, linestyle="none", zorder=5)
        axes.annotate(
            str(row["lost"]), (x, height), (3, 0), textcoords="offset points", va="center", fontsize=5.5, color=color
        )


def _layout(labels: list[str]) -> tuple[int, int]:
    """Columns of the legend, and lines of text in it."""
    if len(labels) < 2:
        return 1, 0
    letters = max(len(line) for label in labels for line in label.splitlines())
    columns = max(1, min(len(labels), int(PAGE / (LETTER * letters + SAMPLE))))
    return columns, math.ceil(len(labels) / columns) * max(label.count("\n") + 1 for label in labels)
