"""Store -> the two tables that everything else is drawn from: runs (a row per run) and curves (a row per record).

Both are written as CSV and always read back before use, so that a report redrawn from the committed files is the
same. A planned run comes from the store; if it is not there, a committed row of it serves, provided that it holds every
measure that is asked of the run now, but for those that only a figure draws. A run that is in neither is absent.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from bn_study.analysis.asked import Asked, of_run, on_these, value
from bn_study.analysis.csv_files import TEXT, column, read_csv
from bn_study.analysis.rounding import rounded, rounded_table
from bn_study.analysis.settings import RESULTS, missing, rank
from bn_study.plan.device import CPU
from bn_study.plan.experiment import PlannedRun, plain
from bn_study.plan.renamed import current
from bn_study.store.store import Store
from bn_study.store.stored_run import DamagedRun, StoredRun

CURVES = ("run", "step", "name", "site", "unit", "value")
NOTES = ("numerics", "device")
"""Columns of a table of runs that are left out where all fields are empty."""
Points = dict[tuple[str, str, Any], list[tuple[int, float]]]
"""By name, site and unit: step and value."""
EVERY: Literal["every"] = "every"
"""All values of a vector, such as a histogram's counts; `unit` in curves.csv is then the index in the vector."""
DRAWN = 6  # significant digits of the curves, which are drawn and not tested
HASH = 10  # the hex digits at the end of a run's id: enough to name it in the curves


@dataclass(frozen=True)
class Curve:
    """Records of a run that a figure draws, of one name and site ("" for none).

    unit: None for a scalar; for a vector the function that picks the one value to draw from the run, or EVERY.
    steps: of these measuring points only, of which -1 is the last one that there is; None: of all.
    """

    name: str
    site: str
    unit: Callable[[StoredRun], int] | Literal["every"] | None = None
    steps: tuple[int, ...] | None = None

    def shown(self, steps: Sequence[int]) -> list[bool]:
        """Which of the measuring points of a run, in order, are drawn."""
        last = steps[-1] if len(steps) else None
        return [self.steps is None or step in self.steps or (step == last and -1 in self.steps) for step in steps]


def runs_table(
    planned: Sequence[PlannedRun], store: Store, measures: Sequence[Asked], kept: pd.DataFrame | None = None
) -> pd.DataFrame:
    """A row per run of the plan that the store, or else the committed table `kept`, has.

    Columns: run, grids (separated by spaces), seed, status, diverged_at, classes, commit, dirty, numerics
    (portable, native, or "" where nobody noted them), device (the GPUs that trained it, or "" for the CPU), stated
    (`claim:hash` of the claims on its grids when it was trained, separated by spaces), measured (the labels of the
    measures that were asked of it, separated by spaces), then every setting, then every measure by its label. A
    setting that a run lacks is missing, and so is a measure that it was not asked for or has no value of. Measures
    are rounded (see `rounding`), settings are as they were given. A setting that is null in all runs has a column
    only if `kept` has one, so that an option that came later, whose null means "as before", changes no committed
    table; nor have NOTES that are empty in all runs. A damaged run is set aside with a warning. Sorted by grids,
    settings and seed.
    """
    committed = {} if kept is None or kept.empty else {row["run"]: row for row in kept.to_dict("records")}
    rows, labels, settings = [], set(), set()
    asked_of: dict[tuple[tuple[str, ...], str], dict[str, Asked]] = {}  # of the many runs of few grids and data sets
    for run in planned:
        place = run.grids, run.spec.dataset.name
        if place not in asked_of:
            asked_of[place] = of_run(run, measures)
        wanted = asked_of[place]
        own = {key: plain(value) for key, value in run.spec.settings.items()}
        labels |= set(wanted)
        settings |= set(own) - set(RESULTS)
        results = _from_store(run, store, wanted) or _from_committed(committed.get(run.spec.id), wanted)
        if results is None:
            continue
        results["stated"] = on_these(run.grids, results["stated"], measures)
        rows.append({"run": run.spec.id, "grids": " ".join(run.grids)} | own | results)
    named = {key for row in rows for key in settings if not missing(row.get(key))}
    if rows:
        settings &= named | set(() if kept is None else kept.columns)
    idle = {one for one in NOTES if not any(row[one] for row in rows) and (kept is None or one not in kept)}
    columns = [*(one for one in RESULTS if one not in idle), *sorted(settings), *sorted(labels)]
    order = [*sorted(settings), "seed", "run"]

    def sorted_by(row: Mapping[str, Any]) -> list[Any]:
        return [row["grids"], *(rank(row.get(key)) for key in order)]

    rows.sort(key=sorted_by)
    table = pd.DataFrame({key: column([row.get(key) for row in rows], key in TEXT) for key in columns})
    return rounded_table(table.astype(dict.fromkeys(labels, "float64")), labels)


def read_runs(path: Path) -> pd.DataFrame:
    """A table of runs that `runs_table` made and `write_csv` wrote; settings get the names that they have today."""
    return read_csv(path).rename(columns=current)


