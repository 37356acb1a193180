"""Numbers in sentences: which numbers verdicts give, and which of a sentence are none of them.

A number in a sentence is known if a number of a verdict rounds to it with as many decimals. Verdicts are on the
measure's scale. Sentences also use ratios (of logarithms), points and percent (of shares), and a value itself instead
of its distance from a claim's constant.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.headline import Case
from bn_study.analysis.measures import parse
from bn_study.plan.statements import Statement
from bn_study.report.board import Tested
from bn_study.report.words import BASES

NUMBER = re.compile(r"(?<![\w.-])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
DIGITS = re.compile(r"\d+(?:\.\d+)?")


def unknown(text: str, known: Iterable[float]) -> list[str]:
    """The numbers of a text that none of the known numbers rounds to."""
    values = [value for value in known if math.isfinite(value)]
    return [number for number in NUMBER.findall(text) if not any(_rounds_to(value, number) for value in values)]


def _rounds_to(value: float, number: str) -> bool:
    plain = number.replace(",", "")
    decimals = len(plain.partition(".")[2])
    return abs(abs(value) - float(plain)) <= 0.5 * 10.0**-decimals * (1 + 1e-9)


def of_statement(statement: Statement, tested: Sequence[Tested], parts: Iterable[Sequence[Case]]) -> set[float]:
    """The numbers that an answer may use: effects, margins, levels, seeds, counts of cases, and those of the scopes.

    tested: all claims about the statement. parts: the cases of each of its parts.
    """
    known = {float(digits) for text in _texts(statement) for digits in DIGITS.findall(text)}
    for one in tested:
        known |= set(_of_claim(one))
    for cases in parts:
        outcomes = [case.outcome for case in cases]
        known |= {float(len(outcomes)), *(float(outcomes.count(one)) for one in set(outcomes))}
    return known


def _texts(statement: Statement) -> Iterator[str]:
    yield statement.claim
    for part in statement.parts.values():
        yield part.says
        for attached in part.claims:
            for value in attached.scope.values():
                yield from [value] if isinstance(value, str) else [*value, *value.values()]


def _of_claim(tested: Tested) -> Iterator[float]:
    claim, measure = tested.claim, parse(tested.claim.measure)
    constant = claim.contrast.get(CONSTANT, 0.0)
    for row in (tested.verdict, *tested.contexts):
        yield float(row.n)
        yield from map(float, DIGITS.findall(row.context))
        for value in (row.estimate, row.low, row.high):
            if measure.scale is None:
                yield from (value, 100 * value, value - constant, 100 * (value - constant))
            else:
                yield from (value, BASES[measure.scale] ** value, BASES[measure.scale] ** -value)
    for value in (claim.margin, *claim.level.values(), *claim.contrast.values(), *_numbers(measure.args)):
        yield from (value, 100 * value)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one)


def of_table(path: Path) -> set[float]:
    """The numbers of a CSV file, and as ratios the percent by which they exceed 1."""
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row if DIGITS.fullmatch(cell)]
    return {value for cell in cells for value in (float(cell), 100 * (float(cell) - 1))}
