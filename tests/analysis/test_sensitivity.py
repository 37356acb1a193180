"""How firm an outcome is, against the judgment of changed claims and changed data."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bn_study.analysis.context import measured, rows
from bn_study.analysis.contrast import Values
from bn_study.analysis.sensitivity import COLUMNS, bootstrap, sensitivities, table
from bn_study.analysis.stats import estimate
from bn_study.analysis.verdict import Row, Verdict
from bn_study.plan.experiment import Claim, Experiment

LOSS = {"final": {"metric": "test/loss"}}
STEPS = {"steps_to": {"metric": "test/accuracy"}}
NEAR = [0.55, 0.62, 0.48, 0.6, 0.57, 0.52, 0.61, 0.5]


def a_claim(test="superiority", margin=0.5, measure=LOSS):
    return Claim.model_construct(measure=measure, contrast={"norm=none": 1}, test=test, margin=margin)


def context(values, name="", claim=None, lost=()):
    series = pd.Series(dict(enumerate(values)), dtype=float)
    return measured(name, claim or a_claim(), [Values("norm=none", 1.0, series, frozenset(lost), ())])


def judged(claim, values):
    """A row for each list of values; a mapping of seeds to values may lack a seed."""
    found = []
    for place, one in enumerate(values):
        series = pd.Series(one if isinstance(one, dict) else dict(enumerate(one)), dtype=float)
        found.append(measured(f"c={place}", claim, [Values("norm=none", 1.0, series, frozenset(), ())]))
    return rows(claim, found)


def found(claim, *values, lost=(), sanity_check=False):
    """The sensitivities of one claim in several contexts."""
    contexts = [context(one, f"c={place}", claim, lost) for place, one in enumerate(values)]
    verdict = Verdict(
        "it",
        (),
        "generally",
        claim.test,
        claim.margin,
        "",
        "open",
        "",
        *[math.nan] * 4,
        8,
        0,
        rows(claim, contexts),
        "",
    )
    experiment = Experiment("x", "", "", {}, {}, {"it": claim}, {}, "", (), sanity_check=sanity_check)
    return sensitivities(experiment, {"it": verdict})


TESTS = ["superiority", "difference", "equivalence", "noninferiority", "exact"]
VALUES = st.lists(st.floats(-2, 2).map(lambda one: round(one, 2)), min_size=4, max_size=8)


@pytest.mark.parametrize("test", TESTS)
@settings(max_examples=25)
@given(VALUES, st.sampled_from([0.1, 0.5, 1.3]))
def test_the_outcome_is_the_same_between_the_margins_and_another_one_just_outside(test, values, margin):
    (one,) = found(a_claim(test, margin), values)

    def outcome(other):
        return judged(a_claim(test, other), [values])[0].outcome

    assert outcome(margin) == one.outcome and one.margin_low <= margin <= one.margin_high
    last = min(one.margin_high, 10.0)
    for inside in np.linspace(one.margin_low, last, 9)[1:-1]:
        assert outcome(float(inside)) == one.outcome
    step = 1e-7
    if 0 < one.margin_low < margin:
        assert outcome(one.margin_low - step) != one.outcome
    if margin < one.margin_high < math.inf:
        assert outcome(one.margin_high + step) != one.outcome


def test_the_margins_in_closed_form():
    effect = estimate(NEAR, replaced=False)
    (one,) = found(a_claim(), NEAR)
    assert one.outcome == "supported" and (one.margin_low, one.margin_high) == (0, effect.mean)
    (small,) = found(a_claim(margin=0.9), NEAR)
    assert small.outcome == "small" and (small.margin_low, small.margin_high) == (effect.firm_high, math.inf)
    (loss,) = found(a_claim("noninferiority", 0.9), NEAR)
    assert loss.outcome == "supported" and loss.margin_low == effect.firm_high
    (exact,) = found(a_claim("exact", 0.7), NEAR)
    assert exact.outcome == "supported" and (exact.margin_low, exact.margin_high) == (0.62, math.inf)


@pytest.mark.parametrize("test", TESTS)
@settings(max_examples=15)
@given(VALUES, VALUES)
def test_one_seed_less_is_judged_like_data_without_it(test, values, other):
    claim = a_claim(test)
    one = found(claim, values, other)[0]
    by_hand = {}
    for seed in range(len(values)):
        less = {place: value for place, value in enumerate(values) if place != seed}
        outcome = judged(claim, [less, other])[0].outcome
        if outcome != one.outcome:
            by_hand[seed] = outcome
    assert one.seeds == " ".join(map(str, by_hand))
    assert one.without == next(iter(by_hand.values()), "")
    assert ("one seed less" in one.fragile) == bool(by_hand)


def test_the_sign_flip_p_is_holms_over_the_contexts():
    values = [NEAR, [1.0, -0.5, 2.0, 0.7, 0.4, 0.9, 1.1, 0.2], [0.1, -0.1, 0.2, -0.3, 0.4, 0.1, 0.0, 0.2]]

    def by_hand(one):
        signs = itertools.product((1, -1), repeat=len(one))
        return np.mean([abs(np.dot(sign, one)) >= abs(sum(one)) - 1e-9 for sign in signs])

    raw = [by_hand(one) for one in values]
    order = np.argsort(raw)
    largest, expected = 0.0, {}
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (3 - rank) * raw[place]))
        expected[place] = largest
    assert [one.p_sign_flip for one in found(a_claim(), *values)] == pytest.approx(
        [expected[0], expected[1], expected[2]]
    )
    assert all(math.isnan(one.p_sign_flip) for one in found(a_claim("equivalence"), *values))


def test_a_p_that_no_sign_flip_test_could_lower_is_no_fragility():
    many = [[value + place for value in NEAR] for place in range(8)]  # 8 contexts: the least p is 2/256 times 8
    assert {one.p_sign_flip for one in found(a_claim(), *many)} == {8 * 2 / 256}
    assert all(one.outcome == "supported" and not one.fragile for one in found(a_claim(margin=0.3), *many))


def test_a_bootstrap_interval_is_repeatable_and_near_students_for_many_values():
    values = np.random.default_rng(3).normal(1, 1, 400)
    wide, narrow = bootstrap(values)
    student = estimate(values, replaced=False)
    assert wide == pytest.approx((student.low, student.high), abs=0.02)
    assert narrow == pytest.approx((student.low90, student.high90), abs=0.02)
    assert bootstrap(values) == (wide, narrow)
    assert bootstrap(1e-6 * values)[0] == pytest.approx((1e-6 * wide[0], 1e-6 * wide[1]), rel=1e-6)
    assert bootstrap(np.array([0.3, 0.3, 0.3]))[0] == (0.3, 0.3) and bootstrap(np.zeros(4))[0] == (0, 0)


def test_what_is_fragile():
    firm = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.0]
    assert found(a_claim(), firm)[0].fragile == ""
    assert found(a_claim(margin=0.9), firm)[0].fragile == "margin"
    lucky = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 0.0]
    (one,) = found(a_claim(), lucky)
    assert one.outcome == "open" and "one seed less" in one.fragile and one.without == "supported"


def test_sanity_checks_are_tried_under_their_own_rule():
    tail = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 0.0]
    (strict,), (known,) = found(a_claim(), tail), found(a_claim(), tail, sanity_check=True)
    assert (strict.outcome, known.outcome) == ("open", "supported")


def test_a_bound_stays_a_bound():
    """Censored values: no margin makes the effect small."""
    claim = a_claim(margin=0.9, measure=STEPS)
    (one,) = found(claim, NEAR, lost={1})
    assert (one.outcome, one.margin_high) == ("open", math.inf)


def test_the_table_has_what_counts_only():
    claim = a_claim()
    contexts = (Row("c=1", "missing", ""), Row("c=2", "blocked", "", pairs=context(NEAR).pairs))
    verdict = Verdict("it", (), "can", claim.test, 0.5, "", "missing", "", *[math.nan] * 4, 8, 0, contexts, "")
    experiment = Experiment("x", "", "", {}, {}, {"it": claim}, {}, "", ())
    assert sensitivities(experiment, {"it": verdict}) == [] and list(table([]).columns) == list(COLUMNS)
    frame = table(found(a_claim(margin=0.9), NEAR))
    assert math.isnan(frame["margin_high"][0]) and frame["outcome"][0] == "small"
