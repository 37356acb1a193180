"""A statement's picture: the effect in each context of the claims that answer it, part by part.

The claims of a part that measure in the same unit share an axis, which is named in words. Where the effect is as the
part says, a row is shaded. An asterisk marks effects in which other values stand for runs that have none.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.figure import _forest, _style, _text
from bn_study.analysis.figure.effects import COLORS
from bn_study.analysis.verdict import Row
from bn_study.plan import parts
from bn_study.plan.experiment import Claim
from bn_study.report import units
from bn_study.report.answers import Answered, PartAnswer
from bn_study.report.board import Tested

FOLDER = "statements"
SHAPES = {"supported": "o", "small": "D", "reversed": "X", "open": "s", "blocked": "v", "missing": "_"}
WIDTH = 6.4  # of a picture, in inches
LEFT, RIGHT, NUMBER, WORD = 2.3, 4.3, 5.65, 5.75  # the axes' ends, the numbers' right end and the outcomes' left end
SIZE, LINE = 7.0, 0.125  # of text in points, and the height of a line in inches
ROW, HEAD, FOOT, GAP = 0.05, 0.05, 0.33, 0.06  # space of a row, below a title, below the rows, between two panels
EDGE = 0.05
TICKS = 5
SHADE, MARGIN = "#E3F1EA", "0.35"


@dataclass(frozen=True)
class Line:
    """A context of a claim. label: the place in words, in lines."""

    label: tuple[str, ...]
    claim: Claim
    row: Row

    @property
    def height(self) -> float:
        return ROW + LINE * max(1, len(self.label))


@dataclass(frozen=True)
class Panel:
    """The rows of a part that share a unit. title: what the part says, in lines; none below another panel of it."""

    title: tuple[str, ...]
    unit: units.Unit
    lines: tuple[Line, ...]

    @property
    def rows(self) -> float:
        """The height of its rows, in inches."""
        return sum(line.height for line in self.lines)

    @property
    def height(self) -> float:
        return (HEAD + LINE * len(self.title) if self.title else 0.0) + self.rows + FOOT + GAP


def panels(answered: Answered) -> list[Panel]:
    """What is drawn of a statement; nothing if no claim has a number, or all are exact."""
    return [panel for part in answered.parts.values() for panel in _of_part(part)]


def _of_part(part: PartAnswer) -> Iterator[Panel]:
    tested = {f"{one.experiment}.{one.name}": one for one in part.tested}
    found: dict[units.Unit, list[tuple[str, Tested, Row]]] = {}
    for attached in part.part.claims:
        one = tested.get(attached.claim)
        if one is None or one.claim.test == "exact":
            continue
        for row in one.contexts or (one.verdict,):
            if attached.means(row.context):
                place = ", ".join(attached.scope_of(row.context).values())
                found.setdefault(units.unit(one.claim), []).append((place, one, row))
    title = _text.wrapped(part.part.says, WIDTH - 2 * EDGE, SIZE, "bold")
    for unit, rows in found.items():
        if any(math.isfinite(row.estimate) for *_, row in rows):
            labels = [tuple(_text.wrapped(label, LEFT - 0.2, SIZE)) for label in _labels(rows)]
            lines = [Line(label, one.claim, row) for label, (_, one, row) in zip(labels, rows, strict=True)]
            yield Panel(tuple(title), unit, tuple(lines))
            title = []


def _labels(rows: Sequence[tuple[str, Tested, Row]]) -> list[str]:
    """The place of each row in words; where several are equal, also what tells them apart: claims, or contexts."""
    labels = []
    for place, tested, row in rows:
        same = [one for one in rows if one[0] == place]
        words_of = [set(other.context.split()) for *_, other in same]
        apart = [word for word in row.context.split() if not all(word in one for one in words_of)]
        names = [tested.name.replace("_", " ")] if len({other.name for _, other, _ in same}) > 1 else []
        detail = ", ".join([*names, *(word.partition("=")[2] for word in apart)]) if len(same) > 1 else ""
        labels.append(f"{place} ({detail})" if place and detail else place or detail)
    return labels


def draw(shown: Sequence[Panel]) -> Figure:
    """The picture of the panels."""
    height = EDGE + sum(panel.height for panel in shown)
    with _style.style():
        figure = Figure(figsize=(WIDTH, height))
        top = height - EDGE
        for panel in shown:
            _draw_panel(figure, panel, top)
            top -= panel.height
    return figure


def write(results: Path, answered: Sequence[Answered]) -> list[Path]:
    """Write `statements/<id>.svg` for each statement with numbers, and delete pictures that no statement has."""
    folder = results / FOLDER
    written = []
    for one in answered:
        if shown := panels(one):
            folder.mkdir(exist_ok=True)
            written.append(folder / f"{one.name}.svg")
            _style.save_as(draw(shown), written[-1], letters=True)
    for path in pictures(results):
        if path not in written:
            path.unlink()
    return written


def pictures(results: Path) -> list[Path]:
    """The statements' pictures in a folder of results."""
    return sorted((results / FOLDER).glob("*.svg"))


# --- picture ---


