"""The verdict board of a small study: two experiments, four statements."""

import math
import re
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from bn_study.analysis import csv_files
from bn_study.analysis.figure.effects import COLORS
from bn_study.analysis.verdict import Row, Verdict, verdicts_table
from bn_study.plan import statements
from bn_study.report import board, board_figure, evidence
from bn_study.study import Study

STATEMENTS = """
sources: {S000: {author: Abel, work: a book}, S001: {author: Bea, work: a page}}
cards: {C01: speed, C02: rates}
statements:
  S000-a: {cards: [C01], claim: It is <b>faster</b> | better.}
  S000-b: {cards: [C01], claim: It is steadier.}
  S001-a: {cards: [C02, C01], claim: Larger rates work.}
  S001-b: {cards: [C02], claim: It is new.}
"""
SPEED = """
question: Is it faster?
grids: {all: {seed: [0, 1]}, drawn: {seed: [0, 1], norm: none}}
claims:
  faster:
    statements: [S000-a, S000-b]
    measure: {steps_to: {metric: test/accuracy}, scale: log2}
    level: {digits: 0.9}
    contrast: {norm=none: 1, norm=batch: -1}
    test: superiority
    margin: 0.5
    expect: a | b
  everywhere: {like: faster, statements: [S000-a], contexts: [model, optimizer.learning_rate], expect: ''}
  later: {like: faster, grid: drawn, statements: [S000-b], expect: unsure}
  not_yet: {like: faster, statements: [S001-b]}
figures:
  curve: {kind: whatever, grid: drawn}
"""
RATES = """
question: Do larger rates work?
grids: {all: {seed: [0]}}
claims:
  larger:
    statements: [S001-a]
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, constant: -0.5}
    test: noninferiority
    margin: 0.01
"""


def verdict(claim, outcome, estimate=math.nan, half=0.25, rows=(), **changes):
    values = {
        "claim": claim,
        "statements": ("S000-a",),
        "says": "generally",
        "test": "superiority",
        "margin": 0.5,
        "measure": "m",
        "outcome": outcome,
        "reason": f"{claim} because",
        "estimate": estimate,
        "low": estimate - half,
        "high": estimate + half,
        "p": 0.01,
        "n": 8,
        "replaced": 0,
        "rows": tuple(rows),
        "stated": "1234567890",
    }
    return Verdict(**values | changes)


def folder(place, name, text, found, runs):
    (place.home / "experiments").mkdir(exist_ok=True)
    (place.home / "experiments" / f"{name}.yaml").write_text(text)
    target = place.results / name
    target.mkdir(parents=True)
    csv_files.write_csv(verdicts_table({one.claim: one for one in found}), target / "verdicts.csv")
    csv_files.write_csv(pd.DataFrame(runs, columns=["run", "grids", "dataset"]), target / "runs.csv")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "statements.yaml").write_text(STATEMENTS)
    place = Study(tmp_path, tmp_path / "results")
    contexts = [Row("a=1", "supported", "", estimate=2.0, low=1.0, high=3.0, n=8), Row("a=2", "supported", "", 0.5)]
    found = [
        verdict("faster", "supported", 1.0),
        verdict("everywhere", "supported", rows=contexts, reason="supported in 2 of 2 contexts", n=7, replaced=3),
        verdict("later", "reversed", -1.0, stated="post hoc"),
    ]
    runs = [("r1", "all", "mnist"), ("r2", "all drawn", "digits"), ("r3", "drawn", "digits"), ("r4", "else", "cifar")]
    folder(place, "speed", SPEED, found, runs)
    folder(place, "rates", RATES, [verdict("larger", "open", 0.1, n=16)], [("r1", "all", "cifar10_jpeg")])
    return place


def written(place):
    return board.page(statements.read(place.home), board.read(place.home, place.results))


def rows(page):
    """The cells of the tables' rows: (statement, what it says, outcome, claim, found, effect, n, contexts, ...)."""
    lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in page.splitlines()]
    return [line for line in lines if len(line) == 10 and line[0] not in ("statement", "---")]


def test_every_statement_has_a_row_and_each_of_its_claims_too(place):
    found = rows(written(place))
    assert [line[0] for line in found] == ["S000-a", "", "S000-b", "", "S001-a", "S001-b"]
    assert [line[2] for line in found] == [
        *("**supported**", "", "**varies**", "", "**open**", "not tested yet"),
    ]
    faster, everywhere, _, later, larger, nothing = found
    assert faster[1] == "It is &lt;b>faster&lt;/b> \\| better."
    assert faster[3:] == [
        *("[faster](speed/report.md)", "supported"),
        "1 [0.75, 1.25] log2 steps_to test/accuracy, superiority, margin 0.5: "
        "norm=batch needs 2 [1.68, 2.38] times fewer steps than norm=none",
        *("8", "1", "digits, mnist", "a \\| b"),
    ]
    assert everywhere[5].startswith("0.5 to 2 log2 steps_to test/accuracy") and everywhere[5].endswith(
        "supported in 2 of 2 contexts"
    )
    assert everywhere[6:] == ["7", "2: model, optimizer.learning_rate", "digits, mnist", "–"]
    assert later[3:5] == ["[later](speed/report.md), [curve](speed/curve.svg)", "reversed (post hoc)"]
    assert later[8:] == ["digits", "unsure"]
    assert larger[5:9] == [
        "0.1 [-0.15, 0.35] final test/accuracy, noninferiority, margin 0.01",
        "16",
        "1",
        "cifar10_jpeg",
    ]
    assert nothing[5] == "would be tested by: rates"  # its claim has no verdict yet


