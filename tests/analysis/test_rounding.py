"""Nine digits: of a number, of a table, of every committed file; and what rounding must not change."""

import csv
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bn_study.analysis.contrast import Values, differences, resolution
from bn_study.analysis.rounding import rounded, rounded_table
from bn_study.analysis.stats import decide, estimate


def significant(text):
    """How many significant digits the text of a decimal number has; 0 where it is none."""
    match = re.fullmatch(r"-?(\d+)\.(\d+)(e[-+]\d+)?|-?(\d)(e[-+]\d+)", text)
    return len(f"{match[1]}{match[2]}".strip("0")) if match and match[1] else 0


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_rounded_number_has_nine_digits_and_is_near(value):
    found = rounded(value)
    assert significant(repr(found)) <= 9 and rounded(found) == found and rounded(-value) == -found
    assert abs(found - value) <= 5.0000001e-9 * abs(value)


def test_short_numbers_stay_and_zero_has_no_sign():
    for value in (0.1, 1e-5, 3e22, 0.9712, 123456789.0, math.inf):
        assert rounded(value) == value
    assert math.isnan(rounded(math.nan)) and math.copysign(1, rounded(-0.0)) == 1
    assert rounded(0.1 + 0.2) == 0.3 and rounded(1 / 3, 6) == 0.333333


def test_a_table_keeps_its_types_and_what_is_no_float():
    table = pd.DataFrame(
        {
            "float": [1 / 3, math.nan], "mixed": pd.Series([None, 0.1 + 0.2], dtype=object), "whole": [1, 2**60 + 1],
            "some": pd.Series([1, None], dtype="Int64"), "word": ["0.12345678901", "b"], "true": [True, False],
            "setting": [0.12345678901, 1.0],
        }
    )  # fmt: skip
    found = rounded_table(table, [one for one in table if one != "setting"])
    assert (found.dtypes == table.dtypes).all() and (rounded_table(table[:0]).dtypes == table.dtypes).all()
    assert found["float"].iloc[0] == 0.333333333 and found["mixed"].tolist() == [None, 0.3]
    unchanged = ["whole", "some", "word", "true", "setting"]
    pd.testing.assert_frame_equal(found[unchanged], table[unchanged], check_exact=True)


def test_no_committed_number_has_more_digits(home):
    """Settings have as many as they were given, and so have the benchmarks, which no report writes."""
    paths = [one for one in (home / "results").glob("**/*.csv") if one.parent.name not in ("bench", "local", "runs")]
    assert len(paths) > 50
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for name, text in row.items():
                    if path.name != "runs.csv" or "(" in name:
                        assert significant(text) <= 9, f"{path}: {name} is {text}"


def arms(left, right):
    return [
        Values(name, weight, pd.Series(values, dtype=float), frozenset(), ())
        for name, weight, values in (("a", 1.0, left), ("b", -1.0, right))
    ]


def judged(left, right, logarithmic):
    found = arms(left, right)
    equal = resolution(found, logarithmic=logarithmic)
    return estimate(differences(found, 0.0, sign=-1), replaced=False, resolution=equal)


seeds = st.lists(st.integers(1, 359), min_size=2, max_size=8)


@given(seeds, st.integers(1, 359))
def test_equal_differences_of_rounded_accuracies_are_still_equal(right, more):
    """Accuracies on 360 images, of which an arm has the same number more with every seed."""
    found = judged([rounded((one + more) / 360) for one in right], [rounded(one / 360) for one in right], False)
    assert found.low == found.high == found.mean == pytest.approx(more / 360, rel=1e-6)
    assert found.p == pytest.approx(2 / 2 ** len(right))


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=8), st.floats(1e-3, 1e3))
def test_equal_ratios_of_rounded_measures_are_still_equal(right, factor):
    left = [math.log2(rounded(factor * one)) for one in right]
    found = judged(left, [math.log2(rounded(one)) for one in right], True)
    assert found.low == found.high == found.mean == pytest.approx(math.log2(factor), abs=1e-7)


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=8), st.sampled_from([1 - 3e-16, 1 + 3e-16]))
def test_values_that_differ_in_their_last_places_have_no_difference(values, factor):
    found = judged([rounded(one) * factor for one in values], [rounded(one) for one in values], False)
    assert found.low == found.high == found.mean == 0 and found.p == 1


@given(st.integers(1, 50))
def test_differences_that_rounding_could_not_have_made_differ(apart):
    """Of accuracies on ten thousand images, those that are an image apart."""
    right = np.array([0.5, 0.6, 0.7])
    left = right + np.array([0.0, 1.0, 0.0]) * apart * 1e-4 + 1e-3
    found = judged(left, right, False)
    assert found.low < found.mean < found.high


@pytest.mark.parametrize("test", ["superiority", "equivalence", "noninferiority", "exact"])
def test_a_decision_at_the_margin_does_not_rest_on_last_places(test):
    """A mean of 0.002, whichever way its last places fall, has one verdict."""
    values = np.array([0.0019, 0.0021, 0.002, 0.0018, 0.0022])
    outcomes = set()
    for factor in (1 - 1e-13, 1, 1 + 1e-13):
        found = estimate(values * factor, replaced=False)
        assert found.mean == 0.002
        outcomes.add(decide(test, found, found.p, 0.002))
    assert len(outcomes) == 1
