"""Train committed rows again on this machine and say whether they agree."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bn_study.cli.request import console, count, parsed
from bn_study.cli.verb import plan
from bn_study.errors import UsageError

if TYPE_CHECKING:
    from bn_study.study import Study
    from bn_study.sweep.request import Request

ORDER = 100
REQUEST = True
EPILOG = """\
Committed rows are trained as they are, so the only overrides are settings of the call, such as workers=1 or device=gpu.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("--all", action="store_true", help="every experiment with evidence")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rows", type=count, default=2, metavar="N", help="rows per arm; default 2")
    which.add_argument("--verdicts", action="store_true", help="every run that a claim rests on; compare the verdicts")
    parser.add_argument("--dry-run", action="store_true", help="train nothing and print the price")
    plan.with_calibration(parser)


def command(options: argparse.Namespace) -> int:
    from bn_study.report import replicate, replicated
    from bn_study.study import locate

    if options.calibrate and not options.dry_run:
        raise UsageError("--calibrate needs --dry-run")
    study = locate()
    requests = list(_requests(options, study))
    if not requests:
        raise UsageError("no experiment has evidence to train again")
    rows = None if options.verdicts else options.rows
    replications, code = [], 0
    for request in requests:
        sample = _drawn(request, rows)
        if options.all and (reason := replicate.lacks_data(request, sample)):
            print(f"warning: {request.experiment.name} is left out: {reason}", file=sys.stderr)
            continue
        if options.dry_run:
            for what, words in replicate.told(request, sample, options.calibrate):
                print(f"  {what:16} {words}")
            continue
        one, ended = _replicated(request, sample)
        if ended == 3:
            print("continue with the same command: trained runs are kept", file=sys.stderr)
            return 3
        if one is None:
            code = max(code, ended)
            continue
        replications.append(one)
        console().print(replicated.exceptions(one.rows, one.verdicts))
        path = replicate.write(study, [one])
        code = max(code, ended, int(one.differs))
    if replications:
        console().print(replicated.summary([(one.experiment, one.rows, one.verdicts) for one in replications]))
        print(path)
    elif not options.dry_run:
        code = code or 2  # no experiment's data are here, as was said
    return code


def _requests(options: argparse.Namespace, study: "Study") -> "Iterator[Request]":
    """A request for each experiment to replicate, as it was committed. Raises UsageError."""
    from bn_study.plan.reading import experiment_names
    from bn_study.sweep import placement

    named = bool(options.request) and "=" not in options.request[0]
    if options.all and named:
        raise UsageError(f"--all takes every experiment: leave out --all or {options.request[0]}")
    if not options.all and not named:
        raise UsageError("name an experiment with evidence (bn-study list), or give --all")
    every = [[name, *options.request] for name in experiment_names(study.home)]
    for words in every if options.all else [options.request]:
        if not options.all or (study.results / words[0] / "runs.csv").is_file():
            request = parsed(words, study)
            if changed := request.experiment.changed:
                raise UsageError(f"replicate does not change committed rows: leave out {' '.join(changed)}")
            yield placement.settled(request)


def _drawn(request: "Request", rows: int | None) -> Any:
    """The sample of an experiment's rows; prints their number."""
    from bn_study.report import replicate
    from bn_study.sweep.sample import Sample

    name = request.experiment.name
    sample = Sample(rows, replicate.table_of(request.study, name))
    drawn, committed = sample.count(request.experiment)
    print(f"{name}: {drawn} of {committed} committed rows to train again", flush=True)
    return sample


def _replicated(request: "Request", sample: Any) -> tuple[Any, int]:
    """The replication of one experiment, None if it has no run, and the exit code of its training."""
    from bn_study.report import replicate

    outcome = replicate.train(request, sample)
    for run_id, failure in outcome.failed.items():
        print(failure.told(run_id))
    for line in outcome.remarks:
        print(line, file=sys.stderr)
    if outcome.interrupted:
        return None, 3
    if outcome.failed and not outcome.status.done:
        return None, outcome.code
    return replicate.compare(request, sample), outcome.code
