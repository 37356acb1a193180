"""Train committed rows again on this machine, and say whether they are the same."""

import argparse
import sys
from typing import Any

from bn_study.cli.request import check, console, count, split
from bn_study.cli.verb import plan
from bn_study.errors import UsageError

REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("--all", action="store_true", help="every experiment with evidence")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rows", type=count, default=2, metavar="N", help="rows of each arm; 2 if not given")
    which.add_argument("--verdicts", action="store_true", help="every run that a claim rests on, and its verdicts")
    parser.add_argument("--dry-run", action="store_true", help="train nothing and say what it would take")
    plan.with_calibration(parser)


def command(options: argparse.Namespace) -> int:
    from bn_study import study
    from bn_study.plan.reading import experiment_names
    from bn_study.report import replicate, replicated

    place = study.locate()
    if options.all:
        if options.request and "=" not in options.request[0]:
            raise UsageError(f"--all is of every experiment: leave out --all or {options.request[0]}")
        names = [one for one in experiment_names(place.home) if (place.results / one / "runs.csv").is_file()]
        settings = options.request
    else:
        name, settings = split(options.request)
        if name is None:
            raise UsageError("replicate what: an experiment with evidence (bn-study list), or --all")
        names = [name]
    if not names:
        raise UsageError("no experiment has evidence that could be trained again")
    rows = None if options.verdicts else options.rows
    if options.dry_run:
        for name in names:
            _priced(place, name, settings, rows, options.calibrate)
        return 0
    if options.calibrate:
        raise UsageError("--calibrate goes with --dry-run: replicate trains at once")
    found, code = [], 0
    for name in names:
        one, ended = _replicated(place, name, settings, rows)
        if ended == 3:
            print("continue with the same command: what is trained is kept", file=sys.stderr)
            return 3
        found.append(one)
        console().print(replicated.exceptions(one.rows, one.verdicts))
        path = replicate.write(place, [one])
        code = max(code, ended, int(one.differs))
    console().print(replicated.summary([(one.experiment, one.rows, one.verdicts) for one in found]))
    print(path)
    return code


def _drawn(place: Any, name: str, overrides: list[str], rows: int | None) -> tuple[Any, Any, Any]:
    """An experiment, the sample of its rows and the settings of the call; says how many rows there are."""
    from bn_study.plan.compose import compose
    from bn_study.report import replicate
    from bn_study.sweep.sample import Sample

    experiment, settings = compose(place.home, name, overrides)
    if experiment.changed:
        raise UsageError(f"replicate trains committed rows as they are: leave out {' '.join(experiment.changed)}")
    check(place, experiment)
    sample = Sample(rows, replicate.table_of(place, name))
    drawn, there = sample.count(experiment)
    print(f"{name}: {drawn} of {there} committed rows to train again", flush=True)
    return experiment, sample, settings


def _priced(place: Any, name: str, overrides: list[str], rows: int | None, calibrate: bool) -> None:
    from bn_study.report import replicate

    experiment, sample, settings = _drawn(place, name, overrides, rows)
    for what, words in replicate.told(place, experiment, sample, [name, *overrides], settings, calibrate):
        print(f"  {what:16} {words}")


def _replicated(place: Any, name: str, overrides: list[str], rows: int | None) -> tuple[Any, int]:
    """What came of one experiment, and the exit code of its training."""
    from bn_study.report import replicate

    experiment, sample, settings = _drawn(place, name, overrides, rows)
    outcome = replicate.train(place, experiment, sample, [name, *overrides], settings)
    for run_id, failure in outcome.failed.items():
        print(f"{failure.kind}: {run_id}: {failure.line}\n        {failure.path}")
    for line in outcome.remarks:
        print(line, file=sys.stderr)
    if outcome.interrupted:
        return None, 3
    return replicate.compare(place, experiment, sample, settings), outcome.code
