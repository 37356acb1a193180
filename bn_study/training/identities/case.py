"""The material for facts about a normalizer: a layer of the network, its real input, and layers like it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bn_study.training.evaluation import Evaluation
from bn_study.training.layers import Dense, seed_of
from bn_study.training.network import Network
from bn_study.training.normalization import BatchNormalization

Fact = Iterator[tuple[str, str, float]]
Values = Sequence[tuple[keras.Variable, Any]]


@dataclass(frozen=True)
class Case:
    """A network and one fixed batch of training examples. Nothing here changes a variable of the network."""

    network: Network
    evaluation: Evaluation

    @property
    def has_layer(self) -> bool:
        return any(type(layer) is BatchNormalization for layer in self.network.normalizers)

    @cached_property
    def layer(self) -> BatchNormalization:
        """The network's first layer of plain batch normalization, without groups, corrections or noise."""
        return next(layer for layer in self.network.normalizers if type(layer) is BatchNormalization)

    @cached_property
    def features(self) -> np.ndarray:
        """The batch, flattened: (examples, features)."""
        inputs = self.evaluation.evaluator.slice("train", self.evaluation.batch_size).inputs
        return inputs.reshape(len(inputs), -1)

    @cached_property
    def inputs(self) -> np.ndarray:
        """The input of `layer` for the batch, in training mode but without dropout: (examples, ..., units)."""
        batch = self.evaluation.evaluator.slice("train", self.evaluation.batch_size).inputs
        with keras.StatelessScope(), self.network.as_training():
            return self.network.normalized(batch)[self.layer.name][0].numpy()

    @property
    def units(self) -> int:
        """Number of units; a feature map counts as one."""
        return self.inputs.shape[-1]

    @property
    def images(self) -> bool:
        return self.inputs.ndim == 4

    def random(self) -> np.random.Generator:
        """A generator of the same numbers for every fact."""
        return np.random.default_rng(0)

    @cached_property
    def synthetic(self) -> np.ndarray:
        """A batch of the training batch size with 20 normal features of mean 1, for networks built by facts."""
        return self.random().normal(1, 1, (len(self.features), 20)).astype(np.float32)

    def like_inputs(self, values: np.ndarray) -> np.ndarray:
        """A synthetic batch (n, units), n a multiple of 4, as an input of the layer: 2x2 images for feature maps."""
        values = values.astype(np.float32)
        return values.reshape(-1, 2, 2, self.units) if self.images else values

    @cached_property
    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """A random gamma of either sign and a random beta per unit; 1 and 0 if the layer has none."""
        random = self.random()
        gamma = random.uniform(0.5, 2, self.units) * random.choice([-1, 1], self.units)
        beta = random.normal(size=self.units)
        own_gamma, own_beta = (getattr(self.layer, name, None) for name in ("gamma", "beta"))
        return (
            np.ones(self.units) if own_gamma is None else gamma.astype(np.float32),
            np.zeros(self.units) if own_beta is None else beta.astype(np.float32),
        )

    def with_affine(self, gamma: Any, beta: Any) -> Values:
        """These values for the layer's gamma and beta; a variable that it lacks is left out."""
        pairs = ((getattr(self.layer, "gamma", None), gamma), (getattr(self.layer, "beta", None), beta))
        return [(variable, tf.cast(value, tf.float32)) for variable, value in pairs if variable is not None]

    def another(self, name: str) -> BatchNormalization:
        """A new layer with the options of `layer`."""
        options = {key: value for key, value in self.layer.get_config().items() if key not in ("trainable", "dtype")}
        return type(self.layer)(**options | {"name": name})

    def dense(self, name: str, units: int, use_bias: bool) -> Dense:
        """A dense layer of this package; layers of the same name start from the same kernel."""
        return Dense(
            units, name=name, use_bias=use_bias, bias_initializer=keras.initializers.Zeros(),
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed_of(0, name)),
        )  # fmt: skip


def train_mode(layer: BatchNormalization, inputs: Any, values: Values = ()) -> np.ndarray:
    """The layer's output in training, with these values for its variables."""
    with keras.StatelessScope(state_mapping=list(values)):
        return flat(layer(tf.convert_to_tensor(inputs), training=True))


def inference(layer: BatchNormalization, inputs: Any, values: Values = ()) -> np.ndarray:
    """The layer's output in inference, with these values for its variables."""
    with keras.StatelessScope(state_mapping=list(values)):
        return flat(layer(tf.convert_to_tensor(inputs), training=False))


def updated(layer: BatchNormalization, inputs: Any, values: Values = ()) -> Values:
    """The layer's moving statistics after a training step."""
    variables = [variable for pair in layer.statistics for variable in pair]
    with keras.StatelessScope(state_mapping=list(values)) as scope:
        layer(tf.convert_to_tensor(inputs), training=True)
    after = [scope.get_current_value(variable) for variable in variables]
    return [
        (variable, variable.value if value is None else value) for variable, value in zip(variables, after, strict=True)
    ]


def flat(values: Any) -> np.ndarray:
    """(examples and positions, units), in float64 for exact computation."""
    values = np.asarray(values, np.float64)
    return values.reshape(-1, values.shape[-1])


def largest(values: Any) -> float:
    return float(np.max(np.abs(values)))
