"""Writes an experiment's folder in results/: tables, verdicts, figures, report.

Runs come from the store, or from the committed tables if the store lacks them, so evidence can be redrawn without the
cache. Verdicts are judged from a copy of the table of runs, so that evidence is replaced only when all of it has been
judged. Then both tables are written and read back: everything else is drawn from the files that a reader has.
"""

import filecmp
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study import report as writer
from bn_study.analysis import claims, csv_files, tables, tune
from bn_study.analysis.asked import asked
from bn_study.analysis.verdict import Verdict
from bn_study.errors import UsageError
from bn_study.plan import places, statements
from bn_study.plan.experiment import ADHOC, Experiment, PlannedRun, Tuned
from bn_study.report import answers, firsts, fresh_seeds, same, sanity_checks
from bn_study.report.beside import Judgment, sentences
from bn_study.report.ledger import FILE, Ledger
from bn_study.store.replacing import write_text
from bn_study.study import Study
from bn_study.sweep.status import planned


@dataclass
class Report:
    """The written files. verdicts: a table for the terminal, None for an experiment without claims."""

    folder: Path
    judged: "Judged"
    verdicts: Any = None
    files: list[Path] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Judged:
    """An experiment's runs and the verdicts that follow from them.

    unfinished: a text about missing runs, or "". ledger: the folder's ledger with the entries of these runs.
    notes: what a reader of the verdicts must know of all of them.
    """

    plan: list[PlannedRun]
    runs: pd.DataFrame
    tuned: dict[str, Tuned]
    verdicts: dict[str, Verdict]
    unfinished: str
    ledger: Ledger
    notes: tuple[str, ...] = ()


def folder_of(study: Study, experiment: Experiment) -> Path:
    """results/<experiment>/ for a committed experiment; a folder in results/local/ if there are overrides."""
    if experiment.changed or experiment.name == ADHOC:
        return study.results / "local" / f"{experiment.name}-{experiment.digest}"
    return study.results / experiment.name


def report(study: Study, experiment: Experiment, sanity: str | None = None, to: Path | None = None) -> Report:
    """Write an experiment's folder. Raises UsageError if it has no run, or the folder cannot be written.

    sanity: the result of `sanity_checks.sanity`, for callers that report many experiments; None: compute it.
    to: where to write instead; the experiment's own folder is only read.
    """
    folder = folder_of(study, experiment)
    target = to or folder
    try:
        return _write(study, experiment, folder, target, sanity)
    except OSError as error:
        hint = "make it writable or set BN_STUDY_RESULTS to another folder"
        raise UsageError(f"{error.filename or target} cannot be used ({error.strerror}); {hint}") from error


def drawn(study: Study, experiment: Experiment, folder: Path) -> Report:
    """The same, written to another folder. Raises UsageError if it has no run."""
    return _write(study, experiment, folder_of(study, experiment), folder, None)


def differences(study: Study, experiment: Experiment, sanity: str | None = None) -> list[str]:
    """What `report` would change, one line per file; it is rendered in a temporary folder. sanity: see `report`."""
    folder = folder_of(study, experiment)
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary) / folder.name
        _write(study, experiment, folder, fresh, sanity, png=False)
        names = {path.name for one in (folder, fresh) if one.is_dir() for path in one.iterdir() if path.is_file()}
        names.discard("index.html")  # the page is not evidence
        return [line for name in sorted(names) for line in _changes(folder / name, fresh / name, name)]


def committed(study: Study, experiment: Experiment) -> bool:
    """Whether the experiment's folder is evidence on the verdict board."""
    return folder_of(study, experiment).parent == study.results


def board(study: Study) -> list[Path]:
    """Write the verdict board of a study with statements and its summary in the README; returns the files.

    If BN_STUDY_RESULTS names another folder, the README stays as it is: it shows the study's own results.
    """
    try:
        return _write_board(study, study.results, study.home)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written ({error.strerror}); make it writable") from error


