"""How wide text is, and text broken into lines that fit."""

from functools import cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

POINTS = 72.0  # in an inch


def wrapped(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """The text in lines of at most so many inches, broken between words. A longer word has a line of its own.

    size: of the font, in points.
    """
    lines: list[str] = []
    for word in text.split():
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
