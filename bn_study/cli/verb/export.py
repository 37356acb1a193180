"""Write the runs of an experiment or a sweep in another form."""

import argparse
import sys
from pathlib import Path
from typing import Any

from bn_study.cli.request import parsed
from bn_study.errors import UsageError

REQUEST = True
TABLES = ("csv", "parquet")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument(
        "format",
        help="csv or parquet: tidy tables (runs, records, vectors, verdicts); or a mirror, as tensorboard or wandb",
    )
    parser.add_argument(
        "--to", metavar="FOLDER", type=Path,
        help="without it results/local/export/<experiment>, or results/mirror/<format> for all of them together",
    )  # fmt: skip


def command(options: argparse.Namespace) -> int:
    from bn_study.plan import parts
    from bn_study.report import frames

    mirrors = parts.names("mirror")
    if options.format not in (*TABLES, *mirrors):
        raise UsageError(parts.unknown("format", options.format, [*TABLES, *mirrors]))
    request = parsed(options.request)
    study, experiment, settings = request.study, request.experiment, request.settings
    found = frames.of(study, experiment)
    if options.format in mirrors:
        _mirror(options.format, options.to or study.results / "mirror" / options.format, study, found, settings)
    else:
        folder = options.to or study.results / "local" / "export" / experiment.name
        for path in found.write(folder, options.format):
            print(path)
        if found.without_records:
            count = f"{len(found.without_records)} of {len(found.runs)} runs"
            print(
                f"{count} have only the committed tables on this machine, so records holds what figures draw of them; "
                "`bn-study run` trains them"
            )
    if found.unfinished:
        print(found.unfinished)
    return 0


def _mirror(name: str, folder: Path, study: Any, found: Any, settings: Any) -> None:
    """Export each run that has records here, and say how to look at them. Options are those of the words, if any."""
    from bn_study.analysis.mirror import _run
    from bn_study.plan import parts
    from bn_study.plan.call_settings import chosen_mirror

    part = settings.mirror
    if part is None or part.name != name:
        part = chosen_mirror(study.home, {"mirror": name})
    for stored in found.stored.values():
        run = _run.of(stored, found.experiment.name)
        try:
            written = parts.call("mirror", part, run, folder)
        except UsageError:
            raise
        except Exception as error:  # a foreign library, a network, a disk
            raise UsageError(f"{name} did not take the run {run.id}: {error}") from error
        if not written.exists():
            raise UsageError(f"{name} wrote nothing of the run {run.id}: there is no {written}")
    print(f"{len(found.stored)} runs exported to {folder}")
    if found.without_records:
        print(
            f"{len(found.without_records)} runs left out: only the committed tables of them are on this machine; "
            "`bn-study run` trains them",
            file=sys.stderr,
        )
    if found.stored:
        print(f"see them with: {parts.find('mirror', name).LOOK.format(folder=folder)}")
