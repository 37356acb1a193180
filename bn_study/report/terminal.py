"""Verdicts and comparisons of arms as tables for the terminal."""

import textwrap
from collections.abc import Mapping

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bn_study.analysis.verdict import VARIES, Row, Verdict
from bn_study.report.words import interval, outcome, probability, spread

WIDTH = 18
COLORS = {
    "supported": "green", "small": "cyan", "reversed": "red", "open": "yellow", "blocked": "magenta",
    "missing": "dim", VARIES: "",
}  # fmt: skip


def terminal(verdicts: Mapping[str, Verdict]) -> Table:
    """A row per claim, followed by a row per context if there are several. Fits 100 columns."""
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
    """Every cell is a Text, so that rich does not read brackets in a name as markup."""
    if len(context) > WIDTH:  # here and below: so that no word is broken
        context = context.replace(".", ".\n", 1)
    if len(claim) > WIDTH:
        claim = "\n".join(line.replace(" ", "") for line in textwrap.wrap(claim.replace("_", "_ "), WIDTH))
    cells = [claim, context, outcome(row), interval(row), probability(row.p), str(row.n), row.reason]
    style = {2: COLORS[row.outcome]}
    table.add_row(*(Text(cell, style=style.get(index, "")) for index, cell in enumerate(cells)))


def arms(comparison: pd.DataFrame) -> Group:
    """A table for each context of `comparison.compare`, with one row per arm."""
    return Group(*(_arms(str(context), rows) for context, rows in comparison.groupby("context", sort=False)))


def _arms(context: str, rows: pd.DataFrame) -> Table:
    table = Table(
        title=Text(context) if context else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
        show_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
    for name in ("arm", "mean [low, high]", "n", "difference [low, high]", "pairs"):
        table.add_column(Text(name), overflow="fold")
    for row in rows.to_dict("records"):
        lost = f" ✕ {row['diverged']}" if row["diverged"] else ""
        cells = [row["arm"], spread(row["mean"], row["low"], row["high"]), f"{row['n']}{lost}"]
        if isinstance(row["against"], str):
            difference = spread(row["difference"], row["difference_low"], row["difference_high"])
            cells += [difference, f"{int(row['pairs'])}, minus {row['against']}"]
        table.add_row(*map(Text, cells))
    return table
