"""Final values over the number of hidden layers, one panel per activation: mean and 95% t-interval over seeds.

A line for each normalizer, over the runs of all grids together. What else varies, such as a tuned learning rate, is not
told apart. The picture is that of `over_factor`.
"""

from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure

from bn_study.analysis import shown
from bn_study.analysis.figure._ends import Ends
from bn_study.analysis.needed import Needed
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import Curve

ACTIVATION = "model.activation"
LAYERS = "hidden layers"  # a column that is made here, and the name of the axis
TOGETHER = "depths"  # stands for all grids, so that they share panels


@dataclass(frozen=True)
class Drawing:
    """Final values of the runs of all grids, over their numbers of hidden layers."""

    grids: list[str]
    metrics: list[str]

    def needs(self) -> list[Needed]:
        """The metrics whose last values are drawn."""
        return self._picture().needs()

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """The runs of the grids, without any of their records."""
        return {run: [] for run in shown.of_grids(runs, self.grids)["run"]}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, as in `over_factor`; place: the number of hidden layers."""
        return self._picture().data(self._joined(tables))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, and from which runs."""
        return self._picture().caption(data, self._joined(tables))

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        return self._picture().draw(data, tables)

    def _picture(self) -> Ends:
        return Ends(
            grids=[TOGETHER], beside=None, factor=LAYERS, metrics=self.metrics, descending=False, usable=None,
            by=["norm"], color=None, panels=ACTIVATION,
        )  # fmt: skip

    def _joined(self, tables: Tables) -> Tables:
        """The runs of all grids as those of one, with their numbers of hidden layers."""
        runs = shown.of_grids(tables.runs, self.grids)
        if len(runs):
            layers = [shown.depth(run) for run in runs.to_dict("records")]
            runs = runs.assign(grids=TOGETHER).assign(**{LAYERS: layers})
        return replace(tables, runs=runs)
