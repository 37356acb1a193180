"""A study's own parts, as a user would write them: files for its parts/."""

from pathlib import Path

FILES = {
    "norm/power.yaml": """\
name: power
placement: before
epsilon: 1.0e-5
centered: false   # subtract the mean, too
""",
    "norm/_moments.py": """\
from keras import ops


def moments(inputs):
    axes = tuple(range(1, len(inputs.shape)))
    return ops.mean(inputs, axes, keepdims=True), ops.mean(inputs**2, axes, keepdims=True)
""",
    "norm/power.py": '''\
"""Divide each example by its root mean square (Zhang & Sennrich 2019)."""

from typing import Literal

from keras import ops
from study_parts.norm._moments import moments

from bn_study.plan.types import Positive
from bn_study.training.normalizer import Normalizer

STATISTICS = False


class RootMeanSquare(Normalizer):
    def __init__(self, name, placement, epsilon, centered):
        super().__init__(name=name)
        self.placement = placement
        self.epsilon = epsilon
        self.centered = centered

    def call(self, inputs, training=False):
        mean, square = moments(inputs)
        if self.centered:
            inputs, square = inputs - mean, square - mean**2
        return inputs / ops.sqrt(square + self.epsilon)


def layer(
    name: str, seed: int, *, placement: Literal["before", "after"], epsilon: Positive, centered: bool
) -> Normalizer:
    """An example's features are divided by their root mean square."""
    return RootMeanSquare(name, placement, epsilon, centered)
''',
    "probe/kernels.yaml": """\
# @package probe.kernels
every: null
power: 2
""",
    "probe/kernels.py": '''\
"""How large the kernels are."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count


def records(seen: Observed, *, power: Count) -> Iterator[Record]:
    """The norm of each kernel."""
    for site in (*(one for one in seen.sites if one.endswith("/linear")), "output/linear"):
        yield Record("kernel/norm", site)


def record(network, evaluation, *, power: Count) -> Iterator[tuple[str, str, float]]:
    """Yield `kernel/norm` of each layer: the norm of this power."""
    for layer in network.linear:
        yield "kernel/norm", f"{layer.name}/linear", float(np.sum(np.abs(layer.kernel.numpy()) ** power) ** (1 / power))
''',
    "model/twin.yaml": """\
name: twin
width: 24
layers: 2
rate: 0.1
""",
    "model/twin.py": '''\
"""Layers of maxout: the larger of two linear maps."""

import keras
from keras import ops

from bn_study.plan.declared import layer_sites
from bn_study.plan.types import Count, Positive
from bn_study.training.data import Data
from bn_study.training.network import Dense, Network, seed_of

CONVOLUTIONAL = False


def sites(*, layers: Count, **others: object) -> list[str]:
    """The sites of each layer."""
    return layer_sites(layers)


def build(data: Data, norm, seed: int, *, width: Count, layers: Count, rate: Positive) -> Network:
    """Hidden layers of maxout units. rate: the standard deviation of the kernels at the start."""

    def linear(units, name):
        start = keras.initializers.RandomNormal(stddev=rate, seed=seed_of(seed, name))
        made.append(Dense(units, name=name, use_bias=True, kernel_initializer=start, bias_initializer="zeros"))
        return made[-1]

    made, places = [], {}
    inputs = keras.Input(data.shape)
    stream = keras.layers.Flatten()(inputs)
    for number in range(1, layers + 1):
        name = f"layer{number}"
        product = linear(2 * width, name)(stream)
        pre = norm(f"{name}_norm", seed_of(seed, f"{name}/norm"))(product)
        post = ops.maximum(pre[:, :width], pre[:, width:])
        stream = post
        places |= {f"{name}/linear": product, f"{name}/pre": pre, f"{name}/post": post, f"{name}/out": post}
    return Network(keras.Model(inputs, linear(data.classes or 1, "output")(stream)), places, made, "linear", xla=True)
''',
}


def write(folder: Path, files: dict[str, str] = FILES) -> None:
    """Write the files to a study's parts/."""
    for name, text in files.items():
        path = folder / "parts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
