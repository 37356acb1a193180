"""A network, its optimizer and their compiled functions: made once, used by every run of one architecture.

Tracing and compiling take seconds, longer than many runs. A run that shares a program starts from exactly the same
values as it would alone, so sharing changes only the time.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.plan import declared, parts
from bn_study.plan.declared import RATE_OPTIONS, START_OPTIONS
from bn_study.plan.spec import Part, RunSpec
from bn_study.training import keras_globals, loss
from bn_study.training.data import Data
from bn_study.training.network import Network

CHUNK = {True: 500, False: 50}
"""Steps of one chunk, a call of the compiled loop: for MLPs and for others. Between chunks Python handles signals."""


def shared(spec: RunSpec) -> str:
    """The key under which runs share a program: the whole run except what the compiled functions get as values."""
    return dataclasses.replace(
        spec,
        optimizer=_without(spec.optimizer, RATE_OPTIONS),
        model=_without(spec.model, START_OPTIONS),
        classes_per_batch=None,
        seed=0,
        steps=0,
        probes=(),
        schedule={},
    ).canonical()


def _without(part: Part, options: tuple[str, ...]) -> Part:
    return Part(part.name, {key: value for key, value in part.args.items() if key not in options})


def build_network(spec: RunSpec, data: Data) -> Network:
    """The network of a run as initialized.

    Raises UsageError where Keras does not run on TensorFlow, or the model has other sites than it declares.
    """
    keras_globals.pin()
    norm = partial(parts.call, "norm", spec.norm)
    network = parts.call("model", spec.model, data, norm, spec.seed)
    expected = declared.sites(spec.model.name, spec.model.args)
    if set(network.sites) != set(expected):
        different = ", ".join(sorted(set(network.sites) ^ set(expected)))
        raise UsageError(f"model={spec.model.name}: its `sites` and the network it builds differ in {different}")
    return network


class Program:
    """The training loop of one architecture on one data set."""

    def __init__(self, spec: RunSpec, data: Data, tensors: tuple[tf.Tensor, tf.Tensor]) -> None:
        """tensors: inputs and targets of the training split, which all programs on these data share."""
        self.network = build_network(spec, data)
        self.chunk = CHUNK[self.network.xla]
        options = {key: value for key, value in spec.optimizer.args.items() if key not in ("keras", *RATE_OPTIONS)}
        self.optimizer = getattr(keras.optimizers, spec.optimizer.args["keras"])(learning_rate=1.0, **options)
        self.optimizer.build(self.network.model.trainable_variables)
        self._optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        self._inputs, self._targets = tensors
        self._loss = loss.per_example(data)
        self._loop = tf.function(self._steps, jit_compile=self.network.xla)
        self._buffer = np.zeros((self.chunk, spec.batch_size), np.int32), np.zeros(self.chunk, np.float32)

    def reset(self, spec: RunSpec, data: Data) -> None:
        """Put every variable at the value that a fresh network of this run has."""
        fresh = build_network(spec, data)
        for mine, start in zip(self.network.model.variables, fresh.model.variables, strict=True):
            mine.assign(start)
        for variable, value in zip(self.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that a step changes: the network's, including its seed generators', and the optimizer's."""
        return [*self.network.model.variables, *self.optimizer.variables]

    def state(self) -> dict[str, np.ndarray]:
        """The values of all variables, by their position."""
        return {f"variable/{place}": variable.numpy() for place, variable in enumerate(self.variables)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Give every variable the value it had. Raises KeyError or ValueError if the state is of another network."""
        for place, variable in enumerate(self.variables):
            variable.assign(state[f"variable/{place}"])

    def advance(self, rows: np.ndarray, rates: np.ndarray) -> tuple[int, float]:
        """Train on the batches in `rows` (steps, batch_size) at learning rates `rates` (steps,).

        Returns the number of steps taken and the last one's loss; fewer steps if that loss is not finite.
        """
        count = len(rows)
        all_rows, all_rates = self._buffer
        all_rows[:count], all_rates[:count] = rows, rates
        taken, last = self._loop(
            self._inputs, self._targets, tf.constant(all_rows), tf.constant(all_rates), tf.constant(count)
        )
        return int(taken), float(last)

    def _steps(self, inputs, targets, rows, rates, count):
        model, optimizer = self.network.model, self.optimizer
        step, value = tf.constant(0), tf.constant(0.0)
        while step < count and tf.math.is_finite(value):
            batch = rows[step]
            with tf.GradientTape() as tape:
                outputs = model(tf.gather(inputs, batch), training=True)
                value = tf.reduce_mean(self._loss(tf.gather(targets, batch), outputs))
            gradients = tape.gradient(value, model.trainable_variables)
            optimizer.learning_rate.assign(rates[step])
            optimizer.apply(gradients, model.trainable_variables)
            step += 1
        return step, value
