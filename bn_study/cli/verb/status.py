"""Say how far an experiment is, who trains it and what waits on a cluster."""

import argparse

from bn_study.cli.request import console, parsed

ORDER = 40
REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has no flags."""


def command(options: argparse.Namespace) -> int:
    from bn_study.sweep.call import Call
    from bn_study.sweep.jobs import jobs
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
    for job in jobs(request):
        print(f"{job.name}, {job.submitted}: {job.states or 'no longer in the queue'}; {job.folder}")
        for run_id, failure in study.store.failures(job.call).items():
            print(failure.told(run_id))
    if len(plan.done) < len(plan.runs) or plan.waiting:
        print(f"continue with: {request.command('run')}")
    return 0
