"""What the committed evidence says about every claim.

It reads only committed files: for each experiment with evidence, the claims in its file, and verdicts.csv and runs.csv
in its folder. The same files give the same bytes.
"""

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from bn_study.analysis import csv_files
from bn_study.analysis.stated import POST_HOC
from bn_study.analysis.stats import Outcome
from bn_study.analysis.verdict import VARIES, Row
from bn_study.plan.experiment import Claim
from bn_study.plan.reading import Sections, checked, experiment_names, read_experiment
from bn_study.report import words

OUTCOMES = (*(one for one in get_args(Outcome) if one != "missing"), VARIES, "missing")
"""The outcomes of a claim, in the order of summaries."""


@dataclass(frozen=True)
class Tested:
    """A claim, its verdict (context ""), the verdicts of its contexts if there are several, and its experiment.

    later: what it was attached to after its runs had been trained (statements, and scope factors as
    `S000-a:network`), each with the commit.
    """

    experiment: str
    name: str
    claim: Claim
    verdict: Row
    contexts: tuple[Row, ...]
    stated: str
    later: Mapping[str, str]
    datasets: tuple[str, ...]

    @property
    def post_hoc(self) -> bool:
        return self.stated == POST_HOC

    def marks(self, statement: str) -> str:
        """Caveats of the verdict for a statement: ` (post hoc)`, ` (attached later, 1234567890)`, or both, or ""."""
        later = f"attached later, {self.later[statement]}" if statement in self.later else ""
        marks = ", ".join(filter(None, [POST_HOC if self.post_hoc else "", later]))
        return f" ({marks})" if marks else ""

    @property
    def effect(self) -> str:
        """`0.1 [-0.2, 0.4] log2 steps_to test/accuracy, superiority, margin 0.5: ...`; over contexts their range."""
        unit = f" {words.quantity(self.claim)}, {self.claim.test}, margin {self.claim.margin:g}"
        effect = words.effect(self.claim, self.verdict)
        if not self.contexts:
            return f"{words.interval(self.verdict)}{unit}" + (f": {effect}" if effect else "")
        counting = [row for row in self.contexts if row.outcome != "blocked"]
        estimates = [row.estimate for row in counting if not math.isnan(row.estimate)]
        span = f"{words.number(min(estimates))} to {words.number(max(estimates))}" if estimates else words.NOTHING
        return f"{span}{unit}: {self.verdict.reason}"


@dataclass(frozen=True)
class Evidence:
    """The folder of an experiment in results/. sanity_check: whether its claims only state what is known to hold."""

    experiment: str
    question: str
    tested: tuple[Tested, ...]
    sanity_check: bool = False

    @property
    def summary(self) -> str:
        """Its claims by outcome: `5 supported, 1 small`."""
        return tally([one.verdict.outcome for one in self.tested]) or "no claims"


def tally(outcomes: Sequence[str]) -> str:
    """How many there are of each outcome: `5 supported, 1 small`."""
    return ", ".join(f"{outcomes.count(one)} {one}" for one in OUTCOMES if one in outcomes)


def read(home: Path, results: Path) -> list[Evidence]:
    """The evidence of every experiment that has a folder with verdicts, by name."""
    return [_evidence(home, results / name) for name in experiment_names(home) if _has_verdicts(results / name)]


def _has_verdicts(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("verdicts.csv", "runs.csv"))


def _evidence(home: Path, folder: Path) -> Evidence:
    name = folder.name
    sections = Sections(f"experiments/{name}.yaml", read_experiment(home, name))
    first = next(iter(sections.entries("grids", like=True)), "")
    verdicts = csv_files.read_csv(folder / "verdicts.csv")
    runs = pd.read_csv(folder / "runs.csv", usecols=["grids", "dataset"], dtype=str, keep_default_na=False)
    tested = []
    for key, entry in sections.entries("claims", like=True).items():
        claim = checked(Claim, f"{sections.where}: claims.{key}", {"grid": first} | entry)
        rows = [_row(row) for row in verdicts[verdicts["claim"] == key].to_dict("records")]
        if rows:  # a new claim has none until its experiment is reported again
            tests = set(claim.grids)
            mine = runs[[not tests.isdisjoint(grids.split()) for grids in runs["grids"]]]
            head = verdicts[verdicts["claim"] == key].iloc[0]
            stated = str(head["stated"] or "")
            later = _later(str(head.get("attached_later") or ""), str(head["statements"] or "").split())
            data = tuple(sorted(set(mine["dataset"])))
            tested.append(Tested(name, key, claim, rows[0], tuple(rows[1:]), stated, later, data))
    return Evidence(name, sections.text("question"), tuple(tested), sections.flag("sanity_check"))


def _later(text: str, statements: Sequence[str]) -> dict[str, str]:
    """Commits by statement or scope factor, from `S000-a:1234567890 S000-a:initial weights:...` in verdicts.csv."""
    begin = "|".join(map(re.escape, statements))  # not every space: factors have some, too
    pairs = (one.rpartition(":") for one in re.split(f" (?=(?:{begin}):)", text) if one)
    return {key: commit for key, _, commit in pairs}


def _row(cells: Mapping[Hashable, Any]) -> Row:
    """The Row that a row of verdicts.csv was written from."""
    texts = {key: "" if pd.isna(cells[key]) else str(cells[key]) for key in ("context", "reason")}
    numbers: dict[str, Any] = {key: float(cells[key]) for key in ("estimate", "low", "high", "p")}
    numbers["p_raw"] = float(cells.get("p_raw", math.nan))
    counts: dict[str, Any] = {key: int(cells[key]) for key in ("n", "replaced")}
    return Row(texts["context"], cells["outcome"], texts["reason"], **numbers, **counts)