def _say(figure: Figure, x: float, y: float, text: str, align: str = "left", weight: str = "normal") -> None:
    """Text at a place in inches."""
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, fontsize=SIZE, ha=align, va="center", weight=weight)


def _draw_panel(figure: Figure, panel: Panel, top: float) -> None:
    for text in panel.title:
        _say(figure, EDGE, top - LINE / 2, text, weight="bold")
        top -= LINE
    top -= HEAD if panel.title else 0.0
    width, height = figure.get_size_inches()
    place = (LEFT / width, (top - panel.rows) / height, (RIGHT - LEFT) / width, panel.rows / height)
    axes = figure.add_axes(place)
    _draw_axis(axes, panel)
    _say(figure, (LEFT + RIGHT) / 2, top - panel.rows - 0.24, panel.unit.label, "center")
    largest = max(map(abs, axes.get_xlim()))
    down = 0.0
    for line in panel.lines:
        middle = down + line.height / 2
        _shade(axes, panel.unit, line, down)
        look = {"color": COLORS[line.row.outcome], "marker": SHAPES[line.row.outcome]}
        _forest.draw_effect(axes, middle, _shown(panel.unit, line.row), **look)
        for number, text in enumerate(line.label):
            _say(figure, EDGE + 0.05, top - middle + LINE * ((len(line.label) - 1) / 2 - number), text)
        effect = _forest.minus(units.spread(panel.unit, vars(line.row), largest)) + ("*" if line.row.replaced else "")
        _say(figure, NUMBER, top - middle, effect, "right")
        _say(figure, WORD, top - middle, line.row.outcome)
        down += line.height


def _draw_axis(axes: Axes, panel: Panel) -> None:
    """Blocked effects may lie beyond the axis, unless there are no others."""
    axes.set_ylim(panel.rows, 0)
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    counting = [line.row for line in panel.lines if line.row.outcome != "blocked"]
    effects = [_shown(panel.unit, row) for row in counting or [line.row for line in panel.lines]]
    inside = [panel.unit.of(end) for line in panel.lines for end in _marks(line.claim)]
    low, high = _forest.limits(effects, inside)
    axes.set_xlim(*((low, high) if panel.unit.sign > 0 else (high, low)))
    ticks = _ticks(panel.unit, low, high)
    texts = [_forest.minus(f"{panel.unit.value(tick):.6g}") for tick in ticks]
    axes.set_xticks(ticks, texts, fontsize=6.5)
    axes.tick_params(axis="x", pad=2)


def _shown(unit: units.Unit, row: Row) -> dict[str, float]:
    """The estimate and its interval as coordinates."""
    low, high = sorted((unit.of(row.low), unit.of(row.high)))
    return {"estimate": unit.of(row.estimate), "low": low, "high": high}


def _marks(claim: Claim) -> list[float]:
    """The effects at which an axis has a mark: the margins, and no effect."""
    ends = [end for pair in _wanted(claim) for end in pair if math.isfinite(end)]
    return ends if len(claim.contrast) == 1 or CONSTANT in claim.contrast else [*ends, 0.0]


def _wanted(claim: Claim) -> list[tuple[float, float]]:
    """The ranges of effects that are as the claim says."""
    margin = claim.margin
    against = parts.find("test", claim.test).AGAINST
    return {
        "low": [(margin, math.inf)],
        "high": [(-math.inf, margin)],
        "far": [(-margin, margin)],
        "near": [(-math.inf, -margin), (margin, math.inf)],
    }[against]


def _shade(axes: Axes, unit: units.Unit, line: Line, down: float) -> None:
    """Shade a row where the effect is as the claim says, with a dashed line at each margin."""
    left, right = sorted(axes.get_xlim())
    rows = [down, down + line.height]
    for pair in _wanted(line.claim):
        low, high = (min(max(end, left), right) for end in sorted(map(unit.of, pair)))
        axes.fill_betweenx(rows, low, high, color=SHADE, linewidth=0, zorder=0)
        for end in pair:
            if math.isfinite(end):
                axes.plot([unit.of(end)] * 2, rows, color=MARGIN, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    if 0.0 in _marks(line.claim):
        axes.plot([unit.of(0.0)] * 2, rows, color=_style.BLACK, linewidth=0.6, zorder=1)


def _ticks(unit: units.Unit, low: float, high: float) -> list[float]:
    """Round numbers on an axis; of a ratio 1, 2 and 5 times the powers of ten, or powers of ten alone."""
    if not unit.base:
        return _within(MaxNLocator(TICKS, steps=[1, 2, 5, 10]).tick_values(low, high), low, high)
    first, last = (math.floor(one * math.log10(unit.base)) for one in (low, high))
    for digits in ((1,), (1, 2, 5)):
        ratios = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
        found = _within([math.log(ratio, unit.base) for ratio in ratios], low, high)
        if len(found) >= 3:
            return found[:: math.ceil(len(found) / TICKS)]
    narrow = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(unit.base**low, unit.base**high)
    return _within([math.log(ratio, unit.base) for ratio in narrow if ratio > 0], low, high)


def _within(ticks: Sequence[float] | np.ndarray, low: float, high: float) -> list[float]:
    return [float(tick) + 0.0 for tick in ticks if low <= tick <= high]
