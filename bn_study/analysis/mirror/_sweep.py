"""What varies within the experiment whose runs are exported: viewers show it first and name runs by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bn_study.analysis.arms import label, varying
from bn_study.analysis.settings import GRID, cells_table, comparable, setting_names
from bn_study.plan.experiment import Experiment

SEED = "seed"
MEASURING = ("probe", "schedule")
"""What is measured, and when: part of a run's settings and its id, but not of its name."""


@dataclass(frozen=True)
class Sweep:
    """The runs of an experiment, seen together.

    settings: the names of all settings that any run has; first those that vary, of which the ones in a name come first.
    varied: how many of them vary. named: those that name a run, besides the seed. seeds: the smallest seed of each grid
    whose seeds are reported.
    """

    experiment: str
    settings: tuple[str, ...]
    varied: int
    named: tuple[str, ...]
    seeds: frozenset[int]

    @classmethod
    def of(cls, experiment: Experiment) -> "Sweep":
        """Of the planned cells, so that it is the same before and after values are tuned.

        What varies without the overrides counts as well, so that a part of an experiment is named as the whole is.
        """
        grids = list(experiment.grids.values())
        whole = [] if experiment.unchanged is None else list(experiment.unchanged.grids.values())
        cells = cells_table([*grids, *whole]).drop(columns=GRID)
        reported = [grid for grid in grids if grid.name not in experiment.tuning_grids]
        seeds = frozenset(min(int(cell.config[SEED]) for cell in grid.cells) for grid in reported)
        different = varying(cells)
        named = _telling(cells, ["norm", *(one for one in different if one.partition(".")[0] not in MEASURING)])
        ordered = [*named, SEED, *(one for one in different if one not in named)]
        varied = [one for one in ordered if len({comparable(value) for value in cells[one]}) > 1]
        rest = [one for one in setting_names(cells) if one not in varied]
        settings = dict.fromkeys([*varied, *rest, SEED])
        return cls(experiment.name, tuple(settings), len(varied), tuple(named), seeds)

    def ordered(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """A run's settings without those that it lacks, beginning with what varies."""
        given = {key: value for key, value in settings.items() if value is not None}
        return {key: given[key] for key in (*(one for one in self.settings if one in given), *given)}

    def name(self, settings: Mapping[str, Any]) -> str:
        """`norm=batch optimizer.learning_rate=3 seed=5`: the arm and the seed."""
        return label(tuple((key, settings.get(key)) for key in (*self.named, SEED)))


def _telling(cells: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The first of these settings, and of the others those whose values do not follow from the rest."""
    values = {name: [comparable(value) for value in cells[name]] for name in names}

    def distinct(some: Sequence[str]) -> int:
        return len(set(zip(*(values[name] for name in some), strict=True)))

    kept = list(names)
    for name in reversed(names[1:]):
        fewer = [one for one in kept if one != name]
        if distinct(fewer) == distinct(kept):
            kept = fewer
    return kept
