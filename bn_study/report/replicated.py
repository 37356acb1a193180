"""Replicated rows for the terminal: the exceptions of an experiment, and a table with a row per experiment."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bn_study.analysis.replication import Replication
from bn_study.report.words import number

ALONE = "lies outside of its arm, as some committed rows do"
Verdicts = Mapping[str, tuple[str, str]]


def exceptions(found: Replication, verdicts: Verdicts) -> Group:
    """A line for each row that differs or lies outside of its arm, each shifted measure and each changed verdict.

    Rows outside of an arm with too few seeds for a test, as in selection grids, are counted in one line.
    """
    lines, few = [], 0
    for row in found.rows:
        shown = [one for one in row.outside if one.enough or row.outcome == "differs"]
        few += bool(row.outside) and not shown
        for one in shown:
            where = f"between {number(one.low)} and {number(one.high)}"
            outcome = "differs" if row.outcome == "differs" else ALONE
            lines.append(f"{row.run} {outcome}: {one.label} is {number(one.value)}, expected {where}")
    if few:
        lines.append(f"{few} rows lie outside of arms that have too few seeds for a test")
    if not found.sensitive and found.count("identical") < len(found.rows):
        lines.append(f"{len(found.rows)} rows are too few to detect a shift; --rows trains more of each arm")
    for shift in found.shifts:
        lines.append(
            f"shifted: {shift.label} by {number(shift.mean)} standard deviations of its arms, p {number(shift.p)}"
        )
    lines += [f"verdict: {name} was {one}, is {other}" for name, (one, other) in verdicts.items() if one != other]
    return Group(*map(Text, lines))


def summary(found: Sequence[tuple[str, Replication, Verdicts]]) -> Table:
    """A row for each experiment."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("experiment", "rows", "identical", "agree", "differ", "outside", "shifted", "verdicts same"):
        table.add_column(name, justify="left" if name == "experiment" else "right")
    for experiment, one, verdicts in found:
        counts = [one.count(outcome) for outcome in ("identical", "agrees", "differs", "untold")]
        same = f"{sum(old == new for old, new in verdicts.values())} of {len(verdicts)}" if verdicts else ""
        table.add_row(experiment, *map(str, [len(one.rows), *counts, len(one.shifts)]), same)
    return table
