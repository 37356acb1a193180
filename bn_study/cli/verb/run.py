"""Train the runs that are missing."""

import argparse
import sys
from collections import Counter
from typing import Any

from bn_study.cli.request import count, parsed
from bn_study.cli.verb import plan
from bn_study.errors import UsageError

ORDER = 30
REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument(
        "--max-failures", type=count, metavar="N", help="stop when N runs have failed; default: train all others"
    )
    parser.add_argument("--dry-run", action="store_true", help="train nothing and print the plan")
    parser.add_argument("--detach", action="store_true", help="submit to a cluster without watching")
    plan.with_calibration(parser)


def command(options: argparse.Namespace) -> int:
    if options.dry_run:
        return plan.command(options)
    if options.calibrate:
        raise UsageError("--calibrate needs --dry-run, or the verb plan")
    request = parsed(options.request)
    study, experiment = request.study, request.experiment
    from bn_study.plan import numerics
    from bn_study.sweep import cost, placement
    from bn_study.sweep import run as sweep
    from bn_study.sweep.status import plan_status

    sweep.check_detach(request.settings.launcher.name, options.detach)
    if request.settings.numerics == "portable" and not numerics.supported():
        print(f"warning: numerics=portable: {numerics.UNSUPPORTED}, and are recorded as native", file=sys.stderr)
    study.store.prepare()
    if experiment.claims:
        from bn_study.report import firsts  # imports pandas

        firsts.note(study, experiment)
    study.store.tidy()
    damaged = sweep.set_damaged_aside(plan_status(experiment, study.store).runs, study.store)
    before = plan_status(experiment, study.store)
    if before.missing or before.waiting:
        request = placement.settled(request)
    for warning in _unreadable(study.store) + damaged + sweep.check_data(cost.to_train(experiment, before)):
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{experiment.name}: {len(before.runs)} runs, {len(before.missing)} to train", flush=True)
    outcome = sweep.run(request, options.max_failures, options.detach)
    _tell(request, before, outcome)
    return outcome.code


def _tell(request: Any, before: Any, outcome: Any) -> None:
    """What the call did, where its time went, and how to go on. before: the plan's status when it began."""
    from bn_study.store import provenance
    from bn_study.sweep import shares
    from bn_study.sweep.call import Call

    store, after, again = request.study.store, outcome.status, request.command("run")
    statuses = Counter(store.read(run_id).status() for run_id in after.done)
    print(
        f"{len(after.done - before.done)} trained, {len(after.done)} of {len(after.runs)} done"
        + (f", {statuses['diverged']} of them diverged (a result, not a failure)" if statuses["diverged"] else "")
        + (f", {statuses['damaged']} of them damaged (the next run trains them again)" if statuses["damaged"] else "")
        + (f", {statuses['unreadable']} of them cannot be read now" if statuses["unreadable"] else "")
    )
    new = map(store.read, after.done - before.done)
    trained = [run.provenance for run in new if run.readable]
    if trained and not outcome.left:
        workers = Call("", request).workers(before.left)
        print(shares.line(shares.shares(trained, workers, provenance.age())))
    for run_id, failure in outcome.failed.items():
        print(failure.told(run_id))
    for line in outcome.remarks:
        print(line)
    if outcome.left:
        print(f"see it with: {request.command('status')}\nstop it with: {request.command('cancel')}")
        print(f"watch it with: {again}")
    elif outcome.code:
        print(f"continue with: {again}")
    else:
        print(f"next: {request.command('report')}")


def _unreadable(store: Any) -> list[str]:
    leases = store.leases()
    return [
        f"{path} is damaged; its run is free when the heartbeat timeout has passed (heartbeat_timeout=)"
        for path in leases.unreadable()
    ]
