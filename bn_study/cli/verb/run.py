"""Train the runs that are missing."""

import argparse
import shlex
import sys
from collections import Counter
from typing import Any

from bn_study.cli.request import composed, count
from bn_study.cli.verb import plan
from bn_study.errors import UsageError

REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument(
        "--max-failures", type=count, metavar="N", help="stop when N runs have failed; without it the others go on"
    )
    parser.add_argument("--dry-run", action="store_true", help="train nothing and print the plan")
    parser.add_argument("--detach", action="store_true", help="with launcher=slurm: submit, and do not watch")
    plan.with_calibration(parser)


def command(options: argparse.Namespace) -> int:
    if options.dry_run:
        return plan.command(options)
    if options.calibrate:
        raise UsageError("--calibrate goes with --dry-run or plan: run trains at once")
    place, experiment, settings, request = composed(options)
    from bn_study.plan import numerics
    from bn_study.sweep import run as sweep
    from bn_study.sweep.status import agenda

    if settings.numerics == "portable" and not numerics.supported():
        print(f"warning: numerics=portable: {numerics.UNSUPPORTED}, and are noted as native", file=sys.stderr)
    place.store.prepare()
    if experiment.claims:
        from bn_study.report import firsts  # with pandas

        firsts.note(place, experiment)
    place.store.tidy()
    damaged = sweep.set_damaged_aside(agenda(experiment, place.store).runs, place.store)
    before = agenda(experiment, place.store)
    for warning in _unreadable(place.store) + damaged + sweep.check_data(before.missing):
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{experiment.name}: {len(before.runs)} runs, {len(before.missing)} to train", flush=True)
    outcome = sweep.run(place, experiment, request, settings, options.max_failures, options.detach)
    again = " ".join(["bn-study", "run", *map(shlex.quote, request)])
    after = outcome.agenda
    statuses = Counter(place.store.read(run_id).status() for run_id in after.done)
    print(
        f"{len(after.done - before.done)} trained, {len(after.done)} of {len(after.runs)} done"
        + (f", {statuses['diverged']} of them diverged (a result, not a failure)" if statuses["diverged"] else "")
        + (f", {statuses['damaged']} of them damaged (the next run trains them anew)" if statuses["damaged"] else "")
    )
    for run_id, failure in outcome.failed.items():
        print(f"{failure.kind}: {run_id}: {failure.line}\n        {failure.path}")
    for line in outcome.remarks:
        print(line)
    if outcome.left:
        words = shlex.join(request)
        print(f"see it with: bn-study status {words}\nstop it with: bn-study cancel {words}\nwatch it with: {again}")
    elif outcome.code:
        print(f"continue with: {again}")
    else:
        print(f"next: {again.replace(' run ', ' report ', 1)}")
    return outcome.code


def _unreadable(store: Any) -> list[str]:
    leases = store.leases()
    return [
        f"{path} is damaged; its run is free when nothing has been heard of its holder for some time (silence=)"
        for path in leases.unreadable()
    ]
