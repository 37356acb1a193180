"""Write the runs of an experiment or a sweep in another form."""

import argparse
from pathlib import Path

from bn_study.verbs._request import composed

REQUEST = True
TABLES = ("csv", "parquet")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("format", choices=TABLES, help="tidy tables: runs, records, vectors and verdicts, a file each")
    parser.add_argument("--to", metavar="FOLDER", type=Path, help="without it results/local/export/<experiment>")


def command(options: argparse.Namespace) -> int:
    from bn_study import frames

    place, experiment, _, _ = composed(options)
    found = frames.of(place, experiment)
    folder = options.to or place.results / "local" / "export" / experiment.name
    for path in found.write(folder, options.format):
        print(path)
    if found.without_records:
        print(
            f"of {len(found.without_records)} of {len(found.runs)} runs this machine has only the committed tables, so "
            "records holds what figures draw of them; `bn-study run` trains them"
        )
    if found.unfinished:
        print(found.unfinished)
    return 0
