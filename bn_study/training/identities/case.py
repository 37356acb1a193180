"""What the facts about a normaliser are checked on: a layer of the network, its real input, and layers like it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Dense, Network, seed_of
from bn_study.training.normalization import BatchNormalization

Fact = Iterator[tuple[str, str, float]]
Values = Sequence[tuple[keras.Variable, Any]]


@dataclass(frozen=True)
class Case:
    """A network and one fixed training batch of training's size. Nothing here changes a variable of the network."""

    network: Network
    evaluation: Evaluation

    @property
    def has_layer(self) -> bool:
        return any(type(one) is BatchNormalization for one in self.network.normalizers)

    @cached_property
    def layer(self) -> BatchNormalization:
        """The network's first layer that is batch normalization itself, without groups, corrections or noise."""
        return next(one for one in self.network.normalizers if type(one) is BatchNormalization)

    @cached_property
    def features(self) -> np.ndarray:
        """The batch itself, flat: (examples, features)."""
        inputs = self.evaluation.evaluator.slice("train", self.evaluation.batch_size).inputs
        return inputs.reshape(len(inputs), -1)

    @cached_property
    def inputs(self) -> np.ndarray:
        """What that layer is given for the batch, in training but without dropout: (examples, ..., units)."""
        batch = self.evaluation.evaluator.slice("train", self.evaluation.batch_size).inputs
        with keras.StatelessScope(), self.network.as_training():
            return self.network.normalised(batch, training=False)[self.layer.name][0].numpy()

    @property
    def units(self) -> int:
        """A feature map counts as one unit."""
        return self.inputs.shape[-1]

    @property
    def images(self) -> bool:
        return self.inputs.ndim == 4

    def random(self) -> np.random.Generator:
        """The same numbers for every fact, whatever was measured before."""
        return np.random.default_rng(0)

    @cached_property
    def synthetic(self) -> np.ndarray:
        """A batch of training's size with 20 normal features of mean 1, for nets of the facts' own."""
        return self.random().normal(1, 1, (len(self.features), 20)).astype(np.float32)

    def like_inputs(self, values: np.ndarray) -> np.ndarray:
        """A synthetic batch (n, units), n a multiple of 4, as an input of the layer: for maps, images of 2x2."""
        values = values.astype(np.float32)
        return values.reshape(-1, 2, 2, self.units) if self.images else values

    @cached_property
    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """A gamma of either sign and a beta, per unit, that a fact can be told by; 1 and 0 where the layer has none."""
        random = self.random()
        gamma = random.uniform(0.5, 2, self.units) * random.choice([-1, 1], self.units)
        beta = random.normal(size=self.units)
        given = [getattr(self.layer, name, None) for name in ("gamma", "beta")]
        return (
            np.ones(self.units) if given[0] is None else gamma.astype(np.float32),
            np.zeros(self.units) if given[1] is None else beta.astype(np.float32),
        )

    def with_affine(self, gamma: Any, beta: Any) -> Values:
        """Values for the layer's own gamma and beta, of those that it has."""
        pairs = ((getattr(self.layer, "gamma", None), gamma), (getattr(self.layer, "beta", None), beta))
        return [(variable, tf.cast(value, tf.float32)) for variable, value in pairs if variable is not None]

    def another(self, name: str) -> BatchNormalization:
        """A fresh layer with the options of the network's."""
        options = {key: value for key, value in self.layer.get_config().items() if key not in ("trainable", "dtype")}
        return type(self.layer)(**options | {"name": name})

    def dense(self, name: str, units: int, use_bias: bool) -> Dense:
        """A layer of the harness; those of one name start from the same kernel."""
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
    """The values that a step of training leaves in the layer's moving statistics."""
    variables = [variable for pair in layer.statistics for variable in pair]
    with keras.StatelessScope(state_mapping=list(values)) as scope:
        layer(tf.convert_to_tensor(inputs), training=True)
    left = [scope.get_current_value(variable) for variable in variables]
    return [(variable, variable.value if one is None else one) for variable, one in zip(variables, left, strict=True)]


def flat(values: Any) -> np.ndarray:
    """(examples and positions, units), in float64 for what is computed of them."""
    values = np.asarray(values, np.float64)
    return values.reshape(-1, values.shape[-1])


def largest(values: Any) -> float:
    return float(np.max(np.abs(values)))
