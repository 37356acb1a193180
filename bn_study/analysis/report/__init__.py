"""Verdicts and figures -> the files of an experiment's folder in results/."""

from bn_study.analysis.report import board, board_figure, seen
from bn_study.analysis.report.terminal import arms, terminal
from bn_study.analysis.report.trace import shown, traces
from bn_study.analysis.report.write import curves_table, write

__all__ = ["arms", "board", "board_figure", "curves_table", "seen", "shown", "terminal", "traces", "write"]
