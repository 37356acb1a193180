"""What an experiment's page knows of its runs, as compact JSON: settings, results, thinned curves, histograms."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bn_study.analysis.arms import by_settings, varying
from bn_study.analysis.settings import comparable, missing, setting_names, written

POINTS = 60  # of a curve at most
DIGITS = 5  # of a number in a curve
STEPS = 24  # histograms of a site at most
PROVENANCE = ("status", "diverged_at", "grids", "commit", "dirty", "stated")


def of_runs(
    runs: pd.DataFrame, records: pd.DataFrame, vectors: pd.DataFrame, provenance: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Columns, not objects, so that a thousand runs stay small.

    ids: of the runs, in order. varied: setting -> its value of each run, in words, of those that differ; numbers: the
    settings among them that are numbers. following: the same of settings that another one decides, as a data set its
    fingerprint. same: setting -> value, of the others. results: measure -> values. provenance: name -> values, those of
    the runs' own files where they are on this machine. curves: metric -> run's place -> [place in steps, values].
    histograms: a list of runs, one seed an arm.
    """
    settings = setting_names(runs)
    different = [name for name in settings if len({comparable(one) for one in runs[name]}) > 1]
    varied = set(varying(runs)) | {"norm"}
    shown = [*sorted((name for name in different if name in varied), key=lambda name: (name != "norm", name)), "seed"]
    steps: list[list[int]] = []
    return {
        "ids": list(runs["run"]),
        "varied": {name: [_word(one) for one in runs[name]] for name in shown},
        "numbers": [name for name in shown if pd.api.types.is_numeric_dtype(runs[name])],
        "following": {name: [_word(one) for one in runs[name]] for name in different if name not in varied},
        "same": {name: _word(runs[name].iloc[0]) for name in settings if name not in different and len(runs)},
        "results": {name: _numbers(runs[name]) for name in runs if "(" in name and runs[name].notna().any()},
        "provenance": _provenance(runs, provenance),
        "steps": steps,
        "curves": dict(_curves(runs, records, steps)),
        "histograms": list(_histograms(runs, vectors)),
    }


def _word(value: Any) -> str:
    return "" if missing(value) else written(value)


def _numbers(values: Any) -> list[float | None]:
    """Rounded, with null for what is no number in JSON."""
    return [float(f"{one:.{DIGITS}g}") if np.isfinite(one) else None for one in np.asarray(values, float)]


def _provenance(runs: pd.DataFrame, more: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    found = {name: [_word(one) for one in runs[name]] for name in PROVENANCE if name in runs}
    names = sorted({name for one in more.values() for name in one})
    for name in names:
        found[name] = [_word(more.get(run, {}).get(name)) for run in runs["run"]]
    return found


def _curves(runs: pd.DataFrame, records: pd.DataFrame, steps: list[list[int]]) -> Iterator[tuple[str, Any]]:
    """By metric, of records that belong to no site; `steps` collects the different series of steps."""
    places = {run: at for at, run in enumerate(runs["run"])}
    known: dict[tuple[int, ...], int] = {}
    own = records[(records["site"] == "") & records["run"].isin(places)].sort_values("step", kind="stable")
    for name, metric in own.groupby("name"):
        found = {}
        for run, curve in metric.groupby("run", sort=False):
            if len(curve) > 1:
                kept = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), POINTS)).round().astype(int))
                at = tuple(curve["step"].to_numpy()[kept].tolist())
                if at not in known:
                    known[at] = len(steps)
                    steps.append(list(at))
                found[places[run]] = [known[at], _numbers(curve["value"].to_numpy()[kept])]
        if found:
            yield str(name), found


def _histograms(runs: pd.DataFrame, vectors: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Of the first run of each arm that has some: its place and name, and by kind and site steps, edges and counts."""
    names = {name for name in set(vectors["name"]) if name.endswith("/histogram")}
    if not names or runs.empty:
        return
    for arm in by_settings(runs):
        run = arm.rows["run"].iloc[0]
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
            yield {"run": int(np.flatnonzero(runs["run"] == run)[0]), "label": arm.label or run, "sites": sites}


def _wide(vectors: pd.DataFrame, site: str) -> pd.DataFrame:
    return vectors[vectors["site"] == site].pivot_table(index="step", columns="unit", values="value")
