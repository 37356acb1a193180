"""Training against inference, against a forward pass in numpy and closed forms."""

import numpy as np
import pytest

from bn_study.training.probe import discrepancy

EPSILON = 1e-3


def look(network, evaluation, images=300, batches=3):
    measured = list(discrepancy.record(network, evaluation, images=images, batches=batches))
    return {(name.removeprefix("discrepancy/"), site): value for name, site, value in measured}


def test_equals_numpy(looked_at):
    network, evaluation = looked_at("norm=batch", "steps=7", "batch_size=8", "model.widths=[6,5]")
    found = look(network, evaluation)
    moving = [(norm.moving_mean.numpy(), norm.moving_variance.numpy()) for norm in network.normalizers]

    def forward(x, statistics):
        h, seen = x.reshape(len(x), -1).astype(np.float64), []
        for index, norm in enumerate(network.normalizers):
            z = h @ network.linear[index].kernel.numpy().T
            mean, variance = (z.mean(0), z.var(0)) if statistics is None else statistics[index]
            y = (z - mean) / np.sqrt(variance + EPSILON) * norm.gamma.numpy() + norm.beta.numpy()
            seen.append((z, y))
            h = 1 / (1 + np.exp(-y))
        return seen

    inputs = evaluation.data.train.slice(24).inputs
    batches = [inputs[first::3] for first in range(3)]
    tests = forward(evaluation.data.test.slice(300).inputs, moving)
    for index in range(2):
        site = f"layer{index + 1}/norm"
        known = np.concatenate([forward(batch, moving)[index][1] for batch in batches])
        difference = np.concatenate([forward(batch, None)[index][1] for batch in batches]) - known
        assert known.std(0).min() > 0.01, "no unit stands still here"
        expected = abs(difference).mean(0) / known.std(0)
        np.testing.assert_allclose(found["unit_output", site], expected, rtol=1e-3)
        assert found["output", site] == pytest.approx(expected.mean(), rel=1e-3)
        assert found["estimate_spread", site] == pytest.approx((difference.std(0) / known.std(0)).mean(), rel=1e-3)
        v, w = moving[index][1] + EPSILON, tests[index][0].var(0) + EPSILON
        assert found["variance_ratio", site] == pytest.approx(np.maximum(v / w, w / v).mean(), rel=1e-3)
    assert {site for _, site in found} == {"layer1/norm", "layer2/norm"}


def test_no_discrepancy_where_the_moving_averages_are_the_batch_s_own(looked_at):
    """Of a single batch, in the first layer; the second one sees the first one's inference values, which agree too."""
    network, evaluation = looked_at("norm=batch", "steps=3", "model.widths=[6,5]", "model.dropout=0.5")
    batch = evaluation.data.train.slice(evaluation.batch_size).inputs
    for norm, momentum in zip(network.normalizers, (0.0, 0.0), strict=True):
        norm.momentum = momentum
    with network.as_training():
        network.model(batch, training=False)
    found = look(network, evaluation, batches=1)
    for site in ("layer1/norm", "layer2/norm"):
        assert found["output", site] == pytest.approx(0, abs=1e-5)
        assert found["estimate_spread", site] == pytest.approx(0, abs=1e-5)


def test_a_wrong_mean_is_a_bias_without_spread(looked_at):
    network, evaluation = looked_at("norm=batch", "steps=3", "model.widths=[6]")
    batch = evaluation.data.train.slice(evaluation.batch_size).inputs
    (norm,) = network.normalizers
    norm.momentum = 0.0
    network.model(batch, training=True)
    norm.moving_mean.assign_add(0.5 * np.sqrt(norm.moving_variance + EPSILON))
    found = look(network, evaluation, batches=1)
    assert found["output", "layer1/norm"] == pytest.approx(0.5, rel=0.02)
    np.testing.assert_allclose(found["unit_output", "layer1/norm"], 0.5, rtol=0.03)  # epsilon's share
    assert found["estimate_spread", "layer1/norm"] == pytest.approx(0, abs=1e-5)


def test_dropout_before_the_normalizer_shifts_the_variance_by_one_over_keep(looked_at):
    """Li et al. 2019: dropping values of mean 0 in training makes their variance 1/keep times that of inference."""
    network, evaluation = looked_at(
        "norm=batch", "dataset=toy_regression", "model.normalize_input=true", "model.widths=[40]", "model.dropout=0.5",
        "model.dropout_position=before", "steps=100", "optimizer.learning_rate=1e-9", "batch_size=500",
        "norm.epsilon=1e-7",
    )  # fmt: skip
    found = look(network, evaluation, images=2000)
    data = evaluation.data
    plain = data.train.inputs.var() / data.test.inputs.var()
    assert found["variance_ratio", "input/norm"] == pytest.approx(plain, rel=0.03)
    assert found["variance_ratio", "layer1/norm"] == pytest.approx(2 * plain, rel=0.03)


def test_feature_maps_are_units_and_a_network_without_normalizers_yields_nothing(looked_at):
    network, evaluation = looked_at(
        "norm=batch", "model=cnn", "model.blocks=[[3],[4]]", "model.dense=[5]", "steps=3", "batch_size=4"
    )
    found = look(network, evaluation)
    assert [len(found["unit_output", f"layer{index}/norm"]) for index in (1, 2, 3)] == [3, 4, 5]
    assert look(*looked_at("norm=none", "steps=0")) == {}
