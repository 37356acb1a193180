"""The interval that allows for a long tail, against the formula that it inverts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from bn_study.analysis.skewed import FAR, firm_interval, hall_interval
from bn_study.analysis.stats import estimate

SAMPLES = st.lists(st.integers(-50, 50), min_size=3, max_size=16).filter(lambda one: len(set(one)) > 1)


def halls_statistic(values, center):
    """Hall 1992: the t statistic without its skewness."""
    size, count = (values.mean() - center) / values.std(ddof=1), len(values)
    skewness = ((values - values.mean()) ** 3).mean() / values.std() ** 3
    return math.sqrt(count) * (size + skewness * size**2 / 3 + skewness**2 * size**3 / 27 + skewness / (6 * count))


@given(SAMPLES, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_ends_are_where_halls_statistic_is_the_quantile(sample, confidence):
    values = np.array(sample, float)
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    far = 1e6 * values.std()
    ends = [
        optimize.brentq(lambda center, bound=bound: halls_statistic(values, center) - bound, -far, far, xtol=1e-12)
        for bound in (quantile, -quantile)
    ]
    assert hall_interval(values, confidence) == pytest.approx(tuple(ends), rel=1e-6, abs=1e-6)


def test_without_skewness_it_is_students_interval():
    values = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert hall_interval(values, 0.95) == pytest.approx(tuple(stats.ttest_1samp(values, 0).confidence_interval(0.95)))
    nearly = np.array([-2.0, -1.0, 1e-9, 1.0, 2.0])
    assert hall_interval(nearly, 0.95) == pytest.approx(hall_interval(values, 0.95), abs=1e-8)


@given(SAMPLES)
def test_it_moves_with_the_values_and_turns_with_them(sample):
    values = np.array(sample, float)
    low, high = hall_interval(values, 0.99)
    assert hall_interval(7 + 2 * values, 0.99) == pytest.approx((7 + 2 * low, 7 + 2 * high), rel=1e-6, abs=1e-6)
    assert hall_interval(-values, 0.99) == pytest.approx((-high, -low), rel=1e-6, abs=1e-6)


def test_a_tail_widens_the_side_on_which_it_lies():
    tail = np.array([1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, -0.6])
    found = estimate(tail, replaced=False)
    assert found.low > 0 > found.firm_low and found.firm_high < found.mean + (found.high - found.low) / 2
    assert (found.firm_low, found.firm_high) == pytest.approx(firm_interval(tail, found.low, found.high))


def test_what_lies_far_beyond_students_interval_is_excluded_whatever_the_skewness():
    tail = np.array([5.0, 5.2, 4.9, 5.1, 5.0, 5.1, 5.0, 3.6])
    found = estimate(tail, replaced=False)
    assert hall_interval(tail, 0.99)[0] < found.firm_low
    assert found.firm_low == pytest.approx(found.mean - FAR * (found.high - found.low) / 2)


def test_equal_values_have_a_point_and_what_is_known_has_students_interval():
    point = estimate([0.3] * 8, replaced=False)
    assert point.firm_low == point.firm_high == pytest.approx(0.3)
    known = estimate([1.0, 2.0, 4.0, 9.0], replaced=False, tails=False)
    assert (known.firm_low, known.firm_high) == (known.low, known.high)
