"""Stop the workers that a cluster has for an experiment."""

import argparse
import shlex

from bn_study.cli.request import composed
from bn_study.cli.verb.status import jobs

REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has no flags."""


def command(options: argparse.Namespace) -> int:
    place, experiment, _, request = composed(options)
    from bn_study.sweep.launcher import slurm

    live = [job for job, states in jobs(experiment, place.store) if states]
    if not live:
        print(f"no job of {experiment.name} is in the queue; local workers end with Ctrl-C where they were started")
        return 0
    for job in live:
        slurm.cancel(job)
        print(f"Slurm job {job.ids[-1]} is told to stop; its workers write a checkpoint first")
    print(f"continue with: bn-study run {shlex.join(request)}")
    return 0
