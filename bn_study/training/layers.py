"""Layers and starting values that every model uses."""

import hashlib
from typing import Any, Literal

import keras
from keras import ops


class Dense(keras.layers.Layer):
    """Wx+b. The kernel is (units, inputs), as in PyTorch: the product that gives its gradient is a third faster."""

    def __init__(
        self,
        units: int,
        *,
        name: str,
        use_bias: bool,
        kernel_initializer: keras.initializers.Initializer,
        bias_initializer: keras.initializers.Initializer,
    ) -> None:
        super().__init__(name=name)
        self.units = units
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(self.units, shape[-1]), initializer=self._transposed)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=self.bias_initializer)

    def _transposed(self, shape: tuple[int, int], dtype: str) -> Any:
        """Initializers distinguish inputs from units by their order."""
        return ops.transpose(self.kernel_initializer(shape[::-1], dtype))

    def call(self, inputs):
        outputs = ops.matmul(inputs, ops.transpose(self.kernel))
        return outputs if self.bias is None else outputs + self.bias


class Scalar(keras.layers.Layer):
    """A learned factor on all values."""

    def __init__(self, start: float, *, name: str) -> None:
        super().__init__(name=name)
        self.start = start

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.factor = self.add_weight(name="factor", shape=(), initializer=keras.initializers.Constant(self.start))

    def call(self, inputs):
        return self.factor * inputs


class SquareBlocks(keras.initializers.Initializer):
    """Square matrices beside one another, (units, blocks · units): orthogonal ones of separate streams, or identities.

    An orthogonal one is uniform over all of them (Saxe et al. 2014, arXiv 1312.6120).
    """

    def __init__(self, kind: Literal["orthogonal", "identity"], seed: int) -> None:
        self.kind = kind
        self.seed = seed

    def __call__(self, shape: tuple[int, int], dtype: str | None = None) -> Any:
        units, width = shape
        if self.kind == "identity":
            return ops.tile(ops.eye(units, dtype=dtype), (1, width // units))
        starts = [keras.initializers.Orthogonal(seed=seed_of(self.seed, f"{block}")) for block in range(width // units)]
        return ops.concatenate([start((units, units), dtype) for start in starts], axis=1)


def seed_of(seed: int, name: str) -> int:
    """A separate random stream for each random part of a network, so that adding a layer changes no other stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4]) >> 1


def initializer(name: str, scale: float, seed: int) -> keras.initializers.Initializer:
    """Keras' initializers by name: for `normal` scale is the standard deviation, for the others a factor on theirs."""
    if scale == 0:
        return keras.initializers.Zeros()
    if name == "normal":
        return keras.initializers.RandomNormal(stddev=scale, seed=seed)
    mode, gain, distribution = {
        "glorot": ("fan_avg", 1.0, "uniform"),
        "he": ("fan_in", 2.0, "truncated_normal"),
        "lecun": ("fan_in", 1.0, "truncated_normal"),
    }[name]
    return keras.initializers.VarianceScaling(gain * scale**2, mode, distribution, seed=seed)
