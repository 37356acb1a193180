"""A record over the hidden layers, a line for each arm: mean of its decimal logarithm and 95 % t-interval over seeds.

The growth of gradients through depth (Yang et al. 2019), or of the moments of layers (Bjorck et al. 2018). BN is solid,
a plain net dashed; colours tell records and what else varies apart. A panel for each value of one setting.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bn_study.analysis.figure import _tables
from bn_study.analysis.figure._style import BLACK, PAGE, colors, dashes, say, style
from bn_study.analysis.figure._tables import Tables, of_grid
from bn_study.analysis.rounding import rounded_table
from bn_study.analysis.settings import comparable, rank, written
from bn_study.analysis.tables import HASH, Curve
from bn_study.plan.types import Natural, Number, Positive

COLUMNS = ("grid", "panel", "arm", "norm", "name", "series", "layer", "value", "low", "high", "n")
ACROSS = 3  # panels in a row at most
HEIGHT = 2.1  # of a row of panels, in inches
ROW = 0.16  # of a line of the legend
LETTERS = 40  # of a line's name from which on the legend has but two columns


def curves(
    runs: pd.DataFrame, *, grids: list[str], panels: str | None, records: list[str], site: str, step: Natural | None,
    power: Positive, growth: Number | None, growth_of: str | None,
) -> dict[str, list[Curve]]:  # fmt: skip
    """Run id -> the records of all its hidden layers at the step."""
    found = {}
    for grid in grids:
        for row in of_grid(runs, grid).to_dict("records"):
            sites = [f"layer{layer}/{site}" for layer in range(1, _tables.depth(row) + 1)]
            at = (-1 if step is None else step,)
            found[row["run"]] = [Curve(name, place, None, at) for name in records for place in sites]
    return found


def plotted(
    tables: Tables, *, grids: list[str], panels: str | None, records: list[str], site: str, step: Natural | None,
    power: Positive, growth: Number | None, growth_of: str | None,
) -> pd.DataFrame:  # fmt: skip
    """Every number in the figure, a row each.

    series: `mean` (value: mean over n runs of the decimal logarithm of |record|^power, with its 95 % interval; what is
    0 or not finite has none) and `theory` (a line of the given growth from layer to layer towards the input, through
    the last layer of the arm that it is of).
    """
    rows = [
        {"grid": grid, "panel": panel} | row
        for grid, panel, runs in _panels(tables, grids, panels)
        for row in _rows(tables, runs, records, site, step, power, growth, growth_of)
    ]
    table = rounded_table(pd.DataFrame(rows, columns=COLUMNS))
    return table.astype({"value": float, "low": float, "high": float} | dict.fromkeys(("layer", "n"), "Int64"))


def caption(
    tables: Tables, *, grids: list[str], panels: str | None, records: list[str], site: str, step: Natural | None,
    power: Positive, growth: Number | None, growth_of: str | None,
) -> str:  # fmt: skip
    """What is shown, by which rules, of which runs."""
    options: dict[str, Any] = {
        "grids": grids,
        "panels": panels,
        "records": records,
        "site": site,
        "step": step,
        "power": power,
    }
    data = plotted(tables, **options, growth=growth, growth_of=growth_of)
    quantity = " and ".join(_quantity(name, power) for name in records)
    text = [
        f"{quantity} at layer<i>/{site}, {'at the last step' if step is None else f'after {step:,} steps'}, over the "
        "hidden layers: mean over seeds of its decimal logarithm, with its 95 % t-interval. Dashed: no normalisation."
    ]
    if (data["series"] == "theory").any():
        text.append(f"Thin black line: growth by {growth:g} with each layer towards the input, for {growth_of}.")
    shown = [runs for _, _, runs in _panels(tables, grids, panels)]
    return " ".join([*text, _tables.described(pd.concat(shown) if shown else tables.runs.iloc[:0])])


def draw(
    tables: Tables, *, grids: list[str], panels: str | None, records: list[str], site: str, step: Natural | None,
    power: Positive, growth: Number | None, growth_of: str | None,
) -> Figure:  # fmt: skip
    """The figure, of the numbers in `plotted`."""
    options: dict[str, Any] = {
        "grids": grids,
        "panels": panels,
        "records": records,
        "site": site,
        "step": step,
        "power": power,
    }
    data = plotted(tables, **options, growth=growth, growth_of=growth_of)
    places = list(dict.fromkeys(zip(data["grid"], data["panel"], strict=True))) or [(grids[0] if grids else "", "")]
    means = data[data["series"] == "mean"]
    keys = list(dict.fromkeys(zip(means["name"], _without_norm(means), strict=True)))
    looks = colors(keys)
    series = list(dict.fromkeys(zip(means["arm"], means["norm"], means["name"], _without_norm(means), strict=True)))
    across = min(ACROSS, len(places))
    down = math.ceil(len(places) / across)
    with style():
        longest = max((len(arm) + len(name) for arm, _, name, _ in series), default=0)
        columns = 2 if len(series) == 4 or longest > LETTERS else 3
        rows = math.ceil((len(series) + (growth is not None)) / columns)
        figure = Figure(figsize=(PAGE, HEIGHT * down + ROW * rows), layout="constrained")
        found = figure.subplots(down, across, squeeze=False, sharey=True)
        handles: dict[str, Any] = {}
        for at, axes in enumerate(found.flat):
            if at >= len(places):
                axes.set_visible(False)
                continue
            grid, panel = places[at]
            own = data[(data["grid"] == grid) & (data["panel"] == panel)]
            handles |= _draw_panel(axes, own, looks, several=len(records) > 1)
            axes.set_title(" ".join(filter(None, [grid if len(grids) > 1 else "", panel])), fontsize=8)
            axes.set_xlabel("hidden layer")
            if at % across == 0:
                axes.set_ylabel(f"log₁₀ {_axis(records, power)}")
        if handles:
            lines, names = list(handles.values()), list(handles)
            figure.legend(
                lines, names, loc="outside lower center", ncols=columns, frameon=False, handlelength=2.6
            )  # fmt: skip
    return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _panels(tables: Tables, grids: list[str], panels: str | None) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Grid, the panel's name and its runs."""
    for grid in grids:
        runs = of_grid(tables.runs, grid)
        if panels is None or panels not in runs:
            if len(runs):
                yield grid, "", runs
            continue
        values = {comparable(one): one for one in runs[panels]}
        for value in sorted(values, key=rank):
            own = runs[[comparable(one) == value for one in runs[panels]]]
            yield grid, f"{panels}={written(values[value])}", own.reset_index(drop=True)


