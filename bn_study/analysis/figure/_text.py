"""How wide text is, and text broken into lines that fit, never within a number or between it and what it counts."""

import re
import textwrap
from functools import cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

POINTS = 72.0  # in an inch
NUMBER = re.compile(r"(?<!\S)(\(?(?:[-−+]|[-−+]?\d[\d.,]*(?:e[-+]?\d+)?)) ")
"""A number or a sign that stands alone before a word."""
KEPT = "\xa0"  # a space at which no line ends
MAY = "\t"  # where a list that is too long for a line may be broken


def folded(text: str, letters: int) -> list[str]:
    """The text in lines of at most so many letters, broken between words, and in a long list after a comma.

    A longer word has a line of its own.
    """
    words = _kept(text).split(" ")
    words = [one.replace(",", f",{MAY}") if "[" in one and len(one) > letters else one for one in words]
    lines = textwrap.wrap(
        " ".join(words), letters, break_long_words=False, break_on_hyphens=False, expand_tabs=False,
        replace_whitespace=False,
    )  # fmt: skip
    return [line.replace(MAY, "").replace(KEPT, " ") for line in lines]


def _kept(text: str) -> str:
    return NUMBER.sub(rf"\1{KEPT}", text)


def wrapped(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """The text in lines of at most so many inches, broken between words. A longer word has a line of its own.

    size: of the font, in points.
    """
    lines: list[str] = []
    for word in (one.replace(KEPT, " ") for one in _kept(" ".join(text.split())).split(" ") if one):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and breadth(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@cache
def breadth(text: str, size: float, weight: str = "normal") -> float:
    """Width of a line in inches, in the font of every figure."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / POINTS
