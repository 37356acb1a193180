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

ORDER = 90
REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("--all", action="store_true", help="every experiment with evidence")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    parser.add_argument(
        "--to", metavar="FOLDER", type=Path, help="redraw there, without a page, and leave results/ alone"
    )
    parser.add_argument("--open", action="store_true", help="open the written page in a browser")
    parser.add_argument(
        "--serve", action="store_true", help="write nothing; show the page here, up to date while a sweep runs"
    )
    parser.add_argument("--port", type=_port, help="with --serve: where, 0 for any that is free; default: 8776")


def command(options: argparse.Namespace) -> int:
    from bn_study.plan.reading import experiment_names
    from bn_study.report import evidence, sanity_checks
    from bn_study.study import locate

    study = locate()
    if options.port is not None and not options.serve:
        raise UsageError("--port is where --serve shows a page: add --serve or leave out --port")
    if options.serve:
        return _serve(options)
    if options.check and options.open:
        raise UsageError("--check writes no page to open: leave out --check or --open")
    if options.to is not None and (options.all or options.check or options.open):
        raise UsageError("--to writes the folder of one experiment elsewhere: leave out --all, --check and --open")
    if options.all:
        if options.request:
            raise UsageError("--all takes no experiment and no overrides")
        requests = [[name] for name in experiment_names(study.home) if (study.results / name / "runs.csv").exists()]
        if not requests:
            print("no experiment has evidence yet; `bn-study run NAME` and `bn-study report NAME` make it")
    else:
        requests = [options.request]
    reports = []
    sanity = sanity_checks.sanity(study) if len(requests) > 1 else None  # checked once for all experiments
    write = partial(_compared, study, sanity) if options.check else partial(_written, study, sanity, options.to)
    for report in _each(write, requests):
        reports.append(report)
        if report.verdicts is not None:
            console().print(report.verdicts)
        for line in report.lines:
            print(line, flush=True)
        for line in report.remarks:
            print(line, file=sys.stderr)
    different = any(report.different for report in reports)
    if options.check and options.all and requests:
        changed = evidence.board_differences(study)
        misfits = evidence.misfits(study)
        different |= bool(changed or misfits)
        print("\n".join([*_changes("verdict board", changed), *misfits]))
    elif any(report.committed for report in reports):
        from bn_study.report.web.write import write_overview

        for path in [*evidence.board(study), write_overview(study)]:
            print(path)
        for line in evidence.misfits(study):
            print(line, file=sys.stderr)
    if options.open and reports:
        _open(study, reports)
    return 2 if any(report.failed for report in reports) else 1 if different else 0


def _serve(options: argparse.Namespace) -> int:
    """Serve one experiment's page until Ctrl-C."""
    from bn_study.report.web import serve
    from bn_study.report.web.live import Live

    if options.all or options.check or options.to is not None:
        raise UsageError("--serve shows one experiment and writes nothing: leave out --all, --check and --to")
    server = serve.Server(Live(parsed(options.request)), serve.PORT if options.port is None else options.port)
    print(f"{server.url} shows it on this machine; Ctrl-C ends it", flush=True)
    if options.open and not webbrowser.open(server.url):
        print(f"no browser could be started; the page is {server.url}", file=sys.stderr)
    serve.serve(server)
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number from 0 to 65535")
    return int(text)


def _open(study: Any, reports: Sequence["_Reported"]) -> None:
    """Open the page of the experiment, or of all of them if there are several, in the user's browser."""
    page = Path(reports[0].lines[-1]) if len(reports) == 1 else study.results / "index.html"
    if not webbrowser.open(page.as_uri()):
        print(f"no browser could be started; the page is {page.as_uri()}", file=sys.stderr)


@dataclass(frozen=True)
class _Reported:
    """What to print about one experiment."""

    lines: list[str]
    verdicts: Any = None
    remarks: list[str] = field(default_factory=list)
    different: bool = False
    committed: bool = False
    failed: bool = False


def _each(report: Callable[[list[str]], _Reported], requests: list[list[str]]) -> Iterator[_Reported]:
    """The reports in order. Several are made in parallel, in one process per core: drawing takes most of the time."""
    if len(requests) < 2:
        yield from map(report, requests)
        return
    from bn_study.sweep.call import cores

    with ProcessPoolExecutor(min(cores(), len(requests)), multiprocessing.get_context("spawn")) as processes:
        yield from processes.map(partial(_told, report), requests)


def _told(report: Callable[[list[str]], _Reported], request: list[str]) -> _Reported:
    """The report of one of several experiments. What is wrong with one is told and keeps no other from being made."""
    try:
        return report(request)
    except UsageError as error:
        return _Reported([], remarks=[str(error)], failed=True)


def _written(study: Any, sanity: str | None, to: Path | None, request: list[str]) -> _Reported:
    from bn_study.report import evidence
    from bn_study.report.web import write

    experiment = parsed(request, study).experiment
    report = evidence.report(study, experiment, sanity, to)
    pages = [write.write(study, experiment, report)] if to is None else []
    return _Reported(
        [str(path) for path in [*report.files, *pages]], report.verdicts, report.remarks,
        committed=to is None and evidence.committed(study, experiment),
    )  # fmt: skip


def _compared(study: Any, sanity: str | None, request: list[str]) -> _Reported:
    from bn_study.report import evidence

    experiment = parsed(request, study).experiment
    changed = evidence.differences(study, experiment, sanity)
    return _Reported(_changes(experiment.name, changed), different=bool(changed))


def _changes(what: str, changes: list[str]) -> list[str]:
    return [f"{what}: would change: {change}" for change in changes] or [f"{what}: unchanged"]
