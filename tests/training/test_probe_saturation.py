"""Saturation and drift, against closed forms and numpy's float64 on the same tensors."""

import numpy as np
import pytest
from scipy import integrate, stats

from bn_study.training.probe import drift, saturation


class Fixed:
    """An evaluation that shows given tensors."""

    def __init__(self, sites):
        self.given = sites

    def sites(self, split, count):
        return self.given


class Kind:
    def __init__(self, activation):
        self.activation = activation


def look(post, activation, bins=20):
    tensors = {"layer1/pre": post + 5, "layer1/post": post}
    measured = list(saturation.record(Kind(activation), Fixed(tensors), images=9, bins=bins))
    assert {site for _, site, _ in measured} == {"layer1/post"}
    return {name.removeprefix("saturation/"): value for name, _, value in measured}


def normal(units=4, count=100_000, shift=0.0):
    """A sample without sampling error."""
    return np.repeat(stats.norm.ppf((np.arange(count) + 0.5) / count)[:, None], units, axis=1) + shift


def test_standard_normal_into_tanh_has_the_closed_forms():
    found = look(np.tanh(normal()).astype(np.float32), "tanh")
    slope, _ = integrate.quad(lambda z: (1 - np.tanh(z) ** 2) * stats.norm.pdf(z), -12, 12)
    assert found["share"] == pytest.approx(2 * stats.norm.sf(np.arctanh(0.9)), abs=1e-4)
    assert found["derivative"] == pytest.approx(slope, abs=1e-5) == pytest.approx(0.6057, abs=1e-4)
    edges = np.arctanh(np.linspace(-1, 1, 21).clip(-1, 1)[1:-1])
    share = np.diff(stats.norm.cdf([-np.inf, *edges, np.inf]))
    assert found["entropy"] == pytest.approx(stats.entropy(share, base=2), abs=1e-3)
    assert found["asymmetry"] == pytest.approx(0, abs=1e-6) and found["dead"] == 0


def test_standard_normal_into_sigmoid_keeps_83_percent_of_the_slope():
    found = look((1 / (1 + np.exp(-normal()))).astype(np.float32), "sigmoid")
    slope, _ = integrate.quad(lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2 * stats.norm.pdf(z), -12, 12)
    assert found["derivative"] == pytest.approx(4 * slope, abs=1e-5) == pytest.approx(4 * 0.2066, abs=4e-4)
    assert found["share"] == pytest.approx(2 * stats.norm.sf(np.log(19)), abs=1e-4)


@pytest.mark.parametrize("shift", [0.5, -1.5])
def test_asymmetry_is_the_excess_of_one_side(shift):
    found = look(np.tanh(normal(shift=shift)).astype(np.float32), "tanh")
    assert found["asymmetry"] == pytest.approx(abs(2 * stats.norm.cdf(shift) - 1), abs=1e-4)


def test_asymmetry_is_of_each_unit_before_it_is_averaged():
    """Two units on opposite sides are each one-sided, though together they are balanced."""
    post = np.tanh(np.concatenate([normal(1, shift=9), normal(1, shift=-9)], axis=1)).astype(np.float32)
    assert look(post, "tanh")["asymmetry"] == pytest.approx(1)


def test_relu_does_not_saturate_and_its_slope_is_the_share_that_passes():
    found = look(np.maximum(normal(), 0).astype(np.float32), "relu", bins=4)
    assert set(found) == {"derivative", "entropy", "dead"}
    assert found["derivative"] == pytest.approx(0.5)
    top = normal().max()
    share = np.diff([0, *stats.norm.cdf(np.array([1, 2, 3]) / 4 * top), 1])
    assert found["entropy"] == pytest.approx(stats.entropy(share, base=2), abs=1e-4)
    assert look(np.zeros((50, 3), np.float32), "relu") == {"derivative": 0, "entropy": 0, "dead": 1}
    assert set(look(normal().astype(np.float32), "linear")) == {"dead"}


def test_even_spread_has_all_the_bits_and_a_feature_map_is_one_unit():
    post = np.linspace(-1, 1, 16_000, endpoint=False, dtype=np.float32).reshape(20, 10, 10, 8)
    post[..., 0] = 0.5
    found = look(post, "tanh", bins=16)
    assert found["dead"] == pytest.approx(1 / 8)
    assert look(post[..., 1:], "tanh", bins=16)["entropy"] == pytest.approx(4, abs=1e-3)


@pytest.mark.parametrize("shape", [(300, 7), (40, 5, 6, 3)])
def test_drift_sees_the_moments_of_each_unit(shape):
    values = (np.random.default_rng(0).normal(size=shape) * 0.3 + 40).astype(np.float32)
    tensors = {"layer1/linear": values + 1, "layer1/pre": values, "layer2/pre": values * 2}
    measured = list(drift.record(Kind("tanh"), Fixed(tensors), images=9, sites=["pre"]))
    found = {(name, site): value for name, site, value in measured}
    assert {site for _, site in found} == {"layer1/pre", "layer2/pre"}
    flat = values.astype(np.float64).reshape(-1, shape[-1])
    np.testing.assert_allclose(found["drift/unit_mean", "layer1/pre"], flat.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found["drift/unit_variance", "layer1/pre"], flat.var(0), rtol=1e-4)
    np.testing.assert_allclose(found["drift/unit_variance", "layer2/pre"], 4 * flat.var(0), rtol=1e-4)
