"""Say how far an experiment is, who trains it and what waits on a cluster."""

import argparse
from typing import Any

from bn_study.cli.request import console, parsed

REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has no flags."""


def command(options: argparse.Namespace) -> int:
    from bn_study.sweep.call import Call
    from bn_study.sweep.progress import Progress

    request = parsed(options.request)
    study, experiment = request.study, request.experiment
    progress = Progress(Call("status", request))
    plan, holders = progress.plan, progress.leases.holders()
    waiting = f", {len(plan.waiting)} waiting for tuning" if plan.waiting else ""
    print(f"{experiment.name}: {len(plan.done)} of {len(plan.runs)} runs done{waiting}")
    table = progress.table(holders)
    if table.row_count:
        console().print(table)
    for job, states in jobs(request):
        print(f"Slurm job {job.ids[-1]}, {job.about['submitted']}: {states or 'no longer in the queue'}; {job.folder}")
        for run_id, failure in study.store.failures(job.call).items():
            print(f"{failure.kind}: {run_id}: {failure.line}\n        {failure.path}")
    if len(plan.done) < len(plan.runs) or plan.waiting:
        print(f"continue with: {request.command('run')}")
    return 0


def jobs(request: Any) -> list[tuple[Any, str]]:
    """The cluster's jobs for an experiment, with what its queue says of each."""
    from bn_study.sweep.launcher import slurm

    found = slurm.of(request.experiment, request.study.store)
    if not found:
        return []
    queue = slurm.answered()
    return [(job, slurm.states(job, queue)) for job in found]
