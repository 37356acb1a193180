"""Read what a run recorded, by name and site. Raises NotRecorded for a record that the run does not have."""

import math
import re
from collections.abc import Collection

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.store.stored_run import StoredRun


class NotMeasured(UsageError):
    """A run was not measured at the step that a measure asks for."""


class NotRecorded(UsageError):
    """A run has no such record."""


def diverged(run: StoredRun) -> bool:
    return run.provenance["status"] == "diverged"


def points(run: StoredRun, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a metric that belongs to no site, both of shape (points,).

    If the network's normalizers have no statistics, it records a single accuracy, which counts for every source.
    """
    if (metric, "") in run.scalars:
        return run.scalars[metric, ""]
    known = [name for name, site in run.scalars if not site]
    if (found := recorded_as(metric, known)) not in known:
        raise NotRecorded(f"run {run.id}: {parts.unknown('metric', metric, known)}")
    return run.scalars[found, ""]


def recorded_as(metric: str, known: Collection[str]) -> str:
    """The name under which a run with these records has a metric: `test/accuracy` for every source of statistics,
    if its network has none.
    """
    plain = re.sub("_(moving|moving_unbiased|batch)$", "", metric)
    alone = metric not in known and plain in known and not any(name.startswith(f"{plain}_") for name in known)
    return plain if alone else metric


def last(run: StoredRun, metric: str) -> float:
    """The last value of a metric that belongs to no site."""
    return float(points(run, metric)[1][-1])


def values(run: StoredRun, name: str, site: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a scalar record, both of shape (points,)."""
    if (name, site) not in run.scalars:
        raise NotRecorded(f"run {run.id}: {_not_recorded(run, name, site)}")
    return run.scalars[name, site]


def value_at(run: StoredRun, name: str, site: str, step: int | None) -> float:
    """A scalar record at a step, None for the last one; NaN if the run ended before.

    Raises NotMeasured where the step is no measuring point.
    """
    steps, recorded = values(run, name, site)
    if step is None:
        return float(recorded[-1])
    if step not in steps:
        if step <= steps[-1]:
            known = ", ".join(map(str, steps))
            raise NotMeasured(f"run {run.id}: {name} was not measured at step {step}, but at {known}")
        return math.nan
    return float(recorded[np.flatnonzero(steps == step)[0]])


def layer_sites(run: StoredRun, name: str, site: str) -> dict[int, str]:
    """The recorded sites `layer<i>/<site>` of a scalar record, by i."""
    matches = (re.fullmatch(rf"layer(\d+)/{re.escape(site)}", other) for known, other in run.scalars if known == name)
    sites = {int(match[1]): match[0] for match in matches if match}
    if not sites:
        raise NotRecorded(f"run {run.id}: {_not_recorded(run, name, f'layer<i>/{site}')}")
    return sites


def vectors(run: StoredRun, name: str, site: str, start: int, end: int, probe: str) -> np.ndarray:
    """A vector record from step `start` to step `end`, shape (points, units). probe: what records it, in words."""
    if (name, site) not in run.arrays:
        raise NotRecorded(f"run {run.id} has no vectors {name} at {site}; add {probe} to the grid")
    steps, recorded = run.arrays[name, site]
    return recorded[(start <= steps) & (steps <= end)]


def _not_recorded(run: StoredRun, name: str, site: str) -> str:
    known = sorted({one for one, _ in run.scalars})
    what = (
        parts.unknown("record", name, known) if name not in known else f"{name} was not recorded at {site or 'no site'}"
    )
    return f"{what}; name it in the grid's probes"
