"""Compares two versions of a report's file: words must be equal, numbers agree up to a tolerance.

The last digits of numbers drawn from the same tables depend on the processor; see `rounding`. Files are compared cell
by cell: a cell is a field of a CSV file, a value of a JSON file, a line of a page, or the coordinates of an element of
an SVG file; the text between coordinates must be equal.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Any

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Two numbers are equal if they differ by at most this share of the larger one, or by at most this amount."""
PRINTED = 1.001e-6  # one unit of the last of six printed decimals of a coordinate, plus its binary rounding
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]\d+)?(?!\w|\.\d)")
"""A decimal number that is not part of a word, such as a hash, a name or a version."""
COORDINATES = re.compile(r"""((?<![\w:-])(?:d|x|y|width|height|points|transform|viewBox)="[^"]*")""")
HASHED = re.compile(r"""(\bid="|url\(#|href="\#)(\w*?)([0-9a-f]{10})(?=["\)])""")
"""Ids that matplotlib derives from unrounded numbers: `id="p0123456789"`, and references to them."""
WHOLE = re.compile(r"-?\d+")
NAMING = ("run", "claim", "context")
"""Columns of a CSV file that identify a row."""
SHOWN = 40  # letters of a cell in a message


@dataclass(frozen=True)
class Cell:
    """A unit of comparison. key: must be equal. exact: numbers must be equal, too. least: the absolute tolerance."""

    place: str
    text: str
    key: str = ""
    exact: bool = False
    least: float = ABSOLUTE


@dataclass(frozen=True)
class Difference:
    """How a text differs from what it should be: where, how often, and by how much.

    place: the first difference of words, else the largest of numbers. largest: the largest difference of numbers,
    relative to the larger one; 0.0 if only words differ.
    """

    place: str
    there: str
    wanted: str
    count: int
    unit: str
    largest: float

    def __str__(self) -> str:
        many = f"{self.count} {self.unit}s differ" if self.count != 1 else f"1 {self.unit} differs"
        numbers = f", numbers by up to {self.largest:.2g} of their size" if self.largest else ""
        return f"{self.place} is {self.there!r} and should be {self.wanted!r}; {many}{numbers}"


def difference(kind: str, there: str, wanted: str) -> Difference | None:
    """How the text `there` differs from the text `wanted`; None if they agree. kind: a file's suffix, one of KINDS."""
    if there == wanted:
        return None
    unit, read = KINDS[kind]
    try:
        pairs = list(zip_longest(read(there), read(wanted)))
    except (ValueError, csv.Error):  # after an edit it may not be JSON or CSV
        unit, read = KINDS[".md"]
        pairs = list(zip_longest(read(there), read(wanted)))
    compared = [(_apart(one, other), one, other) for one, other in pairs]
    different = [entry for entry in compared if entry[0] > 0]
    if not different:
        return None
    _, one, other = max(different, key=lambda entry: entry[0])
    one, other = one or Cell(other.place, ""), other or Cell(one.place, "")
    texts = _windows(one.text, other.text) if one.key == other.key else (one.key, other.key)
    largest = max((apart for apart, *_ in different if math.isfinite(apart)), default=0.0)
    return Difference(other.place, *texts, len(different), unit, largest)


def _apart(one: Cell | None, other: Cell | None) -> float:
    """0 if two cells agree, infinity if their words differ, else the largest relative difference of their numbers."""
    if one is None or other is None or one.key != other.key:
        return math.inf
    if one.text == other.text:
        return 0.0
    if one.exact or NUMBER.sub("\0", one.text) != NUMBER.sub("\0", other.text):
        return math.inf
    pairs = zip(NUMBER.findall(one.text), NUMBER.findall(other.text), strict=True)
    return max(_numbers_apart(left, right, one.least) for left, right in pairs)


def _numbers_apart(left: str, right: str, least: float) -> float:
    """The relative difference of two numbers, 0 within the tolerance. Integers have no tolerance."""
    one, other = float(left), float(right)
    size, apart = max(abs(one), abs(other)), abs(one - other)
    if left == right:
        return 0.0
    if WHOLE.fullmatch(left) and WHOLE.fullmatch(right):
        return 0.0 if int(left) == int(right) else apart / size or math.inf
    if not math.isfinite(size):
        return math.inf
    return 0.0 if apart <= max(least, RELATIVE * size) else apart / size


def _windows(one: str, other: str) -> tuple[str, str]:
    """Both texts from shortly before their first difference."""
    first = next((at for at, (left, right) in enumerate(zip_longest(one, other)) if left != right), 0)
    start = max(0, first - SHOWN // 2)
    return one[start : start + SHOWN], other[start : start + SHOWN]


# --- cells ------------------------------------------------------------------------------------------------------------


def _fields(text: str) -> Iterator[Cell]:
    """The cells of a CSV file."""
    head, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    yield from (Cell(f"the name of column {place}", name, exact=True) for place, name in enumerate(head, 1))
    for number, row in enumerate(rows, 1):
        named = [f"{name} {value}" for name, value in zip(head, row, strict=False) if value and name in NAMING]
        where = f"row {number}" + (f" ({', '.join(named)})" if named else "")
        yield from (Cell(f"{where}, {name}", value) for name, value in zip_longest(head, row, fillvalue=""))


def _values(text: str) -> Iterator[Cell]:
    """The values of a JSON file, by their path of keys."""
    yield from _leaves("", json.loads(text, parse_float=_Literal, parse_int=_Literal))


class _Literal(str):
    """A number of a JSON file as it is written."""


def _leaves(path: str, value: Any) -> Iterator[Cell]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, one)
    elif isinstance(value, list) and value:
        for place, one in enumerate(value):
            yield from _leaves(f"{path}[{place}]", one)
    else:
        text = value if isinstance(value, _Literal) else json.dumps(value, ensure_ascii=False)
        yield Cell(path, text, key=path)


def _lines(text: str) -> Iterator[Cell]:
    for number, line in enumerate(text.split("\n"), 1):
        yield Cell(f"line {number}", line)


def _elements(text: str) -> Iterator[Cell]:
    """An SVG file's coordinates and the text between them, with hashed ids numbered in order of appearance."""
    known: dict[str, str] = {}

    def numbered(match: re.Match[str]) -> str:
        return match[1] + match[2] + known.setdefault(match[2] + match[3], f"#{len(known)}")

    parts = COORDINATES.split(HASHED.sub(numbered, text))
    lines = accumulate((part.count("\n") for part in parts), initial=1)
    for at, (part, line) in enumerate(zip(parts, lines, strict=False)):
        yield Cell(f"line {line}", part, exact=at % 2 == 0, least=PRINTED)


KINDS: dict[str, tuple[str, Callable[[str], Iterator[Cell]]]] = {
    ".csv": ("cell", _fields),
    ".json": ("value", _values),
    ".md": ("line", _lines),
    ".svg": ("element", _elements),
}