def _rows(
    tables: Tables, runs: pd.DataFrame, records: list[str], site: str, step: int | None, power: float,
    growth: float | None, growth_of: str | None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    for arm in _tables.arms(runs):
        digits = {run[-HASH:] for run in arm.rows["run"]}
        for name in records:
            found = _by_layer(tables.curves, digits, name, site, step)
            line = {"arm": arm.label, "norm": arm.norm, "name": name}
            values = power * np.log10(found["value"].abs().where(lambda one: one > 0))
            means = values.groupby(found["layer"]).agg(["mean", "std", "count"])
            for layer, mean, deviation, count in means[means["count"] > 0].itertuples():
                low, high = _tables.interval(mean, deviation, count)
                numbers = {"layer": layer, "value": mean, "low": low, "high": high, "n": count}
                yield line | {"series": "mean"} | numbers
            if growth is not None and arm.label == growth_of and len(means):
                last = means.index[-1]
                for layer in means.index:
                    value = means.loc[last, "mean"] + (last - layer) * math.log10(growth)
                    yield line | {"series": "theory", "layer": layer, "value": value}


def _by_layer(curves: pd.DataFrame, digits: set[str], name: str, site: str, step: int | None) -> pd.DataFrame:
    """Layer and value, a row for each run and layer, of what was recorded at the step (None: the run's last)."""
    found = curves[(curves["name"] == name) & curves["run"].isin(digits)]
    layers = found["site"].str.extract(rf"^layer(\d+)/{site}$")[0]
    found = found.assign(layer=pd.to_numeric(layers)).dropna(subset=["layer"])
    last = found.groupby("run")["step"].transform("max") if step is None else step
    found = found[(found["step"] == last) & np.isfinite(found["value"].astype(float))]
    return found.astype({"layer": int})


def _without_norm(means: pd.DataFrame) -> list[str]:
    """What an arm's label says besides its normaliser: lines that differ in that alone share a colour."""
    return [" ".join(word for word in arm.split() if not word.startswith("norm")) for arm in means["arm"]]


# --- picture ----------------------------------------------------------------------------------------------------------


def _draw_panel(axes: Axes, data: pd.DataFrame, looks: dict[Any, tuple[str, str]], several: bool) -> dict[str, Any]:
    """Draws one panel; its lines by their names in the legend."""
    means = data[data["series"] == "mean"]
    handles: dict[str, Any] = {}
    if means.empty:
        say(axes, "no run recorded this yet")
        axes.set_xticks([])
        axes.set_yticks([])
        return handles
    means = means.assign(rest=_without_norm(means))
    for (arm, norm, name, rest), line in means.groupby(["arm", "norm", "name", "rest"], sort=False):
        color, marker = looks[name, rest]
        layer, value, low, high = (line[one].to_numpy(float) for one in ("layer", "value", "low", "high"))
        axes.fill_between(layer, low, high, color=color, alpha=0.15, linewidth=0)
        (drawn,) = axes.plot(layer, value, dashes(str(norm)), color=color, marker=marker, markersize=2)
        label = " ".join(filter(None, [str(arm), _quantity(str(name), 1) if several else ""]))
        handles[label or _quantity(str(name), 1)] = drawn
    for arm, line in data[data["series"] == "theory"].groupby("arm", sort=False):
        (drawn,) = axes.plot(line["layer"].to_numpy(float), line["value"], "-", color=BLACK, linewidth=0.6, zorder=5)
        handles[f"theory for {arm}"] = drawn
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return handles


def _quantity(name: str, power: float) -> str:
    """`‖δ‖²` in plain words: `gradient/delta squared`."""
    return name + {1.0: "", 2.0: " squared"}.get(power, f" to the power {power:g}")


def _axis(records: list[str], power: float) -> str:
    kinds = {name.partition("/")[0] for name in records}
    return _quantity(records[0], power) if len(records) == 1 else f"|{' or '.join(sorted(kinds))}|"
