"""What a normalizer is, and what one forward pass sees of it."""

from dataclasses import dataclass, field
from typing import Any, Literal

import keras
from keras import ops


@dataclass
class Pass:
    """What a normalizer's calls in one forward pass gave so far. A layer may be called at every time step, say.

    inputs, outputs: of each call. averaged: variable -> its value before the pass, and what each call gives for it.
    """

    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    averaged: dict[int, tuple[Any, list[Any]]] = field(default_factory=dict)


class Normalizer(keras.layers.Layer):
    """What a file in norm/ returns: a layer that knows its placement and its statistics.

    placement: before the activation or after it.
    replaces_bias: whether the Wx+b right before it can do without b: its mean is subtracted again, or beta does the
        same work. Only `before` makes use of it; after the activation the bias always stays.
    group_size: consecutive examples of a training batch that share one mean and variance; None: all of them.
    statistics: (mean, variance) variables that inference uses in place of the batch's own, in pairs; empty if none.
    averages_calls: whether these are right if a forward pass calls the layer several times, because it stores what
        `over_calls` gives. A network that calls another layer with statistics twice is refused.
    time_steps: how many time steps have statistics of their own, a pair for each; a recurrent model sets it before the
        layer is first called, and calls it with `time`, which counts from 0. 1: all calls share one pair.
    separates_time_steps: whether the layer honors that.
    noisy: whether training adds noise.

    What a layer does at inference can be changed for a while, see the context managers of `Network`:
    estimating: normalize by all examples at hand together and store their mean and variance as they are.
    as_training: normalize as a training step does, without noise.
    showing_noise: add the noise of training.
    """

    placement: Literal["before", "after"] = "after"
    replaces_bias = False
    group_size: int | None = None
    averages_calls = False
    time_steps = 1
    separates_time_steps = False
    noisy = False
    estimating = False
    as_training = False
    showing_noise = False
    current: Pass | None = None

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return []

    def __call__(self, inputs: Any, *args: Any, **options: Any) -> Any:
        outputs = super().__call__(inputs, *args, **options)
        if self.current is not None:
            self.current.inputs.append(inputs)
            self.current.outputs.append(outputs)
        return outputs

    def over_calls(self, variable: keras.Variable, value: Any) -> tuple[Any, Any]:
        """A variable's value before this forward pass, and the mean of what its calls give for it.

        value: what this call gives. The mean is over the calls so far, so that the last one's is over all. Outside the
        passes of a network every call stands alone.
        """
        if self.current is None:
            return variable.value, value
        if id(variable) not in self.current.averaged:
            self.current.averaged[id(variable)] = ops.copy(variable.value), []  # calls will assign to the variable
        before, values = self.current.averaged[id(variable)]
        values.append(value)
        return before, value if len(values) == 1 else sum(values[1:], values[0]) / len(values)


class Identity(Normalizer):
    """No normalization. Its placement is after the activation, so the layer before it keeps its bias."""

    def call(self, inputs, training=False):
        return inputs
