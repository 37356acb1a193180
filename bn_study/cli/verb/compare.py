"""Compare arms by any setting, or print the verdicts of an experiment, or show how one was reached."""

import argparse
import sys
from typing import Any

from bn_study.cli.request import SELECTION, console, parsed
from bn_study.errors import UsageError

ORDER = 60
REQUEST = True
METRIC = "test/accuracy"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("--claim", metavar="NAME", help="show a claim's values by seed, tuned values, gates and rule")
    parser.add_argument("--evidence", action="store_true", help="with --claim: say why the committed verdict differs")
    parser.add_argument("--by", metavar="SETTINGS", help="compare arms that differ in these settings: norm,dataset")
    parser.add_argument("--metric", help=f"with --by: the metric, such as activation/std@layer3/pre; default {METRIC}")
    parser.add_argument("--at", metavar="last|best|STEP", help="with --by: which value of a run; default last")
    parser.add_argument("--against", metavar="ARM", help="with --by: the reference arm, such as norm=none")
    parser.add_argument("--selection", action="store_true", help=SELECTION)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="with --by: print the table as CSV")
    form.add_argument("--json", action="store_true", help="with --by: print one JSON object per row")


def command(options: argparse.Namespace) -> int:
    from bn_study import report
    from bn_study.plan import parts
    from bn_study.report import evidence

    if options.by is not None and options.claim is not None:
        raise UsageError("--by compares arms and --claim traces a verdict: give one of them")
    only = ("metric", "at", "against", "selection", "csv", "json")
    if options.evidence and options.claim is None:
        raise UsageError("--evidence needs --claim, whose two verdicts it compares")
    if options.by is None and any(getattr(options, name) for name in only):
        raise UsageError(f"{', '.join(f'--{name}' for name in only)} need --by, such as --by norm")
    request = parsed(options.request)
    study, experiment = request.study, request.experiment
    if options.by is not None:
        return _arms(options, study, experiment)
    if options.claim is not None and options.claim not in experiment.claims:
        raise UsageError(parts.unknown("claim", options.claim, experiment.claims))
    judged = evidence.judge(study, experiment)
    if options.evidence:
        print("\n".join(evidence.beside(study, experiment, judged, options.claim)))
    elif options.claim is None:
        console().print(report.terminal(judged.verdicts))
    else:
        traces = report.traces(experiment, options.claim, judged.verdicts, judged.tuned)
        console().print(report.shown(judged.verdicts[options.claim], traces))
    if judged.unfinished:
        print(judged.unfinished, file=sys.stderr)
    return 0


def _arms(options: argparse.Namespace, study: Any, experiment: Any) -> int:
    from bn_study import report
    from bn_study.analysis import comparison, interval
    from bn_study.analysis.planned_records import check_needed, planned
    from bn_study.plan.renamed import current, current_words
    from bn_study.report import frames

    metric = METRIC if options.metric is None else options.metric
    at = comparison.parsed(metric, options.at or "last")
    check_needed("--metric", [at.needed], planned(experiment, list(experiment.grids)))
    tables = frames.of(study, experiment, dated=False)
    if not options.selection:
        tables = tables.reported
    runs, records = tables.runs, tables.records
    final = f"final(metric={at.metric})"
    if at.when == "last" and not at.site and final in runs:  # in the table of runs even if the records are not here
        numbers = runs.set_index("run")[final].astype(float)
    else:
        numbers = comparison.values(runs, records, at)
        if tables.without_records:
            count = len(tables.without_records)
            print(f"{count} runs have only the records that figures draw on this machine", file=sys.stderr)
    against = current_words(options.against)
    table = comparison.compare(runs, numbers, at.metric, [current(name) for name in options.by.split(",")], against)
    if options.csv:
        table.to_csv(sys.stdout, index=False, lineterminator="\n")
    elif options.json:
        sys.stdout.write(table.to_json(orient="records", lines=True))
    else:
        print(f"{experiment.name}: {metric}, {options.at or 'last'}; mean over seeds and its {interval.words(metric)}")
        console().print(report.arms(table))
        if table["diverged"].any():
            print("✕ n: runs that diverged. They have no value here; verdicts impute one (docs/verdicts.md)")
    if tables.left_out:
        print(tables.left_out, file=sys.stderr if options.csv or options.json else sys.stdout)
    if tables.unfinished:
        print(tables.unfinished, file=sys.stderr)
    return 0
