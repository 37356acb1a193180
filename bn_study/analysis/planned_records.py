"""Which records the runs of grids will have, from what parts declare; and whether what is read is among them."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from bn_study.analysis.needed import LAYERS, Needed
from bn_study.errors import UsageError
from bn_study.plan import declared, parts
from bn_study.plan.declared import Record
from bn_study.plan.experiment import Cell
from bn_study.plan.schedule import measuring_points
from bn_study.plan.spec import Part

Planned = Mapping[Record, set[int]]
"""Each record that some run will have, and the steps at which some run will have it."""


def planned(cells: Iterable[Cell]) -> Planned | None:
    """The records of all cells. None if what decides them waits for a tuning.

    Cells share the parts they are made of, so each combination of parts is looked at once.
    """
    found: dict[Record, set[int]] = {}
    combinations: dict[tuple[int, ...], Any] = {}
    for cell in cells:
        spec = cell.spec or _known(cell)
        if spec is None:
            return None
        key = *map(id, (spec.dataset, spec.model, spec.norm, spec.probes, spec.schedule)), spec.steps
        combinations.setdefault(key, spec)
    for spec in combinations.values():
        seen = declared.observed(spec.dataset, spec.model, spec.norm)
        points = measuring_points(spec)
        for probe in spec.probes:
            steps = {step for step, probes in points if any(one.name == probe.name for one in probes)}
            for record in declared.records(probe, seen):
                found.setdefault(record, set()).update(steps)
    return found


def check_needed(reader: str, needs: Iterable[Needed], records: Planned, steps: bool) -> None:
    """Raises UsageError with the nearest name for the first need that no run will meet.

    reader: who reads it, for the message. steps: whether a measuring point that is not there is an error too.
    """
    for need in needs:
        named = [one for one in records if one.name == need.name]
        if not named:
            raise UsageError(f"{reader}: {_unknown_name(need.name, records)}")
        there = [one for one in named if _at(one.site, need.site)]
        if not there:
            sites = {LAYERS + one.site.partition("/")[2] if need.site.startswith(LAYERS) else one.site for one in named}
            wrong = parts.unknown("site", need.site, sites) if need.site else f"{need.name} needs a site: {_few(sites)}"
            raise UsageError(f"{reader}: {need.name}: {wrong}")
        points = set().union(*(records[one] for one in there))
        step = need.step
        if steps and step is not None and step not in points:
            nearest = min(points, key=lambda one: (abs(one - step), one))
            raise UsageError(
                f"{reader}: no run measures {need.name} at step {step}; the nearest measuring point is {nearest}"
            )


def _known(cell: Cell) -> Any:
    """What decides the records of a cell that waits for a tuning; None if it is this that waits."""
    fields = cell.fields or {}
    known = SimpleNamespace(**fields, probes=fields.get("probe"))
    parts_known = all(isinstance(fields.get(kind), Part) for kind in ("dataset", "model", "norm"))
    complete = parts_known and isinstance(fields.get("probe"), tuple) and isinstance(fields.get("steps"), int)
    return known if complete and "schedule" in fields else None


def _at(site: str, needed: str) -> bool:
    if needed.startswith(LAYERS):
        return site.startswith("layer") and site.partition("/")[2] == needed.removeprefix(LAYERS)
    return site == needed


def _unknown_name(name: str, records: Planned) -> str:
    return parts.unknown("record", name, {one.name for one in records})


def _few(sites: set[str]) -> str:
    return ", ".join(sorted(sites)[: parts.FEW])
