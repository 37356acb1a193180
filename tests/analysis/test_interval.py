"""The interval of a mean as it is shown: against scipy, by coverage on simulated seeds, at the ends of the scale."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit

from bn_study.analysis import comparison, interval, shown

ACCURACY = "test/accuracy"
RUNS, DRAWS = 8, 1500


def student(values):
    return stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))


@pytest.mark.parametrize(
    ("metric", "share"),
    [
        ("test/accuracy", True), ("train/accuracy_moving_unbiased", True), ("saturation/share@layer1/post", True),
        ("saturation/dead", True), ("histograms/outside", True), ("test/loss", False), ("activation/std", False),
        ("saturation/entropy", False), ("discrepancy/variance_ratio", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_a_share(metric, share):
    assert interval.is_share(metric) is share


def test_without_bounds_it_is_students():
    values = pd.Series([0.9, 1.3, 1.1, 0.2])
    assert interval.of_values(values, "test/loss") == pytest.approx(student(values))
    assert interval.of_values(values) == pytest.approx(student(values))


def test_a_share_is_the_same_on_the_logit_scale():
    values = np.array([0.9, 0.95, 0.99, 0.93])
    mean = values.mean()
    width = stats.t.ppf(0.975, 3) * stats.sem(values) / (mean * (1 - mean))
    expected = expit(logit(mean) - width), expit(logit(mean) + width)
    assert interval.of_values(pd.Series(values), ACCURACY) == pytest.approx(expected)


def test_far_from_the_ends_nothing_changes():
    values = pd.Series([0.9713, 0.9722, 0.9707, 0.9716, 0.9719])
    assert interval.of_values(values, ACCURACY) == pytest.approx(student(values), abs=2e-5)


@pytest.mark.parametrize(
    "values", [[0.97] * 7 + [0.1], [0.999, 1.0, 1.0], [0.0, 0.0, 0.002], [0.0, 1.0], [1.0, 1.0, 1.0, 0.2], [0.3, 0.9]]
)
def test_a_share_stays_where_shares_are(values):
    values = pd.Series(values)
    low, high = interval.of_values(values, ACCURACY)
    assert 0 <= low < values.mean() < high <= 1
    plain = student(values)
    assert plain[0] < 0 or plain[1] > 1  # as it was


def test_where_all_seeds_agree_it_is_the_point_and_one_seed_has_none():
    for value in (0.0, 0.3, 1.0):
        assert interval.of_values(pd.Series([value] * 3), ACCURACY) == (value, value)
    assert np.isnan(interval.of_values(pd.Series([0.5]), ACCURACY)).all()


def _beta(mean, deviation):
    size = mean * (1 - mean) / deviation**2 - 1
    return lambda random: random.beta(mean * size, (1 - mean) * size, (DRAWS, RUNS)), mean


def _failing(share):
    """Seeds learn to 0.97 or, in a share of cases, stay at 0.1."""
    return lambda random: np.where(random.random((DRAWS, RUNS)) < share, 0.1, 0.97), 0.1 * share + 0.97 * (1 - share)


@pytest.mark.parametrize(
    ("seeds", "nominal"),
    [
        (_beta(0.97, 0.005), True), (_beta(0.97, 0.02), False), (_beta(0.9, 0.08), False), (_beta(0.5, 0.2), True),
        (_beta(0.99, 0.02), False), (_beta(0.05, 0.06), False), (_failing(0.25), False), (_failing(0.5), False),
    ],
)  # fmt: skip
def test_it_covers_the_mean_as_often_as_students_and_oftener_near_the_ends(seeds, nominal):
    draw, mean = seeds
    random = np.random.default_rng(0)
    drawn = [pd.Series(one) for one in draw(random)]
    logits = np.array([interval.of_values(one, ACCURACY) for one in drawn])
    plain = np.array([interval.of_values(one) for one in drawn])

    def covered(ends):
        return ((ends[:, 0] <= mean) & (mean <= ends[:, 1])).mean()

    assert (logits >= 0).all() and (logits <= 1).all()
    assert covered(logits) >= covered(plain) - 0.01
    if nominal:
        assert covered(logits) == pytest.approx(0.95, abs=0.02)


def test_comparisons_and_figures_use_it():
    values = [0.97] * 7 + [0.1]
    low, high = interval.of_values(pd.Series(values), ACCURACY)
    lines = [pd.DataFrame({"step": [5], "value": [one]}) for one in values]
    (point,) = shown.mean_curve(lines, ACCURACY)
    assert (point["low"], point["high"]) == pytest.approx((low, high))
    (point,) = shown.mean_curve(lines, "test/loss")
    assert point["high"] > 1
    found = shown.mean(pd.Series(values), ACCURACY)
    assert (found["low"], found["high"]) == (low, high)
    runs = pd.DataFrame({"run": [*"abcdefgh"], "grids": "g", "seed": range(8), "status": "complete", "norm": "batch"})
    table = comparison.compare(runs, pd.Series(values, index=runs["run"]), ACCURACY, ["norm"], None)
    assert table[["low", "high"]].to_numpy().tolist() == [[low, high]]
