"""Draw any sweep into a file: curves, final values, activations by layer or gradients by layer."""

import argparse
import sys
from pathlib import Path

from bn_study.cli.request import SELECTION, parsed
from bn_study.errors import UsageError

ORDER = 70
REQUEST = True
FORMATS = (".svg", ".png", ".pdf")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("kind", choices=("curves", "final", "activations", "gradients"))
    parser.add_argument(
        "--metric", help="what is drawn, as test/loss; at layers with a site, as gradient/weight@linear"
    )
    parser.add_argument("--by", metavar="SETTINGS", help="what makes lines, as norm,seed; without it all that varies")
    parser.add_argument("--color", "--colour", metavar="SETTING", help="what colors stand for")
    parser.add_argument("--column", metavar="SETTING", help="what makes panels")
    parser.add_argument("--over", metavar="SETTING", help="with final: what is on the axis, as optimizer.learning_rate")
    parser.add_argument("--selection", action="store_true", help=SELECTION)
    parser.add_argument("--output", metavar="FILE", type=Path, help=f"{', '.join(FORMATS)}; without it <kind>.svg")


def command(options: argparse.Namespace) -> int:
    from bn_study.plan.renamed import current
    from bn_study.report import frames, sweep_figure

    request = parsed(options.request)
    study, experiment = request.study, request.experiment
    path = options.output or Path(f"{options.kind}.svg")
    if path.suffix not in FORMATS:
        raise UsageError(f"--output {path}: give it a name that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if (options.over is None) == (options.kind == "final"):
        raise UsageError("final needs --over, what is on its axis, and the other kinds have none")
    by = [current(name) for name in options.by.split(",")] if options.by else ()
    layout = [name and current(name) for name in (options.color, options.column, options.over)]
    figure = sweep_figure.SweepFigure(options.kind, options.metric, by, *layout)
    figure.check_records(experiment)
    found = frames.of(study, experiment, dated=False)
    if not options.selection:
        found = found.reported
    for file in sweep_figure.write(path, found, figure):
        print(file)
    if found.without_records:
        print(f"of {len(found.without_records)} runs only the records that figures draw are here", file=sys.stderr)
    if found.left_out:
        print(found.left_out, file=sys.stderr)
    if found.unfinished:
        print(found.unfinished, file=sys.stderr)
    return 0
