"""The status of an experiment: which runs it plans, and which of them are done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bn_study.plan.expand import expand
from bn_study.plan.experiment import Cell, Experiment, PlannedRun, Tuned, plain
from bn_study.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PlanStatus:
    """The runs of an experiment as far as its tuned values are known.

    waiting: cells without a run, because a value is not tuned yet. done: ids of the runs in the store. awaited: ids of
    the selection runs of each arm for whose value a cell waits, without the arms whose selection runs are all done.
    """

    runs: list[PlannedRun]
    waiting: list[Cell]
    done: frozenset[str]
    awaited: list[frozenset[str]] = field(default_factory=list)

    def status(self, run: PlannedRun) -> Literal["done", "missing"]:
        return "done" if run.spec.id in self.done else "missing"

    @property
    def missing(self) -> list[PlannedRun]:
        return [run for run in self.runs if run.spec.id not in self.done]

    @property
    def left(self) -> int:
        """How many runs are still to be trained, those that wait for tuning included."""
        return len(self.missing) + len(self.waiting)

    def has_more(self, store: Store) -> bool:
        """Whether a plan made now would have more runs, because a value can be tuned that could not be."""
        return any(all(store.done(run) for run in arm) for arm in self.awaited)


def plan_status(experiment: Experiment, store: Store) -> PlanStatus:
    """The plan status, a function of the store alone. Called again later, it has the same runs or more.

    The store is listed before it is planned from: an arm that is complete in the list has been tuned, and one that a
    worker completes meanwhile is still awaited, so `has_more` finds it.
    """
    stored = set(store.ids())
    runs, waiting = planned(experiment, store)
    done = frozenset(run.spec.id for run in runs if run.spec.id in stored)
    return PlanStatus(runs, waiting, done, [arm for arm in _awaited(experiment, runs, waiting) if not arm <= done])


def _awaited(
    experiment: Experiment, runs: Sequence[PlannedRun], waiting: Sequence[Cell]
) -> list[frozenset[str]]:  # fmt: skip
    """The selection runs of each arm of the tunings that cells wait for."""
    arms: dict[tuple[Any, ...], set[str]] = {}
    for name in {entry for cell in waiting for entry in cell.waits.values()}:
        tune = experiment.tune[name]
        for run in runs:
            if set(tune.grids).intersection(run.grids):
                arm = name, *(plain(run.spec.settings.get(factor)) for factor in tune.per)
                arms.setdefault(arm, set()).add(run.spec.id)
    return [frozenset(arm) for arm in arms.values()]


def planned(
    experiment: Experiment, store: Store, kept: "pd.DataFrame | None" = None
) -> tuple[list[PlannedRun], list[Cell]]:
    """The runs as far as tuned values are known, and the waiting cells. A tuning may itself wait for another one."""
    runs, waiting = expand(experiment, {})
    while waiting:
        more, still = expand(experiment, tuned_values(experiment, runs, store, kept))
        if len(still) == len(waiting):
            break
        runs, waiting = more, still
    return runs, waiting


def tuned_values(
    experiment: Experiment, runs: Sequence[PlannedRun], store: Store, kept: "pd.DataFrame | None" = None
) -> dict[str, Tuned]:
    """The values that stored selection runs chose. kept: the committed table, for runs that the store lacks."""
    # imported late: pandas takes longer than all the rest of a plan without tuning
    from bn_study.analysis import tables, tune
    from bn_study.analysis.asked import asked

    grids = experiment.tuning_grids
    scores = [one for one in asked(experiment) if one.grid in grids]
    selection = [run for run in runs if grids.intersection(run.grids)]
    return tune.choose(experiment, tables.runs_table(selection, store, scores, kept))
