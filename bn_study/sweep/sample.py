"""A sample of an experiment's committed rows, by arm: the same for whoever draws it again.

A worker is told it in words, `--sample ROWS TABLE`, as it is told what to compose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bn_study.analysis import arms, tables
from bn_study.plan.experiment import Cell, Experiment, Grid, PlannedRun
from bn_study.store.store import Store
from bn_study.sweep.status import planned

FLAG, EVERY = "--sample", "every"


@dataclass(frozen=True)
class Sample:
    """rows: how many of an arm, None for every row that a claim rests on. table: the committed runs.csv."""

    rows: int | None
    table: Path

    @property
    def words(self) -> list[str]:
        return [FLAG, EVERY if self.rows is None else str(self.rows), str(self.table)]

    def of(self, experiment: Experiment) -> Experiment:
        """The experiment with these rows alone, as cells that wait for nothing: tuned values are the committed ones."""
        kept = tables.read_runs(self.table)
        runs, _ = planned(experiment, Store(self.table.parent / "no store"), kept)
        there = set(kept["run"])
        chosen = self._chosen(experiment, [run for run in runs if run.spec.id in there])
        grids = {name: Grid(name, grid.factors, _cells(name, chosen)) for name, grid in experiment.grids.items()}
        return replace(experiment, grids=grids, unchanged=experiment)

    def count(self, experiment: Experiment) -> tuple[int, int]:
        """How many rows are drawn, and how many there are."""
        drawn = {cell.spec.id for grid in self.of(experiment).grids.values() for cell in grid.cells if cell.spec}
        return len(drawn), len(tables.read_runs(self.table))

    def _chosen(self, experiment: Experiment, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        if self.rows is None:
            asked = {grid for claim in experiment.claims.values() for grid in claim.grids}
            return [run for run in runs if asked.intersection(run.grids)]
        return [run for place, arm in enumerate(arms.of_planned(runs)) for run in _spread(arm, self.rows, place)]


def split_sample(words: Sequence[str]) -> tuple[Sample | None, list[str]]:
    """The words of `Sample.words`, if they come first, and those behind them."""
    if not words or words[0] != FLAG:
        return None, list(words)
    _, rows, table, *rest = words
    return Sample(None if rows == EVERY else int(rows), Path(table)), rest


def _spread(arm: list[PlannedRun], rows: int, place: int) -> list[PlannedRun]:
    """So many of an arm's runs, evenly over its seeds; another first one in each arm."""
    step = max(len(arm) // rows, 1)
    places = {(place + index * step) % len(arm) for index in range(min(rows, len(arm)))}
    return [arm[one] for one in sorted(places)]


def _cells(grid: str, runs: Sequence[PlannedRun]) -> tuple[Cell, ...]:
    return tuple(Cell({}, {}, run.spec) for run in runs if grid in run.grids)