def test_counts_sources_and_experiments(place):
    page = written(place)
    for text in (
        "4 statements about batch normalization from 2 introductions, tested by 4 claims of 2 experiments:",
        "| **supported** | 1 | S000-a |",
        "| **open** | 1 | S001-a |",
        "| **varies** | 1 | S000-b |",
        "| **not tested yet** | 1 | S001-b |",
        "cifar10_jpeg is CIFAR-10's images after one JPEG round trip",
        "](../docs/verdicts.md)",
        "## S001: Bea, a page",
        "- [speed](speed/report.md): Is it faster? supported: faster, everywhere; reversed: later.",
        "- [rates](rates/report.md): Do larger rates work? open: larger.",
    ):
        assert text in page, text
    assert "reversed** |" not in page and page.index("[rates]") < page.index("- [speed]")


def test_contexts_of_one_factor_are_told_by_value(place):
    (tested,) = (one for one in board.read(place.home, place.results)[1].tested if one.name == "everywhere")
    assert tested.where == "2: model, optimizer.learning_rate"
    claim = tested.claim.model_copy(update={"contexts": ["a"]})
    assert replace(tested, claim=claim).where == "2: a 1, 2"
    assert replace(tested, contexts=()).where == "1"


def test_without_evidence_nothing_is_tested(place):
    page = board.page(statements.read(place.home), [])
    assert [line[2] for line in rows(page)] == ["not tested yet"] * 4


def test_a_study_without_statements_has_no_board(place):
    (place.home / "statements.yaml").unlink()
    assert evidence.board(place) == [] and evidence.board_differences(place) == []


def test_the_readme_shows_it_in_short(place):
    readme = place.home / "README.md"
    readme.write_text(f"before\n{board.BEGIN}old\n{board.END}after\n")
    names = ["README.md", "board.svg", "board.png", "board.csv", "board.json"]
    *new, old = evidence.board_differences(place)
    assert new == [f"{place.results / name}: is missing" for name in names] and old.startswith(f"{readme}: line 3 is")
    assert evidence.board(place) == [*(place.results / name for name in names), readme]
    first = readme.read_text()
    for text in (
        "before\n",
        "after\n",
        "| varies | 1 | S000-b |",
        "- [rates](results/rates/report.md): open: larger\n",
        "Of 4 statements:",
    ):
        assert text in first, text
    assert "old" not in first and evidence.board_differences(place) == []
    evidence.board(place)
    assert readme.read_text() == first
    readme.write_text(first.replace("varies | 1", "varies | 2"))
    (line,) = evidence.board_differences(place)
    assert line.startswith(f"{readme}: line 10 is '| varies | 2 |") and "should be '| varies | 1 |" in line
    readme.write_text("no such place")
    evidence.board(place)
    assert readme.read_text() == "no such place"


def test_its_picture_has_a_chip_for_each_context(place, tmp_path):
    found = board.read(place.home, place.results)
    table = board_figure.plotted(found)
    expected = [
        (one.experiment, one.name, row.context, row.outcome)
        for evidence_of in found
        for one in evidence_of.tested
        if one.claim.statements
        for row in one.contexts or [one.verdict]
    ]
    shown = table[["experiment", "claim", "context", "outcome"]].itertuples(index=False, name=None)
    assert list(shown) == expected and len({claim for _, claim, *_ in expected}) < len(expected)
    axes = board_figure.draw(found).axes[0]
    colors = [to_hex(patch.get_facecolor()).upper() for patch in axes.patches]
    assert colors == [COLORS[outcome].upper() for *_, outcome in expected]
    texts = {text.get_text() for text in axes.texts}
    assert {"speed", "rates", "faster", "larger"} <= texts
    files = board_figure.write(tmp_path, found)
    again = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in board_figure.write(tmp_path, found)] == again
    assert board_figure.write(tmp_path, []) == []


def test_results_elsewhere_leave_the_readme_alone(place, tmp_path):
    readme = place.home / "README.md"
    readme.write_text(f"{board.BEGIN}{board.END}")
    elsewhere = Study(place.home, tmp_path / "elsewhere")
    elsewhere.results.mkdir()
    assert evidence.board(elsewhere) == [elsewhere.results / "README.md"]
    assert readme.read_text() == f"{board.BEGIN}{board.END}"