def board_differences(study: Study) -> list[str]:
    """What `board` would change, one line per file; it is written to temporary folders."""
    with tempfile.TemporaryDirectory() as results, tempfile.TemporaryDirectory() as home:
        places = {Path(results): study.results, Path(home): study.home}
        pairs = {
            place / path.relative_to(root): path
            for path in _write_board(study, Path(results), Path(home), png=False)
            for root, place in places.items()
            if path.is_relative_to(root)
        }
        for path in writer.statement_figure.pictures(study.results) if pairs else ():
            pairs.setdefault(path, Path(results) / path.relative_to(study.results))
        return [line for path, fresh in pairs.items() for line in _changes(path, fresh, str(path))]


def misfits(study: Study) -> list[str]:
    """A line for each answer in statements.yaml that the committed verdicts no longer bear out.

    None for an installed package: it has the answers, but not the evidence of all of them.
    """
    stated = statements.read(study.home)
    if stated is None or study.home.is_relative_to(places.PACKAGE):
        return []
    return answers.problems(study.home, stated, answers.answers(stated, writer.board.read(study.home, study.results)))


def _write_board(study: Study, results: Path, home: Path, png: bool = True) -> list[Path]:
    """Write the board's page and pictures to the folder `results` and the README to `home`. png: see `_write`."""
    stated = statements.read(study.home)
    if stated is None:
        return []
    experiments, replicated = writer.board.read(study.home, study.results), writer.seen.read(study.results)
    answered = answers.answers(stated, experiments)
    compared = fresh_seeds.update(study.results, results)
    page = results / "README.md"
    write_text(page, writer.board_page.page(stated, answered, experiments, replicated, results))
    questions = answers.questions(stated, answered)
    written = [*compared, page, *writer.board_figure.write(results, answered, questions, png)]
    written += writer.statement_figure.write(results, answered)
    readme = study.home / "README.md"
    if study.results == study.home / "results" and readme.is_file():
        summary = writer.board_page.short(stated, answered, replicated, results)
        text = writer.board_page.inserted(readme.read_text(encoding="utf-8"), summary)
        write_text(home / "README.md", text)
        written.append(home / "README.md")
    return written


def _changes(path: Path, fresh: Path, name: str) -> Iterator[str]:
    """A line if a file would change. A PNG with an SVG of the same name is not compared, and so need not be drawn."""
    if not path.is_file():
        yield f"{name}: is missing"
    elif not fresh.is_file():
        yield f"{name}: exists, but no report writes it"
    elif path.suffix in same.KINDS:
        texts = (one.read_bytes().decode(errors="surrogateescape") for one in (path, fresh))
        if difference := same.difference(path.suffix, *texts):
            yield f"{name}: {difference}"
    elif not fresh.with_suffix(".svg").is_file() and not filecmp.cmp(path, fresh, shallow=False):
        yield f"{name}: differs"


def judge(study: Study, experiment: Experiment, dated: bool = True) -> Judged:
    """The verdicts on an experiment. Writes nothing. Raises UsageError if no run of it is stored or committed.

    With overrides, runs may come from the committed table of the unchanged experiment. dated: see `firsts.find`.
    """
    own = folder_of(study, experiment) / "runs.csv"
    source = own if own.is_file() else study.results / experiment.name / "runs.csv"
    with tempfile.TemporaryDirectory() as temporary:
        return _judge(study, experiment, source, Path(temporary) / "runs.csv", dated=dated)


def beside(study: Study, experiment: Experiment, judged: Judged, claim: str) -> list[str]:
    """What came out for a claim of an experiment with overrides, what the committed evidence says, and why they differ.

    Raises UsageError without overrides or without evidence.
    """
    stated = experiment.unchanged
    if stated is None:
        raise UsageError(f"{experiment.name} has no overrides: this is the evidence; leave out --evidence or add some")
    places = [study, Study(study.home, study.home / "results")]  # BN_STUDY_RESULTS may be a scratch folder
    place = next((one for one in places if (folder_of(one, stated) / "runs.csv").is_file()), None)
    if place is None:
        raise UsageError(
            f"there is no evidence in {folder_of(study, stated)}; `bn-study report {stated.name}` makes it"
        )
    committed = judge(place, stated)
    both = [
        Judgment(one.claims[claim], found.verdicts[claim], found.runs, found.tuned)
        for one, found in ((experiment, judged), (stated, committed))
    ]
    return sentences(experiment, *both)


