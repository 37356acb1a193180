"""How far a unit's mean and standard deviation move."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bn_study.analysis.needed import Needed
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import vectors
from bn_study.plan.types import Natural
from bn_study.store.stored_run import StoredRun

RECORDS = ("drift/unit_mean", "drift/unit_variance")


def measure(run: StoredRun, *, site: str, start: Natural, end: Natural) -> float:
    """How far a unit's mean and standard deviation move between measuring points, in the unit's standard deviations.

    For each unit, |change of the mean| + |change of the standard deviation| is summed over the measuring points and
    divided by the standard deviation's mean over time. The result is the mean over units. Source: the moments of
    Santurkar et al. 2018, Fig. 8.
    """
    means, variances = (vectors(run, name, site, start, end, "the probe drift") for name in RECORDS)
    deviations = np.sqrt(variances)
    if len(means) < 2:
        return math.nan
    moved = np.abs(np.diff(means, axis=0)).sum(axis=0) + np.abs(np.diff(deviations, axis=0)).sum(axis=0)
    width = deviations.mean(axis=0)
    return float((moved[width > 0] / width[width > 0]).mean()) if (width > 0).any() else math.nan


def needs(*, site: str, start: Natural, end: Natural) -> list[Needed]:
    """Both moments of every unit, at the measuring points between the steps."""
    return [Needed(name, site, vector=True) for name in RECORDS]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """A length is at least 0."""
    return Reach(low=0)
