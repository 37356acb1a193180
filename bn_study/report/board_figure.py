"""The verdict board as a picture: a row for each claim about a statement, a chip for each of its contexts."""

import json
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bn_study.analysis import csv_files
from bn_study.analysis.figure import _style
from bn_study.analysis.figure.effects import COLORS
from bn_study.report import words
from bn_study.report.board import Evidence

NAME = "board"
COLUMNS = ("experiment", "claim", "statements", "context", "outcome", "estimate", "low", "high", "n")
ROW, HEAD = 0.118, 0.17  # heights of a claim's and of an experiment's row, in inches
CHIPS, CHIP, EFFECT, STATED = 1.9, 0.112, 3.95, 5.05  # where the columns begin, and the width of a chip, in inches
LETTERS = 30  # of a claim's name


def plotted(evidence: list[Evidence]) -> pd.DataFrame:
    """Every number in the figure: a row for each context of a claim, or one for the claim if it has one context."""
    rows = [
        (
            *(one.experiment, one.name, " ".join(one.statements), row.context),
            *(row.outcome, row.estimate, row.low, row.high, row.n),
        )
        for found in evidence
        for one in found.tested
        if one.statements
        for row in (one.contexts or (one.verdict,))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def caption(evidence: list[Evidence]) -> str:
    data = plotted(evidence)
    claims = data[["experiment", "claim"]].drop_duplicates()
    return (
        f"{len(claims)} claims about statements, from {claims['experiment'].nunique()} experiments. A chip is the "
        "verdict in one context: S supported, s small, R reversed, O open, B blocked, – missing. To its right are the "
        "effect with its 95 % interval (the overall verdict if there are several contexts) and the statements that the "
        "claim is about. Effects are positive in the claim's direction. Networks and budgets are small: see README.md "
        "here."
    )


def draw(evidence: list[Evidence]) -> Figure:
    """The figure, of the verdicts in `plotted`."""
    shown = [(one, [claim for claim in one.tested if claim.statements]) for one in evidence]
    shown = [(one, claims) for one, claims in shown if claims]
    height = sum(HEAD + ROW * len(claims) for _, claims in shown) + HEAD
    with _style.style():
        figure = Figure(figsize=(_style.PAGE, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, _style.PAGE)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        y = HEAD / 2
        for one, claims in shown:
            y += HEAD
            axes.text(0.08, y - 0.03, one.experiment, fontsize=6.5, weight="bold", va="bottom")
            for claim in claims:
                _chips(axes, y, [row.outcome for row in claim.contexts or (claim.verdict,)])
                effect = words.interval(claim.verdict) if not claim.contexts else claim.verdict.outcome
                middle = y + ROW / 2
                axes.text(0.16, middle, _short(claim.name), fontsize=5.2, va="center")
                axes.text(EFFECT, middle, effect, fontsize=5.2, va="center")
                axes.text(STATED, middle, " ".join(claim.statements), fontsize=4.4, va="center", color="0.35")
                y += ROW
    return figure


def write(folder: Path, evidence: list[Evidence]) -> list[Path]:
    """Write board.svg, board.png, board.csv (the numbers) and board.json (the caption); nothing without claims."""
    data = plotted(evidence)
    if data.empty:
        return []
    paths = _style.save(draw(evidence), folder, NAME)
    numbers, text = folder / f"{NAME}.csv", folder / f"{NAME}.json"
    csv_files.write_csv(data, numbers)
    text.write_text(json.dumps({"caption": caption(evidence)}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*paths, numbers, text]


def _chips(axes: Axes, y: float, outcomes: list[str]) -> None:
    for column, outcome in enumerate(outcomes):
        x = CHIPS + column * CHIP
        axes.add_patch(Rectangle((x, y + 0.01), CHIP - 0.012, ROW - 0.02, color=COLORS[outcome], linewidth=0))
        letter = {"missing": "–", "small": "s"}.get(outcome, outcome[0].upper())
        axes.text(x + CHIP / 2 - 0.006, y + ROW / 2, letter, fontsize=4, color="white", ha="center", va="center")


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
