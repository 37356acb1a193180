"""Answers that are bound to verdicts: a small study, whose sentences are checked against its verdicts.csv."""

import math

import pandas as pd
import pytest

from bn_study.analysis import csv_files
from bn_study.errors import UsageError
from bn_study.plan import statements
from bn_study.report import answers, board, evidence
from bn_study.study import Study

SPEED = """
question: Is it faster?
grids: {all: {seed: [0, 1]}}
claims:
  faster:
    measure: {steps_to: {metric: test/accuracy}, scale: log2}
    level: {digits: 0.9}
    contrast: {norm=none: 1, norm=batch: -1}
    contexts: [model]
    test: superiority
    margin: 0.5
  steadier: {like: faster, contexts: []}
"""
STATEMENTS = """
sources: {S000: {author: Abel, work: a book}}
cards: {C01: speed}
topics:
  speed:
    question: "Is it faster?"
    rests_on: [S000-a]
    answer: Yes, 4 times in the large net.
    answered: "DIGEST"
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
          - {claim: speed.faster, scope: {network: {model=mlp: in the small net, model=cnn: in the large net}}}
    background: [speed.steadier]
    answer: 4 times fewer steps in the large net, none saved in the small one.
    numbers: {"4": speed.faster model=cnn}
    answered: "DIGEST"
  S000-b:
    claim: It is steadier, because it is faster.
    topic: speed
    cards: [C01]
    parts:
      steadier: {kind: effect, says: it is steadier, claims: [{claim: speed.steadier}]}
      because: {kind: mechanism, says: because it is faster}
    answer: Yes, 2.0 times. The cause was not tested.
    numbers: {"2.0": speed.steadier}
    answered: "DIGEST"
"""


def row(claim, context, outcome, estimate, **more):
    half = 0.2
    numbers = {"estimate": estimate, "low": estimate - half, "high": estimate + half, "p": 0.001, "n": 8, "replaced": 0}
    named = {"claim": claim, "statements": "S000-a", "context": context, "outcome": outcome, "reason": "because"}
    return named | numbers | {"says": "generally", "test": "superiority", "margin": 0.5, "measure": "m"} | more


ROWS = [
    row("faster", "", "varies", math.nan, stated="1234567890", attached_later="S000-a:abcdef S000-a:network:abcdef"),
    row("faster", "model=mlp", "small", 0.0, stated="1234567890", attached_later=""),
    row("faster", "model=cnn", "supported", 2.0, stated="1234567890", attached_later=""),
    row("steadier", "", "supported", 1.0, stated="1234567890", attached_later=""),
]  # fmt: skip


@pytest.fixture
def place(tmp_path):
    place = Study(tmp_path, tmp_path / "results")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "speed.yaml").write_text(SPEED)
    write(place, ROWS)
    (tmp_path / "statements.yaml").write_text(STATEMENTS)
    text = STATEMENTS
    for digest in [*digests(place).values()]:  # as an author would, from what `problems` says
        text = text.replace("DIGEST", digest, 1)
    (tmp_path / "statements.yaml").write_text(text)
    return place


def write(place, rows):
    folder = place.results / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    csv_files.write_csv(pd.DataFrame(rows), folder / "verdicts.csv")
    runs = pd.DataFrame([("r1", "all", "digits")], columns=["run", "grids", "dataset"])
    csv_files.write_csv(runs, folder / "runs.csv")


def answered(place):
    return answers.answers(statements.read(place.home), board.read(place.home, place.results))


def digests(place):
    """In the order of the file: of the question, then of the statements."""
    known = statements.read(place.home)
    found = answered(place)
    questions = {one.name: one.digest for one in answers.questions(known, found)}
    return questions | {one.name: one.digest for one in found}


def test_the_headline_follows_from_verdicts(place):
    faster, steadier = answered(place)
    assert faster.headline.kind == "depends" and "network" in faster.headline.word
    assert "seen afterwards" in faster.headline.word, "the factor was attached after the runs"
    assert [one.name for one in faster.tested] == ["faster"] and [one.name for one in faster.background] == ["steadier"]
    assert steadier.parts["steadier"].answer.word == "holds" and steadier.parts["because"].answer.word == "not tested"
    assert "not tested" in steadier.headline.word, "an untested cause is not hidden"


