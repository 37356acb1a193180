"""How far the distribution of a unit's values moves."""

from collections.abc import Sequence
from typing import Any

from bn_study.analysis import unit_paths
from bn_study.analysis.needed import Needed
from bn_study.analysis.reach import Reach
from bn_study.plan.types import Natural, Quantiles
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, site: str, quantiles: Quantiles, start: Natural, end: Natural, relative: bool) -> float:
    """How far the distribution of a unit's values moved: the sum of |p_q(t) - p_q(t-1)|, mean over units and quantiles.

    t runs over the measuring points from step `start` to step `end`, or to the last one of a shorter run. `relative`
    divides each unit's path by the unit's width, which is the mean over time of its largest minus its smallest
    quantile; units without width are left out. The unit is that of the activation, or the width if `relative`. NaN with
    fewer than two points.
    Source: the percentiles of Ioffe & Szegedy 2015, Fig. 1b and 1c.
    """
    return unit_paths.path_length(run, site, quantiles, start, end, relative)


def needs(*, site: str, quantiles: Quantiles, start: Natural, end: Natural, relative: bool) -> list[Needed]:
    """The percentiles of every unit, at the measuring points between the steps."""
    return unit_paths.needed(site, quantiles)


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """A length is at least 0."""
    return Reach(low=0)
