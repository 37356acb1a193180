"""Writes the web pages of experiments and the overview. Pages are not evidence."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bn_study import report as writer
from bn_study.analysis.verdict import verdicts_table
from bn_study.errors import UsageError
from bn_study.plan import statements
from bn_study.plan.experiment import ADHOC, Experiment
from bn_study.report import evidence
from bn_study.report.frames import Frames
from bn_study.report.web import content, pages
from bn_study.study import Study

KNOWN = ("started", "seconds", "peak_memory", "call")
"""The provenance of a stored run that a page shows, besides versions and machine."""


def write(study: Study, experiment: Experiment, report: evidence.Report) -> Path:
    """Write index.html of a reported experiment. Raises UsageError if it cannot be written."""
    judged = report.judged
    frames = Frames(study, experiment, judged.runs, verdicts_table(judged.verdicts), judged.unfinished)
    more = {run: _known(stored.provenance) for run, stored in frames.stored.items()}
    words = [*([] if experiment.name == ADHOC else [experiment.name]), *experiment.changed]
    text = pages.experiment(
        experiment,
        judged.verdicts,
        {name: writer.traces(experiment, name, judged.verdicts, judged.tuned) for name in judged.verdicts},
        [(path.stem, path, _caption(path.with_suffix(".json"))) for path in report.files if path.suffix == ".svg"],
        content.of_runs(judged.runs, frames.records, frames.vectors, more),
        f"bn-study run {shlex.join(words)}",
        "../index.html" if evidence.committed(study, experiment) else None,
    )
    return _written(report.folder / pages.NAME, text)


def write_overview(study: Study) -> Path:
    """Write index.html of all statements and experiments. Raises UsageError if it cannot be written."""
    experiments = writer.board.read(study.home, study.results)
    thumbnails: dict[str, Path] = {}
    for one in experiments:
        pictures = sorted((study.results / one.experiment).glob("*.png"), key=lambda path: path.stem == "effects")
        if pictures:
            thumbnails[one.experiment] = pictures[0]
    board = study.results / "board.svg"
    known = statements.read(study.home)
    text = pages.overview(experiments, thumbnails, board if board.is_file() else None, known, study.results)
    return _written(study.results / pages.NAME, text)


def _known(provenance: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        f"{name}.{key}": value
        for name in ("versions", "machine")
        for key, value in dict(provenance.get(name) or {}).items()
        if key != "host"  # a page may be shared
    }
    return {name: provenance.get(name) for name in KNOWN} | nested


def _caption(path: Path) -> str:
    return str(json.loads(path.read_text(encoding="utf-8"))["caption"])


def _written(path: Path, text: str) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); make it writable") from error
    return path
