"""What the runs of cells will record, and at which steps, as their parts declare it."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from bn_study.plan import declared
from bn_study.plan.declared import Record
from bn_study.plan.experiment import Cell
from bn_study.plan.schedule import measuring_points
from bn_study.plan.spec import Part


def distinct(cells: Iterable[Cell]) -> list[Any]:
    """The settings that decide what is recorded, each combination once; None for those that wait for tuning.

    They are a RunSpec, or have its fields as far as they matter here. Cells share parts, so few are looked at.
    """
    combinations: dict[Any, Any] = {}
    for cell in cells:
        spec = cell.spec or _known(cell)
        key = None
        if spec is not None:
            key = *map(id, (spec.dataset, spec.model, spec.norm, spec.probes, spec.schedule)), spec.steps
        combinations.setdefault(key, spec)
    return list(combinations.values())


def records(spec: Any) -> Mapping[Record, set[int]]:
    """The records of a run, each with the steps at which it is measured."""
    seen = declared.observed(spec.dataset, spec.model, spec.norm)
    points = measuring_points(spec)
    found: dict[Record, set[int]] = {}
    for probe in spec.probes:
        own = {step for step, probes in points if any(one.name == probe.name for one in probes)}
        found |= dict.fromkeys(declared.records(probe, seen), own)
    return found


def _known(cell: Cell) -> Any:
    """The settings that decide the records of a cell that waits for tuning; None if one of them waits itself."""
    fields = cell.fields or {}
    known = SimpleNamespace(**fields, probes=fields.get("probe"))
    parts_known = all(isinstance(fields.get(kind), Part) for kind in ("dataset", "model", "norm"))
    complete = parts_known and isinstance(fields.get("probe"), tuple) and isinstance(fields.get("steps"), int)
    return known if complete and "schedule" in fields else None