def _judge(
    study: Study, experiment: Experiment, source: Path, target: Path, sanity: str | None = None, dated: bool = True
) -> Judged:
    """Judge the runs in the store or in the table `source`. Their table is written to `target` and read back.

    The ledger beside `source` is read but not written.
    """
    kept = tables.read_runs(source) if source.is_file() else None
    plan, waiting = planned(experiment, study.store, kept)
    runs = tables.runs_table(plan, study.store, asked(experiment), kept)
    if runs.empty:
        raise UsageError(f"{experiment.name}: no run is stored yet; train with `bn-study run` and the same words")
    target.parent.mkdir(parents=True, exist_ok=True)
    csv_files.write_csv(runs, target)
    runs = tables.read_runs(target)
    tuned = tune.choose(experiment, runs)
    if experiment.sanity_check or not experiment.claims:
        sanity = ""
    elif sanity is None:
        sanity = sanity_checks.sanity(study)
    unfinished = ""
    if len(runs) < len(plan) or waiting:
        gap = f"{len(plan) - len(runs)} runs are missing and {len(waiting)} wait for tuning"
        unfinished = f"{gap}; `bn-study run` trains them"
    found = firsts.find(study, experiment, source.parent, plan, runs, dated)
    verdicts = claims.verdicts(experiment, runs, tuned, sanity, found.firsts)
    return Judged(plan, runs, tuned, verdicts, unfinished, found.ledger, tuple(_notes(study, experiment)))


def _notes(study: Study, experiment: Experiment) -> Iterator[str]:
    if experiment.claims and not experiment.sanity_check and not sanity_checks.names(study):
        yield sanity_checks.NOT_GATED
    for entry, words in experiment.shortened.items():
        yield f"{entry} is not as its file states it: {words}"


def _write(
    study: Study, experiment: Experiment, source: Path, target: Path, sanity: str | None, png: bool = True
) -> Report:
    """Write the tables of the runs in the store or in `source`, and everything drawn from them, to `target`.

    png: False leaves each picture's PNG empty, for a caller that does not look at it.
    """
    lasting = target == study.results / experiment.name
    earlier = fresh_seeds.verdicts_of(source) if lasting else None
    with tempfile.TemporaryDirectory() as scratch:  # a table is replaced only when all of it has been judged
        judged = _judge(study, experiment, source / "runs.csv", Path(scratch) / "runs.csv", sanity)
    if lasting:
        fresh_seeds.keep(study.results, experiment.name, earlier, judged.runs)
    target.mkdir(parents=True, exist_ok=True)
    csv_files.write_csv(judged.runs, target / "runs.csv")
    kept = csv_files.read_csv(source / "curves.csv") if (source / "curves.csv").is_file() else None
    curves = writer.curves_table(experiment, judged.plan, study.store, judged.runs, kept)
    csv_files.write_csv(curves, target / "curves.csv")
    curves = csv_files.read_csv(target / "curves.csv")
    documented = (study.home / "docs" / "verdicts.md").is_file()
    files = writer.write(
        target, experiment, judged.runs, curves, judged.verdicts, judged.tuned, judged.notes, png, documented
    )
    if experiment.name != ADHOC:
        judged.ledger.write(target / FILE)
        files.append(target / FILE)
    verdicts = writer.terminal(judged.verdicts) if judged.verdicts else None
    remarks = [*judged.notes, *([judged.unfinished] if judged.unfinished else [])]
    return Report(target, judged, verdicts, [target / "runs.csv", target / "curves.csv", *files], remarks)
