"""How large the gradients are, layer by layer."""

from collections.abc import Iterator

import keras
import tensorflow as tf

from bn_study.plan.declared import Observed, Record
from bn_study.training import loss
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed) -> Iterator[Record]:
    """Both norms at each hidden layer and at the output."""
    for site in (*(one for one in seen.sites if one.endswith("/linear")), "output/linear"):
        yield Record("gradient/weight", site)
        yield Record("gradient/delta", site)


def record(network: Network, evaluation: Evaluation) -> Iterator[tuple[str, str, float]]:
    """Yield `gradient/weight` and `gradient/delta`: the norms of the loss gradient by a layer's kernel and by its Wx+b.

    The gradient is of one fixed batch of the training batch size, in training mode with dropout and noise off. The norm
    by Wx+b is over batch and units together. It can vanish where the norm by the kernel does not.
    """
    part = evaluation.evaluator.slice("train", evaluation.batch_size)
    kernels = [layer.kernel for layer in network.linear]
    with keras.StatelessScope(), network.as_training(), tf.GradientTape() as tape:
        observed = network.observed(part.inputs, training=False)
        value = tf.reduce_mean(loss.per_example(evaluation.data)(part.targets, observed["output"]))
    names = [layer.name for layer in network.linear]
    linear = [observed["output" if name == "output" else f"{name}/linear"] for name in names]
    weights, deltas = tape.gradient(value, [[kernel.value for kernel in kernels], linear])
    for name, weight, delta in zip(names, weights, deltas, strict=True):
        yield "gradient/weight", f"{name}/linear", float(tf.norm(weight))
        yield "gradient/delta", f"{name}/linear", float(tf.norm(delta))
