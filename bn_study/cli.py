"""The command line. The only module that knows both halves, each imported inside the command that needs it."""

import argparse
import gc
import json
import shlex
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from bn_study.errors import UsageError

OVERRIDES = """\
Overrides are Hydra's: dataset=mnist norm=none,batch optimizer.learning_rate=0.1,0.3 'seed=range(8)'
A comma or range makes a sweep. profile=smoke shortens any experiment to seconds, profile=quick to minutes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0 done, 1 some run failed, 2 usage or configuration error, 3 interrupted."""
    gc.set_threshold(100_000, 20, 20)  # next to nothing of a plan is garbage; to look for it less saves a fifth
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and (any(word.startswith("-") for word in rest) or not hasattr(options, "request")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # settings that stood behind a flag
        options.request += rest
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except UsageError as error:
        if options.debug:
            traceback.print_exc()
        print(f"bn-study: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 3
    except BrokenPipeError:  # `bn-study plan | head`
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bn-study",
        description="Answer questions about batch normalization with evidence.",
        epilog="Start with `bn-study run faster_convergence profile=quick`, then `report` with the same words.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(
        name: str, command: Callable[[argparse.Namespace], int], text: str, request: bool
    ) -> argparse.ArgumentParser:
        one = verbs.add_parser(
            name, help=text, description=text, epilog=OVERRIDES if request else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        one.add_argument("--debug", action="store_true", help="show the traceback of an error")
        one.set_defaults(command=command)
        if request:
            one.add_argument(
                "request", nargs="*", metavar="[EXPERIMENT] OVERRIDE", help="an experiment and overrides of it"
            )
        return one

    verb("list", _list, "List experiments, parts and profiles.", request=False)
    plan = verb("plan", _plan, "Say which runs there would be, and which are done, missing or waiting.", request=True)
    plan.add_argument("--all", action="store_true", help="the price of every experiment, a line for each")
    plan.add_argument("--json", action="store_true", help="one JSON object a run: id, settings, status")
    _with_calibration(plan)
    run = verb("run", _run, "Train the runs that are missing.", request=True)
    run.add_argument(
        "--max-failures", type=_count, metavar="N", help="stop when N runs have failed; without it the others go on"
    )
    run.add_argument("--dry-run", action="store_true", help="train nothing and print the plan")
    run.add_argument("--detach", action="store_true", help="with launcher=slurm: submit, and do not watch")
    _with_calibration(run)
    verb("status", _status, "Say how far an experiment is, who trains it and what waits on a cluster.", request=True)
    verb("cancel", _cancel, "Stop the workers that a cluster has for an experiment.", request=True)
    compare = verb("compare", _compare, "Print the verdicts on an experiment, or how one was reached.", request=True)
    compare.add_argument("--claim", metavar="NAME", help="its values by seed, tuned values, gates and rule")
    report = verb("report", _report, "Turn stored runs into tables, figures and verdicts.", request=True)
    report.add_argument("--all", action="store_true", help="every experiment with evidence")
    report.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is there would change")
    show = verb("show", _show, "Print what a run is and what it recorded.", request=False)
    show.add_argument("run", nargs="*", help="ids or beginnings of ids; none shows the latest runs")
    verb("doctor", _doctor, "Check the installation, the data and the places that are written to.", request=False)
    return parser


def _with_calibration(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--calibrate", action="store_true",
        help="in a plan: train what no stored run is comparable with for a second or two, to tell the time left",
    )  # fmt: skip


# --- verbs ------------------------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    from bn_study import study
    from bn_study.plan.reading import experiment_names, experiment_question

    home = study.locate().home
    print("experiments")
    for name in experiment_names(home):
        try:
            print(f"  {name:24} {experiment_question(home, name)}")
        except UsageError as error:
            print(f"  {name:24} {error}")
    print("\nparts")
    for kind in ("dataset", "model", "norm", "optimizer", "probe", "measure", "launcher", "profile"):
        print(f"  {kind:24} {' '.join(sorted(path.stem for path in (home / 'conf' / kind).glob('*.yaml')))}")
    print("\nEvery option of a part, with its default and meaning: conf/<kind>/<part>.yaml")
    return 0


def _plan(options: argparse.Namespace) -> int:
    if getattr(options, "all", False):
        from bn_study import overview, study

        if options.json:
            raise UsageError("--all has a line for each experiment; give one of them to have its runs with --json")
        if options.request and _split(options.request)[0] is not None:
            raise UsageError(f"--all is of every experiment: leave out --all or {options.request[0]}")
        for line in overview.lines(study.locate(), options.request, options.calibrate):
            print(line, flush=True)
        return 0
    place, experiment, operation, request = _composed(options)
    from bn_study.agenda import agenda

    plan = agenda(experiment, place.store)
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
    from bn_study import price
    from bn_study.launch.call import Call

    call = Call("plan", place, experiment, request, operation)
    for name, words in price.told(call, plan, calibrate=options.calibrate):
        print(f"  {name:16} {words}")
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _plan(options)
    if options.calibrate:
        raise UsageError("--calibrate goes with --dry-run or plan: run trains at once")
    place, experiment, operation, request = _composed(options)
    from bn_study import sweep
    from bn_study.agenda import agenda

    place.store.prepare()
    place.store.tidy()
    damaged = sweep.set_damaged_aside(agenda(experiment, place.store).runs, place.store)
    before = agenda(experiment, place.store)
    for warning in _unreadable(place.store) + damaged + sweep.check_data(before.missing):
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{experiment.name}: {len(before.runs)} runs, {len(before.missing)} to train", flush=True)
    outcome = sweep.run(place, experiment, request, operation, options.max_failures, options.detach)
    again = " ".join(["bn-study", "run", *map(shlex.quote, request)])
    plan = outcome.agenda
    statuses = Counter(place.store.read(run_id).status() for run_id in plan.done)
    print(
        f"{len(plan.done - before.done)} trained, {len(plan.done)} of {len(plan.runs)} done"
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


def _status(options: argparse.Namespace) -> int:
    from rich.console import Console

    from bn_study.launch.call import Call
    from bn_study.progress import Progress

    place, experiment, operation, request = _composed(options)
    progress = Progress(Call("status", place, experiment, request, operation))
    plan, holders = progress.plan, progress.leases.holders()
    waiting = f", {len(plan.waiting)} waiting for tuning" if plan.waiting else ""
    print(f"{experiment.name}: {len(plan.done)} of {len(plan.runs)} runs done{waiting}")
    table = progress.table(holders)
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)
    for job, states in _jobs(experiment, place.store):
        print(f"Slurm job {job.ids[-1]}, {job.about['submitted']}: {states or 'no longer in the queue'}; {job.folder}")
        for run_id, failure in place.store.failures(job.call).items():
            print(f"{failure.kind}: {run_id}: {failure.line}\n        {failure.path}")
    if len(plan.done) < len(plan.runs) or plan.waiting:
        print(f"continue with: bn-study run {shlex.join(request)}")
    return 0


def _cancel(options: argparse.Namespace) -> int:
    place, experiment, _, request = _composed(options)
    from bn_study.launch import slurm

    live = [job for job, states in _jobs(experiment, place.store) if states]
    if not live:
        print(f"no job of {experiment.name} is in the queue; local workers end with Ctrl-C where they were started")
        return 0
    for job in live:
        slurm.cancel(job)
        print(f"Slurm job {job.ids[-1]} is told to stop; its workers write a checkpoint first")
    print(f"continue with: bn-study run {shlex.join(request)}")
    return 0


def _jobs(experiment: Any, store: Any) -> list[tuple[Any, str]]:
    """The cluster's jobs for an experiment, with what its queue says of each."""
    from bn_study.launch import slurm

    found = slurm.of(experiment, store)
    if not found:
        return []
    queue = slurm.answered()
    return [(job, slurm.states(job, queue)) for job in found]


def _unreadable(store: Any) -> list[str]:
    leases = store.leases()
    return [
        f"{path} is damaged; its run is free when nothing has been heard of its holder for some time (silence=)"
        for path in leases.unreadable()
    ]


def _compare(options: argparse.Namespace) -> int:
    from rich.console import Console

    from bn_study import evidence
    from bn_study.analysis import report
    from bn_study.plan import parts

    place, experiment, _, _ = _composed(options)
    if options.claim is not None and options.claim not in experiment.claims:
        raise UsageError(parts.unknown("claim", options.claim, experiment.claims))
    judged = evidence.judge(place, experiment)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if options.claim is None:
        console.print(report.terminal(judged.verdicts))
    else:
        verdict = judged.verdicts[options.claim]
        found = report.traces(experiment, options.claim, judged.verdicts, judged.tuned)
        console.print(report.shown(verdict, found))
    if judged.unfinished:
        print(judged.unfinished, file=sys.stderr)
    return 0


def _report(options: argparse.Namespace) -> int:
    from rich.console import Console

    from bn_study import evidence, study
    from bn_study.plan.compose import compose
    from bn_study.plan.reading import experiment_names

    place = study.locate()
    if options.all:
        if options.request:
            raise UsageError("--all takes no experiment and no overrides")
        requests = [[name] for name in experiment_names(place.home) if (place.results / name / "runs.csv").exists()]
        if not requests:
            print("no experiment has evidence yet; `bn-study run` and `report` with its name make some")
    else:
        requests = [options.request]
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    different: list[str] = []
    committed = False
    for request in requests:
        name, overrides = _split(request)
        experiment, _ = compose(place.home, name, overrides)
        _check(place, experiment)
        if options.check:
            changed = evidence.differences(place, experiment)
            different += changed
            print(f"{experiment.name}: {'unchanged' if not changed else 'would change: ' + ', '.join(changed)}")
            continue
        report = evidence.report(place, experiment)
        committed |= evidence.committed(place, experiment)
        if report.verdicts is not None:
            console.print(report.verdicts)
        for path in report.files:
            print(path)
        for line in report.remarks:
            print(line, file=sys.stderr)
    if options.check and options.all and requests:
        changed = evidence.board_differences(place)
        different += changed
        print(f"verdict board: {'unchanged' if not changed else 'would change: ' + ', '.join(changed)}")
    elif committed:
        for path in evidence.board(place):
            print(path)
    return 1 if different else 0


def _show(options: argparse.Namespace) -> int:
    from bn_study import study

    place = study.locate()
    ids = place.store.ids()
    if not options.run:
        newest = sorted(ids, key=lambda one: (place.store.root / one).stat().st_mtime)[-20:]
        print("\n".join(newest) if newest else f"no runs in {place.store.root}")
        return 0
    for wanted in options.run:
        found = [one for one in ids if one.startswith(wanted) or one.endswith(wanted)]
        if not found:
            raise UsageError(f"no stored run {wanted!r} in {place.store.root}; `bn-study show` lists the latest")
        for run_id in found:
            _show_run(place.store.read(run_id))
    return 0


def _show_run(run: Any) -> None:
    from bn_study.store import DamagedRun

    try:
        records, provenance, settings = run.records, run.provenance, run.spec["settings"]
        vectors = run.vectors
    except DamagedRun as error:
        print(f"{run.id}\n  damaged: {error}")
        return
    print(run.id)
    at = f" at step {provenance['diverged_at']}" if provenance["status"] == "diverged" else ""
    trained = f"trained in {provenance['seconds']:.1f} s at commit {provenance['commit'][:10]}"
    chosen = " ".join(f"{key}={_compact(value)}" for key, value in settings.items() if value is not None)
    print(f"  status     {provenance['status']}{at}, {trained}")
    print(f"  settings   {chosen}")
    steps = sorted(records["step"].unique())
    print(f"  measured   {len(records)} values and {len(vectors)} vectors at {len(steps)} steps: {_ends(steps)}")
    for (name, site), values in records.groupby(["name", "site"], sort=False)["value"]:
        print(f"  {name:34} {site:16} first {values.iloc[0]:10.4g}   last {values.iloc[-1]:10.4g}")
    for (name, site), values in vectors.groupby(["name", "site"], sort=False)["value"]:
        print(f"  {name:34} {site:16} {len(values)} vectors of {len(values.iloc[0])}")


def _doctor(options: argparse.Namespace) -> int:
    from bn_study import doctor

    return doctor.examine()


# --- helpers ----------------------------------------------------------------------------------------------------------


def _composed(options: argparse.Namespace) -> tuple[Any, Any, dict[str, Any], list[str]]:
    from bn_study import study
    from bn_study.plan.compose import compose

    place = study.locate()
    name, overrides = _split(options.request)
    experiment, operation = compose(place.home, name, overrides)
    if name is not None:  # a sweep of the command line states nothing that could be wrong
        _check(place, experiment)
    return place, experiment, operation, options.request


def _check(place: Any, experiment: Any) -> None:
    """What can be known to be wrong with an experiment before anything is trained. Raises UsageError."""
    from bn_study.analysis.check import check
    from bn_study.plan import statements

    check(experiment)
    statements.check(experiment, statements.read(place.home))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of at least 1")
    return int(text)


def _split(request: list[str]) -> tuple[str | None, list[str]]:
    from bn_study.agenda import split_request

    if not request:
        raise UsageError("say what: an experiment (bn-study list) or settings, as norm=none,batch 'seed=range(3)'")
    return split_request(request)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).replace('"', "")


def _ends(steps: list[int]) -> str:
    shown = [str(step) for step in steps]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "...", *shown[-2:]])
