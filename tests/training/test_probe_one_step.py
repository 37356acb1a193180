"""One gradient step, against a step of Keras' own SGD and against numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bn_study.training.probe import one_step


def look(network, evaluation, rates, limit=1000.0):
    return {name.removeprefix("one_step/"): value
            for name, _, value in one_step.record(network, evaluation, rates=rates, limit=limit)}  # fmt: skip


def after_a_real_step(network, part, rate):
    """loss after / loss before, of the model as training changes it; the variables are put back."""
    model, kept = network.model, [variable.numpy() for variable in network.model.variables]
    losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        before = losses(part.targets, model(part.inputs, training=True))
    keras.optimizers.SGD(rate).apply(tape.gradient(before, model.trainable_variables), model.trainable_variables)
    ratio = float(losses(part.targets, model(part.inputs, training=True)) / before)
    for variable, value in zip(model.variables, kept, strict=True):
        variable.assign(value)
    return ratio


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_relative_loss_is_that_of_a_step_of_sgd(looked_at, norm):
    network, evaluation = looked_at("steps=0", f"norm={norm}", "model.widths=[9,8]", "batch_size=20")
    rates = [0.01, 0.3, 5.0]
    found = look(network, evaluation, rates)
    part = evaluation.data.train.slice(20)
    expected = [after_a_real_step(network, part, rate) for rate in rates]
    np.testing.assert_allclose(found["relative_loss"], expected, rtol=1e-4)
    assert found["largest_rate"] == 5.0


def test_a_linear_regression_step_has_a_closed_form(looked_at):
    """Of a quadratic in the parameters: loss(p - r g) = loss - r |g|^2 + r^2/2 g'Hg, by numpy."""
    network, evaluation = looked_at(
        "steps=0", "dataset=toy_regression", "model.widths=[]", "batch_size=10", "model.initializer_bias=0.3"
    )
    part = evaluation.data.train.slice(10)
    x = np.concatenate([part.inputs.astype(float), np.ones((10, 1))], axis=1)
    weights = np.array([network.linear[0].kernel.numpy()[0, 0], network.linear[0].bias.numpy()[0]], float)
    error = x @ weights - part.targets[:, 0]
    gradient = 2 * x.T @ error / 10
    rates = [1e-3, 1e-2, 1.0, 1e4]
    ratios = [
        np.mean((x @ (weights - rate * gradient) - part.targets[:, 0]) ** 2) / np.mean(error**2) for rate in rates
    ]
    found = look(network, evaluation, rates, limit=ratios[2] * 1.01)
    np.testing.assert_allclose(found["relative_loss"], ratios, rtol=1e-3)
    assert found["largest_rate"] == 1.0


def test_an_explosion_is_a_large_finite_number(looked_at):
    network, evaluation = looked_at(
        "steps=0", "dataset=toy_regression", "model.widths=[20,20]", "model.activation=relu", "model.initializer=he",
        "model.initializer_scale=1",
    )  # fmt: skip
    found = look(network, evaluation, [1e30, 1e-4, 1e20])
    assert found["relative_loss"].tolist()[1:] == [1e30, 1e30] and found["relative_loss"][0] < 2
    assert found["largest_rate"] == 1e-4
    assert look(network, evaluation, [1e20, 1e30])["largest_rate"] == pytest.approx(1e19)


def test_a_rate_beyond_a_worse_one_does_not_count(looked_at, monkeypatch):
    """A loss may come down again where the step has jumped over a ridge; that is not stability."""
    network, evaluation = looked_at("steps=0", "model.widths=[]")
    losses = iter([1.0, 0.5, 2000.0, 3.0])
    monkeypatch.setattr(tf, "reduce_mean", lambda values: tf.reduce_sum(values) * 0 + next(losses))
    assert look(network, evaluation, [0.1, 1.0, 10.0])["largest_rate"] == 0.1
