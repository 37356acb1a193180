from collections import Counter
from dataclasses import replace

import pytest

from bn_study.errors import UsageError
from bn_study.plan import statements
from bn_study.plan.experiment import Claim, Experiment
from bn_study.plan.reading import Sections, experiment_names, read_experiment

FILE = """
sources: {S000: {author: A, work: w}}
cards: {C01: speed}
statements:
  S000-a: {cards: [C01], claim: It is faster.}
  S000-b: {cards: [C01], claim: It is better.}
"""


def read(folder, text=FILE):
    (folder / "statements.yaml").write_text(text)
    return statements.read(folder)


def an_experiment(*ids):
    claim = Claim(
        statements=list(ids), measure={}, contrast={"norm=none": 1}, grid="speed", test="superiority", margin=1
    )
    return Experiment("x", "", "", {}, {}, {"faster": claim}, {}, "", ())


def test_there_are_61_of_four_sources(home):
    found = statements.read(home)
    assert Counter(map(found.source, found.statements)) == {"S000": 21, "S002": 12, "S003": 19, "S004": 9}
    assert len({one.claim for one in found.statements.values()}) == 61
    assert {card for one in found.statements.values() for card in one.cards} == set(found.cards)
    for one in found.statements.values():
        assert one.claim.endswith((".", ").")) and "\n" not in one.claim


def test_every_experiment_names_statements_that_exist(home):
    known = statements.read(home)
    for name in experiment_names(home):
        claims = Sections(name, read_experiment(home, name)).entries("claims", like=True)
        for claim, entry in claims.items():
            assert set(entry["statements"]) <= set(known.statements), f"{name}: {claim}"


def test_an_unknown_statement_is_an_error_that_says_where(tmp_path):
    known = read(tmp_path)
    statements.check(an_experiment("S000-a", "S000-b"), known)
    with pytest.raises(
        UsageError, match=r"experiments/x.yaml: claims.faster: unknown statement 'S000-q'; did you mean"
    ):
        statements.check(an_experiment("S000-a", "S000-q"), known)
    statements.check(replace(an_experiment(), claims={}), known)


def test_a_study_without_the_file_may_name_anything(tmp_path):
    assert statements.read(tmp_path) is None
    statements.check(an_experiment("whatever"), None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("S000-b:", "S007-b:", "S007-b: unknown source 'S007'"),
        (
            "cards: [C01], claim: It is b",
            "cards: [C02], claim: It is b",
            "S000-b: unknown card 'C02'; did you mean C01",
        ),
        ("cards: [C01], claim: It is b", "claim: It is b", "statements.S000-b.cards: Field required"),
        ("author: A, ", "", "sources.S000.author: Field required"),
        ("work: w", "work: w, year: 1", "sources.S000.year: Extra inputs"),
        ("cards: {C01", "cards: {C01: [", "not readable as YAML|statements.yaml"),
    ],
)
def test_a_file_that_is_wrong(tmp_path, old, new, message):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, FILE.replace(old, new))
