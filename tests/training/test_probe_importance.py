"""Importance of features: finite differences, a network whose weights say what matters, and data without factors."""

import numpy as np
import pytest

from bn_study.errors import UsageError
from bn_study.training.probe import importance

DATA = ("dataset=digits", "dataset.factors=[0.01,100]", "model.widths=[]", "batch_size=20")


def look(network, evaluation, images=200, share=0.25):
    found = importance.record(network, evaluation, images=images, share=share)
    return {(name.removeprefix("importance/"), site): value for name, site, value in found}


def groups(evaluation, share=0.25):
    order = np.argsort(evaluation.data.feature_factors, axis=None)
    count = round(share * order.size)
    return {"large": order[-count:], "small": order[:count]}


def test_importance_is_that_of_a_linear_network_by_numpy(looked_at):
    """There the slope by the inputs is (p - y) W."""
    network, evaluation = looked_at(*DATA, "steps=3", "optimizer.learning_rate=1e-3")
    part = evaluation.data.test.slice(200)
    x = part.inputs.reshape(200, -1).astype(float)
    kernel, bias = network.linear[0].kernel.numpy().astype(float), network.linear[0].bias.numpy()

    def shares(x):
        logits = x @ kernel.T + bias
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def loss(p):
        return -np.log(p[np.arange(200), part.targets]).mean()

    def accuracy(p):
        return (p.argmax(axis=1) == part.targets).mean()

    p = shares(x)
    slopes = (p - np.eye(10)[part.targets]) @ kernel
    weights = abs(slopes).mean(axis=0) * x.std(axis=0)
    found = look(network, evaluation)
    for group, places in groups(evaluation).items():
        np.testing.assert_allclose(found["gradient", group], weights[places].sum() / weights.sum(), rtol=1e-4)
        permuted = x.copy()
        permuted[:, places] = x[np.random.Generator(np.random.PCG64(3)).permutation(200)][:, places]
        np.testing.assert_allclose(found["loss_added", group], loss(shares(permuted)) - loss(p), rtol=1e-4, atol=1e-5)
        lost = accuracy(p) - accuracy(shares(permuted))
        assert found["accuracy_lost", group] == pytest.approx(lost, abs=1e-6)
    assert found["accuracy_lost", "large"] > 0.05


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_network_that_does_not_see_a_group_loses_nothing_by_its_permutation(looked_at, norm):
    network, evaluation = looked_at(
        *DATA[:2], "model.widths=[12]", "steps=300", f"norm={norm}", "model.activation=relu", "model.initializer=he",
        "model.initializer_scale=1", "optimizer.learning_rate=1e-3", "batch_size=20",
    )  # fmt: skip
    first = network.linear[0].kernel
    kernel = first.numpy()
    kernel[:, groups(evaluation)["small"]] = 0
    first.assign(kernel)
    found = look(network, evaluation)
    for name in ("gradient", "accuracy_lost", "loss_added"):
        assert found[name, "small"] == pytest.approx(0, abs=1e-6)
    assert found["gradient", "large"] > 0.5 and found["loss_added", "large"] > 0.01


def test_data_without_factors_yield_nothing(looked_at):
    assert look(*looked_at("dataset=digits", "steps=0", "model.widths=[8]")) == {}


def test_a_share_of_no_feature_is_refused(looked_at):
    network, evaluation = looked_at(*DATA, "steps=0")
    with pytest.raises(UsageError, match=r"share=0\.001 of 64 features is none"):
        list(look(network, evaluation, share=0.001))
