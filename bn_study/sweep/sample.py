"""A sample of an experiment's committed rows, by arm. Drawing it again gives the same rows.

A worker gets it on its command line as `--sample ROWS TABLE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bn_study.plan.experiment import Cell, Experiment, Grid, PlannedRun
from bn_study.store.store import Store
from bn_study.sweep.status import planned

FLAG, EVERY = "--sample", "every"


@dataclass(frozen=True)
class Sample:
    """rows: the number of rows per arm; None for every row that a claim rests on. table: the committed runs.csv."""

    rows: int | None
    table: Path

    @property
    def words(self) -> list[str]:
        return [FLAG, EVERY if self.rows is None else str(self.rows), str(self.table)]

    def of(self, experiment: Experiment) -> Experiment:
        """The experiment with these rows alone. No cell waits for tuning: tuned values are the committed ones."""
        from bn_study.analysis import tables  # imported late: pandas and scipy take longer than all the rest of a plan

        kept = tables.read_runs(self.table)
        runs, _ = planned(experiment, Store(self.table.parent / "no store"), kept)
        committed = set(kept["run"])
        chosen = self._chosen(experiment, [run for run in runs if run.spec.id in committed])
        grids = {name: Grid(name, grid.factors, _cells(name, chosen)) for name, grid in experiment.grids.items()}
        return replace(experiment, grids=grids, unchanged=experiment)

    def count(self, experiment: Experiment) -> tuple[int, int]:
        """The number of rows in the sample, and in the committed table."""
        from bn_study.analysis import tables

        drawn = {cell.spec.id for grid in self.of(experiment).grids.values() for cell in grid.cells if cell.spec}
        return len(drawn), len(tables.read_runs(self.table))

    def _chosen(self, experiment: Experiment, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        from bn_study.analysis import arms

        if self.rows is None:
            tested = {grid for claim in experiment.claims.values() for grid in claim.grids}
            return [run for run in runs if tested.intersection(run.grids)]
        return [run for offset, arm in enumerate(arms.of_planned(runs)) for run in _spread(arm, self.rows, offset)]


def split_sample(words: Sequence[str]) -> tuple[Sample | None, list[str]]:
    """The sample that `Sample.words` at the beginning describe, if any, and the remaining words."""
    if not words or words[0] != FLAG:
        return None, list(words)
    _, rows, table, *rest = words
    return Sample(None if rows == EVERY else int(rows), Path(table)), rest


def _spread(arm: list[PlannedRun], rows: int, offset: int) -> list[PlannedRun]:
    """`rows` runs of an arm, spread evenly over its seeds. offset: the first seed's index, different for each arm."""
    step = max(len(arm) // rows, 1)
    indices = {(offset + number * step) % len(arm) for number in range(min(rows, len(arm)))}
    return [arm[index] for index in sorted(indices)]


def _cells(grid: str, runs: Sequence[PlannedRun]) -> tuple[Cell, ...]:
    return tuple(Cell({}, {}, run.spec) for run in runs if grid in run.grids)
