"""The mean subtraction cancels a bias right before the normalizer, but not one before a nonlinearity in between."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bn_study.training.identities.case import Case, Fact, inference, largest, train_mode, updated

UNITS = 8
STEPS = 200
RATE = 0.03
"""Small enough for stable descent: otherwise rounding errors grow from step to step, with or without a bias."""


def outputs(case: Case) -> Fact:
    """Adding a constant to every unit changes no output, in training or in inference with moving averages that saw it.

    For inference the moving mean starts at its value, plus the constant if that is added, and takes a training step.
    """
    random = case.random()
    constant = (case.inputs.std() * random.normal(size=case.units)).astype(np.float32)
    affine = case.with_affine(*case.affine)
    plain = train_mode(case.layer, case.inputs, affine)
    yield "bias_output", "", largest(train_mode(case.layer, case.inputs + constant, affine) - plain) / largest(plain)
    (mean, _), *_ = case.layer.statistics
    results = []
    for shift in (np.zeros_like(constant), constant):
        state = updated(case.layer, case.inputs + shift, [(mean, mean.value + shift)])
        results.append(inference(case.layer, case.inputs + shift, [*affine, *state]))
    yield "bias_inference", "", largest(results[1] - results[0]) / largest(results[0])


def gradients(case: Case) -> Fact:
    """|dL/db| / |dL/dW| of a dense layer: 0 right before the normalizer, and not small with a tanh in between."""
    for name, after in (("bias_gradient", False), ("bias_control", True)):
        net = _Net(case, use_bias=True, after=after)
        with tf.GradientTape() as tape:
            loss = net.loss()
        by_kernel, by_bias = tape.gradient(loss, [variable.value for variable in net.first.trainable_variables])
        yield name, "", float(tf.norm(by_bias) / tf.norm(by_kernel))


def trajectory(case: Case) -> Fact:
    """SGD with and without the bias leads to the same kernels. The error is relative to how far they moved."""
    ends = []
    for use_bias in (False, True):
        net = _Net(case, use_bias, after=False)
        start = net.first.kernel.numpy()
        net.train()
        ends.append(net.first.kernel.numpy())
    yield "bias_trajectory", "", float(np.linalg.norm(ends[1] - ends[0]) / np.linalg.norm(ends[0] - start))


class _Net:
    """Dense, normalizer and tanh in either order, dense; squared error of random targets on a synthetic batch."""

    def __init__(self, case: Case, use_bias: bool, after: bool) -> None:
        self.first = case.dense("first", UNITS, use_bias)
        self.last = case.dense("last", 1, use_bias=True)
        self.norm = case.another("norm")
        between: list[Callable] = [keras.layers.Activation("tanh"), self._normalized]
        self.between = between if after else between[::-1]
        self.inputs = tf.constant(case.synthetic)
        self.targets = tf.constant(case.random().normal(size=(len(case.synthetic), 1)).astype(np.float32))
        self.loss()  # builds the layers

    def _normalized(self, values):
        return self.norm(values, training=True)

    def loss(self) -> tf.Tensor:
        values = self.first(self.inputs)
        for layer in self.between:
            values = layer(values)
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
