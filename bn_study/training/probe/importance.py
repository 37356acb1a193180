"""How much a network makes of features of large and of small scale."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count, Fraction
from bn_study.training import loss
from bn_study.training.compiled import Compiled
from bn_study.training.data import Data
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network

GROUPS = ("large", "small")


def records(seen: Observed, *, images: Count, share: Fraction) -> Iterator[Record]:
    """Two numbers for each group of features, if they have factors; one more if there are classes."""
    for group in GROUPS if seen.factors else ():
        yield Record("importance/gradient", group, low=0, high=1)
        if seen.task != "regression":
            yield Record("importance/accuracy_lost", group, low=-1, high=1)
        yield Record("importance/loss_added", group)


def record(
    network: Network, evaluation: Evaluation, *, images: Count, share: Fraction
) -> Iterator[tuple[str, str, float]]:
    """Compare the features (pixels) with the largest factors, and those with the smallest, with all.

    A group, `large` or `small`, is `share` of the features by `Data.feature_factors`. Over fixed test examples, with
    re-estimated statistics, yield for each group as the site:

    * `importance/gradient`: the group's share of the sum over features of mean |∂loss/∂x| times the deviation of x, so
      that a feature's unit does not matter; `share` if features are used alike;
    * `importance/accuracy_lost`, `importance/loss_added`: by permuting the group's features among the examples
      (Breiman 2001, Sec. 10); each feature keeps its distribution and tells nothing any more.

    Data whose features have no factors of their own (dataset.factors=null) yield nothing.
    """
    factors = evaluation.data.feature_factors
    if factors is None:
        return
    part = evaluation.evaluator.slice("test", images)
    look = evaluation.evaluator.once(_looked)
    inputs, statistics = part.inputs, evaluation.statistics("reestimated")
    value, right, slopes = look(inputs, part.targets, statistics)
    parts = np.abs(slopes).mean(axis=0, dtype=np.float64) * inputs.std(axis=0, dtype=np.float64)
    order, count = np.argsort(factors, axis=None), round(share * factors.size)
    if count == 0:
        raise UsageError(f"probe.importance.share={share:g} of {factors.size} features is none; give a larger share")
    shuffled = inputs[np.random.Generator(np.random.PCG64(3)).permutation(len(inputs))]
    for group, places in zip(GROUPS, (order[factors.size - count :], order[:count]), strict=True):
        chosen = np.isin(np.arange(factors.size), places).reshape(factors.shape)
        yield "importance/gradient", group, parts[chosen].sum() / (parts.sum() or 1.0)
        permuted_value, permuted_right, _ = look(np.where(chosen, shuffled, inputs), part.targets, statistics)
        if evaluation.data.classes is not None:
            yield "importance/accuracy_lost", group, float(right) - float(permuted_right)
        yield "importance/loss_added", group, float(permuted_value) - float(value)


def _looked(network: Network, data: Data) -> Compiled:
    """(inputs, targets, statistics) -> mean loss, accuracy (0 for a regression), and the loss's slope by each input."""
    averages = network.averages

    def look(inputs, targets, statistics):
        mapping = list(zip(averages, statistics, strict=True))
        with keras.StatelessScope(state_mapping=mapping), tf.GradientTape() as tape:
            inputs = tf.convert_to_tensor(inputs)
            tape.watch(inputs)
            outputs = network.model(inputs, training=False)
            losses = loss.per_example(data)(targets, outputs)
        right = tf.constant(0.0) if data.classes is None else tf.reduce_mean(loss.correct(targets, outputs))
        return tf.reduce_mean(losses), right, tape.gradient(losses, inputs)

    return Compiled(look)
