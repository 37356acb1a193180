"""The verdict board of a small study: two experiments, five statements, three questions."""

import math
import re

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from bn_study.analysis import csv_files
from bn_study.analysis.figure.effects import COLORS
from bn_study.plan import statements
from bn_study.report import answers, board, board_figure, board_page, evidence, statement_figure
from bn_study.study import Study

STATEMENTS = """
sources: {S000: {author: Abel, work: a book}, S001: {author: Bea, work: a page}}
cards: {C01: speed, C02: rates}
topics:
  speed: {question: 'Is it faster?', rests_on: [S000-a], evidence: [speed], answer: 'In the large net, 4 times.'}
  rates: {question: 'Do larger rates work?', rests_on: [S001-a]}
  cost:
    question: 'What does it cost?'
    tables: [{of: steps, file: results/bench/steps.csv, column: times_plain, kind: contestant, kinds: [ours]}]
    answer: Nothing.
glossary: {net: A function with weights.}
statements:
  S000-a:
    claim: It is <b>faster</b> | better.
    topic: speed
    cards: [C01]
    parts:
      sooner:
        kind: effect
        says: fewer steps are needed
        claims: [{claim: speed.faster, scope: {network: {model=mlp: in the small net, model=cnn: in the large net}}}]
    background: [speed.later, rates.larger]
    literature: Fourteen times (Bea 2001).
    answer: In the large net it is 4 times faster.
  S000-b:
    claim: It is steadier because it is faster.
    topic: speed
    cards: [C01]
    parts:
      steadier: {kind: effect, says: it is steadier, claims: [{claim: speed.later}]}
      because: {kind: mechanism, says: speed is the cause, claims: [{claim: speed.faster, contexts: [model=mlp]}]}
  S001-a:
    claim: Larger rates work.
    topic: rates
    cards: [C02, C01]
    parts:
      work: {kind: effect, says: at least half is right, claims: [{claim: rates.larger}]}
      same: {kind: exact, says: it is the same, claims: [{claim: rates.same}]}
  S001-b:
    claim: It is new.
    topic: rates
    cards: [C02]
    parts: {new: {kind: effect, says: it is new, claims: []}}
  S001-c: {claim: It is good., topic: rates, cards: [C02], untestable: a matter of taste}
"""
SPEED = """
question: Is it faster?
grids: {all: {seed: [0, 1]}, drawn: {seed: [0, 1], norm: none}}
claims:
  faster:
    measure: {steps_to: {metric: test/accuracy}, scale: log2}
    level: {digits: 0.9}
    contrast: {norm=none: 1, norm=batch: -1}
    contexts: [model]
    test: superiority
    margin: 0.5
  later: {like: faster, grid: drawn, contexts: []}
  not_yet: {like: faster}
"""
RATES = """
question: Do larger rates work?
grids: {all: {seed: [0]}}
claims:
  larger:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, constant: -0.5}
    test: superiority
    margin: 0.01
  same: {like: larger, contrast: {norm=batch: 1}, test: exact}
"""


def row(claim, context, outcome, estimate=math.nan, half=0.25, **more):
    numbers = {"estimate": estimate, "low": estimate - half, "high": estimate + half, "p": 0.001, "n": 8, "replaced": 0}
    named = {"claim": claim, "statements": "", "context": context, "outcome": outcome, "reason": "because"}
    tail = {"says": "generally", "test": "superiority", "margin": 0.5, "measure": "m", "stated": "1234567890"}
    return named | numbers | tail | {"attached_later": ""} | more


LATER = "S000-a:abcdef1234 S000-a:network:abcdef1234"
FOUND = {
    "speed": [
        row("faster", "", "varies", statements="S000-a S000-b", attached_later=LATER),
        row("faster", "model=mlp", "small", 0.0, replaced=3),
        row("faster", "model=cnn", "supported", 2.0),
        row("later", "", "supported", 1.0, stated="post hoc"),
    ],
    "rates": [row("larger", "", "reversed", -0.2, 0.1), row("same", "", "supported", 0.0, 0.0)],
}


