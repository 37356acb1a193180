"""The loss as a function of all trainable parameters, trained or not (optimizer.trains), at one step of training."""

import keras
import numpy as np
import tensorflow as tf

from bn_study.training import loss
from bn_study.training.compiled import Compiled
from bn_study.training.data import Data
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


class Surface:
    """The loss L of one fixed training batch along the gradient g at the current trainable parameters θ.

    It is computed in training mode without dropout and noise, so a normalizer uses the batch's own statistics at any
    parameters. The network's variables do not change. loss: L(θ).
    """

    def __init__(self, network: Network, evaluation: Evaluation) -> None:
        self._functions = evaluation.evaluator.once(_Functions)
        part = evaluation.evaluator.slice("train", evaluation.batch_size)
        self._batch = tf.constant(part.inputs), tf.constant(part.targets)
        self._variables = network.model.trainable_variables
        self._start = [tf.convert_to_tensor(variable.value) for variable in self._variables]
        self.loss, self._gradient = self._functions.slope(self._start, *self._batch)

    def lengths(self) -> tuple[float, float]:
        """‖g‖ and ‖θ‖."""
        return float(tf.linalg.global_norm(self._gradient)), float(tf.linalg.global_norm(self._start))

    def loss_after(self, rate: float) -> float:
        """L(θ - rate · g)."""
        return float(self._functions.loss_after(*self._step(rate)))

    def slope_after(self, rate: float) -> tuple[float, float]:
        """L(θ - rate · g), and ‖∇L(θ) - ∇L(θ - rate · g)‖."""
        value, change = self._functions.slope_after(*self._step(rate))
        return float(value), float(change)

    def gradient(self, variable: keras.Variable) -> tf.Tensor:
        """The part of g by one trainable variable."""
        return self._gradient[self._place(variable)]

    def loss_after_each(self, rates: np.ndarray) -> float:
        """L after a step of its own rate for each trainable variable: rates (variables,)."""
        return float(self._functions.loss_after(self._start, self._gradient, _own(rates), *self._batch))

    def gradient_after_each(self, rates: np.ndarray, variable: keras.Variable) -> tf.Tensor:
        """The gradient by one trainable variable after such a step."""
        slopes = self._functions.slopes_after(self._start, self._gradient, _own(rates), *self._batch)
        return slopes[self._place(variable)]

    def _place(self, variable: keras.Variable) -> int:
        return [one is variable for one in self._variables].index(True)

    def _step(self, rate: float) -> tuple:
        return self._start, self._gradient, [tf.constant(rate, tf.float32)] * len(self._start), *self._batch


class _Functions:
    """The same as functions of tensors, compiled."""

    def __init__(self, network: Network, data: Data) -> None:
        self._network = network
        self._criterion = loss.per_example(data)
        self.slope = Compiled(self._slope)
        self.loss_after = Compiled(self._loss_after)
        self.slope_after = Compiled(self._slope_after)
        self.slopes_after = Compiled(self._slopes_after)

    def _loss(self, values, inputs, targets):
        model = self._network.model
        mapping = list(zip(model.trainable_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping), self._network.as_training():
            return tf.reduce_mean(self._criterion(targets, model(inputs, training=False)))

    def _slope(self, values, inputs, targets):
        with tf.GradientTape() as tape:
            tape.watch(values)
            value = self._loss(values, inputs, targets)
        return value, tape.gradient(value, values)

    def _loss_after(self, start, gradient, rates, inputs, targets):
        return self._loss(_after(start, gradient, rates), inputs, targets)

    def _slope_after(self, start, gradient, rates, inputs, targets):
        value, there = self._slope(_after(start, gradient, rates), inputs, targets)
        return value, tf.linalg.global_norm([a - b for a, b in zip(there, gradient, strict=True)])

    def _slopes_after(self, start, gradient, rates, inputs, targets):
        return self._slope(_after(start, gradient, rates), inputs, targets)[1]


def _after(start, gradient, rates):
    return [one - rate * slope for one, slope, rate in zip(start, gradient, rates, strict=True)]


def _own(rates):
    return [tf.constant(rate, tf.float32) for rate in rates]
