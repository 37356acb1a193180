"""Writes the files of a report from the experiment, its two tables and its verdicts.

The files contain no dates, machine names or absolute paths: the same tables give the same bytes.
"""

import json
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study.analysis import csv_files, interval, sensitivity, tables
from bn_study.analysis.arms import by_settings
from bn_study.analysis.asked import FINALS, final
from bn_study.analysis.described import note, run_set
from bn_study.analysis.figure import _style
from bn_study.analysis.settings import as_selector
from bn_study.analysis.shown import Tables, named_grids, of_grid
from bn_study.analysis.stats import RULE
from bn_study.analysis.verdict import Verdict, verdicts_table
from bn_study.plan import parts
from bn_study.plan.experiment import ADHOC, Experiment, PlannedRun, Tuned
from bn_study.plan.spec import Part
from bn_study.report import words
from bn_study.report.page import render
from bn_study.report.trace import traces
from bn_study.store.replacing import write_text
from bn_study.store.store import Store


def curves_table(
    experiment: Experiment,
    planned: Sequence[PlannedRun],
    store: Store,
    runs: pd.DataFrame,
    kept: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """curves.csv: the records that the experiment's figures draw, by run (see `tables.curves_table`)."""
    wanted: dict[str, list[tables.Curve]] = defaultdict(list)
    for part in _figures(experiment).values():
        for run, curves in parts.call("figure", part).curves(runs).items():
            wanted[run] += curves
    return tables.curves_table(planned, store, wanted, kept)


def write(
    folder: Path,
    experiment: Experiment,
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    verdicts: Mapping[str, Verdict],
    tuned: Mapping[str, Tuned],
    notes: Sequence[str] = (),
    png: bool = True,
    documented: bool = True,
) -> list[Path]:
    """Write verdicts.csv, report.md and every figure: svg, png, csv with its numbers, json with its caption and runs.

    If there are claims, also sensitivity.csv. runs, curves: runs.csv and curves.csv of the folder, as read back.
    notes: what the page says about all verdicts. png: False leaves each figure's PNG empty. documented: whether the
    study has docs/, for a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "verdicts.csv"]
    csv_files.write_csv(verdicts_table(verdicts), files[0])
    firm = sensitivity.sensitivities(experiment, verdicts)
    if verdicts:
        files.append(folder / "sensitivity.csv")
        csv_files.write_csv(sensitivity.table(firm), files[-1])
    figures, content = [], Tables(runs, curves, _in_words(csv_files.read_csv(files[0]), experiment))
    for name, part in _figures(experiment).items():
        if experiment.name == ADHOC and not _recorded(part, content):
            continue
        drawn, caption = _write_figure(folder, name, part, experiment, content, verdicts, png)
        files += drawn
        figures.append({"name": name, "caption": caption})
    page = folder / "report.md"
    write_text(page, _page(experiment, runs, verdicts, tuned, figures, firm, notes, documented))
    return [*files, page]


def _in_words(verdicts: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """verdicts.csv with each claim's measure and contrast as text for figures."""
    claims = [experiment.claims[str(name)] for name in verdicts["claim"]]
    return verdicts.assign(quantity=[*map(words.quantity, claims)], contrast=[*map(words.contrast, claims)])


def _figures(experiment: Experiment) -> dict[str, Part]:
    """Kind and checked options of each figure, by its name."""
    found = {}
    for name, entry in experiment.figures.items():
        options = {key: value for key, value in entry.items() if key != "kind"}
        found[name] = parts.checked("figure", str(entry.get("kind")), options, f"figures.{name}")
    return found


def _recorded(figure: Part, content: Tables) -> bool:
    """Whether there is anything of what a figure draws: nobody asked for those of a sweep without a file."""
    needs = parts.call("figure", figure).needs()
    return not {need.name for need in needs}.isdisjoint(content.curves["name"])


def _write_figure(
    folder: Path,
    name: str,
    figure: Part,
    experiment: Experiment,
    content: Tables,
    verdicts: Mapping[str, Verdict],
    png: bool,
) -> tuple[list[Path], str]:
    drawing = parts.call("figure", figure)
    data = drawing.data(content)
    files = _style.save(drawing.draw(data, content), folder, name, png=png)
    numbers, about = folder / f"{name}.csv", folder / f"{name}.json"
    csv_files.write_csv(data, numbers)
    wanted = drawing.curves(content.runs)
    runs = content.runs[[run in wanted for run in content.runs["run"]]]
    grids = named_grids(figure.args)
    claims = [one for one in verdicts.values() if set(grids).intersection(experiment.claims[one.claim].grids)]
    chips = [f"{one.claim}: {words.outcome(one)}" for one in claims]
    caption = " ".join(
        [
            drawing.caption(data, content),
            *([f"Verdicts on these runs: {', '.join(chips)}."] if chips else []),
            f"Run set {run_set(runs)}.",
        ]
    )
    write_text(about, described_figure(figure, caption, runs))
    return [*files, numbers, about], caption


def described_figure(figure: Part, caption: str, runs: pd.DataFrame) -> str:
    """The JSON file beside a figure: its caption, kind and options, and the ids of its runs."""
    found = {"caption": caption, "kind": figure.name, "options": dict(figure.args), "run_set": run_set(runs)}
    return json.dumps(found | {"runs": sorted(runs["run"])}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


# --- the page ---------------------------------------------------------------------------------------------------------


def _page(
    experiment: Experiment,
    runs: pd.DataFrame,
    verdicts: Mapping[str, Verdict],
    tuned: Mapping[str, Tuned],
    figures: list[dict[str, str]],
    firm: Sequence[sensitivity.Sensitivity],
    notes: Sequence[str],
    documented: bool,
) -> str:
    local = bool(experiment.changed) or experiment.name == ADHOC
    docs = ("../../../docs" if local else "../../docs") if documented else ""
    return render(
        "report.md.j2",
        experiment=experiment,
        command=_command(experiment),
        nameless=experiment.name == ADHOC,
        docs=docs,
        runs=runs,
        grids=[_grid(name, len(grid.cells), of_grid(runs, name)) for name, grid in experiment.grids.items()],
        datasets=[f"{name} ({note(name)})" if note(name) else name for name in _values(runs, "dataset")],
        seeds=sorted({int(seed) for seed in runs["seed"]}),
        commits=sorted({str(one) or "unknown" for one in runs["commit"]}),
        numerics=[one for one in _values(runs, "numerics") if one],
        devices=[one or "CPU" for one in _values(runs, "device")],
        dirty=bool(len(runs)) and bool(runs["dirty"].any()),
        arms=[] if verdicts else [(name, _arms(of_grid(runs, name))) for name in experiment.grids],
        finals=[metric for metric in FINALS if runs[final(metric).label(None)].notna().any()],
        claims=[(experiment.claims[name], verdict) for name, verdict in verdicts.items()],
        traces={name: traces(experiment, name, verdicts, tuned) for name in verdicts},
        tuned=[one for name, entry in tuned.items() for one in _choices(name, entry)],
        diverged=runs[runs["status"] == "diverged"].to_dict("records"),
        figures=figures,
        firm=firm,
        notes=notes,
        fragile=[one for one in firm if one.fragile],
        rule=RULE,
    )


def _grid(name: str, planned: int, rows: pd.DataFrame) -> dict[str, Any]:
    """The planned and the available runs of a grid."""
    return {
        "name": name,
        "planned": planned,
        "available": len(rows),
        "diverged": int((rows["status"] == "diverged").sum()),
        "seeds": rows["seed"].nunique(),
        "steps": " or ".join(f"{int(one):,}" for one in sorted(set(rows.get("steps", [])))),
    }


def _arms(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """For each arm of a grid the means of the metrics in FINALS over its finished runs."""
    entries = []
    for arm in by_settings(rows) if len(rows) else []:
        finals = {metric: arm.rows[final(metric).label(None)].dropna() for metric in FINALS}
        entries.append(
            {
                "label": arm.label or "all runs",
                "seeds": arm.rows["seed"].nunique(),
                "finals": {metric: _mean(values, metric) for metric, values in finals.items()},
                "diverged": int((arm.rows["status"] == "diverged").sum()),
            }
        )
    return entries


def _mean(values: pd.Series, metric: str) -> str:
    """`0.972 [0.965, 0.979]`: mean of a metric and its 95% interval over runs."""
    return words.spread(values.mean(), *interval.of_values(values, metric))


def _choices(name: str, entry: Tuned) -> list[dict[str, Any]]:
    return [
        {
            "entry": name,
            "arm": as_selector(zip(entry.per, arm, strict=True)),
            "chosen": as_selector(factors.items()),
            "edge": arm in entry.at_edge,
        }
        for arm, factors in entry.chosen.items()
    ]


def _command(experiment: Experiment) -> str:
    """The commands that reproduce this report from nothing."""
    name = [] if experiment.name == ADHOC else [experiment.name]
    words = " ".join(shlex.quote(one) for one in [*name, *experiment.changed])
    return f"bn-study run {words} && bn-study report {words}"


def _values(runs: pd.DataFrame, setting: str) -> list[str]:
    return sorted({str(value) for value in runs.get(setting, [])})
