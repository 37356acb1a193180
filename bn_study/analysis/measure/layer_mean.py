"""The mean of a record over layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import layer_sites, value_at
from bn_study.plan.types import Natural
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, name: str, site: str, step: Natural | None) -> float:
    """The mean of a record over all hidden layers. site: the part after the layer's name, as in `path_growth`."""
    return float(np.mean([value_at(run, name, one, step) for one in layer_sites(run, name, site).values()]))


def needs(*, name: str, site: str, step: Natural | None) -> list[Needed]:
    """The record in every hidden layer."""
    return [Needed(name, LAYERS + site, step)]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """That of the record."""
    return records[0]
