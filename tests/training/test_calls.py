"""A normalizer that a forward pass calls several times, against numpy; and those that cannot be called so."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from bn_study.errors import UsageError
from bn_study.training import calls, program
from bn_study.training.data import Data, Split
from bn_study.training.evaluation import Evaluation, Evaluator
from bn_study.training.layers import Dense
from bn_study.training.network import Network
from bn_study.training.norm import batch, batch_renorm, ghost_batch, group
from bn_study.training.normalizer import Normalizer

UNITS, EXAMPLES, CLASSES, MOMENTUM, EPSILON = 6, 90, 3, 0.9, 1e-3
OPTIONS = {"placement": "before", "momentum": MOMENTUM, "epsilon": EPSILON, "center": True, "scale": True}
RENORM = {"group_size": None, "r_max": 3.0, "d_max": 5.0, "warm_up": 0, "r_steps": 5, "d_steps": 5}


class Twice(keras.layers.Layer):
    """x W -> norm -> tanh -> W -> the same norm -> tanh, inside one layer."""

    def __init__(self, norm, kernels):
        super().__init__()
        self.norm, self.kernels = norm, kernels

    def call(self, inputs):
        for kernel in self.kernels:
            inputs = ops.tanh(self.norm(kernel(inputs)))
        return inputs


def dense(units, name, seed):
    start = keras.initializers.RandomNormal(stddev=0.8, seed=seed)
    return Dense(units, name=name, use_bias=False, kernel_initializer=start, bias_initializer="zeros")


def network(norm, inside=False):
    """Two layers that share a normalizer, which is one of the model's layers or inside another layer."""
    inputs = keras.Input((UNITS,))
    kernels = [dense(UNITS, "layer1", 1), dense(UNITS, "layer2", 2)]
    between = Twice(norm, kernels) if inside else partial(Twice.call, Shared(norm, kernels))
    output = dense(CLASSES, "output", 3)
    return Network(keras.Model(inputs, output(between(inputs))), {}, [output], "tanh", xla=True)


class Shared:
    def __init__(self, norm, kernels):
        self.norm, self.kernels = norm, kernels


def kernels_of(net):
    return [value.numpy().T.astype(np.float64) for value in net.model.trainable_variables if value.name == "kernel"]


def data():
    random = np.random.default_rng(5)
    x = random.normal(0.5, 2, (EXAMPLES, UNITS)).astype(np.float32)
    x[:, 0] *= 3
    split = Split(x, random.integers(0, CLASSES, EXAMPLES).astype(np.int32))
    return Data(split, split, split, CLASSES, "none")


def forward(x, kernels, moments):
    """Logits, and mean and variance before each normalizer. moments: (mean, variance), or None for each call's own."""
    seen, x = [], x.astype(np.float64)
    for kernel in kernels[:2]:
        z = x @ kernel
        seen.append((z.mean(axis=0), z.var(axis=0)))
        mean, variance = seen[-1] if moments is None else moments
        x = np.tanh((z - mean) / np.sqrt(variance + EPSILON))
    return x @ kernels[2], seen


def loss(logits, targets):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets])


