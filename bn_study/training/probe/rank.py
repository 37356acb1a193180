"""How many directions the activations of a layer use (Daneshmand et al. 2020, arXiv 2003.01652)."""

import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed, *, images: Count) -> Iterator[Record]:
    """One number for each hidden layer, at what enters its nonlinearity."""
    for site in seen.sites:
        if site.endswith("/pre"):
            yield Record("rank/stable", site, low=0)


def record(network: Network, evaluation: Evaluation, *, images: Count) -> Iterator[tuple[str, str, float]]:
    """Yield `rank/stable` at `pre` of each hidden layer: ‖H‖²_F / ‖H‖²_2 of the values H (examples, features).

    They are of fixed test examples seen with re-estimated statistics, each pixel of an image as an example of its own.
    The value lies between 1, where all examples are multiples of one vector, and the number of features; it is at most
    the rank of H. It is 0 where all values are 0.
    """
    for site, values in evaluation.sites("test", images).items():
        if site.endswith("/pre"):
            yield "rank/stable", site, _stable(values.reshape(-1, values.shape[-1]))


def _stable(values: np.ndarray) -> float:
    """By the eigenvalues of HᵀH, of values scaled to at most 1, whose squares cannot overflow."""
    largest = float(abs(values).max())
    if not np.isfinite(largest):
        return math.nan
    if largest == 0:
        return 0.0
    scaled = tf.constant(values / np.float32(largest))
    eigenvalues = tf.linalg.eigvalsh(tf.matmul(scaled, scaled, transpose_a=True))
    return float(tf.reduce_sum(eigenvalues) / eigenvalues[-1])
