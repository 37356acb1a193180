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
from bn_study.training import calls, keras_globals, loss
from bn_study.training.augmentation import augmented
from bn_study.training.data import Data
from bn_study.training.network import Network
from bn_study.training.trained import TrainedVariables
from bn_study.training.widening import widening

CHUNK = {True: 500, False: 50}
"""Steps of one chunk, a call of the compiled loop: for MLPs and for others. Between chunks Python handles signals."""
ROOM = 64_000_000
"""Most bytes that the batches of one chunk may take; with large examples a chunk has fewer steps."""


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


def _optimizer(part: Part) -> keras.Optimizer:
    """An optimizer of Keras, whose rate the loop sets in each step. Weight decay is Keras': rate × decay × variable.

    Raises UsageError where Keras has no such optimizer or option.
    """
    ours = ("keras", "weight_decay_on", "trains", *RATE_OPTIONS)
    options = {key: value for key, value in part.args.items() if key not in ours}
    try:
        return getattr(keras.optimizers, part.args["keras"])(learning_rate=1.0, **options)
    except (AttributeError, TypeError, ValueError) as error:  # only a study's own file can be wrong in this
        raise UsageError(f"optimizer={part.name}: Keras refuses what its file says: {error}") from error


def build_network(spec: RunSpec, data: Data) -> Network:
    """The network of a run as initialized.

    Raises UsageError where Keras does not run on TensorFlow, or the model has other sites than it declares.
    """
    keras_globals.pin()
    norm = partial(parts.call, "norm", spec.norm)
    network = parts.call("model", spec.model, data, norm, spec.seed)
    expected = declared.sites(spec.model.name, spec.model.args)
    if tuple(network.sites) != expected:
        different = ", ".join(sorted(set(network.sites) ^ set(expected))) or "their order"
        raise UsageError(f"model={spec.model.name}: its `sites` and the network it builds differ in {different}")
    return network


class Program:
    """The training loop of one architecture on one data set."""

    def __init__(self, spec: RunSpec, data: Data, tensors: tuple[tf.Tensor, tf.Tensor]) -> None:
        """tensors: stored inputs and targets of the training split, which all programs on these data share."""
        self.network = build_network(spec, data)
        if self.network.normalizers:
            calls.check(self.network.normalizers, self.network.calls)
        batch = spec.batch_size * data.train.stored[0].nbytes
        self.chunk = max(min(CHUNK[self.network.xla], ROOM // batch), 1)
        self.optimizer = _optimizer(spec.optimizer)
        if spec.optimizer.args.get("weight_decay_on") == "kernels":
            others = [one for one in self.network.model.trainable_variables if one.name != "kernel"]
            self.optimizer.exclude_from_weight_decay(var_list=others)
        self.trained = TrainedVariables(spec, self.network)
        self.trained.choose(spec.seed)
        self.optimizer.build(self.trained.variables)
        self._optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        self._inputs, self._targets = tensors
        self._widened = widening(data)
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
        self.trained.choose(spec.seed)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables that a step may change: the network's, including its seed generators', and the optimizer's."""
        return [*self.network.model.variables, *self.optimizer.variables]

    def state(self) -> dict[str, np.ndarray]:
        """The values of all variables, by their position."""
        return {f"variable/{place}": variable.numpy() for place, variable in enumerate(self.variables)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Give every variable the value it had. Raises KeyError or ValueError if the state is of another network."""
        for place, variable in enumerate(self.variables):
            variable.assign(state[f"variable/{place}"])

    def advance(self, rows: np.ndarray, rates: np.ndarray, changes: np.ndarray | None) -> tuple[int, float]:
        """Train on the batches in `rows` (steps, batch_size) at learning rates `rates` (steps,).

        changes: how images are augmented, (steps, batch_size, 3); None where they are not.
        Returns the number of steps taken and the last one's loss; fewer steps if that loss is not finite.
        """
        count = len(rows)
        all_rows, all_rates = self._buffer
        all_rows[:count], all_rates[:count] = rows, rates
        # gathered before the loop, where XLA would copy value by value
        batches = tf.gather(self._inputs, all_rows), tf.gather(self._targets, all_rows)
        if changes is not None:
            changes = tf.constant(np.resize(changes, (self.chunk, *changes.shape[1:])))
        taken, last = self._loop(*batches, changes, tf.constant(all_rates), tf.constant(count))
        return int(taken), float(last)

    def _steps(self, inputs, targets, changes, rates, count):
        model, optimizer, trained = self.network.model, self.optimizer, self.trained
        step, value = tf.constant(0), tf.constant(0.0)
        while step < count and tf.math.is_finite(value):
            batch = self._widened(inputs[step])
            if changes is not None:
                batch = augmented(batch, changes[step])
            with tf.GradientTape() as tape:
                with self.network.forward_pass():
                    outputs = model(batch, training=True)
                value = tf.reduce_mean(self._loss(targets[step], outputs))
            gradients = trained.masked(tape.gradient(value, trained.variables))
            optimizer.learning_rate.assign(rates[step])
            optimizer.apply(gradients, trained.variables)
            step += 1
        return step, value
