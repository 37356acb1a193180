"""A figure of any sweep as the command line asks for it, by the same parts that experiment files name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study.analysis import comparison, csv_files
from bn_study.analysis.arms import grouped, varying
from bn_study.analysis.asked import final
from bn_study.analysis.figure import _style
from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.planned_records import check_needed, planned
from bn_study.analysis.settings import setting_names
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import HASH
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.experiment import Experiment
from bn_study.plan.spec import Part
from bn_study.report.frames import Frames
from bn_study.report.write import described_figure

SWEEP = "sweep"
"""The grid that all runs of the request are put into."""
DEFAULTS = {
    "curves": "test/accuracy",
    "final": "test/accuracy",
    "activations": "activation@pre",
    "gradients": "gradient/delta@linear",
}
"""Kind of figure -> the metric, and the site, that it draws if none is given."""


@dataclass(frozen=True)
class SweepFigure:
    """What is to be drawn. metric: with a site or without, or None. by: the settings that make lines; () for all that
    vary. color: the setting that colors stand for. panels: that with a panel for each value. over: that on the axis."""

    kind: str
    metric: str | None
    by: Sequence[str]
    color: str | None
    panels: str | None
    over: str | None

    @property
    def record(self) -> Needed:
        name, _, site = (self.metric or DEFAULTS[self.kind]).partition("@")
        return Needed(name, site or DEFAULTS[self.kind].partition("@")[2])

    def lines(self, runs: pd.DataFrame) -> list[str]:
        """The settings whose values make lines: those that were named, or all that vary in any panel."""
        found = list(self.by)
        if not found:
            groups = [rows for _, rows in grouped(runs, [self.panels] if self.panels else [])]
            varied = {name for rows in groups for name in varying(rows)}
            found = ["norm"] if any(rows["norm"].nunique() > 1 for rows in groups) else []
            found += [name for name in setting_names(runs) if name in varied]
        lines = dict.fromkeys([*found, *([self.color] if self.color else [])])
        return [name for name in lines if name not in (self.panels, self.over)]

    def figure(self, by: Sequence[str]) -> Part:
        """The figure with its options. by: see `lines`."""
        kind, options = self._options()
        layout = {"by": list(by), "color": self.color, "panels": self.panels}
        return parts.checked("figure", kind, options | layout)

    def check_records(self, experiment: Experiment) -> None:
        """Raises UsageError where no run of an experiment will have what is drawn."""
        needs = parts.call("figure", self.figure(())).needs()
        check_needed("--metric", needs, planned(experiment, list(experiment.grids)))

    def check(self, runs: pd.DataFrame) -> None:
        """Raises UsageError for a setting that is none."""
        known = [*setting_names(runs), "seed"]
        for name in (*self.by, self.color, self.panels, self.over):
            if name is not None and name not in known:
                raise UsageError(parts.unknown("setting", name, known))

    def _options(self) -> tuple[str, dict[str, Any]]:
        name, site = self.record.name, self.record.site
        metric = f"{name}@{site}" if site else name
        if self.kind == "curves":
            return "curves", {"grid": SWEEP, "metric": metric}
        if self.kind == "activations":
            if name != "activation":
                raise UsageError(
                    f"--metric {metric}: this figure has quantiles of values; give activation@{site or 'pre'}, or use "
                    "`figure curves`"
                )
            return "activations", {"grid": SWEEP, "site": site}
        if self.kind == "gradients":
            own = {"records": [name], "site": site, "step": None, "power": 1.0, "growth": None, "growth_of": None}
            return "over_layers", {"grids": [SWEEP]} | own
        own = {"factor": self.over, "metrics": [metric], "beside": None, "descending": False, "usable": None}
        return "over_factor", {"grids": [SWEEP]} | own


def write(path: Path, frames: Frames, sweep: SweepFigure) -> list[Path]:
    """Write the figure, and beside it its numbers (.csv) and its caption with the ids of its runs (.json).

    Raises UsageError for a setting or record that there is none of, and where the files cannot be written.
    """
    sweep.check(frames.runs)
    content = _tables(frames, sweep)
    figure = sweep.figure(sweep.lines(content.runs))
    drawing = parts.call("figure", figure)
    data = drawing.data(content)
    numbers, about = path.with_suffix(".csv"), path.with_suffix(".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _style.save_as(drawing.draw(data, content), path)
        csv_files.write_csv(data, numbers)
        about.write_text(described_figure(figure, drawing.caption(data, content), content.runs), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); give another one with --output") from error
    return [path, numbers, about]


def _tables(frames: Frames, sweep: SweepFigure) -> Tables:
    """The runs as one grid, with what they recorded."""
    runs, records = frames.runs, frames.records
    drawing = parts.call("figure", sweep.figure(()))
    if sweep.kind == "final":
        column = final(drawing.metrics[0]).label(None)
        if column not in runs:  # which every run has for some metrics, with its records or without
            last = comparison.At(sweep.record.name, sweep.record.site, "last")
            runs = runs.assign(**{column: comparison.values(runs, records, last).to_numpy()})
    else:
        there = [_recorded(records, need) for need in drawing.needs()]
        runs = runs[runs["run"].isin(pd.concat(there)["run"])]
    curves = records.assign(run=records["run"].str[-HASH:], unit=None)
    return Tables(runs.assign(grids=SWEEP).reset_index(drop=True), curves)


def _recorded(records: pd.DataFrame, need: Needed) -> pd.DataFrame:
    """The records that are needed. Raises UsageError if there are none."""
    own = records[records["name"] == need.name]
    if need.site.startswith(LAYERS):
        at = own["site"].str.fullmatch(rf"layer\d+/{need.site.removeprefix(LAYERS)}")
    else:
        at = own["site"] == need.site
    if at.any():
        return own[at]
    if records.empty:
        raise UsageError("the records of these runs are not on this machine; train them with `bn-study run`")
    if own.empty:
        unknown = parts.unknown("metric", need.name, set(records["name"]))
        raise UsageError(f"{unknown} (a probe records it: probe=[curves,activations])")
    sites = ", ".join(sorted({one.rpartition("/")[2] or "no site" for one in own["site"]}))
    site = need.site.rpartition("/")[2] or "no site"
    raise UsageError(f"{need.name} was not recorded at {site}, but at {sites}; see --metric")
