"""Stop the workers that a cluster has for an experiment."""

import argparse

from bn_study.cli.request import parsed

ORDER = 50
REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has no flags."""


def command(options: argparse.Namespace) -> int:
    request = parsed(options.request)
    from bn_study.sweep.jobs import jobs

    live = [job for job in jobs(request) if job.states]
    if not live:
        name = request.experiment.name
        print(f"no job of {name} is in the queue; local workers end with Ctrl-C where they were started")
        return 0
    for job in live:
        job.cancel()
        print(f"{job.name} is told to stop; its workers write a checkpoint first")
    print(f"continue with: {request.command('run')}")
    return 0
