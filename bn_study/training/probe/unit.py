"""The distribution of one unit's values, layer by layer."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count, Natural
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(
    seen: Observed,
    *,
    images: Count,
    sites: list[Literal["linear", "pre", "post", "out"]],
    unit: Natural,
    bins: Count,
) -> Iterator[Record]:
    """The histogram and its edges at the requested sites."""
    for site in seen.sites:
        if site.split("/")[1] in sites:
            yield Record("unit/histogram", site, vector=True)
            yield Record("unit/edges", site, vector=True)


def record(
    network: Network,
    evaluation: Evaluation,
    *,
    images: Count,
    sites: list[Literal["linear", "pre", "post", "out"]],
    unit: Natural,
    bins: Count,
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield the vectors `unit/histogram` (counts) and `unit/edges`, over their range, of one unit of each layer.

    The values are over fixed test examples, and normalizers use re-estimated statistics. All pixels of a feature map
    count. A layer with too few units records its last unit. If values are not finite, nothing is recorded.
    """
    for site, tensor in evaluation.sites("test", images).items():
        values = tensor[..., min(unit, tensor.shape[-1] - 1)].astype(np.float64)
        if site.split("/")[1] in sites and np.isfinite(values).all():
            counts, edges = np.histogram(values, bins)
            yield "unit/histogram", site, counts
            yield "unit/edges", site, edges