def curves_table(
    planned: Sequence[PlannedRun],
    store: Store,
    wanted: Mapping[str, Sequence[Curve]],
    kept: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The records that figures draw: run (the 10 hex digits of its id), step, name, site, unit, value.

    wanted: by run id. Values are rounded to DRAWN digits. Runs that the store lacks are taken
    from `kept`. Sorted by run, name, site, unit and step.
    """
    committed = {} if kept is None else dict(list(kept.groupby("run")))
    rows: list[tuple[Any, ...]] = []
    for run in sorted(planned, key=lambda one: one.spec.id[-HASH:]):
        curves, digits = wanted.get(run.spec.id, ()), run.spec.id[-HASH:]
        if curves:
            found = _read(run, store, partial(_records, curves))
            if found is None and digits in committed:
                found = _kept_records(curves, committed[digits])
            for name, site, unit in sorted(found or {}):
                rows += [(digits, step, name, site, unit, value) for step, value in found[name, site, unit]]
    columns = zip(*rows, strict=True) if rows else [()] * len(CURVES)
    table = pd.DataFrame({key: column(list(one), key in TEXT) for key, one in zip(CURVES, columns, strict=True)})
    return table.astype({"value": "float64"})


def _from_store(run: PlannedRun, store: Store, wanted: Mapping[str, Asked]) -> dict[str, Any] | None:
    def results(stored: StoredRun) -> dict[str, Any]:
        found, attempts = stored.provenance, stored.attempts
        # the study of each attempt; runs of before the package and the study were told apart have none
        studies = [one.get("study") or one for one in attempts]
        return {
            "status": found["status"],
            "diverged_at": found.get("diverged_at"),
            "classes": found["classes"],
            "commit": studies[0].get("commit") or "",
            "dirty": any(one.get("dirty") for one in attempts + studies),
            "numerics": " + ".join(dict.fromkeys(filter(None, (one.get("numerics") for one in attempts)))),
            "device": _device(attempts),
            "stated": " ".join(sorted(_stated(attempts))),
            "measured": " ".join(sorted(wanted)),
        } | {label: value(one, run, stored) for label, one in wanted.items()}

    return _read(run, store, results)


def _stated(attempts: Sequence[Mapping[str, Any]]) -> set[str]:
    """The claims that were stated, as they are tested now, when a run's first attempt began.

    Attempts before the last one have not always listed them.
    """
    listed = [one["stated"] or {} for one in attempts if "stated" in one]
    return set.intersection(*({f"{name}:{tested}" for name, tested in one.items()} for one in listed or [{}]))


def _device(attempts: Sequence[Mapping[str, Any]]) -> str:
    """The GPUs that trained a run, and the CPU if it did so in turns with one; "" if only the CPU did."""
    names = dict.fromkeys(one.get("device", {"name": CPU})["name"] for one in attempts)
    return "" if list(names) == [CPU] else " + ".join(names)


def _from_committed(row: Mapping[str, Any] | None, wanted: Mapping[str, Asked]) -> dict[str, Any] | None:
    """A committed row, if it was asked for every measure that is wanted now (an empty field alone does not tell)."""
    if row is None:
        return None
    measured = set(row["measured"].split()) & set(wanted)
    if not all(label in measured or one.drawn for label, one in wanted.items()):
        return None
    kept = (*("status", "diverged_at", "classes", "commit", "dirty", "stated"), *sorted(measured))
    noted = {one: row.get(one, "") for one in NOTES} | {"measured": " ".join(sorted(measured))}
    return {key: row[key] for key in kept} | noted


def _read(run: PlannedRun, store: Store, use: Callable[[StoredRun], Any]) -> Any:
    """`use` of the stored run; None if it is not there, or damaged, which sets it aside."""
    if not store.done(run.spec.id):
        return None
    try:
        return use(store.read(run.spec.id))
    except DamagedRun as error:
        print(f"warning: {error}; {store.set_aside(run.spec.id)} and counts as missing", file=sys.stderr)
        return None


def _records(curves: Sequence[Curve], run: StoredRun) -> Points:
    found: Points = {}
    for curve in curves:
        recorded = run.scalars if curve.unit is None else run.arrays
        if (curve.name, curve.site) in recorded:
            steps, values = recorded[curve.name, curve.site]
            shown = curve.shown(steps.tolist())
            for unit, column in _units(curve, values, run):
                numbers = [rounded(one, DRAWN) for one in column[shown].tolist()]
                points = dict(zip(steps[shown].tolist(), numbers, strict=True))
                key = curve.name, curve.site, unit
                found[key] = sorted((dict(found.get(key, ())) | points).items())  # another figure may draw other steps
    return found


def _units(curve: Curve, values: np.ndarray, run: StoredRun) -> Iterator[tuple[int | None, np.ndarray]]:
    """What a curve draws of a record: the unit, None for a scalar, and its value at every measuring point."""
    if curve.unit is None:
        yield None, values
    else:
        units = range(values.shape[1]) if curve.unit == EVERY else [curve.unit(run)]
        yield from ((unit, values[:, unit]) for unit in units)


def _kept_records(curves: Sequence[Curve], rows: pd.DataFrame) -> Points:
    pairs = {(curve.name, curve.site) for curve in curves}
    found: Points = {}
    for row in rows.sort_values("step").to_dict("records"):
        if (row["name"], row["site"]) in pairs:
            unit = None if missing(row["unit"]) else row["unit"]
            found.setdefault((row["name"], row["site"], unit), []).append((row["step"], row["value"]))
    return found
