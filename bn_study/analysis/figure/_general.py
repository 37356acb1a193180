"""Figures of any sweep, as the command line asks for them: `bn-study figure`.

curves: a metric over training steps; final: its last value over a setting; activations: quantiles of a layer's values
over steps, a row of panels for each layer; gradients: their norms over the layers. A panel for each value of one
setting, a colour for each value of another; means over seeds with 95 % t-intervals.
"""

import json
import math
import textwrap
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bn_study.analysis import csv_files
from bn_study.analysis.figure import _tables
from bn_study.analysis.figure._style import BLACK, LOOKS, PAGE, PALETTE, cross, save_as, style
from bn_study.analysis.settings import RESULTS, comparable, rank, written
from bn_study.errors import UsageError
from bn_study.plan import parts

KINDS = ("curves", "final", "activations", "gradients")
METRICS = {
    "curves": "test/accuracy",
    "final": "test/accuracy",
    "activations": "activation",
    "gradients": "gradient/delta",
}
"""What is drawn if nothing is said."""
SITES = {"activations": "pre", "gradients": "linear"}
QUANTILES = (5, 15, 50, 85, 95)
COLUMNS = ("row", "panel", "line", "norm", "series", "x", "value", "low", "high", "n")
ACROSS = 4  # panels in a row at most
HEIGHT = 2.0  # of a row of panels, in inches
ROW = 0.16  # of a line of the legend
LETTERS, TITLE = 100, 110  # in a line of the legend, and of all titles side by side


@dataclass(frozen=True)
class Asked:
    """What is drawn of which runs.

    by: settings whose values make lines; none for all that vary. colour: one of them that colours stand for. column:
    the setting that makes panels. over: with `final` the setting on the axis. metric, site: of the records.
    """

    kind: str
    metric: str
    site: str
    by: tuple[str, ...]
    colour: str | None
    column: str | None
    over: str | None


