"""A network with named sites, and the pieces that every model builds it from."""

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
        """Initializers distinguish inputs from units by their order."""
        return ops.transpose(self.kernel_initializer(shape[::-1], dtype))

    def call(self, inputs):
        outputs = ops.matmul(inputs, ops.transpose(self.kernel))
        return outputs if self.bias is None else outputs + self.bias


class Normalizer(keras.layers.Layer):
    """What a file in norm/ returns: a layer that knows its placement and its statistics.

    placement: before the activation or after it.
    replaces_bias: whether the Wx+b right before it can do without b: its mean is subtracted again, or beta does the
        same work. Only `before` makes use of it; after the activation the bias always stays.
    group_size: consecutive examples of a training batch that share one mean and variance; None: all of them.
    statistics: (mean, variance) variables that inference uses in place of the batch's own, in pairs; empty if none.
    noisy: whether training adds noise.

    What a layer does at inference can be changed for a while, see the context managers of `Network`:
    estimating: normalize by all examples at hand together and store their mean and variance as they are.
    as_training: normalize as a training step does, without noise.
    showing_noise: add the noise of training.
    """

    placement: Literal["before", "after"] = "after"
    replaces_bias = False
    group_size: int | None = None
    noisy = False
    estimating = False
    as_training = False
    showing_noise = False

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return []

    def values(self, batch_size: int) -> int:
        """How many values one mean of training is taken over, which after a convolution counts pixels too."""
        return (self.group_size or batch_size) * math.prod(self.input.shape[1:-1])


@dataclass(frozen=True)
class Network:
    """A Keras model and the sites in it that probes measure.

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
    def every_normalizer(self) -> list[Normalizer]:
        return [layer for layer in self.model.layers if isinstance(layer, Normalizer)]

    @cached_property
    def normalizers(self) -> list[Normalizer]:
        """The normalizers that have statistics."""
        return [layer for layer in self.every_normalizer if layer.statistics]

    @cached_property
    def normalized(self) -> keras.Model:
        """The same layers: inputs -> {normalizer's name: [its input, its output]}, of those with statistics."""
        return keras.Model(self.model.inputs[0], {one.name: [one.input, one.output] for one in self.normalizers})

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return [pair for layer in self.normalizers for pair in layer.statistics]

    @property
    def group_size(self) -> int:
        """How many consecutive examples of a training batch the normalizers need at least, or a multiple of it."""
        return math.lcm(*(layer.group_size or 1 for layer in self.every_normalizer))

    @property
    def noisy(self) -> bool:
        return any(layer.noisy for layer in self.every_normalizer)

    def estimating(self) -> AbstractContextManager[None]:
        """Let every normalizer use and store the statistics of all examples at hand, with dropout and noise off."""
        return self._with("estimating")

    def as_training(self) -> AbstractContextManager[None]:
        """Let every normalizer do what it does in a training step, with dropout and noise off."""
        return self._with("as_training")

    def showing_noise(self) -> AbstractContextManager[None]:
        """Let normalizers that add noise in training add it, as the next step would draw it."""
        return self._with("showing_noise")

    @contextmanager
    def _with(self, flag: str) -> Iterator[None]:
        for layer in self.every_normalizer:
            setattr(layer, flag, True)
        try:
            yield
        finally:
            for layer in self.every_normalizer:
                setattr(layer, flag, False)


def seed_of(seed: int, name: str) -> int:
    """A separate random stream for each random part of a network, so that adding a layer changes no other stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4]) >> 1


def initializer(name: str, scale: float, seed: int) -> keras.initializers.Initializer:
    """Keras' initializers by name: for `normal` scale is the standard deviation, for the others a factor on theirs."""
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
    """A network under construction: hidden layers one after another, then the output.

    norm: (name, seed) -> Normalizer. The rest are the options that all models share (conf/model/).
    """

    shape: tuple[int, ...]
    norm: Callable[[str, int], Normalizer]
    seed: int
    activation: str
    initializer: str
    initializer_scale: float
    initializer_bias: float
    dropout: float
    dropout_position: str
    normalize_input: bool
    sites: dict[str, Any] = field(default_factory=dict)
    linear: list[keras.layers.Layer] = field(default_factory=list)
    stream: Any = None

    def __post_init__(self) -> None:
        self.inputs = self.end = keras.Input(self.shape)
        if self.normalize_input:
            self.end = self._normalizer("input")(self.end)

    def hidden(
        self,
        make: Callable[..., keras.layers.Layer],
        then: keras.layers.Layer | None = None,
        residual: bool = False,
    ) -> None:
        """Append Wx+b, normalizer, nonlinearity and dropout in the order that the options ask for.

        make: called with Keras' arguments for name, bias and initializers. then: a pooling layer that ends the block.
        residual: what entered the nonlinearity of the hidden layer before is added to what enters this one's, if their
            shapes agree.
        """
        name = f"layer{len(self.linear) + 1}"
        normalizer = self._normalizer(name)
        before = normalizer.placement == "before"
        linear = self._linear(make, name, use_bias=not (before and normalizer.replaces_bias))
        self.sites[f"{name}/linear"] = linear
        pre = self._normalized(linear, normalizer, name) if before else linear
        if residual and self.stream is not None and self.stream.shape == pre.shape:
            pre = keras.layers.Add(name=f"{name}_add")([self.stream, pre])
        self.stream = pre
        self.sites[f"{name}/pre"] = pre
        post = keras.layers.Activation(self.activation, name=f"{name}_activation")(pre)
        self.sites[f"{name}/post"] = post
        out = post if before else self._normalized(post, normalizer, name)
        if self.dropout_position == "after":
            out = self._dropped(out, name)
        self.end = out if then is None else then(out)
        self.sites[f"{name}/out"] = self.end

    def reshape(self, layer: keras.layers.Layer) -> None:
        self.end = layer(self.end)

    def output(self, units: int, xla: bool) -> Network:
        """Append the output layer, which is neither normalized nor dropped."""
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

    def _normalizer(self, name: str) -> Normalizer:
        return self.norm(f"{name}_norm", seed_of(self.seed, f"{name}/norm"))

    def _normalized(self, value: Any, normalizer: Normalizer, name: str) -> Any:
        if self.dropout_position == "before":
            value = self._dropped(value, name)
        return normalizer(value)

    def _dropped(self, value: Any, name: str) -> Any:
        if self.dropout == 0:
            return value
        return keras.layers.Dropout(self.dropout, seed=seed_of(self.seed, f"{name}/dropout"))(value)
