"""The overview page in a real browser: questions, statements, filters in the address, print, phones, hostile texts."""

import base64
import re

import pandas as pd
import pytest

from bn_study.plan import statements
from bn_study.report import answers, board
from bn_study.report.web import overview, write

HOSTILE = '"><img src=x onerror=alert(1)>'
SCRIPT = "</script><script>alert(1)</script>"
STATEMENTS = """
sources:
  A: {author: Abel, work: a book}
  B: {author: Bea, work: '<i>a page</i>'}
cards: {C01: steps to a level}
topics:
  speed: {question: 'Is it faster?', rests_on: [A-a], evidence: [speed], answer: It depends on the net.}
  place: {question: 'Where do I put it?', rests_on: [A-b, B-c], evidence: [place], answer: Behind the activation.}
  cost:
    question: 'What does it cost?'
    tables: [{of: steps, file: results/bench/steps.csv, column: times_plain, kind: contestant, kinds: [ours]}]
    answer: Ten percent.
glossary: {perceptron: A net of dense layers.}
statements:
  A-a:
    claim: Training is faster.
    topic: speed
    cards: [C01]
    answer: In the ReLU perceptron it is four times faster, in the convolutional net it is not.
    literature: Fourteen times (Ioffe & Szegedy 2015).
    parts:
      faster:
        kind: effect
        says: fewer steps are needed
        claims:
          - claim: speed.faster
            scope:
              network: {grid=relu: in the ReLU perceptron, grid=cnn: in the convolutional net, grid=tanh: with tanh}
    background: [place.after]
  A-b:
    claim: 'It is faster HOSTILE in the convolutional net SCRIPT.'
    topic: speed
    cards: [C01]
    answer: 'No HOSTILE SCRIPT.'
    literature: 'SCRIPT'
    parts:
      hostile:
        kind: effect
        says: 'HOSTILE'
        claims: [{claim: speed.faster, contexts: [grid=cnn], scope: {network: 'HOSTILE'}}]
  B-a:
    claim: It is faster because it stands behind the activation.
    topic: speed
    cards: [C01]
    answer: It is faster for another reason.
    parts:
      faster: {kind: effect, says: it is faster, claims: [{claim: speed.faster, contexts: [grid=relu]}]}
      because: {kind: mechanism, says: the place is why, claims: [{claim: speed.faster, contexts: [grid=cnn]}]}
  B-b:
    claim: It belongs behind the activation.
    topic: place
    cards: [C01]
    answer: Yes.
    parts:
      after: {kind: effect, says: accuracy is higher, claims: [{claim: place.after}]}
  B-c:
    claim: It has a purpose.
    topic: place
    cards: [C01]
    untestable: nobody knows which
""".replace("HOSTILE", HOSTILE.replace("'", "''")).replace("SCRIPT", SCRIPT)
SPEED = """
question: Is it faster?
grids: {relu: {seed: [0]}, cnn: {seed: [0]}, tanh: {seed: [0]}}
claims:
  faster:
    measure: {steps_to: {metric: test/accuracy}, scale: log2}
    level: {mnist: 0.9}
    contrast: {norm=none: 1, norm=batch: -1}
    grid: [relu, cnn, tanh]
    contexts: [grid]
    test: superiority
    margin: 0.5
"""
PLACE = """
question: Where?
grids: {all: {seed: [0]}}
claims:
  after:
    measure: {final: {metric: test/accuracy}}
    contrast:
      model.activation=tanh norm.placement=after: 1
      model.activation=tanh norm.placement=before: -1
    test: superiority
    margin: 0.01
"""
VERDICTS = (
    *("claim", "context", "outcome", "reason", "estimate", "low", "high", "p", "n", "replaced"),
    *("statements", "stated", "attached_later"),
)
SETTINGS = ("run", "grids", "dataset", "model", "model.activation")
FOUND = {
    "speed": [
        ("faster", "", "varies", "1 supported", None, None, None, None, 8, 0, "A-a", "1234567890", ""),
        ("faster", "grid=relu", "supported", "", 2.0, 1.75, 2.25, 0.001, 8, 0, "A-a", "1234567890", ""),
        ("faster", "grid=cnn", "small", "small", 0.0, -0.25, 0.25, 0.9, 8, 0, "A-a", "1234567890", ""),
        ("faster", "grid=tanh", "blocked", "the gate learns is open", 3.0, 2.5, 3.5, None, 8, 0, "A-a", "12345", ""),
    ],
    "place": [("after", "", "supported", "", 0.03, 0.02, 0.04, 0.001, 8, 0, "B-b", "post hoc", "A-a:abcdef1234")],
}
RUNS = {
    "speed": [("r1", "relu", "mnist", "mlp", "relu"), ("r2", "cnn", "cifar10", "cnn", "relu"),
              ("r3", "tanh", "mnist", "mlp", "tanh")],
    "place": [("r1", "all", HOSTILE, "mlp", "tanh"), ("r2", "all", "digits", "mlp", "sigmoid")],
}  # fmt: skip
NAMES = ["A-a", "A-b", "B-a", "B-c", "B-b"]


