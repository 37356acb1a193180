"""A network with named sites, and the chain of hidden layers that every model builds it from."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

import keras
from keras import ops

from bn_study.plan import device
from bn_study.plan.declared import SITES
from bn_study.training.calls import Shapes, shapes
from bn_study.training.layers import Dense, initializer, seed_of
from bn_study.training.normalizer import Identity, Normalizer, Pass


@dataclass(frozen=True)
class Network:
    """A Keras model and the sites in it that probes measure.

    model: inputs -> logits (batch, classes), or values (batch, outputs) for regression.
    sites: `layer<i>/<site>` -> symbolic tensor, from the first hidden layer to the last. Sites of a layer: `linear`
        (Wx+b), `pre` (enters the nonlinearity), `post` (leaves it), `out` (what the next layer receives).
    linear: the layers that compute Wx+b, the output layer last.
    activation: the hidden layers' nonlinearity.
    xla: whether XLA compiles the training loop; on a CPU it does so well for matrices and very badly for convolutions,
        on a GPU always.
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
        """All normalizers, also those inside other layers."""
        return [layer for layer in self.model._flatten_layers() if isinstance(layer, Normalizer)]

    @cached_property
    def normalizers(self) -> list[Normalizer]:
        """The normalizers that have statistics."""
        return [layer for layer in self.every_normalizer if layer.statistics]

    def normalized(self, inputs: Any) -> dict[str, list[Any]]:
        """Normalizer's name -> [its inputs, its outputs] in inference, of those with statistics.

        If a layer is called several times, its calls follow one another along the first axis.
        """
        with self.forward_pass() as seen:
            self.model(inputs, training=False)
        return {
            layer.name: [values[0] if len(values) == 1 else ops.concatenate(values) for values in pair]
            for layer in self.normalizers
            for pair in [(seen[layer.name].inputs, seen[layer.name].outputs)]
        }

    @cached_property
    def calls(self) -> Shapes:
        """The shape of each normalizer's input in each of its calls in a forward pass. Raises UsageError in a loop."""
        return shapes(self.model, self.forward_pass)

    def values(self, layer: Normalizer, batch_size: int) -> int:
        """How many values one mean of training is taken over, which after a convolution usually counts pixels too."""
        of_example = math.prod(size or 1 for size in self.calls[layer.name][0][1:])
        return (layer.group_size or batch_size) * of_example // math.prod(layer.statistics[0][0].shape)

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return [pair for layer in self.normalizers for pair in layer.statistics]

    @property
    def averages(self) -> list[keras.Variable]:
        """The statistics one after another: the first mean, its variance, the second mean, ..."""
        return [variable for pair in self.statistics for variable in pair]

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
    def forward_pass(self) -> Iterator[dict[str, Pass]]:
        """One forward pass, in which normalizers average over their calls. Yields what each of them sees, by name."""
        before = [layer.current for layer in self.every_normalizer]
        seen = {layer.name: Pass() for layer in self.every_normalizer}
        for layer in self.every_normalizer:
            layer.current = seen[layer.name]
        try:
            yield seen
        finally:
            for layer, current in zip(self.every_normalizer, before, strict=True):
                layer.current = current

    @contextmanager
    def _with(self, flag: str) -> Iterator[None]:
        for layer in self.every_normalizer:
            setattr(layer, flag, True)
        try:
            with self.forward_pass():
                yield
        finally:
            for layer in self.every_normalizer:
                setattr(layer, flag, False)


Make = Callable[..., keras.layers.Layer]
Between = Callable[[str, Any, Callable[[Any], Any], Callable[[Any], Any]], tuple[Any, Any, Any]]
"""(name, Wx+b, enter, leave) -> (pre, post, out): the way through a hidden layer.

enter: what stands between Wx+b and the nonlinearity: the normalizer, or nothing if it stands after it. leave: the same
for what leaves the nonlinearity. Both take a value and what the normalizer is called with, such as `time`.
"""


