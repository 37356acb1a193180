"""The recurrent network against Keras', PyTorch's and numpy's, in training and in inference."""

from contextlib import nullcontext
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from closeness import close

from bn_study.errors import UsageError
from bn_study.training import program
from bn_study.training.data import Data, Split
from bn_study.training.evaluation import Evaluation, Evaluator
from bn_study.training.model import recurrent
from bn_study.training.norm import batch, batch_renorm, ghost_batch, layer, none
from bn_study.training.normalizer import Normalizer
from bn_study.training.train import Programs, train

EXAMPLES, TIMES, PIXELS, CLASSES, UNITS = 60, 5, 4, 3, (6, 4)
EPSILON, MOMENTUM = 1e-3, 0.9
GATES = {"simple": 1, "lstm": 4, "gru": 3}
CELLS = list(GATES)
PLACES = ("input_to_hidden", "hidden_to_hidden")
STATISTICS = ("sequence", "step")
BATCH = {"placement": "before", "momentum": MOMENTUM, "epsilon": EPSILON, "center": True, "scale": True}
NORM = partial(batch.layer, **BATCH, initial_scale=None)


def data(times=TIMES):
    """Rows of two pixels of two channels, whose size changes from step to step."""
    random = np.random.default_rng(5)
    images = random.normal(0.3, 1, (EXAMPLES, times, PIXELS // 2, 2)) * np.linspace(0.5, 2, times)[:, None, None]
    split = Split(images.astype(np.float32), random.integers(0, CLASSES, EXAMPLES).astype(np.int32))
    return Data(split, split, split, CLASSES, "none")


def built(norm=NORM, times=TIMES, **options):
    defaults = {
        "units": list(UNITS), "cell": "simple", "normalize": "input_to_hidden", "statistics": "sequence",
        "activation": "tanh", "initializer": "glorot", "initializer_scale": 1.0, "initializer_bias": 0.0,
        "recurrent_initializer": "orthogonal", "dropout": 0.0, "dropout_position": "after", "normalize_input": False,
    }  # fmt: skip
    return recurrent.build(data(times), norm, 1, **defaults | options)


def scattered(network):
    """The network with random weights, so that no bias, gamma or beta does nothing."""
    random = np.random.default_rng(2)
    for variable in network.model.trainable_variables:
        low, high = (0.5, 1.5) if variable.name == "gamma" else (-0.7, 0.7)
        variable.assign(random.uniform(low, high, variable.shape))
    return network


def weights_of(network):
    return {one.path: one.numpy().astype(np.float64) for one in network.model.weights}


# --- without a normalizer ---------------------------------------------------------------------------------------------


def outputs_and_gradients(network, images, upstream):
    variables = {one.path: one for one in network.model.trainable_variables}
    with tf.GradientTape() as tape:
        outputs = network.model(images, training=True)
        total = tf.reduce_sum(outputs * upstream)
    return outputs.numpy(), tape.gradient(total, {path: one.value for path, one in variables.items()})


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_keras_own_layers(cell, activation):
    network = scattered(built(none.layer, cell=cell, activation=activation))
    images = data().train.inputs
    upstream = np.random.default_rng(3).normal(size=(EXAMPLES, CLASSES)).astype(np.float32)
    ours, gradients = outputs_and_gradients(network, images, upstream)
    make = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    order = [1, 0, 2] if cell == "gru" else range(GATES[cell])  # Keras' GRU has z before r

    def in_keras(value):
        """Of (gates · units, ...), which our own are."""
        return np.concatenate([np.split(value, GATES[cell])[gate] for gate in order]).T

    inputs = keras.Input(images.shape[1:])
    stream, layers, given = keras.layers.Reshape((TIMES, -1))(inputs), [], weights_of(network)
    for number, units in enumerate(UNITS, 1):
        layers.append(make(units, activation=activation, return_sequences=number < len(UNITS)))
        stream = layers[-1](stream)
        bias = in_keras(given[f"layer{number}/bias"])
        layers[-1].set_weights([
            in_keras(given[f"layer{number}/kernel"]), in_keras(given[f"layer{number}_back/kernel"]),
            np.stack([bias, np.zeros_like(bias)]) if cell == "gru" else bias,
        ])  # fmt: skip
    layers.append(keras.layers.Dense(CLASSES))
    model = keras.Model(inputs, layers[-1](stream))
    layers[-1].set_weights([given["output/kernel"].T, given["output/bias"]])
    with tf.GradientTape() as tape:
        theirs = model(images)
        total = tf.reduce_sum(theirs * upstream)
    close(ours, theirs)
    found = iter(tape.gradient(total, [one.value for one in model.trainable_variables]))
    for number in range(1, len(UNITS) + 1):
        for path in (f"layer{number}/kernel", f"layer{number}_back/kernel"):
            close(in_keras(gradients[path].numpy()), next(found), path)
        bias = np.asarray(next(found))
        close(in_keras(gradients[f"layer{number}/bias"].numpy()), bias[0] if cell == "gru" else bias, "bias")
    close(gradients["output/kernel"].numpy().T, next(found))


@pytest.mark.parametrize("cell", CELLS)
def test_equals_pytorch_s_own_layers(cell):
    torch = pytest.importorskip("torch", reason="PyTorch, for comparison only, is not installed")
    network = scattered(built(none.layer, cell=cell))
    images = data().train.inputs
    upstream = np.random.default_rng(3).normal(size=(EXAMPLES, CLASSES)).astype(np.float32)
    ours, gradients = outputs_and_gradients(network, images, upstream)
    given, leaves = weights_of(network), {}
    stream = torch.tensor(images.reshape(EXAMPLES, TIMES, PIXELS)).double()
    for number, units in enumerate(UNITS, 1):
        kind = {"simple": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
        theirs = kind(stream.shape[-1], units, batch_first=True, dtype=torch.float64)
        names = {"weight_ih_l0": "/kernel", "weight_hh_l0": "_back/kernel", "bias_ih_l0": "/bias"}
        with torch.no_grad():
            theirs.bias_hh_l0.zero_()
            for name, path in names.items():
                getattr(theirs, name).copy_(torch.tensor(given[f"layer{number}{path}"]))
        leaves |= {f"layer{number}{path}": getattr(theirs, name) for name, path in names.items()}
        stream = theirs(stream)[0]
    output = [torch.tensor(given[f"output/{name}"], requires_grad=True) for name in ("kernel", "bias")]
    leaves |= {"output/kernel": output[0], "output/bias": output[1]}
    logits = torch.nn.functional.linear(stream[:, -1], *output)
    (logits * torch.tensor(upstream)).sum().backward()
    close(ours, logits.detach())
    assert set(leaves) == set(gradients)
    for path, gradient in gradients.items():
        close(gradient, leaves[path].grad, path)


# --- with a normalizer ------------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward(network, x, cell, normalize, statistics, given, weights=None):
    """Logits, the sites, and the mean and variance of each call of each layer's normalizer, in float64.

    given: for each layer a list of (mean, variance) of each step, or a single one for all; None: each call's own.
    weights: others than the network's, perhaps complex.
    """
    weights, seen, sites = weights or weights_of(network), [], {}
    x = x.astype(np.float64).reshape(len(x), x.shape[1], -1)
    for number, units in enumerate(UNITS, 1):
        name, calls = f"layer{number}", []
        gamma, beta = weights[f"{name}_norm/gamma"], weights[f"{name}_norm/beta"]

        def normalized(value, gamma=gamma, beta=beta, calls=calls, number=number):
            axes = tuple(range(value.ndim - 1))
            mean = value.mean(axes)
            calls.append((mean, ((value - mean) ** 2).mean(axes)))  # numpy's own variance of complex values is real
            mean, variance = calls[-1]
            if given is not None:
                mean, variance = given[number - 1][min(len(calls), len(given[number - 1])) - 1]
            return (value - mean) / np.sqrt(variance + EPSILON) * gamma + beta

        product = x @ weights[f"{name}/kernel"].T + weights.get(f"{name}/bias", 0)
        sites[f"{name}/linear"] = product
        entering = product
        if normalize == "input_to_hidden":
            entering = (
                normalized(product) if statistics == "sequence"
                else np.stack([normalized(product[:, time]) for time in range(product.shape[1])], axis=1)
            )  # fmt: skip
        h = memory = np.zeros((len(x), units))
        states = []
        for time in range(x.shape[1]):
            back = h @ weights[f"{name}_back/kernel"].T
            if time and normalize == "hidden_to_hidden":
                back = normalized(back)
            one, other = (np.split(value, GATES[cell], axis=-1) for value in (entering[:, time], back))
            if cell == "simple":
                pre = one[0] + other[0]
                h = post = np.tanh(pre)
            elif cell == "lstm":
                i, f, g, o = (a + b for a, b in zip(one, other, strict=True))
                pre = memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
                post = np.tanh(pre)
                h = sigmoid(o) * post
            else:
                r, z = sigmoid(one[0] + other[0]), sigmoid(one[1] + other[1])
                pre = one[2] + r * other[2]
                post = np.tanh(pre)
                h = (1 - z) * post + z * h
            states.append(h)
        sites |= {f"{name}/pre": pre, f"{name}/post": post, f"{name}/out": h}
        seen.append(calls)
        x = np.stack(states, axis=1)
    return x[:, -1] @ weights["output/kernel"].T + weights["output/bias"], sites, seen


def kept(seen, normalize, statistics):
    """What stands for the calls of each layer at inference: a mean and variance, or as many as there are steps."""
    if statistics == "step" or normalize == "input_to_hidden":
        return seen
    return [[tuple(np.mean(calls, axis=0))] for calls in seen]


def mean_loss(logits, targets):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets])


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("normalize", PLACES)
@pytest.mark.parametrize("cell", CELLS)
def test_sites_and_outputs_equal_numpy(cell, normalize, statistics):
    options = {"cell": cell, "normalize": normalize, "statistics": statistics}
    network, images = scattered(built(**options)), data().train.inputs
    random = np.random.default_rng(7)
    given = []
    for one in network.normalizers:
        assert len(one.statistics) == (1 if statistics == "sequence" else TIMES - (normalize == "hidden_to_hidden"))
        for mean, variance in one.statistics:
            mean.assign(random.normal(size=mean.shape))
            variance.assign(random.uniform(0.3, 2, variance.shape))
        given.append([(mean.numpy(), variance.numpy()) for mean, variance in one.statistics])
    for training in (False, True):
        with network.as_training() if training else nullcontext():
            found = network.observed(images, training=False)
        logits, sites, _ = forward(network, images, **options, given=None if training else given)
        assert set(found) == {*sites, "output"} and list(network.sites) == recurrent.sites(units=list(UNITS))
        for site, value in (sites | {"output": logits}).items():
            close(found[site], value, f"{site} {training}")


@pytest.mark.parametrize(
    ("normalize", "statistics"),
    [
        pytest.param(place, one, marks=[] if (place, one) == ("hidden_to_hidden", "step") else pytest.mark.slow)
        for place in PLACES
        for one in STATISTICS
    ],
)
def test_statistics_equal_numpy(specify, monkeypatch, normalize, statistics):
    """Trained at rate 0 on all examples at once: moving averages, re-estimated statistics, and what either gives."""
    options = {"cell": "simple", "normalize": normalize, "statistics": statistics}
    network, here = scattered(built(**options)), data()
    x, y = here.train.inputs, here.train.targets
    of_batch, _, seen = forward(network, x, **options, given=None)
    expected = kept(seen, normalize, statistics)
    spec = specify("model=recurrent", f"batch_size={EXAMPLES}", "norm=batch")
    monkeypatch.setattr(program, "build_network", lambda spec, data: network)
    loop = program.Program(spec, here, (tf.constant(x), tf.constant(y)))
    steps, moving = 3, []
    loop.advance(np.tile(np.arange(EXAMPLES), (steps, 1)), np.zeros(steps), None)
    left = MOMENTUM**steps
    for one, calls in zip(network.normalizers, expected, strict=True):
        for (mean, variance), (true_mean, true_variance) in zip(one.statistics, calls, strict=True):
            np.testing.assert_allclose(mean, true_mean * (1 - left), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(variance, true_variance * (1 - left) + left, rtol=1e-4)
        moving.append([(mean.numpy(), variance.numpy()) for mean, variance in one.statistics])

    evaluation = Evaluation(Evaluator(network, here), EXAMPLES, EXAMPLES, step=steps, final=False)
    flat = [value for calls in expected for pair in calls for value in pair]
    if normalize == "input_to_hidden" or statistics == "step":
        for ours, theirs in zip(evaluation.reestimated, flat, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    m = EXAMPLES * (TIMES if normalize == "input_to_hidden" and statistics == "sequence" else 1)
    unbiased = evaluation.statistics("moving_unbiased")
    np.testing.assert_allclose(unbiased[1], moving[0][0][1] * m / (m - 1), rtol=1e-5)
    found = evaluation.scores({"test": None}, ["reestimated", "moving", "batch"])
    assert found["test", "batch"][0] == pytest.approx(mean_loss(of_batch, y), rel=1e-4)
    for source, values in (("moving", moving), ("reestimated", expected)):
        logits, _, _ = forward(network, x, **options, given=values)
        assert found["test", source][0] == pytest.approx(mean_loss(logits, y), rel=1e-3), source
        if statistics == "step":  # each step has the values that it had as a batch
            assert source == "moving" or found["test", source][0] == pytest.approx(found["test", "batch"][0], rel=1e-4)


@pytest.mark.parametrize(
    ("cell", "statistics"),
    [
        pytest.param(cell, one, marks=[] if (cell, one) == ("lstm", "step") else pytest.mark.slow)
        for cell in CELLS
        for one in STATISTICS
    ],
)
@pytest.mark.parametrize("normalize", PLACES)
def test_gradients_with_a_normalizer_are_those_of_numpy_s_loss(normalize, cell, statistics):
    """By complex steps, which have no rounding: f'(x) = Im f(x + ih) / h, exact in float64 for a tiny h (Squire & Trapp
    1998, Using complex variables to estimate derivatives of real functions, SIAM Review 40).
    """
    options = {"cell": cell, "normalize": normalize, "statistics": statistics}
    network, here = scattered(built(**options)), data()
    images, targets = here.train.inputs, here.train.targets
    variables = network.model.trainable_variables
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, network.model(images, training=True))
        value = tf.reduce_mean(losses)
    gradients = tape.gradient(value, [one.value for one in variables])
    weights, tiny = weights_of(network), 1e-30

    def slope(path, place):
        step = np.zeros(weights[path].shape, complex)
        step[place] = 1j * tiny
        moved = weights | {path: weights[path] + step}
        return mean_loss(forward(network, images, **options, given=None, weights=moved)[0], targets).imag / tiny

    for variable, gradient in zip(variables, gradients, strict=True):
        expected = [slope(variable.path, place) for place in np.ndindex(*variable.shape)]
        close(np.ravel(gradient), expected, variable.path)


def test_layer_normalization_by_step_sees_one_step_and_by_sequence_all():
    norm = partial(layer.layer, placement="before", epsilon=EPSILON, center=False, scale=False)
    images = data().train.inputs
    for statistics in STATISTICS:
        network = built(norm, units=[6], statistics=statistics)
        kernels = weights_of(network)
        product = images.reshape(EXAMPLES, TIMES, PIXELS).astype(np.float64) @ kernels["layer1/kernel"].T
        axes = (1, 2) if statistics == "sequence" else 2
        mean, variance = product.mean(axes, keepdims=True), product.var(axes, keepdims=True)
        entering, h = (product - mean) / np.sqrt(variance + EPSILON), np.zeros((EXAMPLES, 6))
        assert not np.any(kernels.get("layer1/bias", 0))
        for time in range(TIMES):
            h = np.tanh(entering[:, time] + h @ kernels["layer1_back/kernel"].T)
        np.testing.assert_allclose(network.observed(images)["layer1/out"], h, rtol=1e-3, atol=1e-4)


def test_ghost_batches_have_statistics_of_each_step():
    network = scattered(built(partial(ghost_batch.layer, **BATCH, group_size=20), statistics="step", units=[6]))
    images = data().train.inputs
    network.model(images, training=True)
    product = images.reshape(EXAMPLES, TIMES, PIXELS) @ network.linear[0].kernel.numpy().T
    for time, (mean, variance) in enumerate(network.normalizers[0].statistics):
        groups = product[:, time].reshape(3, 20, 6)
        np.testing.assert_allclose(mean, 0.1 * groups.mean(axis=(0, 1)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(variance, 0.9 + 0.1 * groups.var(axis=1).mean(axis=0), rtol=1e-4)


# --- its options ------------------------------------------------------------------------------------------------------


def test_gamma_starts_where_it_is_told(specify):
    for scale, start in (("null", 1.0), ("0.1", 0.1), ("0", 0.0)):
        spec = specify("model=recurrent", "norm=batch", f"norm.initial_scale={scale}")
        network = program.build_network(spec, Programs().data(spec.dataset))
        np.testing.assert_allclose(network.normalizers[0].gamma, start, rtol=1e-6)
    assert specify("norm=batch").id == specify("norm=batch", "norm.initial_scale=null").id
    with pytest.raises(UsageError, match=r"norm\.initial_scale=0\.1: there is no gamma; set norm\.scale=true"):
        batch.layer("norm", 0, **BATCH | {"scale": False}, initial_scale=0.1)


@pytest.mark.parametrize("cell", CELLS)
def test_blocks_of_u_are_orthogonal_or_the_identity(cell):
    for start in ("orthogonal", "identity"):
        kernel = weights_of(built(none.layer, cell=cell, recurrent_initializer=start))["layer1_back/kernel"]
        blocks = np.split(kernel, GATES[cell])
        for block in blocks:
            product = block if start == "identity" else block @ block.T
            np.testing.assert_allclose(product, np.eye(UNITS[0]), atol=1e-5)
        different = {one.tobytes() for one in blocks}
        assert len(different) == (1 if start == "identity" else GATES[cell])


def test_a_bias_stays_where_its_sum_is_not_normalized():
    with_bias = {(norm, place): built(norm, normalize=place).linear[0].use_bias
                 for norm in (NORM, none.layer) for place in PLACES}  # fmt: skip
    assert [place for (norm, place), has in with_bias.items() if not has and norm is NORM] == ["input_to_hidden"]
    assert all(has for (norm, _), has in with_bias.items() if norm is none.layer)


def test_dropout_takes_outputs_and_leaves_the_recurrence_alone():
    images = data().train.inputs
    plain, dropped = (built(none.layer, units=[6], dropout=rate).observed(images, training=True) for rate in (0, 0.5))
    np.testing.assert_array_equal(plain["layer1/post"], dropped["layer1/post"])
    ratio = np.asarray(dropped["layer1/out"]) / np.asarray(plain["layer1/out"])
    zero, twice = np.isclose(ratio, 0), np.isclose(ratio, 2, rtol=1e-4)
    assert np.all(zero | twice) and 0.3 < zero.mean() < 0.7


def test_dropout_before_a_normalizer_has_the_same_mask_at_every_step():
    options = {"statistics": "step", "dropout": 0.5, "dropout_position": "before", "units": [6]}
    network = built(**options)
    with network.forward_pass() as seen:
        network.model(np.ones((EXAMPLES, TIMES, PIXELS // 2, 2), np.float32), training=True)
    masks = [np.asarray(one) == 0 for one in seen["layer1_norm"].inputs]
    assert len(masks) == TIMES and 0.3 < masks[0].mean() < 0.7
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, masks[0])


def test_weight_decay_on_kernels_is_on_both(specify):
    after = {}
    for decay in ("null", "0.3"):
        spec = specify(
            "model=recurrent", "model.units=[5]", "norm=batch", "optimizer=sgd", "optimizer.weight_decay_on=kernels",
            f"optimizer.weight_decay={decay}",
        )  # fmt: skip
        here = Programs().data(spec.dataset)
        one = program.Program(spec, here, (tf.constant(here.train.stored), tf.constant(here.train.targets)))
        start = weights_of(one.network)
        one.advance(np.arange(spec.batch_size)[None], np.float32([0.1]), None)
        after[decay] = weights_of(one.network)
    for path, value in start.items():
        expected = 0.1 * 0.3 * value if path.endswith("kernel") else 0 * value
        np.testing.assert_allclose(after["null"][path] - after["0.3"][path], expected, atol=1e-6, err_msg=path)
    assert sum(path.endswith("kernel") for path in start) == 3


class Last(Normalizer):
    """Keeps one mean and variance, as a user might write it."""

    placement = "before"
    averages_calls = True

    def build(self, shape):
        self.mean = self.add_weight(name="mean", shape=(shape[-1],), trainable=False)

    @property
    def statistics(self):
        return [(self.mean, self.mean)]

    def call(self, inputs, training=False):
        return inputs


RENORM = {"group_size": None, "r_max": 3.0, "d_max": 5.0, "warm_up": 0, "r_steps": 5, "d_steps": 5}


@pytest.mark.parametrize(
    ("norm", "options", "said"),
    [
        (partial(batch.layer, **BATCH | {"placement": "after"}, initial_scale=None), {}, "set norm.placement=before"),
        (partial(batch_renorm.layer, **BATCH, **RENORM), {"statistics": "step"}, "BatchRenormalization keeps one mean"),
        (lambda name, seed: Last(name=name), {"statistics": "step"}, "model.statistics=step: Last keeps one mean"),
        (NORM, {"times": 1, "normalize": "hidden_to_hidden"}, "needs inputs of two rows or more"),
    ],
)
def test_what_cannot_be_normalized_is_refused(norm, options, said):
    with pytest.raises(UsageError, match=said):
        built(norm, **options)


def test_inputs_without_rows_are_refused(specify):
    spec = specify("model=recurrent", "dataset=toy_regression")
    with pytest.raises(UsageError, match=r"model=recurrent reads rows, but .* has shape \(\d+,\)"):
        program.build_network(spec, Programs().data(spec.dataset))


# --- whole runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("model.units=[5]", "model.statistics=step"),
        pytest.param(("model.cell=gru", "model.normalize=hidden_to_hidden"), marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_from_any_state_bit_for_bit(specify, words):
    spec = specify(
        "model=recurrent", "model.units=[6,5]", "model.dropout=0.2", "norm=batch", "optimizer=adam", "steps=30", *words
    )
    states, others = [], Programs()
    whole = train(spec, Programs(), lambda step, state: states.append(state()), None)
    for state in (states[1], states[-2]):
        rest = train(spec, others, lambda step, state: None, state)
        pd.testing.assert_frame_equal(whole.records, rest.records, check_exact=True)
    assert len(states) > 3 and whole.records["value"].notna().any()


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_it_learns_digits(specify, norm):
    spec = specify("model=recurrent", "model.units=[40]", f"norm={norm}", "optimizer.learning_rate=0.1", "steps=300")
    records = train(spec, Programs(), lambda step, state: None, None).records
    accuracy = records[(records["name"] == "test/accuracy") & (records["step"] == spec.steps)]["value"]
    assert accuracy.item() > 0.8
