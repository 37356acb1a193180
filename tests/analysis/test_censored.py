"""Censored values: an outcome is given only if it is true of every value beyond the bounds, by brute force."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bn_study.analysis.context import measured, rows
from bn_study.analysis.contrast import Values
from bn_study.plan.experiment import Claim
from bn_study.plan.parts import names

MARGIN, SEEDS = 0.5, 8
SLOW, FAST = [12.0, 12.4, 11.8, 12.2, 12.1, 11.9, 12.3, 12.0], [10.1, 10.3, 9.9, 10.2, 9.8, 10.4, 10.0, 10.2]
TRUE = {  # what an outcome says of the mean difference
    ("superiority", "supported"): lambda mean: mean >= MARGIN,
    ("superiority", "reversed"): lambda mean: mean < 0,
    ("superiority", "small"): lambda mean: abs(mean) < MARGIN,
    ("difference", "supported"): lambda mean: abs(mean) >= MARGIN,
    ("difference", "small"): lambda mean: abs(mean) < MARGIN,
    ("equivalence", "supported"): lambda mean: abs(mean) < MARGIN,
    ("equivalence", "reversed"): lambda mean: abs(mean) > MARGIN,
    ("noninferiority", "supported"): lambda mean: mean < MARGIN,
    ("noninferiority", "reversed"): lambda mean: mean > MARGIN,
}
TESTS = sorted({test for test, _ in TRUE})


def judge(slow, fast, lost_slow=(), lost_fast=(), test="superiority"):
    """The row of a claim on the difference slow - fast; lost: seeds whose value is the length of the run."""
    claim = Claim.model_construct(
        measure={"steps_to": {"metric": "test/accuracy"}}, contrast={"norm=none": 1, "norm=batch": -1},
        test=test, margin=MARGIN,
    )  # fmt: skip
    arms = [
        Values(name, weight, pd.Series(dict(enumerate(series)), dtype=float), frozenset(lost), ())
        for name, weight, series, lost in (("norm=none", 1.0, slow, lost_slow), ("norm=batch", -1.0, fast, lost_fast))
    ]
    return rows(claim, [measured("", claim, arms)])[0]


def completions(slow, fast, lost_slow, lost_fast):
    """Mean differences with the censored values ever larger, those of either arm alone and of both."""
    for far_slow in (0.0, 0.1, 1.0, 10.0, 1e3, 1e6):
        for far_fast in (0.0, 0.1, 1.0, 10.0, 1e3, 1e6):
            more = [far_slow * (seed in lost_slow) - far_fast * (seed in lost_fast) for seed in range(SEEDS)]
            yield float(np.mean(np.subtract(slow, fast) + more))


def test_every_test_of_a_mean_is_here():
    assert {*TESTS, "exact"} == set(names("test"))


LOST = st.frozensets(st.integers(0, SEEDS - 1), max_size=SEEDS)
NEAR = st.lists(st.floats(-0.3, 0.3), min_size=SEEDS, max_size=SEEDS)


@pytest.mark.parametrize("test", TESTS)
@settings(max_examples=60)
@given(shift=st.sampled_from([-2.0, -0.7, 0.0, 0.7, 2.0]), noise=NEAR, lost_slow=LOST, lost_fast=LOST)
def test_an_outcome_is_given_if_and_only_if_it_is_true_beyond_the_bounds(test, shift, noise, lost_slow, lost_fast):
    fast = [10.0 + 0.01 * seed for seed in range(SEEDS)]
    slow = [value + shift + more for value, more in zip(fast, noise, strict=True)]
    bound = judge(slow, fast, lost_slow, lost_fast, test)
    means = list(completions(slow, fast, lost_slow, lost_fast))
    if bound.outcome != "open":
        assert all(TRUE[test, bound.outcome](mean) for mean in means)
    without = judge(slow, fast, test=test)  # the same numbers, as if they were measured
    if not (lost_slow or lost_fast):
        assert bound.outcome == without.outcome
    elif without.outcome != "open" and bound.outcome == "open" and not math.isclose(bound.p, 0.05, abs_tol=0.05):
        assert not all(TRUE[test, without.outcome](mean) for mean in means)


@pytest.mark.parametrize(
    ("test", "shift", "slower", "faster"),
    [
        ("superiority", 2.0, "supported", "open"), ("superiority", -2.0, "open", "reversed"),
        ("superiority", 0.0, "open", "open"), ("difference", 2.0, "supported", "open"),
        ("difference", -2.0, "open", "supported"), ("difference", 0.0, "open", "open"),
        ("equivalence", 2.0, "reversed", "open"), ("equivalence", -2.0, "open", "reversed"),
        ("equivalence", 0.0, "open", "open"), ("noninferiority", 2.0, "reversed", "open"),
        ("noninferiority", 0.0, "open", "supported"), ("noninferiority", -2.0, "open", "supported"),
    ],
)  # fmt: skip
def test_each_direction(test, shift, slower, faster):
    """Three seeds of the first (slower) arm, or of the second one, did not reach the level."""
    fast = [10.0 + 0.01 * seed for seed in range(SEEDS)]
    slow = [value + shift + 0.02 * (seed % 3) for seed, value in enumerate(fast)]
    least, most = judge(slow, fast, {1, 4, 6}, (), test), judge(slow, fast, (), {1, 4, 6}, test)
    assert (least.outcome, most.outcome) == (slower, faster)
    assert "the effect is at least" in least.reason and "the effect is at most" in most.reason
    assert judge(slow, fast, {1}, {4}, test).outcome == "open"


def test_a_slower_arm_may_be_censored_wholly():
    found = judge([12.0] * SEEDS, FAST, range(SEEDS))
    assert found.outcome == "supported" and found.reason.endswith("the effect is at least 1.89")
    assert judge(SLOW, FAST, {0, 1, 2, 3, 4}).outcome == "supported"


def test_a_bound_that_does_not_decide_is_told():
    found = judge([value + 0.4 + 0.3 * (-1) ** seed for seed, value in enumerate(FAST)], FAST, {0, 3})
    assert found.outcome == "open"
    assert found.reason.endswith("mean 0.4 below the margin 0.5; the effect is at least 0.4")
    assert judge(FAST, FAST, {0, 3}).reason.startswith("the effect is at least 0 and may be any larger")


def test_every_arm_censored_is_open():
    found = judge([13.0] * SEEDS, [13.0] * SEEDS, range(SEEDS), range(SEEDS))
    assert found.outcome == "open" and "both sides are censored" in found.reason
