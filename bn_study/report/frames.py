"""The runs of a request as tidy data frames for notebooks, export and comparisons.

Nothing is trained and TensorFlow is not imported. Runs that the cache lacks come from the committed tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from bn_study.analysis import csv_files, selection, tables
from bn_study.analysis.verdict import verdicts_table
from bn_study.errors import UsageError
from bn_study.plan.experiment import Experiment
from bn_study.report import evidence
from bn_study.store.stored_run import DamagedRun, StoredRun
from bn_study.study import Study
from bn_study.sweep.request import Request

RECORDS = ("run", "step", "name", "site", "value")
VECTORS = ("run", "step", "name", "site", "unit", "value")
Format = Literal["csv", "parquet"]


@dataclass(frozen=True)
class Frames:
    """The available runs of an experiment, or of the part that overrides select.

    runs: one row per run: run (its id), grids, seed, status (complete or diverged), diverged_at, the commit that
        trained it, every setting by its dotted name, and every measure that claims and tunings need.
    verdicts: one row per claim and context, as in verdicts.csv; empty without claims.
    unfinished: a text about the planned runs that are missing; "" if none is.
    left_out: a text about the selection runs that are not in `runs`; "" if none is missing for that reason.
    """

    study: Study
    experiment: Experiment
    runs: pd.DataFrame
    verdicts: pd.DataFrame
    unfinished: str
    left_out: str = ""

    @property
    def reported(self) -> "Frames":
        """The same without the runs that only chose tuned values: what to pool over seeds.

        Raises UsageError if no other run is there.
        """
        chose = np.array(selection.is_selection(self.runs, self.experiment.tuning_grids), bool)
        if chose.all():
            raise UsageError(f"{self.experiment.name}: only selection runs are there; --selection shows them")
        runs = self.runs[~chose].reset_index(drop=True)
        return replace(self, runs=runs, left_out=selection.left_out(self.runs[chose]))

    @cached_property
    def stored(self) -> dict[str, StoredRun]:
        """The runs whose records are on this machine, by id; those that cannot be read are left out."""
        available = {}
        for run in self.runs["run"]:
            stored = self.study.store.read(run)
            if self.study.store.done(run) and stored.readable:
                available[run] = stored
        return available

    @property
    def without_records(self) -> list[str]:
        """Ids of runs for which this machine has only the committed tables; `records` has only what figures draw.

        To have all records, train these runs (`bn-study run`).
        """
        return [run for run in self.runs["run"] if run not in self.stored]

    @cached_property
    def records(self) -> pd.DataFrame:
        """All scalars, one row per number: run, step, name (`test/accuracy`), site (`layer1/pre`, or ""), value.

        Join it with `runs` on `run` to add the settings.
        """
        recorded = [self._of(run, stored)[0] for run, stored in self.stored.items()]
        drawn = self._drawn[self._drawn["unit"].isna()]
        return _together([*recorded, drawn[list(RECORDS)]], RECORDS)

    @cached_property
    def vectors(self) -> pd.DataFrame:
        """Histograms and values of each unit, one row per number: run, step, name, site, unit (its index), value."""
        recorded = [self._of(run, stored)[1] for run, stored in self.stored.items()]
        drawn = self._drawn[self._drawn["unit"].notna()]
        return _together([*recorded, drawn[list(VECTORS)]], VECTORS).astype({"unit": "int64"})

    @cached_property
    def _drawn(self) -> pd.DataFrame:
        """The rows of the committed curves.csv that belong to runs without records, with the runs' full ids."""
        path = self.study.results / self.experiment.name / "curves.csv"
        ids = {run[-tables.HASH :]: run for run in self.without_records}
        if not ids or not path.is_file():
            return pd.DataFrame(columns=list(VECTORS))
        curves = csv_files.read_csv(path)
        curves = curves[curves["run"].isin(ids)]
        return curves.assign(run=curves["run"].map(ids))

    def _of(self, run: str, stored: StoredRun) -> tuple[pd.DataFrame, pd.DataFrame]:
        try:
            records, vectors = stored.records, stored.vectors
        except DamagedRun as error:
            moved = self.study.store.set_aside(run)
            raise UsageError(f"{error}; {moved}; `bn-study run` trains it again") from None
        values = [np.asarray(one, float) for one in vectors["value"]]
        lengths = [len(one) for one in values]
        tidy = vectors.loc[vectors.index.repeat(lengths), ["step", "name", "site"]].assign(
            run=run, unit=[unit for length in lengths for unit in range(length)], value=_joined(values)
        )
        return records.assign(run=run)[list(RECORDS)], tidy[list(VECTORS)]

    def tables(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Name and content of each frame."""
        yield from (("runs", self.runs), ("records", self.records), ("vectors", self.vectors))
        if len(self.verdicts):
            yield "verdicts", self.verdicts

    def write(self, folder: Path, form: Format) -> list[Path]:
        """Write each frame to a file in the folder; returns the files. Raises UsageError if one cannot be written."""
        written = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, table in self.tables():
                written.append(folder / f"{name}.{form}")
                if form == "csv":
                    csv_files.write_csv(table, written[-1])
                else:
                    table.to_parquet(written[-1], index=False)
        except OSError as error:
            raise UsageError(f"{folder} cannot be written ({error.strerror}); give another one with --to") from error
        return written


def load(*request: str) -> Frames:
    """The available runs of a request: `load("dropout", "dataset=mnist")`.

    The words are those of `bn-study run`: an experiment and its overrides, or overrides alone. Raises UsageError if
    they cannot be planned or none of their runs is available.
    """
    parsed = Request.parse(request)
    return of(parsed.study, parsed.experiment)


def of(study: Study, experiment: Experiment, dated: bool = True) -> Frames:
    """The same for a composed experiment. dated: whether verdicts must say when their claims were first stated."""
    judged = evidence.judge(study, experiment, dated)
    return Frames(study, experiment, judged.runs, verdicts_table(judged.verdicts), judged.unfinished)


def _together(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    nonempty = [frame for frame in frames if len(frame)]
    if not nonempty:
        return pd.DataFrame(columns=list(columns)).astype({"step": "int64", "value": "float64"})
    return pd.concat(nonempty, ignore_index=True).astype({"step": "int64", "value": "float64"})


def _joined(values: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(values) if values else np.zeros(0)
