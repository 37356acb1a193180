"""Which records the runs of grids will have, as their parts declare, and whether they include what will be read."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bn_study.analysis.needed import LAYERS, Needed
from bn_study.errors import UsageError
from bn_study.plan import parts, promised
from bn_study.plan.declared import Record
from bn_study.plan.experiment import Experiment

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Planned:
    """steps: each record that some run will have, and the steps at which one will have it. probes: of all runs."""

    steps: Mapping[Record, set[int]]
    probes: frozenset[str]


def planned(experiment: Experiment, grids: Sequence[str]) -> Planned | None:
    """The records of all cells of some grids. None if a setting that decides them waits for tuning."""
    specs = promised.distinct(cell for grid in grids for cell in experiment.grids[grid].cells)
    return None if None in specs else planned_of(specs)


def planned_of(specs: Iterable[Any]) -> Planned:
    """The records of some runs, each given as in `promised.distinct`."""
    steps: dict[Record, set[int]] = {}
    probes: set[str] = set()
    for spec in specs:
        probes.update(probe.name for probe in spec.probes)
        for record, own in promised.records(spec).items():
            steps.setdefault(record, set()).update(own)
    return Planned(steps, frozenset(probes))


def series(need: Needed, there: Planned) -> list[Record]:
    """The records that a need means."""
    named = (one for one in there.steps if one.name == need.name and one.vector == need.vector)
    return [one for one in named if _at(one.site, need.site)]


def check_needed(reader: str, needs: Iterable[Needed], there: Planned | None, names_only: bool = False) -> None:
    """Raises UsageError with the nearest name for the first need that no run will meet.

    reader: who reads it, for the message. there: None if not known yet. names_only: do not check the site and the step.
    """
    for need in needs if there is not None else ():
        assert there is not None
        named = {one for one in there.steps if one.name == need.name and one.vector == need.vector}
        if not named:
            raise UsageError(_not_recorded(reader, need, there))
        if names_only:
            continue
        at_site = series(need, there)
        if not at_site:
            sites = {LAYERS + one.site.partition("/")[2] if need.site.startswith(LAYERS) else one.site for one in named}
            wrong = parts.unknown("site", need.site, sites) if need.site else f"it needs a site: {_few(sites)}"
            raise UsageError(f"{reader} reads {need.name}: {wrong}")
        points = set().union(*(there.steps[one] for one in at_site))
        if need.step is not None and need.step not in points:
            nearest = min(points, key=lambda point: (abs(point - (need.step or 0)), point))
            raise UsageError(
                f"{reader} reads {need.name} at step {need.step}, at which no run measures it; "
                f"the nearest measuring point is {nearest}"
            )


def _at(site: str, needed: str) -> bool:
    if needed.startswith(LAYERS):
        return site.startswith("layer") and site.partition("/")[2] == needed.removeprefix(LAYERS)
    return site == needed


def _not_recorded(reader: str, need: Needed, there: Planned) -> str:
    """The message for a missing record. Record names start with the probe, but those of `curves` with the split."""
    kind = need.name.partition("/")[0]
    near = ["curves"] if kind in SPLITS else difflib.get_close_matches(kind, parts.names("probe"), n=1, cutoff=0.7)
    known = {one.name for one in there.steps if one.vector == need.vector}
    if near and near[0] not in there.probes:
        return f"{reader} reads {need.name}; add the probe {near[0]} to the grid"
    if near and not known:
        return f"{reader} reads {need.name}, a value for each unit; see conf/probe/{near[0]}.yaml for how to record it"
    return f"{reader}: {parts.unknown('record', need.name, known)}"


def _few(sites: set[str]) -> str:
    return ", ".join(sorted(sites)[: parts.FEW])
