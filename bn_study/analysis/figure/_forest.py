"""Effects with intervals in rows, as in a forest plot: shared by the figures of an experiment and of a statement."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from bn_study.analysis.figure._style import BLACK

BEYOND = 2.0  # how far an interval may widen an axis, in lengths of what must be in it
Effect = Mapping[str, Any]
"""estimate, and the ends of its intervals by name."""


def limits(effects: Iterable[Effect], inside: Sequence[float]) -> tuple[float, float]:
    """Of an axis: `inside` and every estimate; intervals (low, high) too, unless they are much longer than all that."""
    known = list(effects)
    within = [*inside, *(one["estimate"] for one in known if math.isfinite(one["estimate"]))]
    low, high = min(within), max(within)
    reach = BEYOND * (high - low)
    ends = [one[end] for one in known for end in ("low", "high") if math.isfinite(one[end])]
    low, high = max(min([low, *ends]), low - reach), min(max([high, *ends]), high + reach)
    space = 0.04 * (high - low)
    return low - space, high + space


def draw_effect(axes: Axes, height: float, effect: Effect, color: str, marker: str = "o") -> None:
    """A mark at the estimate with its 95% interval, and the 90% one (low90, high90) if there is one.

    An arrow shows where the 95% interval leaves the axis. An estimate beyond the axis has no mark.
    """
    if math.isnan(effect["estimate"]):
        return
    left, right = sorted(axes.get_xlim())
    for low, high, width in (("low", "high", 0.8), ("low90", "high90", 2.2)):
        if low in effect:
            ends = [min(max(effect[end], left), right) for end in (low, high)]
            axes.plot(ends, [height] * 2, color=color, linewidth=width, solid_capstyle="butt", zorder=2)
    arrows = ("<", ">") if axes.get_xlim()[0] == left else (">", "<")
    for end, marker_out, edge, sign in (("low", arrows[0], left, -1), ("high", arrows[1], right, 1)):
        if sign * effect[end] > sign * edge:
            axes.plot([edge], [height], marker_out, color=color, markersize=3, clip_on=False, zorder=3, gid=end)
    style: dict[str, Any] = {"markersize": 3.8, "markeredgecolor": BLACK, "markeredgewidth": 0.4, "color": color}
    if left <= effect["estimate"] <= right:
        axes.plot([effect["estimate"]], [height], marker, clip_on=False, zorder=4, **style)


def minus(text: str) -> str:
    """Numbers with a typographic minus sign."""
    return text.replace("-", "−")
