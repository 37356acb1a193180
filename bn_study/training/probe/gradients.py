"""How large the gradients are, layer by layer."""

from collections.abc import Iterator

import keras
import tensorflow as tf

from bn_study.plan.declared import Observed, Record
from bn_study.training import loss
from bn_study.training.compiled import Compiled
from bn_study.training.data import Data
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed) -> Iterator[Record]:
    """Both norms at each hidden layer and at the output."""
    for site in (*(one for one in seen.sites if one.endswith("/linear")), "output/linear"):
        yield Record("gradient/weight", site, low=0)
        yield Record("gradient/delta", site, low=0)


def record(network: Network, evaluation: Evaluation) -> Iterator[tuple[str, str, float]]:
    """Yield `gradient/weight` and `gradient/delta`: the norms of the loss gradient by a layer's kernel and by its Wx+b.

    The gradient is of one fixed batch of the training batch size, in training mode with dropout and noise off. The norm
    by Wx+b is over batch and units together. It can vanish where the norm by the kernel does not.
    """
    part = evaluation.evaluator.slice("train", evaluation.batch_size)
    weights, deltas = evaluation.evaluator.once(_gradients)(part.inputs, part.targets)
    for layer, weight, delta in zip(network.linear, weights, deltas, strict=True):
        yield "gradient/weight", f"{layer.name}/linear", float(tf.norm(weight))
        yield "gradient/delta", f"{layer.name}/linear", float(tf.norm(delta))


def _gradients(network: Network, data: Data) -> Compiled:
    """(inputs, targets) -> the loss gradient by each layer's kernel, and by its Wx+b."""

    def gradients(inputs, targets):
        with keras.StatelessScope(), network.as_training(), tf.GradientTape() as tape:
            observed = network.observed(inputs, training=False)
            value = tf.reduce_mean(loss.per_example(data)(targets, observed["output"]))
        outputs = [observed["output" if one.name == "output" else f"{one.name}/linear"] for one in network.linear]
        return tape.gradient(value, [[one.kernel.value for one in network.linear], outputs])

    return Compiled(gradients)
