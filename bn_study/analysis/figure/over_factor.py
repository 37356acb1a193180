"""Final values over one swept factor, one panel per grid: mean and 95% t-interval over seeds.

A line for each arm (what else varies, but for the seed) and metric. Runs that diverged have no end value: they are
counted at the foot of the panel, and the mean above them is of the other seeds alone.
"""

from dataclasses import dataclass

from bn_study.analysis.figure._ends import Ends
from bn_study.plan.types import Fraction


@dataclass(frozen=True)
class Drawing(Ends):
    """usable: the share of a line's best mean up to which a value of the factor counts as usable; None: not drawn."""

    grids: list[str]  # options are read off the figure's own file, so they stand here again
    beside: list[str] | None
    factor: str
    metrics: list[str]
    descending: bool
    usable: Fraction | None
    by: list[str] | None = None
    color: str | None = None
    panels: str | None = None
