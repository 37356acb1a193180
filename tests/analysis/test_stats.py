import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bn_study.analysis.stats import Estimate, decide, estimate, holm, sign_flip

LEFT = np.array([10.1, 9.4, 11.2, 10.8, 9.9, 10.4, 10.0, 11.1])
RIGHT = np.array([9.2, 9.1, 10.0, 10.1, 9.0, 9.9, 9.7, 9.8])


def test_interval_and_p_are_those_of_a_paired_t_test():
    ours = estimate(LEFT - RIGHT, replaced=False)
    theirs = scipy_stats.ttest_rel(LEFT, RIGHT)
    half = scipy_stats.t.ppf([0.975, 0.95], 7) * np.std(LEFT - RIGHT, ddof=1) / math.sqrt(8)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert (ours.low, ours.low90) == pytest.approx(tuple(ours.mean - half))
    assert (ours.high, ours.high90) == pytest.approx(tuple(ours.mean + half))
    assert ours.n == 8


def brute_force(differences):
    totals = [np.dot(signs, differences) for signs in itertools.product((1, -1), repeat=len(differences))]
    return np.mean([abs(total) >= abs(sum(differences)) - 1e-9 for total in totals])


@settings(max_examples=25)
@given(st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=8))
def test_sign_flip_is_exact(differences):
    assert sign_flip(np.array(differences)) == pytest.approx(brute_force(differences))


def test_sign_flip_replaces_p_where_a_value_was_replaced():
    differences = LEFT - RIGHT
    ours = estimate(differences, replaced=True)
    assert ours.p == pytest.approx(2 / 2**8)
    assert ours.low == estimate(differences, replaced=False).low


def test_sign_flip_of_sixteen_seeds_is_exact_and_of_more_repeatable():
    assert sign_flip(np.linspace(1, 2, 16)) == pytest.approx(2 / 2**16)
    assert sign_flip(np.linspace(-1, 3, 20)) == sign_flip(np.linspace(-1, 3, 20))


def test_equal_differences_make_the_interval_a_point():
    ours = estimate([0.1 + 0.2, 0.3, 0.3, 0.3], replaced=False)
    assert ours.low == ours.high == ours.low90 == ours.high90 == ours.mean == pytest.approx(0.3)
    assert ours.p == pytest.approx(2 / 2**4)
    assert estimate([0.0] * 8, replaced=False).p == 1


@pytest.mark.parametrize("differences", [[], [1.5]])
def test_fewer_than_two_seeds_have_no_interval(differences):
    ours = estimate(differences, replaced=False)
    assert math.isnan(ours.low) and math.isnan(ours.p) and ours.n == len(differences)
    assert decide("superiority", ours, math.nan, 0.5).outcome == "open"


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02, math.nan, 0.03])[::2] == pytest.approx([0.04, 0.04])
    assert math.isnan(holm([0.02, math.nan])[1])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_keeps_order_and_never_exceeds_bonferroni(p_values):
    adjusted = holm(p_values)
    assert all(one >= p and one <= min(1, len(p_values) * p) + 1e-12 for one, p in zip(adjusted, p_values, strict=True))
    assert [one for _, one in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)


def effect(mean, half, half90=None, n=8, firm=None):
    """firm: the interval that allows for a long tail, the 95% interval unless it is given."""
    half90 = 0.8 * half if half90 is None else half90
    firm = (mean - half, mean + half) if firm is None else firm
    return Estimate(mean, mean - half, mean + half, mean - half90, mean + half90, 0.01, n, *firm)


