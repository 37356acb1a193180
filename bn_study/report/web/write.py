"""Writes the web pages of experiments and the overview. Pages are not evidence."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bn_study import report as writer
from bn_study.analysis.arms import arms
from bn_study.analysis.settings import rows_of_grids
from bn_study.analysis.verdict import verdicts_table
from bn_study.errors import UsageError
from bn_study.plan import statements
from bn_study.plan.experiment import ADHOC, Experiment
from bn_study.report import evidence, words
from bn_study.report.frames import Frames
from bn_study.report.web import content, distributions, pages
from bn_study.store.replacing import write_text
from bn_study.study import Study

KNOWN = ("started", "seconds", "peak_memory", "call")
"""The provenance of a stored run that a page shows, besides versions, machine and device."""


def write(study: Study, experiment: Experiment, report: evidence.Report) -> Path:
    """Write index.html of a reported experiment. Raises UsageError if it cannot be written."""
    above = "../index.html" if evidence.committed(study, experiment) else None
    return _written(report.folder / pages.NAME, page(study, experiment, report, above))


def page(
    study: Study, experiment: Experiment, report: evidence.Report, above: str | None, live: str | None = None
) -> str:
    """A reported experiment's page. above, live: see `pages.experiment`."""
    judged = report.judged
    return pages.experiment(
        experiment,
        judged.verdicts,
        {name: writer.traces(experiment, name, judged.verdicts, judged.tuned) for name in judged.verdicts},
        [(path.stem, path, _caption(path.with_suffix(".json"))) for path in report.files if path.suffix == ".svg"],
        data(study, experiment, judged),
        above,
        judged.notes,
        live,
    )


def data(study: Study, experiment: Experiment, judged: evidence.Judged) -> dict[str, Any]:
    """The data in the page, which its function `bnStudy.update` takes as well.

    See `content.of_runs`; besides, quantiles: see `distributions.quantiles`. claims: each one's name, outcome in words
    and indices of its runs. command: the command that trains the runs.
    """
    frames = Frames(study, experiment, judged.runs, verdicts_table(judged.verdicts), judged.unfinished)
    more = {run: _known(stored.provenance) for run, stored in frames.stored.items()}
    named = [*([] if experiment.name == ADHOC else [experiment.name]), *experiment.changed]
    return {
        **content.of_runs(judged.runs, frames.records, frames.vectors, more, experiment.tuning_grids),
        "quantiles": distributions.quantiles(judged.runs, frames.records, experiment.tuning_grids),
        "claims": [_claim(experiment, name, judged) for name in judged.verdicts],
        "command": f"bn-study run {shlex.join(named)}",
    }


def _claim(experiment: Experiment, name: str, judged: evidence.Judged) -> dict[str, Any]:
    claim, places = experiment.claims[name], {run: place for place, run in enumerate(judged.runs["run"])}
    found = arms(rows_of_grids(judged.runs, claim.grids), claim.contrast, claim.at, judged.tuned)
    own = sorted({places[run] for arm in found for run in arm.rows["run"]})
    return {"name": name, "outcome": words.outcome(judged.verdicts[name]), "runs": own}


def write_overview(study: Study) -> Path:
    """Write index.html of all statements and experiments. Raises UsageError if it cannot be written."""
    experiments = writer.board.read(study.home, study.results)
    thumbnails: dict[str, Path] = {}
    for one in experiments:
        pictures = [*(study.results / one.experiment).glob("*.png")]
        pictures.sort(key=lambda path: (path.stem == "effects", path.name))
        if pictures:
            thumbnails[one.experiment] = pictures[0]
    board = study.results / "board.svg"
    known = statements.read(study.home)
    text = pages.overview(experiments, thumbnails, board if board.is_file() else None, known, study.results)
    return _written(study.results / pages.NAME, text)


def _known(provenance: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        f"{name}.{key}": value
        for name in ("versions", "machine", "device")
        for key, value in dict(provenance.get(name) or {}).items()
        if key != "host"  # a page may be shared
    }
    return {name: provenance.get(name) for name in KNOWN} | nested


def _caption(path: Path) -> str:
    return str(json.loads(path.read_text(encoding="utf-8"))["caption"])


def _written(path: Path, text: str) -> Path:
    try:
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); make it writable") from error
    return path
