"""The first two moments of every unit. Their change between measuring points is the drift of a layer's distribution."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.distribution import unit_moments
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed, *, images: Count, sites: list[Literal["linear", "pre", "post", "out"]]) -> Iterator[Record]:
    """Both moments of every unit at the requested sites."""
    for site in seen.sites:
        if site.split("/")[1] in sites:
            yield Record("drift/unit_mean", site, vector=True)
            yield Record("drift/unit_variance", site, vector=True)


def record(
    network: Network, evaluation: Evaluation, *, images: Count, sites: list[Literal["linear", "pre", "post", "out"]]
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield `drift/unit_mean` and `drift/unit_variance` (biased), vectors of a value per unit, per layer and site.

    The moments are over fixed test examples, and normalizers use re-estimated statistics. A feature map counts as one
    unit. The probe is cheap enough to run often, also on a CNN.
    """
    for site, values in evaluation.sites("test", images).items():
        if site.split("/")[1] in sites:
            mean, variance = unit_moments(values)
            yield "drift/unit_mean", site, mean
            yield "drift/unit_variance", site, variance