@pytest.mark.parametrize(
    ("test", "found", "p", "outcome", "reason"),
    [
        ("superiority", effect(1.0, 0.3), 0.01, "supported", "reaches the margin"),
        ("superiority", effect(0.5, 0.0), 0.01, "supported", "reaches the margin"),
        ("superiority", effect(1.0, 0.3), 0.06, "open", "after Holm"),
        ("superiority", effect(0.45, 0.3), 0.01, "open", "mean 0.45 below the margin 0.5"),
        ("superiority", effect(0.7, 0.9), 0.2, "open", "contains 0"),
        ("superiority", effect(1.0, 0.3, firm=(-0.1, 1.4)), 0.01, "open", "a long tail, -0.1 to 1.4, contains 0"),
        ("superiority", effect(0.1, 0.2), 0.4, "small", "small: 90% interval within ±0.5"),
        (
            "superiority",
            effect(0.1, 0.2, firm=(-0.6, 0.3)),
            0.4,
            "open",
            "a long tail, -0.6 to 0.3, is not within ±0.5",
        ),
        ("superiority", effect(-0.9, 0.3, firm=(-2, 0.2)), 0.01, "open", "a long tail, -2 to 0.2, contains 0"),
        ("superiority", effect(-0.9, 0.3), 0.01, "reversed", "reversed"),
        ("superiority", effect(-0.9, 0.3), 0.2, "open", "below the margin"),
        ("equivalence", effect(0.2, 0.5, 0.2, firm=(0, 0.49)), 0.4, "supported", "within ±0.5"),
        ("equivalence", effect(0.2, 0.3, 0.2, firm=(0, 0.51)), 0.4, "open", "a long tail, 0 to 0.51, is not within"),
        ("equivalence", effect(1.0, 0.4), 0.4, "reversed", "wholly outside"),
        ("equivalence", effect(-1.0, 0.4), 0.4, "reversed", "wholly outside"),
        ("equivalence", effect(-1.0, 0.4, firm=(-2, -0.4)), 0.4, "open", "is not within"),
        ("equivalence", effect(0.4, 0.4), 0.4, "open", "not within"),
        ("noninferiority", effect(0.1, 0.3), 0.4, "supported", "below the margin"),
        ("noninferiority", effect(1.0, 0.3), 0.4, "reversed", "above the margin"),
        ("noninferiority", effect(0.1, 0.3, firm=(0, 0.6)), 0.4, "open", "0 to 0.6, contains the margin 0.5"),
        ("noninferiority", effect(1.0, 0.3, firm=(0.4, 2)), 0.4, "open", "0.4 to 2, contains the margin 0.5"),
        ("noninferiority", effect(0.5, 0.3), 0.4, "open", "contains the margin"),
        ("difference", effect(1.0, 0.3), 0.01, "supported", "interval above 0"),
        ("difference", effect(-0.5, 0.3), 0.01, "supported", "interval below 0"),
        ("difference", effect(-1.0, 0.3), 0.06, "open", "after Holm"),
        ("difference", effect(-0.45, 0.3), 0.01, "open", "mean -0.45 is within the margin ±0.5"),
        ("difference", effect(-0.7, 0.9), 0.2, "open", "contains 0"),
        ("difference", effect(-1.0, 0.3, firm=(-2, 0.1)), 0.01, "open", "a long tail, -2 to 0.1, contains 0"),
        ("difference", effect(-0.1, 0.2), 0.4, "small", "small: 90% interval within ±0.5"),
    ],
)
def test_decisions(test, found, p, outcome, reason):
    finding = decide(test, found, p, 0.5)
    assert finding.outcome == outcome and reason in finding.reason
    if outcome in ("small", "reversed"):
        assert finding.reason.startswith(f"{outcome}: ")


@pytest.mark.parametrize(
    ("mean", "half", "sign"),
    [(0.3, 0.2, ", above 0"), (-0.3, 0.2, ", below 0"), (0.1, 0.2, ""), (0.2, 0.2, ""), (0.1, 0.0, ", above 0")],
)
@pytest.mark.parametrize("test", ["superiority", "difference"])
def test_a_small_effect_is_told_with_its_sign_where_the_interval_is_clear_of_0(test, mean, half, sign):
    finding = decide(test, effect(mean, half, firm=(mean - 0.19, mean + 0.19)), 0.01, 0.5)
    assert (finding.outcome, finding.reason) == ("small", f"small: 90% interval within ±0.5{sign}")


@given(st.floats(-3, 3), st.floats(0, 2), st.floats(0, 1))
def test_a_difference_has_no_direction(mean, half, p):
    """Turning every sign changes no outcome; it is supported just where superiority of either sign is."""
    there, back = effect(mean, half), effect(-mean, half)
    outcomes = {decide("difference", one, p, 0.5).outcome for one in (there, back)}
    assert len(outcomes) == 1 and outcomes < {"supported", "small", "open"}
    superior = "supported" in [decide("superiority", one, p, 0.5).outcome for one in (there, back)]
    assert (outcomes == {"supported"}) == superior


def test_superiority_is_calibrated():
    """Without an effect fewer than 5% are supported, even with hardly any margin; with twice the spread most are."""
    generator = np.random.default_rng(1)

    def supported(mean):
        found = [estimate(mean + generator.normal(size=8), replaced=False) for _ in range(400)]
        return np.mean([decide("superiority", one, one.p, 1e-6).outcome == "supported" for one in found])

    assert supported(0.0) <= 0.05
    assert supported(2.0) >= 0.8
    assert supported(3.0) >= 0.95
