"""All answers on one sheet: a line for each statement with its answer, a chip for each comparison it rests on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bn_study.analysis import csv_files
from bn_study.analysis.figure import _style
from bn_study.analysis.figure._text import breadth, wrapped
from bn_study.analysis.figure.effects import COLORS, LIGHT
from bn_study.analysis.stats import Outcome
from bn_study.report import words
from bn_study.report.answers import Answered, Question
from bn_study.store.replacing import write_text

NAME = "board"
COLUMNS = (
    *("topic", "statement", "answer", "part", "claim", "context"),
    *("outcome", "estimate", "low", "high", "n"),
)
SHEETS = ((8.27, 11.69), (11.69, 16.54))  # A4 and A3, in inches
EDGE = 0.25  # margin of the sheet
SIZE, TOPIC, TITLE, LETTER = 5.2, 6.6, 10.0, 4.0  # of text, in points
LINE, GAP, HEAD = 0.078, 0.015, 0.16  # heights of a line of text, between two statements, of a topic's name
ID, ANSWER, BETWEEN = 0.36, 1.4, 0.06  # widths of the ids and the answers, and between two columns
CHIP, CHIPS = 0.087, 13  # width of a chip, and how many stand in a line
BADGE = 0.08  # width of the mark before an answer
BADGES = {
    "holds": "#00795A", "holds in part": "#4B6F00", "depends": "#0067A3", "cause": "#75409A",
    "does not hold": "#B84E00", "open": "#8A6100", "not tested": "#8A8A8A", "not testable": "#8A8A8A",
}  # fmt: skip
"""Colors of headlines by kind. The word stands beside each."""
LETTERS = {"supported": "S", "small": "s", "reversed": "R", "open": "O", "blocked": "B", "missing": "–"}
MEANINGS = {
    "supported": "supported", "small": "surely small", "reversed": "surely the opposite", "open": "undecided",
    "blocked": "does not count: a condition was not met", "missing": "not run yet",
}  # fmt: skip


NOTE = (
    "Each chip is a comparison that the answer rests on; a gap stands between the parts of a statement. "
    "†: on a factor that was noticed only after the runs."
)


@dataclass(frozen=True)
class Entry:
    """A statement's text and answer in lines, and the outcomes of its comparisons by part."""

    name: str
    kind: str
    text: tuple[str, ...]
    answer: tuple[str, ...]
    outcomes: tuple[tuple[str, ...], ...]

    @property
    def height(self) -> float:
        return LINE * max(len(self.text), len(self.answer), len(self.outcomes), 1) + GAP


def plotted(answered: Sequence[Answered]) -> pd.DataFrame:
    """Every outcome in the figure: a row for each comparison that answers a statement, one without numbers if none."""
    rows = []
    for one in answered:
        head = (one.statement.topic, one.name, one.headline.word)
        cases = list(_cases(one))
        rows += [(*head, part, *case.values()) for part, case in cases]
        if not cases:
            rows.append((*head, *[""] * 4, *[float("nan")] * 3, 0))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _cases(one: Answered) -> Iterator[tuple[str, dict[str, Any]]]:
    """The comparisons of each part, blocked ones included."""
    for name, part in one.parts.items():
        tested = {f"{test.experiment}.{test.name}": test for test in part.tested}
        for attached in part.part.claims:
            test = tested.get(attached.claim)
            for row in () if test is None else test.contexts or (test.verdict,):
                if attached.means(row.context):
                    numbers = {key: getattr(row, key) for key in ("outcome", "estimate", "low", "high", "n")}
                    yield name, {"claim": attached.claim, "context": row.context} | numbers


def caption(data: pd.DataFrame) -> str:
    """What is shown."""
    chips = ", ".join(f"{LETTERS[outcome]} {MEANINGS[outcome]}" for outcome in get_args(Outcome))
    return (
        f"{data['statement'].nunique()} statements by question, each with its answer. A chip is one comparison that "
        f"the answer rests on, a gap stands between the parts of a statement: {chips}. Networks and budgets are small: "
        "see README.md here."
    )


