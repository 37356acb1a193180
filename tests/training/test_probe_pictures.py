"""Probes whose vectors are only drawn: histograms, one unit's distribution, a fitted curve; against numpy."""

import numpy as np
import pytest

from bn_study.training.probe import histograms, predictions, unit

RANGES = {"input_range": [-2.0, 6.0], "linear_range": [-3.0, 3.0], "post_range": [-1.0, 1.0]}


SMALL = ["steps=3", "model.widths=[6,5]", "batch_size=20"]


@pytest.fixture
def regression(looked_at):
    return looked_at(*SMALL, "dataset=toy_regression", "norm=batch", "model.activation=tanh", "norm.placement=before")


def forward(network, evaluation, count):
    """Every value by numpy in float64: the normalizers with statistics of the first 100 training examples."""
    layers = {layer.name: layer for layer in network.model.layers}
    values = {}
    estimate = evaluation.data.train.slice(100).inputs.astype(float)
    x = evaluation.data.test.slice(count).inputs.astype(float)
    for name in ("layer1", "layer2"):
        kernel, norm = layers[name].kernel.numpy().T, layers[f"{name}_norm"]
        estimate, x = estimate @ kernel, x @ kernel
        values[f"{name}/linear"] = x
        mean, variance = estimate.mean(axis=0), estimate.var(axis=0)
        estimate, x = (
            np.tanh((one - mean) / np.sqrt(variance + norm.epsilon) * norm.gamma.numpy() + norm.beta.numpy())
            for one in (estimate, x)
        )
        values[f"{name}/post"] = x
    values["output"] = x @ layers["output"].kernel.numpy().T + layers["output"].bias.numpy()
    return values


def test_histograms_have_fixed_ranges_and_tell_what_is_outside(regression):
    network, evaluation = regression
    found = {(name, site): value for name, site, value in histograms.record(*regression, images=50, bins=8, **RANGES)}
    expected = {"input": evaluation.data.test.slice(50).inputs, **forward(network, evaluation, 50)}
    expected.pop("output")
    assert {site for _, site in found} == set(expected)
    for site, values in expected.items():
        low, high = RANGES[f"{site.split('/')[-1]}_range"]
        inside = values[(values >= low) & (values <= high)]
        counts = found["histograms/counts", site]
        # a value at the border of two bins may be rounded into the other one
        assert np.abs(np.cumsum(counts) - np.cumsum(np.histogram(values, np.linspace(low, high, 9))[0])).max() <= 1
        assert found["histograms/outside", site] == pytest.approx(1 - len(inside) / values.size, abs=0.005)
    assert found["histograms/outside", "input"] > 0.3


def test_a_fitted_curve_in_order_of_its_inputs(regression):
    network, evaluation = regression
    found = {name: value for name, _, value in predictions.record(network, evaluation, images=40)}
    part = evaluation.data.test.slice(40)
    order = np.argsort(part.inputs[:, 0])
    np.testing.assert_array_equal(found["predictions/input"], part.inputs[:, 0][order])
    np.testing.assert_array_equal(found["predictions/target"], part.targets[:, 0][order])
    expected = forward(network, evaluation, 40)["output"][order, 0]
    np.testing.assert_allclose(found["predictions/output"], expected, rtol=1e-3, atol=1e-4)


def test_classes_have_no_curve(looked_at):
    assert list(predictions.record(*looked_at(*SMALL), images=40)) == []


def test_one_unit_of_each_layer(regression):
    network, evaluation = regression
    measured = list(unit.record(network, evaluation, images=30, sites=["post"], unit=5, bins=7))
    found = {(name, site): value for name, site, value in measured}
    assert {site for _, site in found} == {"layer1/post", "layer2/post"}
    for site, column in (("layer1/post", 5), ("layer2/post", 4)):  # the second layer has no unit 5
        values = forward(network, evaluation, 30)[site][:, column]
        edges = found["unit/edges", site]
        np.testing.assert_allclose([edges[0], edges[-1]], [values.min(), values.max()], rtol=1e-3, atol=1e-4)
        assert found["unit/histogram", site].sum() == 30
        middle = np.histogram(values.clip(edges[0], edges[-1]), edges)[0]
        assert np.abs(np.cumsum(middle) - np.cumsum(found["unit/histogram", site])).max() <= 1
