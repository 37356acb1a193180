"""Numbers over a factor, against closed forms, plain loops and scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from bn_study.analysis.over import TAKES, parse_over
from bn_study.errors import UsageError

HALF_DECADES = [0.01, 0.0316, 0.1, 0.316, 1.0]
NAN = math.nan


def take(name, values, factor=HALF_DECADES, level=None, **args):
    over = parse_over({"factor": "optimizer.learning_rate", "take": name, **args})
    return over.of(dict(zip(factor, values, strict=True)), level)


@pytest.mark.parametrize(
    ("values", "largest"),
    [
        ([0.5, 0.9, 1.0, 0.95, 0.1], 0.316),
        ([1.0, 0.5, 0.5, 0.5, 0.5], 0.01),  # the best one is the first
        ([0.1, 0.2, 0.3, 0.4, 1.0], 1.0),  # or the last
        ([0.1, 1.0, 0.5, 0.99, 0.99], 0.0316),  # what lies behind a dip does not count
        ([0.95, 0.5, 1.0, 0.9, 0.89], 0.316),  # a dip before the best does not matter; the fraction itself is enough
        ([0.1, 1.0, 0.95, NAN, 0.99], 0.1),  # a diverged run is a dip
        ([NAN, NAN, 0.7, NAN, NAN], 0.1),
        ([0.9, 0.9, 0.9, 0.9, 0.9], 1.0),
        ([NAN] * 5, NAN),
    ],
)
def test_the_largest_usable_value_ends_where_the_measure_first_drops_after_its_best(values, largest):
    assert take("largest_usable", values, fraction=0.9) == pytest.approx(largest, nan_ok=True)


def test_a_fraction_of_one_asks_for_the_best_itself():
    assert take("largest_usable", [0.1, 0.2, 0.9, 0.9, 0.8], fraction=1) == 0.316
    assert take("largest_usable", [0.1, 0.2, 0.9, 0.8, 0.9], fraction=0) == 1.0


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ([0.1, 0.8, 0.9, 0.85, 0.1], 3),
        ([0.8, 0.1, 0.9, 0.1, 0.8], 1),  # only those around the best one
        ([0.9, 0.85, 0.1, 0.1, 0.1], 2),  # at an end, too, each point stands for half a decade
        ([0.8] * 5, 5),
        ([0.79] * 5, 0),
        ([NAN, 0.8, 0.9, NAN, 0.8], 2),
        ([NAN] * 5, 0),
    ],
)
def test_a_point_of_a_grid_in_half_decades_counts_half_a_decade(values, points):
    decades = take("usable_decades", values, level=0.8)
    assert decades == pytest.approx(points / 2, abs=2e-3)  # 3.16 is not quite the root of ten


def test_points_of_an_uneven_grid_count_their_surroundings():
    factor = [0.01, 0.1, 1.0, 3.0, 10.0]
    third = math.log10(3)
    widths = {0: 1, 1: 1, 4: 1 - third}  # at the ends and between equal neighbors
    for index, width in widths.items():
        values = [1.0 if one == index else 0.0 for one in range(5)]
        assert take("usable_decades", values, factor, level=0.8) == pytest.approx(width)


def test_one_value_of_the_factor_has_no_width():
    assert math.isnan(take("usable_decades", [0.9], [0.1], level=0.8))
    assert math.isnan(take("area", [0.9], [0.1]))


def test_the_area_is_the_mean_over_decades():
    factor = [0.1, 1.0, 100.0]  # one decade and two
    values = [0.0, 1.0, 0.4]
    assert take("area", values, factor) == pytest.approx((0.5 * 1 + 0.7 * 2) / 3)
    assert take("area", [0.3] * 5) == pytest.approx(0.3)
    places = np.log10(HALF_DECADES)
    assert take("area", list(2 + 3 * places)) == pytest.approx(2 + 3 * (places[0] + places[-1]) / 2)
    assert math.isnan(take("area", [0.1, NAN, 0.1, 0.1, 0.1]))


def test_the_deviation_is_that_of_all_values():
    values = [0.1, 0.5, 0.7, 0.2, 0.9]
    mean = sum(values) / 5
    assert take("deviation", values) == pytest.approx(math.sqrt(sum((one - mean) ** 2 for one in values) / 5))
    assert take("deviation", [0.4] * 5) == 0


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [0.1, 0.4, 0.2, 0.2, 0.9], [3, 3, 3, 3, 1]])
def test_the_rank_correlation_is_scipys(values):
    assert take("spearman", values) == pytest.approx(stats.spearmanr(HALF_DECADES, values).statistic)


def test_a_constant_has_no_trend():
    assert take("spearman", [0.3] * 5) == 0


@pytest.mark.parametrize("name", TAKES)
def test_the_order_in_which_runs_come_does_not_matter(name):
    values = [0.1, 0.8, 0.9, 0.85, 0.2]
    args, level = {"fraction": 0.9} if name == "largest_usable" else {}, 0.8
    backwards = take(name, values[::-1], HALF_DECADES[::-1], level, **args)
    assert take(name, values, level=level, **args) == backwards


def test_which_need_a_level():
    arguments = {name: {"fraction": 0.9} if name == "largest_usable" else {} for name in TAKES}
    found = {name: parse_over({"factor": "x", "take": name, **args}) for name, args in arguments.items()}
    assert [name for name, over in found.items() if over.needs_level] == ["usable_decades"]


def test_words():
    over = parse_over({"take": "largest_usable", "factor": "optimizer.learning_rate", "fraction": 0.9})
    assert over.words() == "largest_usable(optimizer.learning_rate, fraction 0.9) of"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("optimizer.learning_rate", "give a factor and what to take"),
        ({"take": "area"}, "give a factor and what to take"),
        ({"factor": "seed"}, "give a factor and what to take"),
        ({"factor": "x", "take": "aera"}, "did you mean area"),
        ({"factor": "x", "take": "largest_usable"}, "largest_usable needs the argument fraction"),
        ({"factor": "x", "take": "largest_usable", "fraction": 1.5}, "fraction=1.5"),
        ({"factor": "x", "take": "largest_usable", "fraction": "all"}, "fraction='all'"),
        ({"factor": "x", "take": "largest_usable", "fraction": 0.9, "fractoin": 0.9}, "did you mean fraction"),
        ({"factor": "x", "take": "area", "fraction": 0.9}, "argument of area 'fraction'"),
        ({"factor": "x", "take": "usable_decades", "level": 0.9}, "give the level in `level`"),
    ],
)
def test_a_bad_entry_is_refused(entry, message):
    with pytest.raises(UsageError, match=message):
        parse_over(entry)
