"""An experiment against the store: which runs there are to be, and which of them are done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bn_study.plan.expand import expand
from bn_study.plan.experiment import Cell, Experiment, PlannedRun, Tuned
from bn_study.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Agenda:
    """The runs of an experiment as far as its tuned values are known.

    waiting: cells that no run stands for yet, because a value is still to be tuned.
    done: ids of the runs that the store had when it was made.
    """

    runs: list[PlannedRun]
    waiting: list[Cell]
    done: frozenset[str]

    def status(self, run: PlannedRun) -> Literal["done", "missing"]:
        return "done" if run.spec.id in self.done else "missing"

    @property
    def missing(self) -> list[PlannedRun]:
        return [run for run in self.runs if run.spec.id not in self.done]


def agenda(experiment: Experiment, store: Store) -> Agenda:
    """What is to be trained, as a function of the store: whoever asks again finds the same runs, or more."""
    runs, waiting = planned(experiment, store)
    stored = set(store.ids())
    return Agenda(runs, waiting, frozenset(run.spec.id for run in runs if run.spec.id in stored))


def planned(
    experiment: Experiment, store: Store, kept: "pd.DataFrame | None" = None
) -> tuple[list[PlannedRun], list[Cell]]:
    """The runs as far as tuned values are known, and the cells that wait; a tuning may itself wait for another one."""
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
    """What the stored selection runs chose. kept: the committed table of runs, for those that the store lacks."""
    from bn_study.analysis import (
        tables,
        tune,  # with pandas, which takes a plan that waits for nothing longer than all the rest
    )

    grids = experiment.tuning_grids
    scores = [one for one in tables.asked(experiment) if one.grid in grids]
    selection = [run for run in runs if grids.intersection(run.grids)]
    return tune.choose(experiment, tables.runs_table(selection, store, scores, kept))
