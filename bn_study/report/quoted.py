"""Numbers in sentences: which numbers an answer may use, and which of a sentence are none of them.

An answer names the source of each of its numbers, a context of a claim, such as
`"6.4": faster_elsewhere.faster_tuned grid=cnn`. The estimate of that context, or an end of its interval, must round to
the number, in the unit of its picture. Numbers of the statement's own words, levels and margins of its claims, and
counts of contexts need no source.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bn_study.analysis.headline import Case
from bn_study.errors import UsageError
from bn_study.plan.statements import FILE, Statement, Table
from bn_study.report.board import Tested
from bn_study.report.units import unit

NUMBER = re.compile(r"(?<![\w.-])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
DIGITS = re.compile(r"\d+(?:\.\d+)?")


def unknown(text: str, plain: Iterable[float], sourced: Mapping[str, Sequence[float]]) -> list[str]:
    """The numbers of a text that may not be there.

    plain: numbers that need no source. sourced: number as written -> what its source gives.
    """
    known = [value for value in plain if math.isfinite(value)]
    return [
        number
        for number in dict.fromkeys(NUMBER.findall(text))
        if not any(_rounds_to(value, number) for value in sourced.get(number, known))
    ]


def _rounds_to(value: float, number: str) -> bool:
    written = number.replace(",", "")
    decimals = len(written.partition(".")[2])
    return math.isfinite(value) and abs(abs(value) - float(written)) <= 0.5 * 10.0**-decimals * (1 + 1e-9)


def plain(statement: Statement, tested: Sequence[Tested], parts: Iterable[Sequence[Case]]) -> set[float]:
    """The numbers that need no source. tested: the claims that decide. parts: the cases of each part."""
    known = {float(digits) for text in _texts(statement) for digits in DIGITS.findall(text)}
    for one in tested:
        shown = unit(one.claim)
        known |= {100 * level for level in one.claim.level.values()} | {shown.factor * one.claim.margin}
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
                yield from [value] if isinstance(value, str) else value.values()


def sources(where: str, numbers: Mapping[str, str], tested: Iterable[Tested]) -> dict[str, list[float]]:
    """What the source of each number gives: nothing if it is no context of these claims that has a verdict.

    Raises UsageError for a source that several contexts fit.
    """
    known = {f"{one.experiment}.{one.name}": one for one in tested}
    given: dict[str, list[float]] = {}
    for number, source in numbers.items():
        claim, _, context = source.partition(" ")
        given[number] = []
        one = known.get(claim)
        if one is None:
            continue
        rows = [row for row in (one.contexts or (one.verdict,)) if set(context.split()) <= set(row.context.split())]
        if len(rows) > 1:
            raise UsageError(f"{FILE}: {where}: numbers: {source}: {len(rows)} contexts fit; name one")
        shown = unit(one.claim)
        for value in (end for row in rows for end in (row.estimate, row.low, row.high)):
            number_shown = shown.value(shown.of(value))
            given[number] += [number_shown, *([1 / number_shown] if shown.base and number_shown else [])]
    return given


def of_table(home: Path, table: Table) -> list[float]:
    """The smallest and the largest ratio of each kind of row, and by how many percent they exceed 1.

    Raises UsageError if the file or the column is not there.
    """
    try:
        with (home / table.file).open(newline="", encoding="utf-8") as file:
            ratios_of = [(row[table.kind], float(row[table.column])) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{FILE}: {table.file}: cannot be read ({error})") from None
    ends = []
    for kind in table.kinds:
        ratios = [ratio for one, ratio in ratios_of if one == kind and ratio != 1]  # 1: a baseline's row, with itself
        ends += [min(ratios), max(ratios)] if ratios else []
    return [*ends, *(100 * (ratio - 1) for ratio in ends)]
