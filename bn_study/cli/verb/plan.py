"""Print the planned runs, which of them are done, missing or waiting, and the price."""

import argparse
import json

from bn_study.cli.request import parsed
from bn_study.errors import UsageError

ORDER = 20
REQUEST = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("--all", action="store_true", help="the price of every experiment, one line each")
    parser.add_argument("--json", action="store_true", help="one JSON object per run: id, settings, status")
    with_calibration(parser)


def with_calibration(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--calibrate", action="store_true",
        help="in a plan: to estimate the time left, train runs without a comparable stored run for a second or two",
    )  # fmt: skip


def command(options: argparse.Namespace) -> int:
    if getattr(options, "all", False):
        from bn_study.study import locate
        from bn_study.sweep import cost_table

        if options.json:
            raise UsageError("--all prints no runs: leave it out and name an experiment for --json")
        if options.request and "=" not in options.request[0]:
            raise UsageError(f"--all takes every experiment: leave out --all or {options.request[0]}")
        for line in cost_table.lines(locate(), options.request, options.calibrate):
            print(line, flush=True)
        return 0
    request = parsed(options.request)
    experiment = request.experiment
    from bn_study.sweep.status import plan_status

    plan = plan_status(experiment, request.study.store)
    waiting = [
        {"id": None, "settings": cell.settings, "status": "waiting", "waits": cell.waits} for cell in plan.waiting
    ]
    if getattr(options, "json", False):
        for run in plan.runs:
            print(json.dumps({"id": run.spec.id, "settings": run.spec.settings, "status": plan.status(run)}))
        for cell in waiting:
            print(json.dumps(cell))
        return 0
    print(f"{experiment.name}: {experiment.question}" if experiment.question else experiment.name)
    for name in experiment.grids:
        runs = [run for run in plan.runs if name in run.grids]
        done = sum(plan.status(run) == "done" for run in runs)
        steps = sum(run.spec.steps for run in runs)
        print(f"  {name:16} {len(runs):5} runs  {done:5} done  {len(runs) - done:5} missing  {steps:12,} steps")
    total = len(plan.runs)
    print(f"  {'in all':16} {total:5} runs  {total - len(plan.missing):5} done  {len(plan.missing):5} missing", end="")
    points = sum(grid.points for grid in experiment.grids.values())
    print(f"  {len(plan.waiting)} waiting for tuning  {points - total - len(plan.waiting)} duplicates removed")
    from bn_study.sweep import cost
    from bn_study.sweep.call import Call

    for name, words in cost.told(Call("plan", request), plan, calibrate=options.calibrate):
        print(f"  {name:16} {words}")
    return 0