@pytest.fixture(scope="module")
def place(make_study, tmp_path_factory):
    """A study with two experiments' evidence, five statements, and the page."""
    place = make_study(tmp_path_factory.mktemp("overview") / "study", speed=SPEED, place=PLACE)
    (place.home / "statements.yaml").write_text(STATEMENTS)
    for name, rows in FOUND.items():
        (place.results / name).mkdir(parents=True)
        pd.DataFrame(rows, columns=VERDICTS).to_csv(place.results / name / "verdicts.csv", index=False)
        pd.DataFrame(RUNS[name], columns=SETTINGS).to_csv(place.results / name / "runs.csv", index=False)
    (place.results / "statements").mkdir()
    picture = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>'
    (place.results / "statements" / "A-a.svg").write_text(picture)
    write.write_overview(place)
    return place


@pytest.fixture
def page(visit, place):
    return visit(place.results / "index.html")


@pytest.fixture
def emulate(browser):
    """`emulate(command, **arguments)` of Chromium's protocol; undone afterwards."""

    def emulate(command, **arguments):
        return browser.execute_cdp_cmd(command, arguments)

    yield emulate
    emulate("Emulation.clearDeviceMetricsOverride")
    emulate("Emulation.setEmulatedMedia", media="")
    emulate("Emulation.setScriptExecutionDisabled", value=False)


def names(page):
    """The statements that are seen, from top to bottom."""
    return [one.get_attribute("id") for one in page.find(".statement") if one.is_displayed()]


def said(page):
    return page.find("#count")[0].text


def test_questions_come_first_and_lead_to_their_statements(page):
    cards = page.find("#questions article")
    assert [one.text.split("\n")[:2] for one in cards] == [
        ["Is it faster?", "It depends on the net."],
        ["Where do I put it?", "Behind the activation."],
        ["What does it cost?", "Ten percent."],
    ]
    assert page.find("#questions article:last-child a")[0].get_attribute("href").endswith("/results/bench/steps.csv")
    assert names(page) == NAMES and said(page) == "5 statements"
    page.click('#questions a[href="#topic=place"]')
    # those of the question, first those that its answer rests on; and one of another question that it rests on too
    assert names(page) == ["A-b", "B-c", "B-b"] and said(page) == "3 of 5 statements: Where do I put it?"
    assert page.find('[name="topic"]')[0].get_attribute("value") == "place"
    page.browser.back()
    assert names(page) == NAMES and page.find('[name="topic"]')[0].get_attribute("value") == ""


def test_a_statement_says_what_was_found(page):
    first, hostile, cause, untestable, holds = page.find(".statement .seen")
    lines = first.text.split("\n")
    assert lines[:4] == [
        *("depends on the network", "Training is faster.", "Abel, a book"),
        "In the ReLU perceptron it is four times faster, in the convolutional net it is not.",
    ]
    assert (
        "What was found. Depends on the network: holds in the ReLU perceptron; small in the convolutional net." in lines
    )
    assert "What others found. Fourteen times (Ioffe & Szegedy 2015)." in lines
    assert lines[-1] == "Experiments: speed, place"
    (picture,) = first.find_elements("css selector", "img")
    assert page.run("arguments[0].naturalWidth", picture) == 30
    assert not holds.find_elements("css selector", "img")
    found = [one.find_element("css selector", ".badge").text for one in (hostile, cause, holds, untestable)]
    assert found == ["does not hold", "effect holds, the stated cause does not", "holds", "not testable"]
    assert "The place is why: does not hold: small." in cause.text.split("\n")
    assert "What was found. Not testable: nobody knows which." in untestable.text


