"""Stop the workers that a cluster has for an experiment."""

import argparse

from bn_study.cli.request import parsed
from bn_study.cli.verb.status import jobs

REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has no flags."""


def command(options: argparse.Namespace) -> int:
    request = parsed(options.request)
    from bn_study.sweep.launcher import slurm

    live = [job for job, states in jobs(request) if states]
    if not live:
        name = request.experiment.name
        print(f"no job of {name} is in the queue; local workers end with Ctrl-C where they were started")
        return 0
    for job in live:
        slurm.cancel(job)
        print(f"Slurm job {job.ids[-1]} is told to stop; its workers write a checkpoint first")
    print(f"continue with: {request.command('run')}")
    return 0