def test_a_factor_of_two_words_is_seen_afterwards_as_well(place):
    """Its name has a space, which also separates the entries of `attached_later`."""
    path = place.home / "statements.yaml"
    path.write_text(path.read_text().replace("scope: {network:", "scope: {kind of network:"))
    later = "S000-a:abcdef S000-a:kind of network:abcdef S000-b:abcdef"
    write(place, [one | {"statements": "S000-a S000-b", "attached_later": later} for one in ROWS])
    assert answered(place)[0].headline.word == "depends on the kind of network (seen afterwards)"
    write(place, [one | {"statements": "S000-a S000-b", "attached_later": "S000-b:abcdef"} for one in ROWS])
    assert answered(place)[0].headline.word == "depends on the kind of network"


PATHS = """
  moves:
    measure: {path_length: {site: layer1/pre, quantiles: [50], start: 0, end: 10, relative: false}, scale: log2}
    contrast: {norm=none: 1, norm=batch: -1}
    test: superiority
    margin: 0.5
  moves_relative:
    like: moves
    measure: {path_length: {site: layer1/pre, quantiles: [50], start: 0, end: 10, relative: RELATIVE}, scale: log2}
"""
MOVES = """
      sooner:
        kind: effect
        says: its inputs move less
        claims:
          - {claim: speed.moves, scope: {rate: at the best rate}}
          - {claim: speed.moves_relative, scope: {rate: at a small rate}}
"""


@pytest.mark.parametrize(("relative", "word"), [("false", "depends"), ("true", "holds in part")])
def test_only_effects_of_one_measure_with_the_same_options_are_compared(place, relative, word):
    """A path in widths of the distribution is another quantity than an absolute one."""
    (place.home / "experiments" / "speed.yaml").write_text(SPEED + PATHS.replace("RELATIVE", relative))
    before, after = STATEMENTS.split("      sooner:\n")[0], STATEMENTS.split("cnn: in the large net}}}\n")[1]
    (place.home / "statements.yaml").write_text(before + MOVES.lstrip("\n") + after)
    known = {"stated": "1234567890", "attached_later": ""}
    write(place, [row("moves", "", "supported", 2.0, **known), row("moves_relative", "", "small", 0.0, **known)])
    assert answered(place)[0].parts["sooner"].answer.word == word


def test_sentences_that_fit_have_no_problem(place):
    assert evidence.misfits(place) == []


def test_a_changed_verdict_names_the_sentences_that_rest_on_it(place):
    changed = [one | ({"outcome": "supported"} if one["context"] == "model=mlp" else {}) for one in ROWS]
    write(place, changed)
    lines = evidence.misfits(place)
    assert [line.split(": ")[1] for line in lines] == ["S000-a", "topics.speed"], "the other statement is untouched"
    assert all("written for other outcomes" in line and "answered: " in line for line in lines)
    assert "none saved in the small one" in lines[0]


def test_a_number_that_no_verdict_gives_is_named(place):
    write(place, [one | ({"estimate": 1.8} if one["context"] == "model=cnn" else {}) for one in ROWS])
    lines = evidence.misfits(place)
    assert [line.split(": ")[1] for line in lines] == ["S000-a", "topics.speed"]
    assert all("the answer says 4, which its source or no verdict gives" in line for line in lines)


def test_a_changed_background_verdict_is_told_as_well(place):
    write(place, [one | ({"outcome": "open"} if one["claim"] == "steadier" else {}) for one in ROWS])
    named = [line.split(": ")[1] for line in evidence.misfits(place)]
    assert named == ["S000-a", "S000-b", "topics.speed"], "the first shows it in its background"


def test_names_that_do_not_exist(place):
    path = place.home / "statements.yaml"
    text = path.read_text()
    path.write_text(text.replace("background: [speed.steadier]", "background: [sped.steadier]"))
    assert "S000-a: sped.steadier: unknown experiment 'sped'; did you mean speed" in evidence.misfits(place)[0]
    path.write_text(text.replace("{claim: speed.faster, ", "{claim: speed.faster, contexts: [model=rnn], "))
    with pytest.raises(UsageError, match=r"S000-a: speed.faster: no context has model=rnn"):
        evidence.misfits(place)


def test_an_answer_must_be_there(place):
    path = place.home / "statements.yaml"
    path.write_text(path.read_text().replace("    answer: Yes, 2.0 times. The cause was not tested.\n", ""))
    (line,) = evidence.misfits(place)
    assert line.startswith("statements.yaml: S000-b: answer is missing") and digests(place)["S000-b"] in line


def test_a_claim_without_verdict_is_missing_and_not_left_out(place):
    write(place, [one for one in ROWS if one["claim"] != "steadier"])
    _, steadier = answered(place)
    (case,) = steadier.parts["steadier"].answer.cases
    assert case.outcome == "missing" and steadier.headline.kind == "open"


def test_a_study_without_statements_has_no_answers(place):
    (place.home / "statements.yaml").unlink()
    assert evidence.misfits(place) == []