def put(place, name, rows):
    folder = place.results / name
    folder.mkdir(parents=True, exist_ok=True)
    csv_files.write_csv(pd.DataFrame(rows), folder / "verdicts.csv")
    runs = [("r1", "all", "mnist"), ("r2", "all drawn", "digits"), ("r3", "else", "cifar10_jpeg")]
    csv_files.write_csv(pd.DataFrame(runs, columns=["run", "grids", "dataset"]), folder / "runs.csv")


@pytest.fixture
def place(tmp_path):
    place = Study(tmp_path, tmp_path / "results")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "statements.yaml").write_text(STATEMENTS)
    for name, text in {"speed": SPEED, "rates": RATES}.items():
        (tmp_path / "experiments" / f"{name}.yaml").write_text(text)
        put(place, name, FOUND[name])
    return place


def known(place):
    """The statements, the answers to them, the questions and the evidence."""
    stated, found = statements.read(place.home), board.read(place.home, place.results)
    answered = answers.answers(stated, found)
    return stated, answered, answers.questions(stated, answered), found


def written(place):
    stated, answered, _, found = known(place)
    return board_page.page(stated, answered, found, [], place.results)


def block(page, name):
    """What stands about a statement: its two lines and its details."""
    return re.split(r"\n(?=<a id=|#)", page[page.index(f'<a id="{name}"></a>') :])[0]


def test_a_statement_has_its_answer_first_and_its_evidence_behind_a_click(place):
    found = block(written(place), "S000-a")
    shown, details = found.split("<details>")
    assert shown.splitlines() == [
        '<a id="S000-a"></a>**depends on the network†** · Abel: *It is &lt;b>faster&lt;/b> \\| better.* (S000-a)\\',
        "In the large net it is 4 times faster.",
        "",
    ]
    for text in (
        "\nDepends on the network†: holds in the large net; small in the small net.\n",
        '<img src="statements/S000-a.svg" width="800" alt="Effects with their intervals">',
        "Literature: Fourteen times (Bea 2001).",
        "[speed](speed/report.md) (background: 1 supported), [rates](rates/report.md) (background: 1 reversed)\n",
    ):
        assert text in details, details


def test_statements_without_evidence_say_why(place):
    page = written(place)
    assert "**not tested** · Bea: *It is new.* (S001-b)" in page and "<details>" not in block(page, "S001-b")
    assert "**not testable** · Bea: *It is good.* (S001-c)" in page and "a matter of taste" in block(page, "S001-c")
    assert "effect holds, the stated cause does not" in block(page, "S000-b")


def test_questions_come_first_then_counts_then_statements(place):
    page = written(place)
    order = (
        "- **Is it faster?** In the large net, 4 times. [Statements](#speed) · [speed](speed/report.md)\n",
        "- **Do larger rates work?** No answer yet. [Statements](#rates)\n",
        "- **What does it cost?** Nothing. [Measured times of steps](bench/steps.csv)\n",
        "## 5 statements",
        "| **depends on the setting** | 1 | [S000-a](#S000-a) |",
        "| **is not tested yet** | 1 | [S001-b](#S001-b) |",
        '<a id="speed"></a>',
        '<a id="S000-b"></a>',
        '<a id="rates"></a>',
        "- [rates](rates/report.md): Do larger rates work? 1 supported, 1 reversed.",
        "- [speed](speed/report.md): Is it faster? 1 supported, 1 varies.",
        "1 statement rests on claims that were attached",
        "- [speed](speed/report.md): later\n",
        "- **net**: A function with weights.",
    )
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert "digits is scikit-learn's 1,797 images" in page
    assert "cifar10_jpeg is CIFAR-10's images after one JPEG round trip" not in page, "no claim used these runs"


def test_every_link_of_the_page_leads_somewhere(place):
    evidence.board(place)
    page = (place.results / "README.md").read_text()
    anchors = re.findall(r'<a id="([^"]+)">', page)
    assert len(set(anchors)) == len(anchors)
    for target in re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)", page):
        target = "".join(target)
        if target.startswith("#"):
            assert target[1:] in anchors
        elif target.endswith(".svg"):
            assert (place.results / target).is_file(), target


def test_no_statistician_s_words_in_the_answers(place):
    answered = written(place).partition("## 5 statements")[2].partition("## Experiments")[0]
    assert not re.search(r"superiority|Holm|steps_to|log2|norm=|margin|post hoc", answered)


