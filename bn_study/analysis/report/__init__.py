"""Verdicts and figures -> the files of an experiment's folder in results/."""

from bn_study.analysis.report.terminal import terminal
from bn_study.analysis.report.write import curves_table, write

__all__ = ["curves_table", "terminal", "write"]
