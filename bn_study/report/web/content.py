"""The data in an experiment's page, as compact JSON: settings, results, thinned curves, histograms."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bn_study.analysis import interval
from bn_study.analysis.arms import by_settings, varying
from bn_study.analysis.selection import is_selection
from bn_study.analysis.settings import comparable, missing, setting_names, written
from bn_study.analysis.shown import on_the_way

POINTS = 60  # at most, per curve
DIGITS = 5  # significant digits of a number
STEPS = 24  # histograms at most, per site
PROVENANCE = ("status", "diverged_at", "grids", "commit", "dirty", "stated")


def of_runs(
    runs: pd.DataFrame,
    records: pd.DataFrame,
    vectors: pd.DataFrame,
    provenance: Mapping[str, Mapping[str, Any]],
    tuning: Collection[str] = (),
) -> dict[str, Any]:
    """The content as columns, not objects, so that a thousand runs stay small.

    tuning: the grids that only serve to tune values. ids: of the runs, in order. selection: whether each run only chose
    tuned values, so that it is not pooled with the others. varied: setting -> text of its value in each run, for
    settings that differ. numbers: the numeric settings among them. following: the same for settings that another
    setting decides, such as a data set's fingerprint. same: setting -> value, for the others. results: measure ->
    values. provenance: name -> values, from the runs' own files if they are on this machine. curves: metric -> run's
    index -> [index into steps, values], without what the whole split gives at the end; cut: those that lack such ends.
    shares: the results and curves that cannot leave [0, 1] (`interval.of_mean` has the interval of their means).
    histograms: a list of runs, one seed per arm.
    """
    settings = setting_names(runs)
    different = [name for name in settings if len({comparable(one) for one in runs[name]}) > 1]
    varied = set(varying(runs)) | {"norm"}
    shown = [*sorted((name for name in different if name in varied), key=lambda name: (name != "norm", name)), "seed"]
    steps: list[list[int]] = []
    results = {name: _numbers(runs[name]) for name in runs if "(" in name and runs[name].notna().any()}
    cut: set[str] = set()
    curves = dict(_curves(runs, records, steps, cut))
    return {
        "ids": list(runs["run"]),
        "selection": is_selection(runs, tuning),
        "varied": {name: [_word(one) for one in runs[name]] for name in shown},
        "numbers": [name for name in shown if is_numeric_dtype(runs[name]) and not is_bool_dtype(runs[name])],
        "following": {name: [_word(one) for one in runs[name]] for name in different if name not in varied},
        "same": {name: _word(runs[name].iloc[0]) for name in settings if name not in different and len(runs)},
        "results": results,
        "provenance": _provenance(runs, provenance),
        "steps": steps,
        "curves": curves,
        "cut": sorted(cut & set(curves)),
        "shares": [name for name in (*results, *curves) if interval.is_share(_metric(name))],
        "histograms": list(_histograms(runs, vectors, tuning)),
    }


def _metric(result: str) -> str:
    """`test/accuracy` of `final(metric=test/accuracy)`; other results, and curves, are themselves."""
    return result.removeprefix("final(metric=").removesuffix(")")


def _word(value: Any) -> str:
    return "" if missing(value) else written(value)


def _numbers(values: Any) -> list[float | None]:
    """Rounded values; null for nan and infinity, which JSON lacks."""
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in np.asarray(values, float)]


def _provenance(runs: pd.DataFrame, more: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    columns = {name: [_word(value) for value in runs[name]] for name in PROVENANCE if name in runs}
    names = sorted({name for values in more.values() for name in values})
    for name in names:
        columns[name] = [_word(more.get(run, {}).get(name)) for run in runs["run"]]
    return columns


def _curves(
    runs: pd.DataFrame, records: pd.DataFrame, steps: list[list[int]], cut: set[str]
) -> Iterator[tuple[str, Any]]:
    """Curves by metric, of records without a site. Two arguments collect what is found.

    steps: the distinct series of steps. cut: the metrics whose curves lost their last step (`shown.on_the_way`).
    """
    rows = {row["run"]: row for row in runs.to_dict("records")}
    indices = {run: index for index, run in enumerate(rows)}
    known: dict[tuple[int, ...], int] = {}
    own = records[(records["site"] == "") & records["run"].isin(indices)].sort_values("step", kind="stable")
    for name, metric in own.groupby("name"):
        curves = {}
        for run, line in metric.groupby("run", sort=False):
            curve = on_the_way(line, rows[run], str(name))
            if len(curve) < len(line):
                cut.add(str(name))
            if len(curve) > 1:
                kept = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), POINTS)).round().astype(int))
                at = tuple(curve["step"].to_numpy()[kept].tolist())
                if at not in known:
                    known[at] = len(steps)
                    steps.append(list(at))
                curves[indices[run]] = [known[at], _numbers(curve["value"].to_numpy()[kept])]
        if curves:
            yield str(name), curves


def firsts(runs: pd.DataFrame, tuning: Collection[str]) -> dict[str, str]:
    """The run that stands for each arm -> the arm's label: its first one that does not only choose tuned values."""
    found = {}
    for arm in by_settings(runs):
        selection = is_selection(arm.rows, tuning)
        run = arm.rows["run"].iloc[selection.index(False) if False in selection else 0]
        found[run] = arm.label or run
    return found


def _histograms(runs: pd.DataFrame, vectors: pd.DataFrame, tuning: Collection[str]) -> Iterator[dict[str, Any]]:
    """For a run of each arm with histograms: its index, label, and steps, edges and counts by kind and site."""
    names = {name for name in set(vectors["name"]) if name.endswith("/histogram")}
    if not names or runs.empty:
        return
    for run, label in firsts(runs, tuning).items():
        own = vectors[vectors["run"] == run]
        sites: dict[str, Any] = {}
        for name in sorted(names):
            counts = own[own["name"] == name]
            edges = own[own["name"] == name.replace("/histogram", "/edges")]
            for site in sorted(set(counts["site"])):
                table = _wide(counts, site)
                ends = _wide(edges, site)
                both = table.index.intersection(ends.index)
                if not len(both):
                    continue
                kept = both[np.unique(np.linspace(0, len(both) - 1, min(len(both), STEPS)).round().astype(int))]
                sites[f"{name.partition('/')[0]} {site}"] = {
                    "steps": kept.tolist(),
                    "counts": [_numbers(one) for one in table.loc[kept].to_numpy()],
                    "edges": [_numbers(one) for one in ends.loc[kept].to_numpy()],
                }
        if sites:
            yield {"run": int(np.flatnonzero(runs["run"] == run)[0]), "label": label, "sites": sites}


def _wide(vectors: pd.DataFrame, site: str) -> pd.DataFrame:
    return vectors[vectors["site"] == site].pivot_table(index="step", columns="unit", values="value")
