"""A bias before the normaliser is subtracted with the mean; one that has a nonlinearity between them is not."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bn_study.training.identities.case import Case, Fact, inference, largest, train_mode, updated

UNITS = 8
STEPS = 200
RATE = 0.03
"""Small enough for descent to be stable: where it is not, rounding grows from step to step, whatever the bias."""


def outputs(case: Case) -> Fact:
    """Adding a constant to every unit changes no output: in training, nor in inference with averages that know of it.

    For inference the moving mean starts at what it was, with the constant plus that, and takes a step of training.
    """
    random = case.random()
    constant = (case.inputs.std() * random.normal(size=case.units)).astype(np.float32)
    affine = case.with_affine(*case.affine)
    plain = train_mode(case.layer, case.inputs, affine)
    yield "bias_output", "", largest(train_mode(case.layer, case.inputs + constant, affine) - plain) / largest(plain)
    (mean, _), *_ = case.layer.statistics
    seen = []
    for shift in (np.zeros_like(constant), constant):
        state = updated(case.layer, case.inputs + shift, [(mean, mean.value + shift)])
        seen.append(inference(case.layer, case.inputs + shift, [*affine, *state]))
    yield "bias_inference", "", largest(seen[1] - seen[0]) / largest(seen[0])


def gradients(case: Case) -> Fact:
    """|dL/db| / |dL/dW| of a dense layer: 0 before the normaliser, and not small with a tanh between them."""
    for name, after in (("bias_gradient", False), ("bias_control", True)):
        net = _Net(case, use_bias=True, after=after)
        with tf.GradientTape() as tape:
            loss = net.loss()
        by_kernel, by_bias = tape.gradient(loss, [one.value for one in net.first.trainable_variables])
        yield name, "", float(tf.norm(by_bias) / tf.norm(by_kernel))


def trajectory(case: Case) -> Fact:
    """Steps of SGD with and without the bias lead to the same kernels, relative to how far these have moved."""
    ends = []
    for use_bias in (False, True):
        net = _Net(case, use_bias, after=False)
        start = net.first.kernel.numpy()
        net.train()
        ends.append(net.first.kernel.numpy())
    yield "bias_trajectory", "", float(np.linalg.norm(ends[1] - ends[0]) / np.linalg.norm(ends[0] - start))


class _Net:
    """Dense, normaliser and tanh in either order, dense; squared error of random targets on a synthetic batch."""

    def __init__(self, case: Case, use_bias: bool, after: bool) -> None:
        self.first = case.dense("first", UNITS, use_bias)
        self.last = case.dense("last", 1, use_bias=True)
        self.norm = case.another("norm")
        between: list[Callable] = [keras.layers.Activation("tanh"), self._normalised]
        self.between = between if after else between[::-1]
        self.inputs = tf.constant(case.synthetic)
        self.targets = tf.constant(case.random().normal(size=(len(case.synthetic), 1)).astype(np.float32))
        self.loss()  # builds the layers

    def _normalised(self, values):
        return self.norm(values, training=True)

    def loss(self) -> tf.Tensor:
        values = self.first(self.inputs)
        for one in self.between:
            values = one(values)
        return tf.reduce_mean(tf.square(self.last(values) - self.targets))

    def train(self) -> None:
        layers = (self.first, self.norm, self.last)
        variables = [variable.value for layer in layers for variable in layer.trainable_variables]

        @tf.function
        def steps():
            for _ in tf.range(STEPS):
                with tf.GradientTape() as tape:
                    loss = self.loss()
                for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                    variable.assign_sub(RATE * gradient)

        steps()
