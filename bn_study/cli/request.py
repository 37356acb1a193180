"""Helpers that several verbs share."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bn_study.study import Study
    from bn_study.sweep.request import Request

SELECTION = "add the runs that only chose tuned values"
"""What the flag --selection does."""


def parsed(words: list[str], study: "Study | None" = None) -> "Request":
    """The request that the words make, after all checks that need no run. Raises UsageError with all that is wrong."""
    from bn_study.errors import Faults
    from bn_study.plan.experiment import ADHOC
    from bn_study.sweep.request import Request

    faults = Faults()
    request = Request.parse(words, study, faults)
    if request.experiment.name != ADHOC:  # a sweep without a file has no claims to check
        from bn_study.analysis.check import check
        from bn_study.plan import statements

        check(request.experiment, faults)
        if not request.experiment.unread:
            with faults.at():
                statements.check(request.experiment, statements.read(request.study.home))
    faults.finish()
    return request


def console() -> "Console":
    """The console for tables: as wide as the terminal, or 120 columns in a file or a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def count(text: str) -> int:
    """The type of a flag that takes a count, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of at least 1")
    return int(text)