def test_details_have_every_comparison(page):
    assert not page.find("#A-a table")[0].is_displayed()
    page.click("#A-a summary")
    rows = [[cell.text for cell in one.find_elements("css selector", "td")] for one in page.find("#A-a tbody tr")]
    assert [[place, outcome, seeds, claim] for place, outcome, _, _, seeds, claim in rows] == [
        ["in the ReLU perceptron", "supported", "8", "speed.faster"],
        ["in the convolutional net", "small", "8", "speed.faster"],
        ["with tanh", "blocked the gate learns is open", "8", "speed.faster"],
        ["–", "supported", "8", "place.after (post hoc, attached later, abcdef1234)"],
    ]
    effects = [[float(number) for number in re.findall(r"\d+\.?\d*", row[2].partition("]")[0])] for row in rows]
    logarithms = [(2, 1.75, 2.25), (0, -0.25, 0.25), (3, 2.5, 3.5)]  # of FOUND; a blocked comparison has its numbers
    expected = [[2.0**one for one in three] for three in logarithms] + [[3, 2, 4]]
    for row, effect, numbers in zip(rows, effects, expected, strict=True):
        assert effect == pytest.approx(numbers, rel=0.02), row  # two digits or more
    assert [float(row[3]) for row in rows] == pytest.approx([2**0.5] * 3 + [1], rel=0.02)
    assert "times fewer steps" in rows[0][2] and "points of accuracy" in rows[3][2]


def test_filters_combine_and_are_in_the_address(page, browser):
    page.choose('[name="topic"]', "Is it faster?")
    page.choose('[name="source"]', "Abel, a book")
    assert names(page) == ["A-a", "A-b"] and browser.current_url.endswith("#topic=speed&source=A")
    page.choose('[name="outcome"]', "does not hold")
    assert names(page) == ["A-b"]
    assert said(page) == "1 of 5 statements: Is it faster? · Abel, a book · does not hold"
    browser.back()
    assert names(page) == ["A-a", "A-b"] and browser.current_url.endswith("#topic=speed&source=A")
    page.find('[name="words"]')[0].send_keys("FOUR perceptron")
    assert names(page) == ["A-a"] and browser.current_url.endswith("#topic=speed&source=A&words=FOUR+perceptron")
    browser.back()  # the whole text is one step
    assert names(page) == ["A-a", "A-b"] and page.find('[name="words"]')[0].get_attribute("value") == ""
    page.find('[name="words"]')[0].send_keys("nothing of the kind")
    assert names(page) == [] and said(page).startswith("0 of 5 statements")
    page.click('#filters [type="reset"]')
    browser.execute_async_script("setTimeout(arguments[0])")  # the page waits until the controls are reset, too
    assert names(page) == NAMES and "=" not in browser.current_url.partition("#")[2]


def test_networks_and_data_are_those_of_the_runs_that_the_claims_compare(place):
    known = statements.read(place.home)
    found = overview.shown(known, answers.answers(known, board.read(place.home, place.results)), place.results)
    seen = {one.answered.name: (one.values["network"], one.values["data"]) for one in found}
    every = ["ReLU convolutional net", "ReLU perceptron", "tanh perceptron"]
    assert seen["A-a"] == (every, ["CIFAR-10", "MNIST"])
    assert seen["A-b"] == (["ReLU convolutional net"], ["CIFAR-10"])
    assert seen["B-b"] == (["tanh perceptron"], [HOSTILE])  # the grid also has a sigmoid net
    assert seen["B-c"] == ([], [])


def test_an_address_restores_the_view(visit, place, browser):
    for view, expected in {
        "#network=tanh+perceptron": ["A-a", "B-b"],
        "#data=CIFAR-10&outcome=cause": ["B-a"],
        "#words=reason": ["B-a"],
        "#topic=elsewhere&what=ever": NAMES,  # nothing that the page knows
        "#topic=%": NAMES,
        "#B-b": NAMES,
    }.items():
        browser.get("about:blank")
        page = visit(place.results / "index.html", view)
        assert names(page) == expected, view


