"""Verdicts as a table for the terminal."""

from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from bn_study.analysis.report.words import interval, probability
from bn_study.analysis.verdict import Row, Verdict

WIDTH = 18
COLORS = {"supported": "green", "contradicted": "red", "inconclusive": "yellow", "missing": "dim"}


def terminal(verdicts: Mapping[str, Verdict]) -> Table:
    """A row per claim, followed by a row per context where there are several. Fits 100 columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0)
    table.add_column("claim", overflow="fold", max_width=WIDTH)
    table.add_column("context", overflow="fold", max_width=WIDTH)
    table.add_column("outcome", no_wrap=True)
    table.add_column(Text("estimate\n[low, high]"), min_width=11, max_width=WIDTH)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for verdict in verdicts.values():
        _add(table, verdict.claim, "", verdict)
        if len(verdict.rows) > 1:
            for row in verdict.rows:
                _add(table, "", row.context, row)
    return table


def _add(table: Table, claim: str, context: str, row: Row | Verdict) -> None:
    """Every cell is a Text, so that brackets in a name are not taken for markup."""
    if len(context) > WIDTH:
        context = context.replace(".", ".\n", 1)  # rather than in the middle of a word
    cells = [claim, context, row.outcome, interval(row), probability(row.p), str(row.n), row.reason]
    style = {2: COLORS[row.outcome]}
    table.add_row(*(Text(cell, style=style.get(index, "")) for index, cell in enumerate(cells)))
