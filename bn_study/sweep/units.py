"""Durations and sizes in readable units."""

import math


def duration(seconds: float) -> str:
    """`9s`, `4m 10s`, `2h 05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def size(count: float) -> str:
    """Bytes: `12 KiB`, `3.4 MiB`, `120 GiB`."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log(max(count, 1), 1024)), len(units) - 1)
    value = count / 1024**power
    return f"{value:.1f} {units[power]}" if value < 10 and power else f"{value:.0f} {units[power]}"