def draw(asked: Sequence[Question]) -> Figure:
    """The figure: on the smaller sheet if everything fits."""
    for sheet in SHEETS:
        entries = {one.topic.question: [_entry(each, sheet[0]) for each in one.statements] for one in asked}
        shown = {topic: ones for topic, ones in entries.items() if ones}
        if _height(shown) <= sheet[1] or sheet == SHEETS[-1]:
            break
    with _style.style():
        figure = Figure(figsize=(sheet[0], max(_height(shown), 1.0)))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, sheet[0])
        axes.set_ylim(_height(shown), 0)
        axes.set_axis_off()
        axes.text(EDGE, EDGE + 0.05, "What was found about each statement", fontsize=TITLE, weight="bold", va="center")
        y = EDGE + 0.25
        _legend(axes, y)
        y += 0.22
        for topic, ones in shown.items():
            y += HEAD
            axes.text(EDGE, y - 0.04, topic, fontsize=TOPIC, weight="bold", va="bottom")
            axes.plot([EDGE, sheet[0] - EDGE], [y - 0.025] * 2, color="0.6", linewidth=0.5)
            for one in ones:
                _draw(axes, y, one, sheet[0])
                y += one.height
    return figure


def write(folder: Path, answered: Sequence[Answered], asked: Sequence[Question], png: bool = True) -> list[Path]:
    """Write board.svg, board.png, board.csv (the outcomes) and board.json (the caption); nothing without statements.

    png: False leaves board.png empty.
    """
    data = plotted(answered)
    if data.empty:
        return []
    paths = _style.save(draw(asked), folder, NAME, letters=True, png=png)
    numbers, text = folder / f"{NAME}.csv", folder / f"{NAME}.json"
    csv_files.write_csv(data, numbers)
    write_text(text, json.dumps({"caption": caption(data)}, indent=1, ensure_ascii=False) + "\n")
    return [*paths, numbers, text]


def _height(shown: Mapping[str, Sequence[Entry]]) -> float:
    return 2 * EDGE + 0.5 + sum(HEAD + sum(one.height for one in ones) for ones in shown.values())


def _places(width: float) -> tuple[float, float, float]:
    """Where the texts, the answers and the chips begin."""
    chips = width - EDGE - CHIPS * CHIP
    return EDGE + ID, chips - BETWEEN - ANSWER, chips


def _entry(one: Answered, width: float) -> Entry:
    text, answer, _ = _places(width)
    lines: list[tuple[str, ...]] = []
    for name in one.parts:
        outcomes = [case["outcome"] for part, case in _cases(one) if part == name]
        lines += [tuple(outcomes[at : at + CHIPS]) for at in range(0, len(outcomes), CHIPS)]
    return Entry(
        one.name,
        one.headline.kind,
        tuple(wrapped(one.statement.claim, answer - BETWEEN - text, SIZE)),
        tuple(wrapped(words.daggered(one.headline.word), ANSWER - BADGE, SIZE, "bold")),
        tuple(_joined(lines)),
    )


def _joined(lines: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Parts in one line while they fit, with a gap ("") between two of them."""
    here: tuple[str, ...] = ()
    for line in lines:
        if here and len(here) + 1 + len(line) > CHIPS:
            yield here
            here = ()
        here = (*here, "", *line) if here else line
    if here:
        yield here


def _draw(axes: Axes, y: float, one: Entry, width: float) -> None:
    text, answer, chips = _places(width)
    look: dict[str, Any] = {"fontsize": SIZE, "va": "center"}
    axes.text(EDGE, y + LINE / 2, one.name, color="0.35", **look)
    for number, line in enumerate(one.text):
        axes.text(text, y + LINE * (number + 0.5), line, **look)
    height = LINE * len(one.answer) - 0.02
    axes.add_patch(Rectangle((answer, y + 0.01), BADGE / 2, height, color=BADGES[one.kind], linewidth=0))
    for number, line in enumerate(one.answer):
        axes.text(answer + BADGE, y + LINE * (number + 0.5), line, weight="bold", **look)
    for number, outcomes in enumerate(one.outcomes):
        for column, outcome in enumerate(outcomes):
            if outcome:
                _chip(axes, chips + column * CHIP, y + LINE * number, outcome)


def _chip(axes: Axes, x: float, y: float, outcome: str) -> None:
    height, width = LINE - 0.01, CHIP - 0.012
    axes.add_patch(Rectangle((x, y + 0.005), width, height, color=COLORS[outcome], linewidth=0))
    color = _style.BLACK if outcome in LIGHT else "white"
    place = (x + width / 2, y + LINE / 2)
    axes.text(*place, LETTERS[outcome], fontsize=LETTER, color=color, ha="center", va="center_baseline")


def _legend(axes: Axes, y: float) -> None:
    """The chips with their meanings, in a line."""
    x = EDGE
    for outcome in get_args(Outcome):
        _chip(axes, x, y, outcome)
        axes.text(x + CHIP + 0.02, y + LINE / 2, MEANINGS[outcome], fontsize=SIZE, va="center")
        x += CHIP + 0.02 + breadth(MEANINGS[outcome], SIZE) + 0.12
    axes.text(EDGE, y + LINE * 1.8, NOTE, fontsize=SIZE, va="center")
