"""How far the distribution of a unit's values moves during training: the path that its percentiles travel.

Source: the percentiles of Ioffe & Szegedy 2015, Fig. 1b and 1c.
"""

import math

import numpy as np

from bn_study.analysis.needed import Needed
from bn_study.analysis.recorded import vectors
from bn_study.store.stored_run import StoredRun


def path_length(run: StoredRun, site: str, quantiles: list[float], start: int, end: int, relative: bool) -> float:
    """The mean over units and quantiles; see bn_study/analysis/measure/path_length.py."""
    values = _unit_quantiles(run, site, quantiles, start, end)
    lengths = _lengths(values)
    if relative:
        width = np.ptp(values, axis=1).mean(axis=0) if len(values) else np.zeros(values.shape[2])
        lengths = lengths[width > 0] / width[width > 0]
    return float(lengths.mean()) if lengths.size else math.nan


def unit_path_lengths(run: StoredRun, site: str, quantiles: list[float], start: int, end: int) -> np.ndarray:
    """The path length of each unit, mean over quantiles, shape (units,); NaN with fewer than two measuring points."""
    return _lengths(_unit_quantiles(run, site, quantiles, start, end))


def median_unit(run: StoredRun, site: str, quantiles: list[float], start: int, end: int) -> int:
    """The unit of median path length (the lower one of the middle two, the first of equals): "one typical sigmoid"."""
    lengths = unit_path_lengths(run, site, quantiles, start, end)
    return int(np.argsort(lengths, kind="stable")[(len(lengths) - 1) // 2])


def needed(site: str, quantiles: list[float]) -> list[Needed]:
    """The records that a path is made of."""
    return [Needed(_record(quantile), site, vector=True) for quantile in quantiles]


def _record(quantile: float) -> str:
    return f"activation/unit_q{quantile:g}"


def _unit_quantiles(run: StoredRun, site: str, quantiles: list[float], start: int, end: int) -> np.ndarray:
    """Shape (points, quantiles, units): the percentiles of each unit at the measuring points from start to end."""
    probe = "the probe activations with units: true"
    return np.stack([vectors(run, _record(one), site, start, end, probe) for one in quantiles], axis=1)


def _lengths(values: np.ndarray) -> np.ndarray:
    if len(values) < 2:
        return np.full(values.shape[2], math.nan)
    return np.abs(np.diff(values, axis=0)).sum(axis=0).mean(axis=0)
