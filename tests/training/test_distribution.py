"""Statistics of a layer's values, against numpy and scipy on a float64 copy: every bit is the same."""

import numpy as np
import pytest
from scipy import stats

from bn_study.training import distribution
from bn_study.training.distribution import BLOCK, DEAD, Distribution, Ordered

PERCENTS = (0, 5, 15, 50, 85, 95, 100)
SHAPES = [(1, 1), (3, 1), (100, 7), (129, 8), (1000, 130), (9, 31, 17, 33), (3, 64, 32, 32)]
KINDS = {
    "normal": lambda x: x,
    "far from zero": lambda x: 100 + x / 1e4,
    "heavy tails": lambda x: x**9,
    "rectified": lambda x: np.maximum(x, 0),
    "squashed": np.tanh,
    "all equal": lambda x: np.full_like(x, 0.3),
    "a few values": np.round,
    "tiny": lambda x: x * 1e-40,
    "zeros of both signs": lambda x: np.where(abs(x) < 1, np.copysign(0, x), x),
    "negative zeros": lambda x: np.where(x < 0, -0.0, x),
    "infinite": lambda x: np.where(x > 2, np.inf, x),
    "not a number": lambda x: np.where(x > 2, np.nan, x),
}


def drawn(kind, shape):
    with np.errstate(under="ignore"):
        return KINDS[kind](np.random.default_rng(0).normal(size=shape)).astype(np.float32)


def same(one, other):
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # scipy's and numpy's own, about equal and infinite values
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_statistic_has_the_bits_of_numpy_and_scipy(kind, shape):
    values = drawn(kind, shape)
    copy = values.reshape(-1, shape[-1]).astype(np.float64)
    seen = Distribution(values)
    expected = copy.mean(), copy.std(), stats.skew(copy, axis=None), stats.kurtosis(copy, axis=None)
    assert same(seen.moments, expected)
    assert same(seen.quantiles(PERCENTS), np.percentile(copy, PERCENTS))
    assert same(seen.unit_quantiles(PERCENTS), np.percentile(copy, PERCENTS, axis=0))
    assert distribution.dead(values) == (copy.std(axis=0) < DEAD).mean()
    assert seen.finite == np.isfinite(copy).all()
    if seen.finite:
        for one, other in zip(seen.histogram(20), np.histogram(copy, 20), strict=True):
            assert same(one, other)


@pytest.mark.parametrize("limits", [(-1.0, 1.0), (0.0, 1.0), (-0.3, 2.7), (5.0, 6.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_histogram_between_limits_is_numpys(kind, limits):
    values = drawn(kind, (1000, 130))
    assert same(distribution.histogram(values, 13, limits), np.histogram(values, 13, limits)[0])


def test_values_at_an_edge_are_in_the_bin_above_it_but_for_the_last():
    values = np.repeat(np.float32([0, 0.25, 0.5, 0.75, 1, np.nextafter(np.float32(1), np.float32(2))]), 5)
    assert distribution.histogram(values, 4, (0.0, 1.0)).tolist() == [5, 5, 5, 10]


@pytest.mark.parametrize("kind", ["normal", "rectified", "a few values", "infinite"])
def test_every_place_in_order_is_found(kind):
    values = drawn(kind, (3 * BLOCK + 5,))
    places = np.append(np.arange(0, values.size, 997), values.size - 1)
    np.testing.assert_array_equal(Ordered(values).at(places), np.sort(values)[places])


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_saturated_is_within_a_twentieth_of_the_range_from_either_end(activation):
    """At float32 values around the limits."""
    low, high = distribution.unsaturated(activation)
    at = np.float32([low, high])
    values = np.concatenate([at, np.nextafter(at, np.float32(-9)), np.nextafter(at, np.float32(9)), [0.5, np.nan]])
    exact = values.astype(np.float64)
    outside = abs(2 * exact - 1) > 0.9 if activation == "sigmoid" else abs(exact) > 0.9
    assert distribution.saturated(activation, values.astype(np.float32)) == outside.mean() == 2 / 8


def test_units_are_dead_below_a_standard_deviation_of_a_hundredth():
    """Also where only a few examples differ, or the first ones do not."""
    units = np.zeros((6400, 5), np.float32)
    units[:, 0] = 0.009 * (-1) ** np.arange(6400)
    units[:, 1] = 0.011 * (-1) ** np.arange(6400)
    units[17, 2] = 1  # sqrt(1/6400) = 0.0125
    units[17, 3] = 0.7
    assert (units.std(axis=0) < DEAD).tolist() == [True, False, False, True, True]
    assert distribution.dead(units) == 3 / 5
