"""What several verbs do with the words behind them."""

import argparse
import sys
from typing import Any

from bn_study.errors import UsageError


def composed(options: argparse.Namespace) -> tuple[Any, Any, Any, list[str]]:
    from bn_study import study
    from bn_study.plan.compose import compose

    place = study.locate()
    name, overrides = split(options.request)
    experiment, settings = compose(place.home, name, overrides)
    if name is not None:  # a sweep of the command line states nothing that could be wrong
        check(place, experiment)
    return place, experiment, settings, options.request


def check(place: Any, experiment: Any) -> None:
    """What can be known to be wrong with an experiment before anything is trained. Raises UsageError."""
    from bn_study.analysis.check import check as check_claims
    from bn_study.plan import statements

    check_claims(experiment)
    statements.check(experiment, statements.read(place.home))


def split(request: list[str]) -> tuple[str | None, list[str]]:
    from bn_study.sweep.status import split_request

    if not request:
        raise UsageError("say what: an experiment (bn-study list) or settings, as norm=none,batch 'seed=range(3)'")
    return split_request(request)


def console() -> Any:
    """Where tables are printed: as wide as the terminal, or 120 columns in a file or a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def count(text: str) -> int:
    """A flag's number of things, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of at least 1")
    return int(text)