@pytest.mark.parametrize("inside", [False, True], ids=["in the model", "inside a layer"])
def test_statistics_are_averaged_over_the_calls_of_a_pass(specify, monkeypatch, inside):
    """Trained at rate 0 on all examples at once, so that the moving averages tend to the same."""
    net, given = network(batch.layer("shared_norm", 0, **OPTIONS, initial_scale=None), inside), data()
    x, y = given.train.inputs, given.train.targets
    kernels = kernels_of(net)
    _, seen = forward(x, kernels, None)
    mean, variance = np.mean([one for one, _ in seen], axis=0), np.mean([one for _, one in seen], axis=0)
    assert abs(seen[0][1] - seen[1][1]).max() > 1, "the calls must differ"

    spec = specify("optimizer=sgd", f"batch_size={EXAMPLES}", "norm=batch")
    monkeypatch.setattr(program, "build_network", lambda spec, data: net)
    loop = program.Program(spec, given, (tf.constant(x), tf.constant(y)))
    (moving_mean, moving_variance), *_ = net.statistics
    for step in range(1, 4):
        loop.advance(np.arange(EXAMPLES)[None], np.zeros(1), None)
        left = MOMENTUM**step
        np.testing.assert_allclose(moving_mean, mean * (1 - left), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(moving_variance, variance * (1 - left) + left, rtol=1e-4)

    evaluation = Evaluation(Evaluator(net, given), EXAMPLES, EXAMPLES, step=3, final=False)
    np.testing.assert_allclose(evaluation.reestimated, [mean, variance], rtol=1e-4, atol=1e-5)
    m = EXAMPLES
    unbiased = [moving_mean.numpy(), moving_variance.numpy() * m / (m - 1)]
    np.testing.assert_allclose(evaluation.statistics("moving_unbiased"), unbiased, rtol=1e-6)
    sources = {
        "reestimated": (mean, variance), "moving": (moving_mean.numpy(), moving_variance.numpy()), "batch": None
    }  # fmt: skip
    found = evaluation.scores({"test": None}, list(sources))
    for source, moments in sources.items():
        logits, _ = forward(x, kernels, moments)
        assert found["test", source][0] == pytest.approx(loss(logits, y), rel=1e-4), source
        assert found["test", source][1] == pytest.approx((logits.argmax(axis=1) == y).mean()), source
    loop.advance(np.tile(np.arange(EXAMPLES), (150, 1)), np.zeros(150), None)
    np.testing.assert_allclose([moving_mean, moving_variance], [mean, variance], rtol=1e-3, atol=1e-4)


def test_all_calls_are_told_to_probes_one_after_another():
    net, x = network(batch.layer("shared_norm", 0, **OPTIONS, initial_scale=None), inside=True), data().train.inputs
    _, seen = forward(x, kernels_of(net), None)
    with net.as_training():
        inputs, outputs = (np.asarray(value) for value in net.normalized(x)["shared_norm"])
    for call, (mean, variance) in enumerate(seen):
        rows = slice(call * EXAMPLES, (call + 1) * EXAMPLES)
        np.testing.assert_allclose(inputs[rows].mean(axis=0), mean, rtol=1e-3, atol=1e-4)
        expected = (inputs[rows] - mean) / np.sqrt(variance + EPSILON)
        np.testing.assert_allclose(outputs[rows], expected, rtol=1e-3, atol=1e-4)


def test_outside_a_pass_and_after_one_every_call_stands_alone():
    layer, x = batch.layer("alone_norm", 0, **OPTIONS, initial_scale=None), data().train.inputs
    net = network(layer)
    with net.estimating():
        net.model(x, training=False)
    before = layer.moving_mean.numpy()
    layer(x, training=True)
    layer(2 * x, training=True)
    expected = (before * MOMENTUM + x.mean(axis=0) * 0.1) * MOMENTUM + 2 * x.mean(axis=0) * 0.1
    np.testing.assert_allclose(layer.moving_mean, expected, rtol=1e-4, atol=1e-5)


class Last(Normalizer):
    """Keeps what its last call saw, as a user might write it."""

    def build(self, shape):
        self.mean = self.add_weight(name="mean", shape=(shape[-1],), trainable=False)
        self.variance = self.add_weight(name="variance", shape=(shape[-1],), trainable=False)

    @property
    def statistics(self):
        return [(self.mean, self.variance)]

    def call(self, inputs, training=False):
        return inputs


def checked(net):
    calls.check(net.normalizers, net.calls)


@pytest.mark.parametrize(
    "make",
    [partial(Last, name="shared_norm"), partial(batch_renorm.layer, "shared_norm", 0, **OPTIONS, **RENORM)],
    ids=["own", "renorm"],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_normalizer_that_keeps_one_call_is_refused_by_name(make, inside):
    with pytest.raises(UsageError, match=r"shared_norm is called 2 times in a forward pass, but .* make a normalizer"):
        checked(network(make(), inside))


def test_those_without_statistics_and_groups_may_be_called_twice():
    checked(network(group.layer("shared_norm", 0, placement="before", groups=2, epsilon=EPSILON, center=True,
                                scale=True)))  # fmt: skip
    checked(network(ghost_batch.layer("shared_norm", 0, group_size=3, **OPTIONS)))


class Cell(keras.layers.Layer):
    """A step of a recurrence with a normalizer, for Keras' own loop over time."""

    state_size = UNITS

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def build(self, shape):
        self.norm.build(shape)

    def call(self, inputs, states):
        state = ops.tanh(self.norm(inputs + states[0]))
        return state, [state]


def test_a_loop_of_tensorflow_is_refused():
    inputs = keras.Input((4, UNITS))
    states = keras.layers.RNN(Cell(batch.layer("looped_norm", 0, **OPTIONS, initial_scale=None)))(inputs)
    output = dense(CLASSES, "output", 3)
    with pytest.raises(UsageError, match=r"looped_norm is called in a loop of TensorFlow .* loop of Python"):
        checked(Network(keras.Model(inputs, output(states)), {}, [output], "tanh", xla=True))


def test_inputs_of_different_sizes_are_refused():
    inputs, norm = keras.Input((8, 8, 2)), batch.layer("shared_norm", 0, **OPTIONS, initial_scale=None)
    small = keras.layers.AveragePooling2D(2)(norm(inputs))
    output = dense(CLASSES, "output", 3)
    outputs = output(keras.layers.GlobalAveragePooling2D()(norm(small)))
    with pytest.raises(UsageError, match=r"shared_norm is called with inputs of shapes \(8, 8, 2\) and \(4, 4, 2\)"):
        checked(Network(keras.Model(inputs, outputs), {}, [output], "tanh", xla=False))


def test_a_normalizer_that_is_never_called_is_refused():
    inputs, idle = keras.Input((UNITS,)), batch.layer("idle_norm", 0, **OPTIONS, initial_scale=None)
    idle.build((None, UNITS))
    output = dense(CLASSES, "output", 3)
    holder = Twice(idle, [])
    with pytest.raises(UsageError, match="idle_norm is part of the network, but a forward pass does not call it"):
        checked(Network(keras.Model(inputs, output(holder(inputs))), {}, [output], "tanh", xla=True))


def test_a_run_with_such_a_normalizer_does_not_start(specify, monkeypatch):
    spec = specify("norm=batch")
    net = network(Last(name="shared_norm"))
    monkeypatch.setattr(program, "build_network", lambda spec, data: net)
    with pytest.raises(UsageError, match="shared_norm is called 2 times"):
        program.Program(spec, data(), (tf.zeros(1), tf.zeros(1)))
