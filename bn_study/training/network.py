"""A network with named sites, and the pieces that every model builds it from."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
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
        """Initialisers tell inputs from units by their order."""
        return ops.transpose(self.kernel_initializer(shape[::-1], dtype))

    def call(self, inputs):
        outputs = ops.matmul(inputs, ops.transpose(self.kernel))
        return outputs if self.bias is None else outputs + self.bias


class Normalizer(keras.layers.Layer):
    """What a file in norm/ returns: a layer that knows its place and its statistics.

    placement: before the activation, where the preceding layer's bias goes because a mean is subtracted anyway, or
        after it, where the bias stays.
    statistics: (mean, variance) variables that inference uses in place of the batch's own, in pairs; empty if none.
    estimating: while true, the layer normalises by the batch at hand and stores its mean and variance as they are.
    """

    placement: Literal["before", "after"] = "after"
    estimating = False

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return []


@dataclass(frozen=True)
class Network:
    """A Keras model and the places in it that probes look at.

    model: inputs -> logits (batch, classes), or values (batch, 1) for regression.
    sites: `layer<i>/<site>` -> symbolic tensor, from the first hidden layer to the last. Sites of a layer: `linear`
        (Wx+b), `pre` (enters the nonlinearity), `post` (leaves it), `out` (what the next layer receives).
    linear: the layers that compute Wx+b, the output layer last.
    activation: the hidden layers' nonlinearity.
    xla: whether XLA compiles the training loop; on a CPU it does so well for matrices and very badly for convolutions.
    """

    model: keras.Model
    sites: dict[str, Any]
    linear: list[keras.layers.Layer]
    activation: str
    xla: bool

    @cached_property
    def observed(self) -> keras.Model:
        """The same layers, with every site as an output: inputs -> {site: value, "output": value}."""
        return keras.Model(self.model.inputs[0], self.sites | {"output": self.model.outputs[0]})

    @cached_property
    def normalizers(self) -> list[Normalizer]:
        return [layer for layer in self.model.layers if isinstance(layer, Normalizer) and layer.statistics]

    @cached_property
    def normalised(self) -> keras.Model:
        """The same layers: inputs -> {normaliser's name: [its input, its output]}, of those with statistics."""
        return keras.Model(self.model.inputs[0], {one.name: [one.input, one.output] for one in self.normalizers})

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return [pair for layer in self.normalizers for pair in layer.statistics]

    @contextmanager
    def estimating(self) -> Iterator[None]:
        """Let every normaliser use and store the statistics of the batch at hand, with dropout off."""
        for layer in self.normalizers:
            layer.estimating = True
        try:
            yield
        finally:
            for layer in self.normalizers:
                layer.estimating = False

    @contextmanager
    def undropped(self) -> Iterator[None]:
        """Let training mode drop nothing."""
        layers = [layer for layer in self.model.layers if isinstance(layer, keras.layers.Dropout)]
        rates = [layer.rate for layer in layers]
        for layer in layers:
            layer.rate = 0.0
        try:
            yield
        finally:
            for layer, rate in zip(layers, rates, strict=True):
                layer.rate = rate


def seed_of(seed: int, name: str) -> int:
    """A stream of its own for everything random in a network, so that adding a layer changes no other layer's."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4]) >> 1


def initializer(name: str, scale: float, seed: int) -> keras.initializers.Initializer:
    """Keras' initialisers by name: for `normal` scale is the standard deviation, for the others a factor on theirs."""
    if name == "normal":
        return keras.initializers.RandomNormal(stddev=scale, seed=seed)
    mode, gain, distribution = {
        "glorot": ("fan_avg", 1.0, "uniform"),
        "he": ("fan_in", 2.0, "truncated_normal"),
        "lecun": ("fan_in", 1.0, "truncated_normal"),
    }[name]
    return keras.initializers.VarianceScaling(gain * scale**2, mode, distribution, seed=seed)


@dataclass
class Chain:
    """A network in the making: hidden layers one after another, then the output.

    norm: name -> Normalizer. The rest are the options that all models share (conf/model/).
    """

    shape: tuple[int, ...]
    norm: Callable[[str], Normalizer]
    seed: int
    activation: str
    initializer: str
    initializer_scale: float
    initializer_bias: float
    dropout: float
    dropout_position: str
    normalise_input: bool
    sites: dict[str, Any] = field(default_factory=dict)
    linear: list[keras.layers.Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = self.end = keras.Input(self.shape)
        if self.normalise_input:
            self.end = self.norm("input_norm")(self.end)

    def hidden(self, make: Callable[..., keras.layers.Layer], then: keras.layers.Layer | None = None) -> None:
        """Append Wx+b, normaliser, nonlinearity and dropout in the order that the options ask for.

        make: called with Keras' arguments for name, bias and initialisers. then: a pooling layer that ends the block.
        """
        name = f"layer{len(self.linear) + 1}"
        normalizer = self.norm(f"{name}_norm")
        before = normalizer.placement == "before"
        linear = self._linear(make, name, use_bias=not before)
        self.sites[f"{name}/linear"] = linear
        pre = self._normalised(linear, normalizer, name) if before else linear
        self.sites[f"{name}/pre"] = pre
        post = keras.layers.Activation(self.activation, name=f"{name}_activation")(pre)
        self.sites[f"{name}/post"] = post
        out = post if before else self._normalised(post, normalizer, name)
        if self.dropout_position == "after":
            out = self._dropped(out, name)
        self.end = out if then is None else then(out)
        self.sites[f"{name}/out"] = self.end

    def reshape(self, layer: keras.layers.Layer) -> None:
        self.end = layer(self.end)

    def output(self, units: int, xla: bool) -> Network:
        """Append the output layer, which is neither normalised nor dropped."""
        outputs = self._linear(lambda **options: Dense(units, **options), "output", use_bias=True)
        return Network(keras.Model(self.inputs, outputs), self.sites, self.linear, self.activation, xla)

    def _linear(self, make: Callable[..., keras.layers.Layer], name: str, use_bias: bool) -> Any:
        layer = make(
            name=name,
            use_bias=use_bias,
            kernel_initializer=initializer(self.initializer, self.initializer_scale, seed_of(self.seed, name)),
            bias_initializer=keras.initializers.Constant(self.initializer_bias),
        )
        self.linear.append(layer)
        return layer(self.end)

    def _normalised(self, value: Any, normalizer: Normalizer, name: str) -> Any:
        if self.dropout_position == "before":
            value = self._dropped(value, name)
        return normalizer(value)

    def _dropped(self, value: Any, name: str) -> Any:
        if self.dropout == 0:
            return value
        return keras.layers.Dropout(self.dropout, seed=seed_of(self.seed, f"{name}/dropout"))(value)
