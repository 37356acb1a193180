"""How layers' steps interact, against Keras' own steps and a closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bn_study.training.probe import coupling

LINEAR = ("steps=0", "dataset=toy_regression", "model.widths=[1]", "model.activation=linear", "batch_size=10")


def look(network, evaluation, step_size, displacement=0.01):
    found = coupling.record(network, evaluation, step_size=step_size, displacement=displacement)
    return {(name.removeprefix("coupling/"), site): value for name, site, value in found}


def after_real_steps(network, part, rate, layers):
    """The loss and the gradient by each kernel after SGD stepped the named layers, as training changes them."""
    model, kept = network.model, [variable.numpy() for variable in network.model.variables]
    losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def slopes():
        with tf.GradientTape() as tape:
            value = losses(part.targets, model(part.inputs, training=True))
        return float(value), tape.gradient(value, model.trainable_variables)

    gradients = slopes()[1]
    moved = {id(one) for layer in model.layers if layer.name.removesuffix("_norm") in layers
             for one in layer.trainable_variables}  # fmt: skip
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        if id(variable) in moved:
            variable.assign_sub(rate * gradient)
    value, after = slopes()
    for variable, old in zip(model.variables, kept, strict=True):
        variable.assign(old)
    of = {id(one): np.asarray(gradient) for one, gradient in zip(model.trainable_variables, after, strict=True)}
    return value, {layer.name: of[id(layer.kernel)] for layer in network.linear}


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_it_is_what_real_steps_of_some_layers_do(looked_at, norm):
    network, evaluation = looked_at("steps=3", f"norm={norm}", "model.widths=[9,8]", "batch_size=20")
    rate, part = 0.5, evaluation.data.train.slice(20)
    found = look(network, evaluation, rate)
    names = ["layer1", "layer2", "output"]
    start, before = after_real_steps(network, part, rate, [])
    for place, name in enumerate(names[1:], 1):
        after = after_real_steps(network, part, rate, names[:place])[1][name]
        lengths = np.linalg.norm(before[name]), np.linalg.norm(after)
        cosine = (before[name] * after).sum() / np.prod(lengths)
        np.testing.assert_allclose(found["cosine", f"{name}/linear"], cosine, rtol=1e-3)
        change = np.linalg.norm(after - before[name]) / lengths[0]
        np.testing.assert_allclose(found["change", f"{name}/linear"], change, rtol=1e-3)
    alone = [after_real_steps(network, part, rate, [name])[0] - start for name in names]
    together = after_real_steps(network, part, rate, names)[0] - start
    expected = abs(together - sum(alone)) / sum(map(abs, alone))
    np.testing.assert_allclose(found["interaction", ""], expected, rtol=1e-2)


def test_relative_steps_have_the_asked_length(looked_at):
    network, evaluation = looked_at("steps=2", "norm=batch", "model.widths=[9,8]", "batch_size=20")
    variables = network.model.trainable_variables
    size = np.sqrt(sum((one.numpy() ** 2).sum() for one in variables))
    part = evaluation.data.train.slice(20)
    with tf.GradientTape() as tape:
        losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        value = losses(part.targets, network.model(part.inputs, training=True))
    length = np.sqrt(sum((np.asarray(one) ** 2).sum() for one in tape.gradient(value, variables)))
    found, by_rate = look(network, evaluation, 1.0, 0.03), look(network, evaluation, 0.03 * size / length)
    for (name, site), value in by_rate.items():
        if not name.startswith("relative_"):
            np.testing.assert_allclose(found[f"relative_{name}", site], value, rtol=1e-2, atol=1e-5)


def test_a_product_of_two_weights_has_a_closed_form(looked_at):
    """y = v (w x + a) + b with squared error: the gradient by v after the step of (w, a)."""
    network, evaluation = looked_at(*LINEAR)
    part = evaluation.data.train.slice(10)
    x, y = part.inputs[:, 0].astype(float), part.targets[:, 0].astype(float)
    w, a, v, b = (float(np.squeeze(one.numpy())) for one in network.model.trainable_variables)

    def loss(w, a, v, b):
        return np.mean((v * (w * x + a) + b - y) ** 2)

    def slopes(w, a, v, b):
        error, hidden = 2 * (v * (w * x + a) + b - y), w * x + a
        return np.array([(error * v * x).mean(), (error * v).mean(), (error * hidden).mean(), error.mean()])

    rate, g = 0.01, slopes(w, a, v, b)
    first = np.array([w, a, v, b]) - rate * g * [1, 1, 0, 0]
    second = np.array([w, a, v, b]) - rate * g * [0, 0, 1, 1]
    both = np.array([w, a, v, b]) - rate * g
    found = look(network, evaluation, rate)
    after = slopes(*first)[2]
    np.testing.assert_allclose(found["cosine", "output/linear"], np.sign(after * g[2]), rtol=1e-5)
    np.testing.assert_allclose(found["change", "output/linear"], abs(after - g[2]) / abs(g[2]), rtol=1e-3)
    start = loss(w, a, v, b)
    alone = [loss(*one) - start for one in (first, second)]
    expected = abs(loss(*both) - start - sum(alone)) / sum(map(abs, alone))
    np.testing.assert_allclose(found["interaction", ""], expected, rtol=1e-2, atol=1e-4)
