"""Print the verdicts on an experiment, or how one was reached."""

import argparse
import sys

from bn_study.errors import UsageError
from bn_study.verbs._request import composed, console

REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("--claim", metavar="NAME", help="its values by seed, tuned values, gates and rule")


def command(options: argparse.Namespace) -> int:
    from bn_study import evidence
    from bn_study.analysis import report
    from bn_study.plan import parts

    place, experiment, _, _ = composed(options)
    if options.claim is not None and options.claim not in experiment.claims:
        raise UsageError(parts.unknown("claim", options.claim, experiment.claims))
    judged = evidence.judge(place, experiment)
    if options.claim is None:
        console().print(report.terminal(judged.verdicts))
    else:
        verdict = judged.verdicts[options.claim]
        found = report.traces(experiment, options.claim, judged.verdicts, judged.tuned)
        console().print(report.shown(verdict, found))
    if judged.unfinished:
        print(judged.unfinished, file=sys.stderr)
    return 0
