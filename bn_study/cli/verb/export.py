"""Write the runs of an experiment or a sweep in another format."""

import argparse
import sys
from pathlib import Path
from typing import Any

from bn_study.cli.request import parsed
from bn_study.errors import UsageError

ORDER = 80
REQUEST = True
TABLES = ("csv", "parquet")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument(
        "format",
        help="csv or parquet: tidy tables (runs, records, vectors, verdicts); or a mirror: tensorboard, wandb",
    )
    parser.add_argument(
        "--to", metavar="FOLDER", type=Path,
        help="default: results/local/export/<experiment>; for a mirror results/mirror/<format>, for all experiments",
    )  # fmt: skip


def command(options: argparse.Namespace) -> int:
    from bn_study.plan import parts
    from bn_study.report import frames

    mirrors = parts.names("mirror")
    if options.format not in (*TABLES, *mirrors):
        raise UsageError(parts.unknown("format", options.format, [*TABLES, *mirrors]))
    request = parsed(options.request)
    study, experiment, settings = request.study, request.experiment, request.settings
    tables = frames.of(study, experiment)
    if options.format in mirrors:
        _mirror(options.format, options.to or study.results / "mirror" / options.format, study, tables, settings)
    else:
        folder = options.to or study.results / "local" / "export" / experiment.name
        for path in tables.write(folder, options.format):
            print(path)
        if tables.without_records:
            count = f"{len(tables.without_records)} of {len(tables.runs)} runs"
            print(
                f"{count} have only the committed tables on this machine: records has only what figures draw of them; "
                "`bn-study run` trains them"
            )
    if tables.unfinished:
        print(tables.unfinished)
    return 0


def _mirror(name: str, folder: Path, study: Any, tables: Any, settings: Any) -> None:
    """Export each run whose records are here, and print how to view them. The request's mirror options apply."""
    from bn_study.analysis.mirror import _run
    from bn_study.analysis.mirror._sweep import Sweep
    from bn_study.plan import parts
    from bn_study.plan.call_settings import chosen_mirror
    from bn_study.store.stored_run import DamagedRun

    part = settings.mirror
    if part is None or part.name != name:
        part = chosen_mirror(study.home, {"mirror": name})
    sweep = Sweep.of(tables.experiment)
    for stored in tables.stored.values():
        try:
            run = _run.of(stored, sweep)
        except DamagedRun as error:
            moved = study.store.set_aside(stored.id)
            raise UsageError(f"{error}; {moved}; `bn-study run` trains it again") from None
        try:
            written = parts.call("mirror", part, run, folder)
        except UsageError:
            raise
        except Exception as error:  # an error of the library, the network or the disk
            raise UsageError(f"{name} did not take the run {run.id}: {error}") from error
        if not written.exists():
            raise UsageError(f"{name} wrote nothing of the run {run.id}: there is no {written}")
    print(f"{len(tables.stored)} runs exported to {folder}")
    if tables.without_records:
        print(
            f"{len(tables.without_records)} runs left out: this machine has only their committed tables; "
            "`bn-study run` trains them",
            file=sys.stderr,
        )
    if tables.stored:
        print(f"see them with: {parts.find('mirror', name).LOOK.format(folder=folder)}")
