"""Which numbers a sentence may use, and what the source of a number gives."""

import math

import pytest

from bn_study.analysis.headline import Case
from bn_study.analysis.verdict import Row
from bn_study.errors import UsageError
from bn_study.plan.experiment import Claim
from bn_study.plan.statements import Statement, Table
from bn_study.report import board, quoted

STEPS = {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}
ACCURACY = {"final": {"metric": "test/accuracy"}}
SHARE = {"layer_mean": {"name": "saturation/share", "site": "post", "step": None}}
STATEMENT = Statement(claim="It takes half the steps in 50 layers.", topic="speed", cards=["C01"])


def a_claim(measure, *rows, contrast=None, margin=0.5, level=None):
    """A claim with the given rows (context, estimate, low, high)."""
    contrast = contrast or {"norm=none": 1, "norm=batch": -1}
    claim = Claim(
        measure=measure, contrast=contrast, grid="all", test="superiority", margin=margin, level=level or {}
    )  # fmt: skip
    contexts = tuple(Row(name, "supported", "", *numbers, 0.01, 8) for name, *numbers in rows)
    found = (contexts[0], ()) if len(contexts) == 1 else (Row("", "varies", ""), contexts)
    return board.Tested("speed", "faster", claim, *found, "1234567890", {}, ("mnist",))


def given(numbers, *claims):
    return quoted.sources("S000-a", numbers, claims)


def test_a_number_must_be_what_its_source_gives():
    one = a_claim(STEPS, ("net=a", math.log2(2.5), math.log2(1.9), math.log2(3.3)), ("net=b", 0.0, -1.0, 1.0))
    numbers = {"2.5": "speed.faster net=a", "1.9": "speed.faster net=a", "2": "speed.faster net=b"}
    sourced = given(numbers, one)
    assert quoted.unknown("2.5 times fewer (from 1.9), at most 2 in the other", [], sourced) == []
    assert quoted.unknown("2.6 times fewer", [], given({"2.6": "speed.faster net=a"}, one)) == ["2.6"]
    assert quoted.unknown("2.5 times fewer", [], given({"2.5": "speed.faster net=b"}, one)) == ["2.5"], "another net"
    assert quoted.unknown("2.5 times fewer", [], {}) == ["2.5"], "no source"


def test_units_are_those_of_the_picture():
    points = a_claim(ACCURACY, ("", -0.0167, -0.0234, -0.01), margin=0.01)
    assert quoted.unknown("1.7 points lower", [], given({"1.7": "speed.faster"}, points)) == []
    assert quoted.unknown("0.0167 lower", [], given({"0.0167": "speed.faster"}, points)) == ["0.0167"]
    share = a_claim(SHARE, ("", 0.298, 0.25, 0.34), contrast={"norm=none": 1, "constant": -0.5})
    assert quoted.unknown("80% are saturated", [], given({"80": "speed.faster"}, share)) == []
    fewer = a_claim(STEPS, ("", -1.0, -1.5, -0.5))
    assert quoted.unknown("2 times as many steps", [], given({"2": "speed.faster"}, fewer)) == []


def test_a_source_that_is_none():
    one = a_claim(STEPS, ("net=a", 1.0, 0.5, 1.5), ("net=b", 0.0, -1.0, 1.0))
    for source in ("speed.slower", "speed.faster net=c"):
        assert quoted.unknown("2 times fewer", [2.0], given({"2": source}, one)) == ["2"]
    with pytest.raises(UsageError, match=r"S000-a: numbers: speed.faster: 2 contexts fit; name one"):
        given({"2": "speed.faster"}, one)


def test_numbers_that_need_no_source():
    one = a_claim(STEPS, ("", 1.0, 0.5, 1.5), level={"mnist": 0.95})
    case = Case("speed.faster", "", "supported", 1.0, 0.5, 1.5, 8, {})
    other = Case("speed.faster", "", "small", 0.0, 0.0, 0.0, 8, {})
    plain = quoted.plain(STATEMENT, [one], [[case] * 4 + [other] * 2])
    assert quoted.unknown("95% in 4 of 6 settings of 50 layers", plain, {}) == []
    assert quoted.unknown("96% in 3 of 6, 10,000 steps", plain, {}) == ["96", "3", "10,000"]
    assert quoted.unknown("sha256, v2, 3x and S000-a are no numbers", plain, {}) == []


def test_a_table_gives_the_ends_of_each_kind(tmp_path):
    (tmp_path / "steps.csv").write_text("who,times\nours,1.0\nours,1.043\nours,1.08\nours,1.132\nother,2.028\n")
    table = Table(of="steps", file="steps.csv", column="times", kind="who", kinds=["ours"])
    assert quoted.unknown("4 to 13% longer", quoted.of_table(tmp_path, table), {}) == []
    assert quoted.unknown("8 to 103% longer", quoted.of_table(tmp_path, table), {}) == ["8", "103"]
    with pytest.raises(UsageError, match=r"nowhere.csv: cannot be read"):
        quoted.of_table(tmp_path, table.model_copy(update={"file": "nowhere.csv"}))
