"""Writes evidence: experiment folders in results/, the verdict board, pages, data frames, replications."""

from bn_study.report import board, board_figure, board_page, seen, statement_figure
from bn_study.report.terminal import arms, terminal
from bn_study.report.trace import shown, traces
from bn_study.report.write import curves_table, write

__all__ = [
    "arms",
    "board",
    "board_figure",
    "board_page",
    "curves_table",
    "seen",
    "shown",
    "statement_figure",
    "terminal",
    "traces",
    "write",
]
