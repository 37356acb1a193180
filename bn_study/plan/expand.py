"""An experiment and its tuned values -> the runs to train, and the cells that wait for tuning."""

from collections.abc import Mapping
from typing import Any

from bn_study.plan import specify
from bn_study.plan.experiment import Cell, Experiment, Factors, PlannedRun, Tune, Tuned, plain
from bn_study.plan.grids import set_value
from bn_study.plan.spec import RunSpec


def expand(experiment: Experiment, tuned: Mapping[str, Tuned]) -> tuple[list[PlannedRun], list[Cell]]:
    """The runs of an experiment, each once, in the order of its grids; and the cells that still wait for tuning.

    The result depends on the experiment and the tuned values alone, so every process finds the same runs.
    """
    specs: dict[str, RunSpec] = {}
    grids: dict[str, list[str]] = {}
    waiting: list[Cell] = []
    for grid in experiment.grids.values():
        for cell in grid.cells:
            spec = cell.spec or _filled(cell, experiment, tuned)
            if spec is None:
                waiting.append(cell)
                continue
            known = specs.setdefault(spec.id, spec)
            if known is not spec and known.canonical() != spec.canonical():
                raise AssertionError(f"two different runs share the id {spec.id}")
            asking = grids.setdefault(spec.id, [])
            if grid.name not in asking:
                asking.append(grid.name)
    return [PlannedRun(spec, tuple(grids[run_id])) for run_id, spec in specs.items()], waiting


def arm_of(entry: Tune, settings: Factors) -> tuple[Any, ...]:
    """The arm of a tuning that a cell with these settings belongs to: the values of `per`, as a table has them."""
    return tuple(plain(settings.get(one)) for one in entry.per)


def _filled(cell: Cell, experiment: Experiment, tuned: Mapping[str, Tuned]) -> RunSpec | None:
    config, settings = dict(cell.config), cell.settings
    for factor, entry in cell.waits.items():
        arm = arm_of(experiment.tune[entry], settings)
        if entry not in tuned or arm not in tuned[entry].chosen:
            return None
        set_value(config, factor, tuned[entry].chosen[arm][factor])
    return specify.specify(config)
