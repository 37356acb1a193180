"""Effects in words, against numbers worked out by hand."""

import math

import pytest

from bn_study.plan.experiment import Claim
from bn_study.report import units

STEPS = {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}
ACCURACY = {"final": {"metric": "test/accuracy"}}
SHARE = {"layer_mean": {"name": "saturation/share", "site": "post", "step": None}}
RATE = ACCURACY | {
    "over": {"factor": "optimizer.learning_rate", "take": "largest_usable", "fraction": 0.9}, "scale": "log10"
}  # fmt: skip
RATIO = {
    "depth_ratio": {"name": "gradient/delta", "site": "linear", "step": 0, "first": 1, "last": None, "absolute": False}
}
NEARER = {"depth_ratio": RATIO["depth_ratio"] | {"absolute": True}}
NONE_BATCH = {"norm=none": 1.0, "norm=batch": -1.0}


def claim(measure, contrast, test="superiority", level=None):
    return Claim(measure=measure, contrast=contrast, grid="all", test=test, margin=0.1, level=level or {})


@pytest.mark.parametrize(
    ("measure", "contrast", "effect", "label", "text"),
    [
        (STEPS, NONE_BATCH, (2, 1, 3), "times fewer steps (below 1: more)", "4.00 [2.00, 8.00]"),
        (ACCURACY, NONE_BATCH, (-0.0976, -0.11, -0.0852), "points of accuracy", "-9.8 [-11.0, -8.5]"),
        (RATE, NONE_BATCH, (1, 0.9, 1.1), "largest usable learning rate: times that of", "10.0 [7.9, 12.6]"),
        (RATIO, NONE_BATCH, (11.87, 11.8, 11.94), "powers of ten from first to last layer", "11.9 [11.8, 11.9]"),
        (NEARER, NONE_BATCH, (11.87, 11.8, 11.94), "powers of ten nearer", "11.9 [11.8, 11.9]"),
        (SHARE, {"norm=none": 1.0, "constant": -0.5}, (0.2, 0.1, 0.3), "% of the values", "70.0 [60.0, 80.0]"),
        (SHARE, {"norm=none": -1.0, "constant": 0.25}, (0.05, 0.04, 0.06), "% of the values", "20.0 [19.0, 21.0]"),
        (STEPS, NONE_BATCH, (11, 10, 12), "times fewer steps", "2,048 [1,024, 4,096]"),
    ],
)
def test_an_effect_has_the_unit_that_a_reader_expects(measure, contrast, effect, label, text):
    unit = units.unit(claim(measure, contrast))
    assert label in unit.label
    assert units.spread(unit, dict(zip(("estimate", "low", "high"), effect, strict=True))) == text


def test_what_is_lost_is_said_to_be_lost():
    assert (
        units.unit(claim(ACCURACY, NONE_BATCH, "noninferiority")).label == "points of accuracy lost (below 0: gained)"
    )


def test_no_sign_of_zero_and_no_exponent():
    unit = units.unit(claim(RATIO, NONE_BATCH))
    effect = {"estimate": -0.00042, "low": -0.0011, "high": 0.00019}
    assert units.spread(unit, effect, largest=0.3) == "0.000 [-0.001, 0.000]"
    assert units.spread(unit, effect | {"low": math.nan, "high": math.nan}, largest=0.3) == "0.000"
    assert units.spread(unit, effect | {"estimate": math.nan}) == "–"


def test_contrasts_of_three_arms_and_unknown_records_have_words_too():
    three = claim(STEPS, {"norm=noisy_batch": 1.0, "norm=none": -0.5, "norm=batch": -0.5})
    assert units.unit(three).label == "times as many steps as halfway between the others"
    mirrored = {selector: -weight for selector, weight in three.contrast.items()}
    label = "times fewer steps than halfway between the others (below 1: more)"
    assert units.unit(claim(STEPS, mirrored)).label == label
    four = {"norm=a": 1.0, "norm=b": -1.0, "norm=c": -1.0, "norm=d": 1.0}
    assert units.unit(claim(STEPS, four)).label == "ratio of ratios of steps"
    record = claim({"value": {"name": "a/new_thing", "site": "", "step": 0}}, {"norm=batch": 1.0})
    assert units.unit(record).label == "new thing"