def test_hostile_texts_are_text(page, place):
    text = (place.results / "index.html").read_text(encoding="utf-8")
    assert SCRIPT not in text and HOSTILE not in text and "default-src &#39;none&#39;" in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    page.click("#A-b summary")
    card = page.find("#A-b")[0].text
    assert f"It is faster {HOSTILE} in the convolutional net {SCRIPT}." in card and card.count(HOSTILE) > 3
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0
    assert "<i>a page</i>" in page.find("#B-b")[0].text
    page.choose('[name="data"]', HOSTILE)
    assert names(page) == ["B-b"] and HOSTILE in said(page)
    page.browser.refresh()
    assert names(page) == ["B-b"] and page.run("document.querySelectorAll('img[src=x]').length") == 0


def test_without_scripts_everything_is_shown(emulate, browser, place):
    emulate("Emulation.setScriptExecutionDisabled", value=True)
    browser.get((place.results / "index.html").as_uri())
    assert [one.get_attribute("id") for one in browser.find_elements("css selector", ".statement")] == NAMES
    assert all(one.is_displayed() for one in browser.find_elements("css selector", ".statement"))
    assert not browser.find_element("css selector", "#filters").is_displayed()
    assert browser.find_elements("css selector", '[id="topic=place"]')  # where the question's link leads


def test_the_keyboard_reaches_every_labeled_control(page, browser):
    from selenium.webdriver.common.keys import Keys

    labels = page.run("[...document.querySelectorAll('#filters select, #filters input')].map(one => one.labels.length)")
    assert labels == [1] * 6
    page.find('#questions a[href="#topic=place"]')[0].send_keys(Keys.ENTER)
    assert names(page) == ["A-b", "B-c", "B-b"]
    reached = []
    page.find('[name="topic"]')[0].send_keys("")
    for _ in range(10):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(page.run("document.activeElement.name || document.activeElement.tagName"))
    assert reached[:7] == ["source", "outcome", "network", "data", "words", "BUTTON", "SUMMARY"]


def test_print_has_the_filtered_statements_with_all_details(page, emulate):
    page.choose('[name="topic"]', "Where do I put it?")
    page.click("#B-c summary")
    page.run("(window.seen = [], addEventListener('beforeprint', () => seen.push("
             "document.querySelectorAll('.statement:not([hidden]) details[open]').length)))")  # fmt: skip
    found = base64.b64decode(emulate("Page.printToPDF")["data"])
    assert found.startswith(b"%PDF") and page.run("window.seen") == [3]
    assert [one.get_attribute("id") for one in page.find(".statement:has(details[open])")] == ["B-c"]
    emulate("Emulation.setEmulatedMedia", media="print")
    assert names(page) == ["A-b", "B-c", "B-b"] and said(page) == "3 of 5 statements: Where do I put it?"
    assert not any(page.find(css)[0].is_displayed() for css in ("#filters", "#questions", "#experiments", "nav"))
    for css in ("body", ".badge", ".chip", ".answer", "#B-b .quiet", "#B-b a"):
        ink = "getComputedStyle(document.querySelector(arguments[0])).color"
        assert page.run(ink, css) == "rgb(0, 0, 0)", css
    paper = "[...document.querySelectorAll('#B-b *')].map(one => getComputedStyle(one).backgroundColor)"
    assert set(page.run(paper)) <= {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_has_one_column_and_no_sideways_scroll(visit, place, emulate, width):
    emulate("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    page = visit(place.results / "index.html")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.run("document.documentElement.scrollWidth") == width
    lefts = {one.rect["x"] for one in page.find("#questions article, .statement, #experiments article")}
    assert len(lefts) == 1


def test_the_same_files_give_the_same_bytes(place):
    path = place.results / "index.html"
    before = path.read_bytes()
    write.write_overview(place)
    assert path.read_bytes() == before


def test_a_study_without_statements_has_its_experiments(visit, make_study, tmp_path, place):
    other = make_study(tmp_path / "study", speed=SPEED)
    (other.results / "speed").mkdir(parents=True)
    for name in ("verdicts.csv", "runs.csv"):
        (other.results / "speed" / name).write_bytes((place.results / "speed" / name).read_bytes())
    page = visit(write.write_overview(other))
    assert [one.text for one in page.find("article h3")] == ["speed"]
    assert not page.find("#statements, #questions, #glossary, script")
