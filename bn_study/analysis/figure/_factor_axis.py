"""The axes of a figure over a factor: the values that it was given, and the means that runs end with."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

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
    """Set a tick at each value. If that is too much text, label only powers of ten, or else turn the labels."""
    long = sum(len(written(one)) + 1 for one in at) > CROWD
    powers = [one for one in at if isinstance(one, (int, float)) and one > 0 and math.log10(one).is_integer()]
    named = powers if long and len(powers) > 1 else list(at)
    turned: dict[str, Any] = {}
    if long and named != powers:
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.xaxis.set_major_locator(FixedLocator([at[one] for one in named]))
    axes.xaxis.set_minor_locator(FixedLocator([at[one] for one in at if one not in named]))
    axes.set_xticklabels([written(one) for one in named], **turned)


def limit_to_means(axes: Axes, means: pd.DataFrame, bounded: bool) -> None:
    """Set the limits from the means, and from intervals that do not dwarf them. bounded: stay within 0 and 1."""
    values = means["value"].dropna()
    if values.empty:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    low, high = float(values.min()), float(values.max())
    reach = (high - low) or 0.05 * abs(high) or 0.05
    low = max(min(low, float(means["low"].min())), low - reach) if means["low"].notna().any() else low
    high = min(max(high, float(means["high"].max())), high + reach) if means["high"].notna().any() else high
    if bounded:
        low, high = max(low, 0.0), min(high, 1.0)
    space = 0.05 * (high - low) or reach
    axes.set_ylim(low - space, high + space)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
