"""All claims as one family, against the procedures written anew."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bn_study.analysis.verdict import Row
from bn_study.plan.experiment import Claim
from bn_study.report import board
from bn_study.report.multiplicity import multiplicity, paragraph

LOSS = {"final": {"metric": "test/loss"}}
ACCURACY = {"final": {"metric": "test/accuracy"}}


def row(p=0.01, outcome="supported", context="", estimate=1.0, half=0.5, n=8):
    return Row(context, outcome, "", estimate, estimate - half, estimate + half, p, n, p_raw=p)


def a_claim(name, *rows, experiment="one", test="superiority", measure=LOSS):
    claim = Claim.model_construct(measure=measure, test=test, margin=0.5)
    head, contexts = (rows[0], ()) if len(rows) == 1 else (Row("", "varies", ""), rows)
    return board.Tested(experiment, name, claim, head, contexts, "", {}, (), ())


def evidence(*claims, sanity_check=False):
    return board.Evidence(claims[0].experiment, "", claims, sanity_check)


def benjamini_hochberg(p, level):
    """The indices that are rejected (Benjamini & Hochberg 1995, eq. 1)."""
    order = sorted(range(len(p)), key=p.__getitem__)
    last = max((rank for rank, index in enumerate(order, 1) if p[index] <= rank / len(p) * level), default=0)
    return set(order[:last])


def holm(p, level):
    """The indices that are rejected (Holm 1979)."""
    rejected = set()
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[index] > level / (len(p) - rank):
            break
        rejected.add(index)
    return rejected


@given(
    st.lists(
        st.sampled_from([0.0001, 0.001, 0.004, 0.0078125, 0.01, 0.02, 0.03, 0.04, 0.3, 0.9]), min_size=1, max_size=30
    )
)
def test_what_survives(p_values):
    claims = [a_claim(f"c{place}", row(p, "supported" if p <= 0.05 else "open")) for place, p in enumerate(p_values)]
    found = multiplicity([evidence(*claims)])
    decided = {place for place, p in enumerate(p_values) if p <= 0.05}
    assert (found.directional, found.decisions) == (len(p_values), len(decided))

    def lost(rejected):
        return {f"one/c{place}" for place in decided - rejected}

    assert set(found.fails_rate) == lost(benjamini_hochberg(p_values, 0.05))
    assert set(found.fails_holm) == lost(holm(p_values, 0.05))


def test_the_family_is_what_tests_for_an_effect_and_counts():
    rows = [
        row(0.001, context="a=1"),
        row(0.002, "blocked", "a=2"),
        row(math.nan, "missing", "a=3"),
        row(0.6, "open", "a=4"),
    ]
    claims = [
        a_claim("contexts", *rows), a_claim("there", row(0.003, "reversed"), test="difference", measure=ACCURACY),
        a_claim("same", row(0.04, "reversed", estimate=3), test="equivalence"),
        a_claim("exact", row(math.nan, estimate=4), test="exact"), a_claim("old", row(math.nan, estimate=5)),
    ]  # fmt: skip
    found = multiplicity([evidence(*claims)])
    assert (found.directional, found.decisions) == (3, 2) and (found.claims, found.rows) == (5, 6)
    late = multiplicity([evidence(a_claim("c", row(0.03, context="a=1"), row(0.5, "open", "a=2")))])
    assert late.fails_rate == late.fails_holm == ("one/c a=1",)


def test_sanity_checks_repeats_and_equal_seeds_are_counted():
    first = a_claim("first", row(estimate=1.25, half=0.5), row(estimate=2.5, half=0.25, context="a=2"))
    turned = a_claim("turned", row(estimate=-1.25, half=0.5), experiment="two", test="noninferiority")
    other = a_claim("other", row(estimate=1.25, half=0.5), experiment="two", measure=ACCURACY)
    more = a_claim("more", row(estimate=2.5, half=0.25), row(estimate=7.0, context="a=2"), experiment="two")
    point = a_claim("point", row(estimate=1.0, half=0.0), experiment="two")
    again = a_claim("again", row(estimate=1.0, half=0.0), experiment="three")
    found = multiplicity([evidence(first), evidence(turned, other, more, point), evidence(again, sanity_check=True)])
    assert (found.claims, found.sanity, found.rows) == (6, 1, 8)
    assert found.repeated == {"two/turned": "one/first"}
    assert found.equal == ("two/point", "three/again")


def test_the_paragraph_says_all_counts():
    found = multiplicity([evidence(a_claim("weak", row(0.045)), a_claim("none", row(0.7, "open", estimate=2.0)))])
    text = paragraph(found)
    assert text.startswith("1 of 2 rows that test for an effect are supported or reversed.")
    assert "1 of the decisions fail Benjamini–Hochberg's procedure" in text and "and 1 fail Holm's" in text
    assert "- fail Holm over all rows: 1: `one/weak`\n" in text and "- 2 claims, 2 without sanity checks\n" in text


@pytest.mark.parametrize("nothing", [[], [evidence(a_claim("exact", row(math.nan), test="exact"))]])
def test_without_a_test_for_an_effect_there_is_no_family(nothing):
    found = multiplicity(nothing)
    assert (found.directional, found.decisions, found.fails_holm) == (0, 0, ()) and paragraph(found)
