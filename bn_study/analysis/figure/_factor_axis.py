"""An axis of the values that a factor was given."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from bn_study.analysis.settings import written

CROWD = 30  # letters at the ticks of a panel


def place_values(axes: Axes, swept: list[Any], descending: bool) -> dict[Any, float]:
    """The place of each value of the factor, and the axis for it.

    Numbers above 0 that span a decade have a logarithmic axis, other numbers a linear one, and names are listed. A
    place is in units of the smallest distance of two values, so that whiskers can stand beside each other.
    """
    numbers = [one for one in swept if isinstance(one, (int, float))]
    if len(numbers) < len(swept):
        places = np.arange(len(swept), dtype=float)
    else:
        log = min(numbers) > 0 and max(numbers) >= 10 * min(numbers)
        scaled = np.log(numbers) if log else np.array(numbers, float)
        nearest = np.diff(scaled).min() if len(scaled) > 1 else 1.0
        places = (scaled - scaled[0]) / nearest
    axes.set_xlim(places[0] - 0.5, places[-1] + 0.5)
    if descending:
        axes.invert_xaxis()
    found = dict(zip(swept, places.tolist(), strict=True))
    _ticks(axes, found)
    return found


def _ticks(axes: Axes, at: dict[Any, float]) -> None:
    """A tick at each value; where that is too much text only powers of ten have their number, or else it is turned."""
    long = sum(len(written(one)) + 1 for one in at) > CROWD
    powers = [one for one in at if isinstance(one, (int, float)) and one > 0 and math.log10(one).is_integer()]
    named = powers if long and len(powers) > 1 else list(at)
    turned: dict[str, Any] = {}
    if long and named != powers:
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.xaxis.set_major_locator(FixedLocator([at[one] for one in named]))
    axes.xaxis.set_minor_locator(FixedLocator([at[one] for one in at if one not in named]))
    axes.set_xticklabels([written(one) for one in named], **turned)