def test_a_study_without_statements_has_no_board(place):
    (place.home / "statements.yaml").unlink()
    assert evidence.board(place) == [] and evidence.board_differences(place) == []


def test_the_readme_shows_it_in_short(place):
    readme = place.home / "README.md"
    readme.write_text(f"before\n{board_page.BEGIN}former\n{board_page.END}after\n")
    names = ["README.md", "board.svg", "board.png", "board.csv", "board.json"]
    names += [f"statements/{name}.svg" for name in ("S000-a", "S000-b", "S001-a")]
    *new, old = evidence.board_differences(place)
    assert new == [f"{place.results / name}: is missing" for name in names] and old.startswith(f"{readme}: line 3 is")
    assert evidence.board(place) == [*(place.results / name for name in names), readme]
    first = readme.read_text()
    for text in (
        "before\n",
        "after\n",
        "- **[Is it faster?](results/README.md#speed)** In the large net, 4 times.\n",
        "- **[What does it cost?](results/bench/steps.csv)** Nothing.\n",
        "Of 5 statements 1 holds in part, 1 depends on the setting, 1 has an effect, but not for the stated reason, ",
    ):
        assert text in first, text
    assert "former" not in first and evidence.board_differences(place) == []
    evidence.board(place)
    assert readme.read_text() == first
    readme.write_text(first.replace("4 times", "5 times"))
    (line,) = evidence.board_differences(place)
    assert line.startswith(f"{readme}: line 4 is ")
    readme.write_text("no such place")
    evidence.board(place)
    assert readme.read_text() == "no such place"


def test_results_elsewhere_leave_the_readme_alone(place, tmp_path):
    readme = place.home / "README.md"
    readme.write_text(f"{board_page.BEGIN}{board_page.END}")
    elsewhere = Study(place.home, tmp_path / "elsewhere")
    elsewhere.results.mkdir()
    names = ["README.md", "board.svg", "board.png", "board.csv", "board.json"]
    assert evidence.board(elsewhere) == [elsewhere.results / name for name in names]
    assert readme.read_text() == f"{board_page.BEGIN}{board_page.END}"


def test_a_picture_that_no_statement_has_is_found_and_deleted(place):
    evidence.board(place)
    old = place.results / "statements" / "S999-z.svg"
    old.write_text("<svg/>")
    (line,) = evidence.board_differences(place)
    assert line == f"{old}: exists, but no report writes it" and old.is_file(), "a comparison deletes nothing"
    evidence.board(place)
    assert not old.exists() and evidence.board_differences(place) == []


def test_a_picture_that_was_edited_is_found(place):
    evidence.board(place)
    path = place.results / "statements" / "S000-a.svg"
    path.write_text(path.read_text().replace("in the large net", "in the other net"))
    (line,) = evidence.board_differences(place)
    assert line.startswith(f"{path}: line ") and "in the other net" in line


# --- pictures ---


