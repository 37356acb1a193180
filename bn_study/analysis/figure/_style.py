"""The style of every figure, and how it is saved so that the same numbers give the same bytes."""

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bn_study.analysis.figure._text import folded

PAGE = 6.75
"""Width of both columns, in inches."""

BLUE = "#0072B2"  # of Okabe & Ito's colors, which color-blind readers can tell apart
BLACK = "#000000"
PALETTE = (BLUE, "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
ROW = 0.15  # height of a line of a legend, in inches
LETTER, SAMPLE = 0.053, 0.55  # width of a letter of a legend, and of its piece of line with the space between columns
LETTERS = 100  # in a line of a legend
TITLE = 111  # letters of a line of titles across the page
MARKERS = ("o", "s", "^", "D", "x")
"""Tell lines apart that share one of PALETTE's colors."""


@dataclass(frozen=True)
class Look:
    """How an arm is drawn, the same in every figure; dashes tell the arms apart in black-and-white print."""

    label: str
    color: str
    dashes: str


LOOKS = {"none": Look("Without BN", BLACK, "--"), "batch": Look("With BN", BLUE, "-")}
"""By the value of `norm`; one that is not here is drawn as a normalizer, with a solid line."""

TUTORIAL = {"none": "#FF9359", "batch": "#74BCFF"}
"""By the value of `norm`, in figures after M. Zhou's (Morvan's) tutorial, whose colors these are."""

SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that it is there on every machine
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "lines.linewidth": 1.0,
    "legend.fancybox": False,
    "legend.framealpha": 1.0,
    "legend.edgecolor": BLACK,
    "legend.borderpad": 0.4,
    "patch.linewidth": 0.6,
    "savefig.dpi": 200,
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "bn_study",  # otherwise the ids inside an SVG are random
    "agg.path.chunksize": 0,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's own defaults and SETTINGS, whatever the user's matplotlibrc says; undone at the end."""
    with matplotlib.style.context("default"), matplotlib.rc_context(SETTINGS):
        yield


def save(figure: Figure, folder: Path, name: str, letters: bool = False, png: bool = True) -> list[Path]:
    """Write `<name>.svg` and `<name>.png`. letters: see `save_as`. png: False leaves the PNG empty, to save time."""
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    _settle(figure)
    for path in paths:
        if png or path.suffix != ".png":
            _write(figure, path, letters)
        else:
            path.touch()
    return paths


def save_as(figure: Figure, path: Path, letters: bool = False) -> None:
    """Write one file in the format of its suffix. letters: an SVG with text as text, which is much smaller."""
    _settle(figure)
    _write(figure, path, letters)


def _settle(figure: Figure) -> None:
    """The last bit of what the layout solver finds differs between processes, and clip paths are named after it."""
    with style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes in figure.axes:
            left, bottom, width, height = (round(one, 4) for one in axes.get_position().bounds)
            axes.set_position((left, bottom, width, height))


def _write(figure: Figure, path: Path, letters: bool) -> None:
    """Write without dates and versions, which change even if the picture does not."""
    metadata = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    unsaid: dict[str, Any] = metadata.get(path.suffix, {"CreationDate": None, "Creator": None, "Producer": None})
    with style(), matplotlib.rc_context({"svg.fonttype": "none"} if letters else {}):
        figure.savefig(path, metadata=unsaid)


def dashes(norm: str) -> str:
    return LOOKS[norm].dashes if norm in LOOKS else "-"


def colors(keys: Iterable[Hashable], taken: Collection[str] = ()) -> dict[Hashable, tuple[str, str]]:
    """Key -> color and marker, in the order given: no two keys share both, of five for each color.

    taken: colors that others have.
    """
    free = [one for one in PALETTE if one not in taken]
    ordered = enumerate(dict.fromkeys(keys))
    return {key: (free[at % len(free)], MARKERS[at // len(free) % len(MARKERS)]) for at, key in ordered}


def colors_by_setting(arms: Iterable[str], setting: str | None) -> dict[str, str]:
    """Label of an arm -> its color, the same for arms that share the value of a setting; None: each has its own."""
    keys = {arm: arm if setting is None else word(arm, setting) for arm in arms}
    own = {f"norm={norm}": look.color for norm, look in LOOKS.items()}
    free = cycle(one for one in PALETTE if one not in own.values())
    found: dict[str, str] = {}
    for key in keys.values():
        if key not in found:
            found[key] = own[key] if key in own else next(free)
    return {arm: found[key] for arm, key in keys.items()}


def word(arm: str, setting: str) -> str:
    """`norm=batch` of `norm=batch steps=100`; "" where an arm's label does not say it."""
    return next((one for one in arm.split() if one.startswith(f"{setting}=")), "")


def shortened(arms: Iterable[str]) -> dict[str, str]:
    """Label of an arm -> what a legend says: the label without settings that are null, unless it is needed in full.

    It is needed where two arms would read the same, or where nothing would be left.
    """
    short = {arm: " ".join(word for word in arm.split() if not word.endswith("=null")) for arm in arms}
    times = Counter(short.values())
    return {arm: text if text and times[text] == 1 else arm for arm, text in short.items()}


def panels(
    count: int, across: int, height: float, legend: float, **shared: Any
) -> tuple[Figure, list[Axes], Iterator[bool]]:
    """A figure as wide as a page with so many panels, of which each tells whether it stands at the left.

    across: in a row at most. height: of a row, legend: of what is below them, in inches. shared: of their axes.
    """
    across = min(across, count) or 1
    down = max(1, math.ceil(count / across))
    figure = Figure(figsize=(PAGE, height * down + legend), layout="constrained")
    found = list(figure.subplots(down, across, squeeze=False, **shared).flat)
    for axes in found[count:]:
        axes.set_visible(False)
    return figure, found[:count], (place % across == 0 for place in range(count))


def title(axes: Axes, text: str, across: int) -> None:
    """Write a panel's title, if it is wider than one of `across` panels in several smaller lines."""
    lines = folded(text, TITLE // across)
    axes.set_title("\n".join(lines), fontsize=8 if len(lines) < 2 else 7)


def legend_size(labels: Iterable[str]) -> tuple[int, float]:
    """Columns of a legend below the panels, and its height in inches."""
    shown = [label for label in labels if label]
    if not shown:
        return 1, 0.0
    letters = max(len(line) for label in shown for line in label.splitlines())
    columns = max(1, min(len(shown), int(PAGE / (LETTER * letters + SAMPLE))))
    return columns, ROW * math.ceil(len(shown) / columns) * max(label.count("\n") + 1 for label in shown)


def step_ticks(axes: Axes, steps: int) -> None:
    """An axis from 0 to the run's length, with five equal ticks, written 10K from a thousand on."""
    ticks = [round(steps * part / 5) for part in range(1, 6)]
    texts = [f"{tick / 1000:.3g}K" if steps >= 1000 else str(tick) for tick in ticks]
    axes.set_xlim(0, max(steps, 1))
    if steps:
        axes.set_xticks(ticks, texts)


def third_ticks(axes: Axes, steps: int) -> None:
    """An axis from 0 to the run's length, with a tick at each third of it."""
    ticks = [round(steps * part / 3) for part in range(4)]
    axes.set_xlim(0, max(steps, 1))
    axes.set_xticks(ticks if steps else [0], [f"{tick:,}" for tick in ticks] if steps else ["0"])


def log_step_ticks(axes: Axes, first: int, steps: int) -> None:
    """A log axis from step `first` to the run's length, with a short linear part before it for step 0."""
    axes.set_xscale("symlog", linthresh=first, linscale=0.4)
    powers = [10**power for power in range(12) if first <= 10**power < steps / 1.6]
    ticks = [0, *(powers or [first]), steps]
    axes.set_xlim(0, steps)
    axes.set_xticks(ticks, [f"{tick / 1000:.3g}K" if tick >= 1000 else str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def say(axes: Axes, text: str) -> None:
    """Write text in the middle of an empty panel."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.4")


def cross(axes: Axes, step: float, value: float, color: str) -> None:
    """The end of a run that diverged: at the nearest edge if outside of the axis, at the bottom without a value."""
    low, high = axes.get_ylim()
    height = min(max(value, low), high) if value == value else low
    axes.plot([step], [height], linestyle="none", marker="x", markersize=5, color=color, clip_on=False, zorder=5)