def plotted(runs: pd.DataFrame, records: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """Every number in the figure, a row each: mean over n runs at x with its 95 % interval, for a line of a panel.

    series: `mean`, `q5` .. `q95` with activations, `diverged` (where a run ended). Raises UsageError for a setting that
    is none, and if none of the runs recorded what is asked for.
    """
    settings = [name for name in runs if name not in RESULTS and "(" not in name]
    for name in (*asked.by, asked.colour, asked.column, asked.over):
        if name is not None and name not in settings:
            raise UsageError(parts.unknown("setting", name, settings))
    final = f"final(metric={asked.metric})"
    if asked.kind == "final" and not asked.site and final in runs:  # which every run has, with its records or without
        own = pd.DataFrame({"run": runs["run"], "step": 0, "value": runs[final].astype(float)})
    else:
        own = _recorded(records, asked)
    runs = runs[runs["run"].isin(own["run"])].reset_index(drop=True)
    names = [name for name in _tables.varying(runs) if name not in (asked.column, asked.over)]
    varied = ["norm", *names] if runs["norm"].nunique() > 1 else names
    by = list(dict.fromkeys([*(asked.by or varied), *([asked.colour] if asked.colour else [])]))
    by = [name for name in by if name not in (asked.column, asked.over)]
    found: list[dict[str, Any]] = []
    for panel, group in _groups(runs, [asked.column] if asked.column else []):
        for line, arm in _groups(group, by):
            title = _label(panel) or (f"no {asked.column}" if asked.column else "")
            about = {"panel": title, "line": _label(line), "norm": str(arm["norm"].iloc[0])}
            found += [about | row for row in _rows(arm, own[own["run"].isin(arm["run"])], asked)]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    return table.astype({"value": float, "low": float, "high": float, "n": "Int64"})


def draw(data: pd.DataFrame, asked: Asked) -> Figure:
    """The figure of what `plotted` gave."""
    rows, panels = list(dict.fromkeys(data["row"])), list(dict.fromkeys(data["panel"]))
    places = [(row, panel) for row in rows for panel in panels]
    across = min(ACROSS, len(panels)) if len(rows) == 1 else len(panels)
    down = math.ceil(len(places) / across)
    looks = _looks(data, asked)
    names = {line: textwrap.fill(line or "all runs", LETTERS) for line in looks}
    longest = max(len(line) for name in names.values() for line in name.splitlines())
    columns = max(1, min(3, int(PAGE / (0.055 * longest + 0.6))))
    tall = max(name.count("\n") + 1 for name in names.values())
    with style():
        height = HEIGHT * down + ROW * tall * math.ceil(len(looks) / columns)
        figure = Figure(figsize=(PAGE, height), layout="constrained")
        found = figure.subplots(down, across, squeeze=False, sharex=True, sharey=asked.kind != "activations")
        handles: dict[str, Any] = {}
        for at, axes in enumerate(found.flat):
            if at >= len(places):
                axes.set_visible(False)
                continue
            row, panel = places[at]
            own = data[(data["row"] == row) & (data["panel"] == panel)]
            handles |= _draw_panel(axes, own, looks, asked)
            title = " ".join(filter(None, [row, panel]))
            axes.set_title(textwrap.fill(title, TITLE // across), fontsize=7)
            if at >= len(places) - across:
                axes.set_xlabel(_axis(asked))
            if at % across == 0:
                axes.set_ylabel(_name(asked))
        if len(handles) > 1:
            labels = [names[line] for line in handles]
            figure.legend(list(handles.values()), labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def caption(runs: pd.DataFrame, data: pd.DataFrame, asked: Asked) -> str:
    """What is shown, of which runs."""
    what = {
        "curves": f"{asked.metric} over training steps",
        "final": f"the last {asked.metric} over {asked.over}",
        "activations": f"percentiles 5 to 95 of the values at layer<i>/{asked.site} over training steps",
        "gradients": f"log10 of {asked.metric} at layer<i>/{asked.site} at the last step over the layers",
    }[asked.kind]
    text = [f"{what[0].upper()}{what[1:]}: mean over seeds with its 95 % t-interval. Dashed: without normalisation."]
    if asked.kind == "activations":
        text = [f"{what[0].upper()}{what[1:]}: mean over seeds; the line is the median. Dashed: without normalisation."]
    if (data["series"] == "diverged").any():
        text.append("✕: a run diverged there; means go on without it.")
    return " ".join([*text, _tables.described(runs)])


def save(path: Path, runs: pd.DataFrame, data: pd.DataFrame, asked: Asked) -> list[Path]:
    """Write the figure, and beside it its numbers (.csv) and its caption with the ids of its runs (.json)."""
    numbers, about = path.with_suffix(".csv"), path.with_suffix(".json")
    described = {"caption": caption(runs, data, asked), "run_set": _tables.run_set(runs), "runs": sorted(runs["run"])}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_as(draw(data, asked), path)
        csv_files.write_csv(data, numbers)
        about.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); give another one with --output") from error
    return [path, numbers, about]


# --- numbers ----------------------------------------------------------------------------------------------------------


def _recorded(records: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """The records that are drawn; with a column `layer` where they belong to layers."""
    if asked.kind == "activations":
        own = records[records["name"].isin([f"activation/q{one}" for one in QUANTILES])]
    else:
        own = records[records["name"] == asked.metric]
    if asked.kind in SITES:
        layers = own["site"].str.extract(rf"^layer(\d+)/{asked.site}$")[0]
        own = own.assign(layer=pd.to_numeric(layers)).dropna(subset=["layer"]).astype({"layer": int})
    else:
        own = own[own["site"] == asked.site]
    if own.empty:
        known = sorted({str(one) for one in records["name"]})
        if not known:
            raise UsageError("the records of these runs are not on this machine; train them with `bn-study run`")
        what = asked.metric if asked.kind != "activations" else "activation/q50"
        if what in known:
            sites = ", ".join(sorted({one.rpartition("/")[2] or "no site" for one in records["site"]}))
            raise UsageError(f"{what} was not recorded at {asked.site or 'no site'}, but at {sites}; see --metric")
        raise UsageError(f"{parts.unknown('metric', what, known)} (a probe records it: probe=[curves,activations])")
    return own


def _groups(runs: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[list[tuple[str, Hashable]], pd.DataFrame]]:
    keys = list(zip(*(map(comparable, runs[name]) for name in names), strict=True)) if names else [()] * len(runs)
    for key in sorted(dict.fromkeys(keys), key=lambda key: [(one != "none", rank(one)) for one in key]):
        yield list(zip(names, key, strict=True)), runs[[one == key for one in keys]]


def _label(place: list[tuple[str, Hashable]]) -> str:
    return " ".join(f"{name}={written(value)}" for name, value in place if value is not None)


def _rows(arm: pd.DataFrame, own: pd.DataFrame, asked: Asked) -> Iterator[dict[str, Any]]:
    lost = arm[arm["status"] == "diverged"]
    if asked.kind == "curves":
        yield from _means(own, "step", "mean")
        for row in lost.to_dict("records"):
            for end in _tables.end(row, own[own["run"] == row["run"]]):
                yield {"row": "", "series": "diverged", "x": end["step"], "value": end["value"]}
    elif asked.kind == "final":
        last = own.sort_values("step").groupby("run")["value"].last()
        settings = arm.set_index("run")[asked.over]
        kept = last[~last.index.isin(lost["run"])]
        table = pd.DataFrame({"value": kept, "x": [comparable(settings[run]) for run in kept.index]})
        yield from _means(table[table["x"].notna()], "x", "mean")
    elif asked.kind == "gradients":
        at = own[own["step"] == own.groupby("run")["step"].transform("max")]
        positive = at[at["value"] > 0]
        yield from _means(positive.assign(value=np.log10(positive["value"])), "layer", "mean")
    else:
        for layer, values in own.groupby("layer"):
            for name, quantile in values.groupby("name"):
                yield from _means(quantile, "step", str(name).rpartition("/")[2], f"layer{layer}/{asked.site}")


def _means(values: pd.DataFrame, x: str, series: str, row: str = "") -> Iterator[dict[str, Any]]:
    finite = values[np.isfinite(values["value"].astype(float))]
    for place, own in finite.groupby(x)["value"]:
        low, high = _tables.interval(own.mean(), own.std(), len(own))
        numbers = {"value": own.mean(), "low": low, "high": high, "n": len(own)}
        yield {"row": row, "series": series, "x": place} | numbers


# --- picture ----------------------------------------------------------------------------------------------------------


def _looks(data: pd.DataFrame, asked: Asked) -> dict[str, tuple[str, str]]:
    """Colour and dashes of each line: colours stand for one setting if there is one, else for whole lines."""
    lines = dict(zip(data["line"], data["norm"], strict=True))
    keys = {line: _value(line, asked.colour) if asked.colour else line for line in lines}
    own = {f"norm={norm}": look.color for norm, look in LOOKS.items()}
    free = iter([one for one in PALETTE if one not in own.values()] * (len(lines) + 1))
    colours: dict[str, str] = {}
    for key in dict.fromkeys(keys.values()):
        colours[key] = own[key] if key in own else next(free)
    return {line: (colours[keys[line]], "--" if norm == "none" else "-") for line, norm in lines.items()}


def _value(line: str, setting: str | None) -> str:
    return next((word for word in line.split() if word.startswith(f"{setting}=")), "")


def _draw_panel(axes: Axes, data: pd.DataFrame, looks: dict[str, tuple[str, str]], asked: Asked) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    names = asked.kind == "final" and not all(isinstance(one, (int, float)) for one in data["x"])
    order = {one: at for at, one in enumerate(sorted(set(data["x"]), key=rank))} if names else {}
    for line, own in data[data["series"] != "diverged"].groupby("line", sort=False):
        color, dashes = looks[line]
        middle = own[own["series"].isin(("mean", "q50"))]
        x = [order[one] for one in middle["x"]] if names else middle["x"].to_numpy(float)
        marker = "o" if asked.kind in ("final", "gradients") or len(middle) < 16 else None
        (handles[str(line)],) = axes.plot(x, middle["value"], dashes, color=color, marker=marker, markersize=2.5)
        if asked.kind == "activations":
            for low, high, alpha in (("q5", "q95", 0.12), ("q15", "q85", 0.2)):
                ends = [own[own["series"] == one].set_index("x")["value"] for one in (low, high)]
                axes.fill_between(ends[0].index.to_numpy(float), *ends, color=color, alpha=alpha, linewidth=0)
        else:
            low, high = (middle[one].to_numpy(float) for one in ("low", "high"))
            axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    for row in data[data["series"] == "diverged"].to_dict("records"):
        cross(axes, row["x"], row["value"], looks[row["line"]][0] if row["line"] in looks else BLACK)
    if names:
        axes.set_xticks(range(len(order)), [written(one) for one in order])
    elif asked.kind == "final" and len(data) and data["x"].min() > 0 and data["x"].max() >= 10 * data["x"].min():
        axes.set_xscale("log")
    elif asked.kind == "gradients":
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return handles


def _axis(asked: Asked) -> str:
    return {"final": asked.over or "", "gradients": "hidden layer"}.get(asked.kind, "training steps")


def _name(asked: Asked) -> str:
    if asked.kind == "activations":
        return "values"
    return f"log₁₀ {asked.metric}" if asked.kind == "gradients" else asked.metric.replace("/", " ")
