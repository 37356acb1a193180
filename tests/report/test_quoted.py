"""Which numbers a sentence may use."""

import math

import pytest

from bn_study.analysis.headline import Case
from bn_study.analysis.verdict import Row
from bn_study.plan.experiment import Claim
from bn_study.plan.statements import Statement
from bn_study.report import board, quoted


def a_claim(measure, estimate, low, high, *, contrast=None, context="", margin=0.5, level=None):
    contrast = contrast or {"norm=none": 1, "norm=batch": -1}
    claim = Claim(
        measure=measure, contrast=contrast, grid="all", test="superiority", margin=margin, level=level or {}
    )  # fmt: skip
    row = Row(context, "supported", "", estimate, low, high, 0.01, 8)
    return board.Tested("speed", "faster", claim, row, (), "1234567890", {}, ("mnist",))


STEPS = {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}
ACCURACY = {"final": {"metric": "test/accuracy"}}
STATEMENT = Statement(claim="It takes half the steps in 50 layers.", topic="speed", cards=["C01"])


def known(one, *parts):
    return quoted.of_statement(STATEMENT, [one], parts)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("It needs 2.5 times fewer steps, 1.9 to 3.3 times.", []),
        ("It needs 2.6 times fewer steps.", ["2.6"]),
        ("It needs 3 times fewer steps.", []),
        ("It reaches 95 % in 0.40 of the steps.", []),
        ("It reaches 96 %.", ["96"]),
        ("8 seeds, in 50 layers, with 2.5 and 10,000 of something.", ["10,000"]),
        ("Words such as sha256, v2 or 3x are not numbers, and S000-a is none either.", []),
    ],
)
def test_ratios_of_logarithms_levels_and_seeds(text, wrong):
    one = a_claim(STEPS, math.log2(2.5), math.log2(1.9), math.log2(3.3), level={"mnist": 0.95})
    assert quoted.unknown(text, known(one)) == wrong


def test_points_and_values_instead_of_distances():
    points = known(a_claim(ACCURACY, -0.0167, -0.0234, -0.01, margin=0.01))
    assert quoted.unknown("1.7 points lower (1.0 to 2.3), margin 1", points) == []
    assert quoted.unknown("1.6 points lower", points) == ["1.6"]
    share = known(a_claim(ACCURACY, 0.298, 0.25, 0.34, contrast={"norm=none": 1, "constant": -0.5}))
    assert quoted.unknown("80 % are saturated, 30 points more than half", share) == []


def test_counts_are_those_of_a_part():
    nothing = float("nan")
    case = Case("speed.faster", "", "supported", nothing, nothing, nothing, 8, 0.5, {})
    other = Case("speed.faster", "", "small", nothing, nothing, nothing, 8, 0.5, {})
    one = a_claim(STEPS, nothing, nothing, nothing)
    assert quoted.unknown("in 4 of 6 settings", known(one, [case] * 4 + [other] * 2)) == []
    assert quoted.unknown("in 4 of 6 settings", known(one, [case] * 3, [other] * 3)) == ["4", "6"]


def test_a_table_gives_its_numbers_and_percent_above_one(tmp_path):
    (tmp_path / "steps.csv").write_text("model,times\nmlp,1.043\ncnn,2.028\n")
    table = quoted.of_table(tmp_path / "steps.csv")
    assert quoted.unknown("4 % longer, up to 2.0 times or 103 %", table) == []
    assert quoted.unknown("5 % longer", table) == ["5"]