def outside_or_overlapping(figure, found):
    """Pairs of texts whose boxes overlap by more than half a pixel, and texts that leave the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [(one.get_text(), one.get_window_extent(renderer).padded(-0.5)) for one in found if one.get_text().strip()]
    page = figure.bbox
    bad = [text for text, box in boxes if not (page.x0 <= box.x0 <= box.x1 <= page.x1 and page.y0 <= box.y0 <= box.y1)]
    bad += [text for text, box in boxes if box.y1 > page.y1]
    pairs = [(one, other) for at, (one, a) in enumerate(boxes) for other, b in boxes[at + 1 :] if a.overlaps(b)]
    return [*bad, *pairs], boxes


def texts(figure):
    """Every text that is drawn."""
    return [one for one in figure.findobj(Text) if one.get_visible() and (one.axes is None or one.axes.axison)] + [
        one for axes in figure.axes if not axes.axison for one in axes.texts
    ]


def test_cut_and_overlapping_texts_would_be_found():
    figure = Figure(figsize=(4, 2))
    for x, y, text in ((0.2, 0.5, "one"), (0.22, 0.52, "two"), (0.6, 0.5, "three"), (0.98, 0.2, "beyond the edge")):
        figure.text(x, y, text)
    assert outside_or_overlapping(figure, texts(figure))[0] == ["beyond the edge", ("one", "two")]


def test_the_sheet_has_a_chip_for_each_comparison(place, tmp_path):
    _, answered, asked, _ = known(place)
    table = board_figure.plotted(answered)
    shown = table[["statement", "part", "claim", "context", "outcome"]].itertuples(index=False, name=None)
    assert list(shown) == [
        ("S000-a", "sooner", "speed.faster", "model=mlp", "small"),
        ("S000-a", "sooner", "speed.faster", "model=cnn", "supported"),
        ("S000-b", "steadier", "speed.later", "", "supported"),
        ("S000-b", "because", "speed.faster", "model=mlp", "small"),
        ("S001-a", "work", "rates.larger", "", "reversed"),
        ("S001-a", "same", "rates.same", "", "supported"),
        ("S001-b", "", "", "", ""),
        ("S001-c", "", "", "", ""),
    ]
    axes = board_figure.draw(asked).axes[0]
    colors = [to_hex(patch.get_facecolor()).upper() for patch in axes.patches]
    legend, rest = colors[:6], colors[6:]
    chips = [color for color in rest if color in COLORS.values()]
    assert len(set(legend)) == 6 and chips == [COLORS[one] for one in table["outcome"] if one]
    files = board_figure.write(tmp_path, answered, asked)
    again = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in board_figure.write(tmp_path, answered, asked)] == again
    assert board_figure.write(tmp_path, [], []) == []


def test_nothing_on_the_sheet_is_cut_or_overlaps(place):
    path = place.home / "statements.yaml"
    path.write_text(path.read_text().replace("It is new.", "It is new, " + "and quite unheard of, " * 20))
    figure = board_figure.draw(known(place)[2])
    bad, boxes = outside_or_overlapping(figure, texts(figure))
    assert bad == [] and len(boxes) > 30
    words = " ".join(text for text, _ in boxes)
    assert words.count("unheard") == 20 and "…" not in words


def test_a_statement_s_picture_tells_effects_in_its_unit(place):
    shown = {one.name: statement_figure.panels(one) for one in known(place)[1]}
    assert [len(panels) for panels in shown.values()] == [1, 2, 1, 0, 0], "none for exact parts and without evidence"
    (panel,) = shown["S000-a"]
    assert panel.unit.label.startswith("times fewer steps") and " ".join(panel.title) == "fewer steps are needed"
    figure = statement_figure.draw([panel])
    bad, boxes = outside_or_overlapping(figure, texts(figure))
    seen = [text for text, _ in boxes]
    for text in (
        "in the large net",
        "4.00 [3.36, 4.76]",
        "supported",
        "in the small net",
        "1.00 [0.84, 1.19]*",
        "small",
    ):
        assert text in seen
    assert bad == []
    (rates,) = shown["S001-a"]
    figure = statement_figure.draw([rates])
    seen = [text for text, _ in outside_or_overlapping(figure, texts(figure))[1]]
    assert "30.0 [20.0, 40.0]" in seen and "points of accuracy" in seen, "the accuracy itself, which should be 0.51"


def test_a_blocked_effect_far_away_does_not_squeeze_the_others(place):
    rows = [
        row("faster", "", "varies"),
        row("faster", "model=mlp", "blocked", 40.0),
        row("faster", "model=cnn", "supported", 2.0),
    ]
    put(place, "speed", rows)
    (panel,) = statement_figure.panels(known(place)[1][0])
    figure = statement_figure.draw([panel])
    assert figure.axes[0].get_xlim()[1] < 4
    assert [line.get_gid() for line in figure.axes[0].lines].count("high") == 1, "an arrow shows where it went"


@pytest.mark.slow
def test_nothing_committed_is_cut_or_overlaps(home):
    """Of the study's own statements and evidence."""
    _, answered, asked, _ = known(Study(home, home / "results"))
    figure = board_figure.draw(asked)
    width, height = figure.get_size_inches()
    assert width <= 8.27 and height <= 11.69, "one A4 page"
    assert outside_or_overlapping(figure, texts(figure))[0] == []
    for one in answered:
        if panels := statement_figure.panels(one):
            figure = statement_figure.draw(panels)
            assert outside_or_overlapping(figure, texts(figure))[0] == [], one.name
