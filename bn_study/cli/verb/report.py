"""Turn stored runs into tables, figures and verdicts."""

import argparse
import multiprocessing
import sys
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bn_study.cli.request import console, parsed
from bn_study.errors import UsageError

REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("--all", action="store_true", help="every experiment with evidence")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is there would change")
    parser.add_argument("--open", action="store_true", help="open the page that was written in a browser")


def command(options: argparse.Namespace) -> int:
    from bn_study.plan.reading import experiment_names
    from bn_study.report import evidence, sanity_checks
    from bn_study.study import locate

    study = locate()
    if options.check and options.open:
        raise UsageError("--check writes no page that could be opened: leave out --check or --open")
    if options.all:
        if options.request:
            raise UsageError("--all takes no experiment and no overrides")
        requests = [[name] for name in experiment_names(study.home) if (study.results / name / "runs.csv").exists()]
        if not requests:
            print("no experiment has evidence yet; `bn-study run` and `report` with its name make some")
    else:
        requests = [options.request]
    reported = []
    sanity = sanity_checks.sanity(study) if len(requests) > 1 else None  # asked once for all
    for one in _each(partial(_compared if options.check else _written, study, sanity), requests):
        reported.append(one)
        if one.verdicts is not None:
            console().print(one.verdicts)
        for line in one.lines:
            print(line, flush=True)
        for line in one.remarks:
            print(line, file=sys.stderr)
    different = any(one.different for one in reported)
    if options.check and options.all and requests:
        changed = evidence.board_differences(study)
        different |= bool(changed)
        print("\n".join(_changes("verdict board", changed)))
    elif any(one.committed for one in reported):
        from bn_study.report.web import write

        for path in [*evidence.board(study), write.write_overview(study)]:
            print(path)
    if options.open and reported:
        _open(study, reported)
    return 1 if different else 0


def _open(study: Any, reported: Sequence["_Reported"]) -> None:
    """The page of the one experiment, or of all of them, in the user's browser."""
    page = Path(reported[0].lines[-1]) if len(reported) == 1 else study.results / "index.html"
    if not webbrowser.open(page.as_uri()):
        print(f"no browser could be started; open {page.as_uri()} in one", file=sys.stderr)


@dataclass(frozen=True)
class _Reported:
    """What is to be said of one experiment."""

    lines: list[str]
    verdicts: Any = None
    remarks: list[str] = field(default_factory=list)
    different: bool = False
    committed: bool = False


def _each(report: Callable[[list[str]], _Reported], requests: list[list[str]]) -> Iterator[_Reported]:
    """In order; several side by side, a process for each core, since drawing takes most of the time."""
    if len(requests) < 2:
        yield from map(report, requests)
        return
    from bn_study.sweep.call import cores

    with ProcessPoolExecutor(min(cores(), len(requests)), multiprocessing.get_context("spawn")) as processes:
        yield from processes.map(report, requests)


def _written(study: Any, sanity: str | None, request: list[str]) -> _Reported:
    from bn_study.report import evidence
    from bn_study.report.web import write

    experiment = parsed(request, study).experiment
    found = evidence.report(study, experiment, sanity)
    page = write.write(study, experiment, found)
    return _Reported(
        [str(path) for path in [*found.files, page]], found.verdicts, found.remarks,
        committed=evidence.committed(study, experiment),
    )  # fmt: skip


def _compared(study: Any, sanity: str | None, request: list[str]) -> _Reported:
    from bn_study.report import evidence

    experiment = parsed(request, study).experiment
    changed = evidence.differences(study, experiment, sanity)
    return _Reported(_changes(experiment.name, changed), different=bool(changed))


def _changes(what: str, changes: list[str]) -> list[str]:
    return [f"{what}: would change: {one}" for one in changes] or [f"{what}: unchanged"]
