"""A recurrent and a residual model are two files each, and figures show every layer that they declare."""

import itertools

import numpy as np
import pandas as pd
import pytest

START = """initializer: glorot
initializer_scale: 1.0
initializer_bias: 0.0
"""
RECURRENT = {
    "bn_study/training/model/reader.py": '''
"""A recurrent network that reads an image row by row."""

from typing import Literal

import keras
from keras import ops

from bn_study.plan.declared import layer_sites
from bn_study.plan.types import Count, Number, Positive
from bn_study.training.data import Data
from bn_study.training.layers import Dense, initializer as named_initializer, seed_of
from bn_study.training.network import Network


class Recurrence(keras.layers.Layer):
    """x -> [x_t + U h_(t-1), its activation h_t], both (batch, time, units), from h_0 = 0."""

    def __init__(self, activation: str, kernel_initializer: keras.initializers.Initializer, *, name: str) -> None:
        super().__init__(name=name)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = kernel_initializer

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), initializer=self.kernel_initializer)

    def call(self, inputs):
        before, after, state = [], [], ops.zeros_like(inputs[:, 0])
        for time in range(inputs.shape[1]):
            before.append(inputs[:, time] + ops.matmul(state, self.kernel))
            state = self.activation(before[-1])
            after.append(state)
        return ops.stack(before, axis=1), ops.stack(after, axis=1)


CONVOLUTIONAL = False


def sites(*, units: list[Count], **others: object) -> list[str]:
    """The sites of the recurrent layers."""
    return layer_sites(len(units))


def build(
    data: Data,
    norm,
    seed: int,
    *,
    units: list[Count],
    activation: Literal["tanh", "relu"],
    initializer: Literal["normal", "glorot", "he", "lecun"],
    initializer_scale: Positive,
    initializer_bias: Number,
) -> Network:
    """Recurrent layers, one on another, and a linear output of the last state.

    A normalizer stands on the input-to-hidden product (Laurent et al. 2016) or on the states.
    """

    def linear(width: int, name: str, use_bias: bool = True) -> Dense:
        start = named_initializer(initializer, initializer_scale, seed_of(seed, name))
        bias = keras.initializers.Constant(initializer_bias)
        layers.append(
            Dense(width, name=name, use_bias=use_bias, kernel_initializer=start, bias_initializer=bias)
        )
        return layers[-1]

    layers, places = [], {}
    inputs = keras.Input(data.shape)
    stream = keras.layers.Reshape((data.shape[0], -1))(inputs)
    for number, width in enumerate(units, 1):
        name = f"layer{number}"
        normalizer = norm(f"{name}_norm", seed_of(seed, f"{name}/norm"))
        before = normalizer.placement == "before"
        product = linear(width, name, not (before and normalizer.replaces_bias))(stream)
        start = named_initializer(initializer, initializer_scale, seed_of(seed, f"{name}/recurrence"))
        recurrence = Recurrence(activation, start, name=f"{name}_recurrence")
        pre, post = recurrence(normalizer(product) if before else product)
        stream = post if before else normalizer(post)
        places |= dict(zip(layer_sites(number)[-4:], (product, pre, post, stream), strict=True))
    outputs = linear(data.classes or 1, "output")(stream[:, -1])
    return Network(keras.Model(inputs, outputs), places, layers, activation, xla=True)
''',
    "conf/model/reader.yaml": f"name: reader\nunits: [8, 8, 8]\nactivation: tanh\n{START}",
}
RESIDUAL = {
    "bn_study/training/model/residual.py": '''
"""A residual convolutional network (He et al. 2016)."""

from typing import Literal

import keras

from bn_study.plan.declared import layer_sites
from bn_study.plan.types import Count, Number, Positive
from bn_study.training.data import Data
from bn_study.training.network import Chain, Network


CONVOLUTIONAL = True


def sites(*, blocks: Count, **others: object) -> list[str]:
    """The sites of the first convolution and of the two of each block."""
    return layer_sites(1 + 2 * blocks)


def build(
    data: Data,
    norm,
    seed: int,
    *,
    filters: Count,
    blocks: Count,
    activation: Literal["tanh", "relu"],
    initializer: Literal["normal", "glorot", "he", "lecun"],
    initializer_scale: Positive,
    initializer_bias: Number,
) -> Network:
    """A 3x3 convolution; blocks of two more, each block added to its input; the mean over pixels; a linear output."""
    chain = Chain(
        data.shape, norm, seed, activation, initializer, initializer_scale, initializer_bias, 0.0, "after", False
    )

    def convolution() -> None:
        chain.hidden(lambda **options: keras.layers.Conv2D(filters, 3, padding="same", **options))

    convolution()
    for block in range(1, blocks + 1):
        skipped = chain.end
        convolution()
        convolution()
        chain.end = chain.sites[f"layer{1 + 2 * block}/out"] = skipped + chain.end
    chain.reshape(keras.layers.GlobalAveragePooling2D())
    return chain.output(data.classes or 1, xla=False)
''',
    "conf/model/residual.yaml": f"name: residual\nfilters: 4\nblocks: 2\nactivation: relu\n{START}",
}
EXPERIMENT = """
question: How does batch normalization change the layers of another model?
base: {steps: 4, schedule.points: 2, schedule.first: 2, probe: [curves, gradients, activations]}
grids:
  main: {model: MODEL, norm: [none, batch], seed: [0, 1]}
  other: {model: cnn, model.blocks: [[[3]]], model.dense: [[4]], norm: [none, batch], seed: [0, 1]}
figures:
  gradients: &over_layers
    {kind: over_layers, grids: [main, other], panels: null, records: [gradient/delta], site: linear, step: null,
     power: 1, growth: null, growth_of: null}
  spread: {<<: *over_layers, records: [activation/std], site: out}
  values: {kind: activations, grid: main, site: post}
"""
CASES = {"reader": (RECURRENT, "model.units: [[5, 4]]", 2), "residual": (RESIDUAL, "model.blocks: 2", 5)}
"""The files that are added, an option that the experiment gives, and how many layers there then are."""
FIGURES = {"gradients": ["mean"], "spread": ["mean"], "values": ["q5", "q15", "q50", "q85", "q95"]}
"""Each figure, and what its data hold of each layer."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_figures_show_every_layer_that_a_new_model_declares(copy, tmp_path, name):
    files, option, layers = CASES[name]
    call = copy(files | {"experiments/layers.yaml": EXPERIMENT.replace("MODEL", f"{name}, {option}")})
    assert "8 runs" in call("plan", "layers")
    assert "8 trained, 8 of 8 done" in call("run", "layers", "launcher=inline")
    call("report", "layers")
    for figure, series in FIGURES.items():
        (path,) = tmp_path.glob(f"results/layers/**/{figure}.csv")
        table = pd.read_csv(path)
        grids = table.get("grid", pd.Series("main", table.index))
        for norm, kind in itertools.product(("none", "batch"), series):
            arm = table[(grids == "main") & (table["norm"] == norm) & (table["series"] == kind)]
            assert set(arm["layer"]) == set(range(1, layers + 1)), (figure, norm)
            assert (arm["n"] == 2).all() and np.isfinite(arm["value"]).all(), (figure, norm)
        assert path.with_suffix(".svg").stat().st_size


@pytest.mark.slow
def test_a_model_that_declares_other_layers_than_it_builds_is_refused(copy):
    path = "bn_study/training/model/residual.py"
    wrong = RESIDUAL | {path: RESIDUAL[path].replace("layer_sites(1 + 2 * blocks)", "layer_sites(1 + blocks)")}
    said = copy(wrong)("run", "model=residual", "seed=0", "steps=2", "launcher=inline", code=2)
    assert "model=residual: its `sites` and the network it builds differ in layer4/linear, " in said
    assert "Traceback" not in said
