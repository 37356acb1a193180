"""Whether a normalizer learns gamma and beta that undo what it does (Ioffe & Szegedy 2015, Sec. 3)."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Positive
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed, *, within: Positive) -> Iterator[Record]:
    """Four numbers for each normalizer that has statistics."""
    for site in seen.normalizers:
        yield Record("learned_scale/log2_ratio", site, low=-40)
        for name in ("shift", "distance"):
            yield Record(f"learned_scale/{name}", site, low=0)
        yield Record("learned_scale/undone", site, low=0, high=1)


def record(network: Network, evaluation: Evaluation, *, within: Positive) -> Iterator[tuple[str, str, float]]:
    """Compare gamma with the deviation σ and beta with the mean μ of a normalizer's input, unit by unit.

    With gamma = σ and beta = μ its output is its input (the paper's Sec. 3, where σ² = variance + epsilon). Statistics
    are re-estimated. A feature map counts as one unit. For each normalizer that has statistics, yield means over units:

    * `learned_scale/log2_ratio`: of log₂(|gamma| / σ), 0 where gamma undoes the division, at least -40;
    * `learned_scale/shift`: of |beta - μ| / σ, 0 where beta undoes the subtraction;
    * `learned_scale/distance`: of the root of the sum of their squares;
    * `learned_scale/undone`: the share of units whose distance is at most `within`.

    A normalizer without gamma or beta has 1 or 0 in its place. One that keeps statistics of several time steps counts a
    unit at each step.
    """
    statistics = iter(evaluation.reestimated)
    for layer in network.normalizers:
        pairs = [(np.asarray(next(statistics)), np.asarray(next(statistics))) for _ in layer.statistics]
        mean, variance = (np.concatenate(values) for values in zip(*pairs, strict=True))
        deviation = np.sqrt(variance + layer.epsilon)
        gamma = np.ones_like(mean) if layer.gamma is None else np.tile(layer.gamma, len(pairs))
        beta = np.zeros_like(mean) if layer.beta is None else np.tile(layer.beta, len(pairs))
        ratio = np.maximum(np.log2(np.maximum(abs(gamma), 1e-30) / deviation), -40.0)
        shift = abs(beta - mean) / deviation
        distance = np.hypot(ratio, shift)
        site = layer.name.replace("_norm", "/norm")
        yield "learned_scale/log2_ratio", site, ratio.mean()
        yield "learned_scale/shift", site, shift.mean()
        yield "learned_scale/distance", site, distance.mean()
        yield "learned_scale/undone", site, (distance <= within).mean()
