from collections import Counter
from dataclasses import replace

import pytest

from bn_study.errors import UsageError
from bn_study.plan import statements
from bn_study.plan.experiment import Claim, Experiment
from bn_study.plan.reading import Sections, checked, experiment_names, read_experiment

FILE = """
sources: {S000: {author: A, work: w}}
cards: {C01: speed}
topics: {speed: {question: "Is it faster?", rests_on: [S000-a]}}
statements:
  S000-a:
    claim: It is faster.
    topic: speed
    cards: [C01]
    parts:
      sooner:
        kind: effect
        says: fewer steps
        claims:
          - {claim: x.faster, scope: {network: in the small net, rate: {rate=1: at 1, rate=3: at 3}}}
          - {claim: x.sooner, contexts: [rate=1], scope: {network: in the large net, rate: at 1}}
    background: [x.other, y.faster]
  S000-b: {claim: It is better., topic: speed, cards: [C01], background: [x.faster]}
"""


def read(folder, text=FILE):
    (folder / "statements.yaml").write_text(text)
    return statements.read(folder)


def an_experiment(*claims):
    claim = Claim(measure={}, contrast={"norm=none": 1}, grid="speed", test="superiority", margin=1)
    return Experiment("x", "", "", {}, {}, dict.fromkeys(claims, claim), {}, "", ())


def test_there_are_80_of_five_sources(home):
    found = statements.read(home)
    assert Counter(map(found.source, found.statements)) == {"S000": 22, "S002": 12, "S003": 23, "S004": 11, "S005": 12}
    assert len({one.claim for one in found.statements.values()}) == 80
    assert {card for one in found.statements.values() for card in one.cards} <= set(found.cards)
    assert {one.topic for one in found.statements.values()} == set(found.topics) - {"cost"}
    assert len(found.topics) == 10
    for one in found.statements.values():
        assert one.claim.endswith((".", ").")) and "\n" not in one.claim
        assert one.untestable or one.parts
        assert one.answer and one.answered


def test_every_claim_that_is_named_exists(home):
    known = statements.read(home)
    named = set()
    for name in experiment_names(home):
        claims = Sections(name, read_experiment(home, name)).entries("claims", like=True)
        attached = known.attached(name)
        assert set(attached) <= set(claims), name
        named |= {f"{name}.{claim}" for claim in attached}
    for statement in known.statements.values():
        direct = {one.claim for one in statement.attachments()}
        assert direct | set(statement.background) <= named
        assert not direct & set(statement.background), "a claim that decides is no background"


def test_what_a_claim_is_attached_to(tmp_path):
    known = read(tmp_path)
    assert known.attached("x") == {
        "faster": ["S000-a", "S000-a:network", "S000-a:rate", "S000-b"],
        "sooner": ["S000-a", "S000-a:network", "S000-a:rate"],
        "other": ["S000-a"],
    }
    assert known.attached("y") == {"faster": ["S000-a"]} and known.attached("z") == {}


def test_which_contexts_are_meant_and_their_scope(tmp_path):
    first, second = read(tmp_path).statements["S000-a"].parts["sooner"].claims
    assert first.means("rate=3 grid=all") and not second.means("rate=3 grid=all") and second.means("grid=all rate=1")
    assert first.scope_of("grid=all rate=3") == {"network": "in the small net", "rate": "at 3"}
    assert second.scope_of("rate=1") == {"network": "in the large net", "rate": "at 1"}
    with pytest.raises(UsageError, match=r"statements.yaml: x.faster: scope rate: no value for the context 'rate=10'"):
        first.scope_of("rate=10")


def test_an_unknown_claim_is_an_error_that_says_where(tmp_path):
    known = read(tmp_path)
    statements.check(an_experiment("faster", "sooner", "other"), known)
    with pytest.raises(UsageError, match=r"statements.yaml: S000-a: x.sooner: unknown claim 'sooner'; did you mean"):
        statements.check(an_experiment("faster", "other", "soon"), known)
    statements.check(replace(an_experiment(), name="z"), known)


def test_a_study_without_the_file(tmp_path):
    assert statements.read(tmp_path) is None
    statements.check(an_experiment("whatever"), None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  S000-b:", "  S007-b:", "S007-b: unknown source 'S007'"),
        (
            "topic: speed, cards: [C01], b",
            "topic: speed, cards: [C02], b",
            "S000-b: unknown card 'C02'; did you mean C01",
        ),
        ("topic: speed, cards", "topic: sped, cards", "S000-b: unknown topic 'sped'; did you mean speed"),
        ("rests_on: [S000-a]", "rests_on: [S000-q]", "topics.speed: unknown statement 'S000-q'"),
        (
            "It is better., topic: speed, cards: [C01], ",
            "It is better., topic: speed, ",
            "S000-b.cards: Field required",
        ),
        ("kind: effect", "kind: affect", "statements.S000-a.parts.sooner.kind: Input should be 'effect'"),
        (", rate: at 1}", "}", "S000-a.sooner: x.sooner: give the scope factors network, rate"),
        ("x.sooner, contexts", "x.faster, contexts", "S000-a.sooner: x.faster is named twice"),
        ("background: [x.other, y.faster]", "background: [other]", "S000-a: other: name a claim by its experiment"),
        (
            "background: [x.other, y.faster]",
            "background: [x.faster]",
            "x.faster decides a part, so it is no background",
        ),
        ("cards: [C01], background: [x.faster]", "cards: [C01], answer: yes", "S000-b.answer: .*; put it in quotes"),
        ("author: A, ", "", "sources.S000.author: Field required"),
        ("work: w", "work: w, year: 1", "sources.S000.year: Extra inputs"),
        ("cards: {C01", "cards: {C01: [", "not readable as YAML|statements.yaml"),
    ],
)
def test_a_file_that_is_wrong(tmp_path, old, new, message):
    assert old in FILE
    with pytest.raises(UsageError, match=message):
        read(tmp_path, FILE.replace(old, new, 1))


def test_a_claim_that_names_statements_is_told_where_they_are():
    with pytest.raises(UsageError, match=r"claims.faster: statements: .*in statements.yaml"):
        checked(Claim, "claims.faster", {"statements": ["S000-a"], "grid": "all"})