@dataclass
class Chain:
    """A network under construction: hidden layers one after another, then the output.

    norm: (name, seed) -> Normalizer. The rest are the options that all models share (conf/model/). normalizers: those
    made so far, by the name of their layer.
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
    normalize_input: bool | Literal["only"]
    sites: dict[str, Any] = field(default_factory=dict)
    linear: list[keras.layers.Layer] = field(default_factory=list)
    normalizers: dict[str, Normalizer] = field(default_factory=dict)
    length: int = 0
    stream: Any = None

    def __post_init__(self) -> None:
        self.inputs = self.end = keras.Input(self.shape)
        if self.normalize_input:
            self.end = self._normalizer("input")(self.end)

    def hidden(
        self,
        make: Make,
        then: keras.layers.Layer | None = None,
        add: Any = None,
        preactivated: bool = False,
        between: Between | None = None,
        scaled: Callable[[Any], Any] | None = None,
        kernel_scale: float = 1.0,
    ) -> None:
        """Append Wx+b, normalizer, nonlinearity and dropout in the order that the options ask for.

        make: called with Keras' arguments for name, bias and initializers. then: a pooling layer that ends the block.
        add: a value from further up that is added to what enters the nonlinearity, which ends a residual branch.
        preactivated: it is added to Wx+b instead, and a normalizer before the nonlinearity stands on the sum (He et al.
            2016, arXiv 1603.05027). Either way `stream` is then the sum, which the next branch may be added to; without
            `add`, what would be added to.
        between: the way from Wx+b to the layer's output, if it is not `add`, normalizer and nonlinearity.
        scaled: what the branch passes before it is added. kernel_scale: a factor on the initial kernel.
        """
        name = f"layer{self.length + 1}"
        normalizer = self._inner(name)
        before = normalizer.placement == "before"
        normalize = partial(self._normalized, normalizer=normalizer, name=name)
        linear = self._linear(make, name, not (before and normalizer.replaces_bias), self.end, kernel_scale)
        self.length += 1
        between = between or partial(self._plain, add=add, preactivated=preactivated, scaled=scaled or _same)
        pre, post, out = between(name, linear, *((normalize, _same) if before else (_same, normalize)))
        if self.dropout_position == "after":
            out = self._dropped(out, name)
        self.end = out if then is None else then(out)
        values = zip(SITES, (linear, pre, post, self.end), strict=True)
        self.sites |= {f"{name}/{site}": value for site, value in values}

    def nonlinearity(self, name: str) -> keras.layers.Layer:
        """The hidden layers' nonlinearity, as a layer."""
        return keras.layers.Activation(self.activation, name=f"{name}_activation")

    def shortcut(self, make: Make, value: Any, normalized: bool) -> Any:
        """Wx of a value from further up, to be added to the next hidden layer, which has the bias.

        It has the sites `shortcut<i>/linear` and, if it is normalized, `shortcut<i>/out`, where i is that layer's
        number. The normalizer follows Wx in either placement, because there is no nonlinearity.
        """
        name = f"shortcut{self.length + 1}"
        self.sites[f"{name}/linear"] = value = self._linear(make, name, False, value)
        if normalized:
            self.sites[f"{name}/out"] = value = self._inner(name)(value)
        return value

    def layer(self, make: Make, name: str, use_bias: bool, kernel_scale: float = 1.0) -> keras.layers.Layer:
        """A layer with the initializers that the options ask for and a random stream of its own, not in the chain."""
        return make(
            name=name,
            use_bias=use_bias,
            kernel_initializer=initializer(
                self.initializer, self.initializer_scale * kernel_scale, seed_of(self.seed, name)
            ),
            bias_initializer=keras.initializers.Constant(self.initializer_bias),
        )

    def reshape(self, layer: keras.layers.Layer) -> None:
        self.end = layer(self.end)

    def output(self, units: int, xla: bool, kernel_scale: float = 1.0) -> Network:
        """Append the output layer, which is neither normalized nor dropped. xla: see `Network`, on a CPU."""
        outputs = self._linear(lambda **options: Dense(units, **options), "output", True, self.end, kernel_scale)
        xla = xla or device.on_gpu()
        return Network(keras.Model(self.inputs, outputs), self.sites, self.linear, self.activation, xla)

    def _plain(
        self,
        name: str,
        linear: Any,
        enter: Callable,
        leave: Callable,
        *,
        add: Any,
        preactivated: bool,
        scaled: Callable,
    ) -> Any:
        def joined(value):
            self.stream = value if add is None else keras.layers.Add(name=f"{name}_add")([add, scaled(value)])
            return self.stream

        pre = enter(joined(linear)) if preactivated else joined(enter(linear))
        post = self.nonlinearity(name)(pre)
        return pre, post, leave(post)

    def _linear(self, make: Make, name: str, use_bias: bool, value: Any, kernel_scale: float = 1.0) -> Any:
        self.linear.append(self.layer(make, name, use_bias, kernel_scale))
        return self.linear[-1](value)

    def _inner(self, name: str) -> Normalizer:
        """The normalizer of a hidden layer or a projection, which is none where only the input is normalized."""
        if self.normalize_input == "only":
            return Identity(name=f"{name}_norm")
        return self._normalizer(name)

    def _normalizer(self, name: str) -> Normalizer:
        self.normalizers[name] = self.norm(f"{name}_norm", seed_of(self.seed, f"{name}/norm"))
        return self.normalizers[name]

    def _normalized(self, value: Any, normalizer: Normalizer, name: str, **options: Any) -> Any:
        if self.dropout_position == "before":
            value = self._dropped(value, name)
        return normalizer(value, **options)

    def _dropped(self, value: Any, name: str) -> Any:
        if self.dropout == 0:
            return value
        return keras.layers.Dropout(self.dropout, seed=seed_of(self.seed, f"{name}/dropout"))(value)


def _same(value: Any, **options: Any) -> Any:
    return value
