"""results/<experiment>/stated.json: what was stated when, and what was trained first. It is only ever appended to.

Neither the text of an experiment nor its runs tell later what they were: a claim may be mended and a run trained again.
So what a report sees for the first time is noted here, with its commit, and stays.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bn_study.errors import UsageError
from bn_study.plan.moment import Moment

FILE = "stated.json"


class _Entry(BaseModel):
    """Something that happened first at a moment (see `Moment`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    date: str
    commit: str

    @property
    def moment(self) -> Moment:
        return Moment(self.date, self.commit)


class Stated(_Entry):
    """A claim as it was tested from then on.

    tested: `Experiment.tested`, of which `hash` is the hash. rule: the version of the decision rule at that time. was:
    the hash that runs of before this file carry in their column `stated`.
    """

    claim: str
    hash: str
    tested: dict[str, Any]
    rule: int
    was: str | None = None


class Attached(_Entry):
    """A statement that a claim was attached to."""

    claim: str
    statement: str


class Trained(_Entry):
    """Settings and seeds that were trained first, as `RunSpec.training` names them."""

    runs: list[str]


class Ledger(BaseModel):
    """The content of one file, the oldest entry first."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    claims: tuple[Stated, ...] = ()
    attached: tuple[Attached, ...] = ()
    trained: tuple[Trained, ...] = ()

    @staticmethod
    def read(path: Path) -> "Ledger":
        """Raises UsageError for a file that is not as it was written."""
        try:
            return Ledger.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise UsageError(f"{path}: not readable ({reason}); restore it from git, it is never edited") from None

    def write(self, path: Path) -> None:
        """An entry a line, so that what is appended is what a comparison of versions shows."""
        sections = [f'"{name}": [{_lines(getattr(self, name))}]' for name in type(self).model_fields]
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.write_text("{" + ",\n".join(sections) + "}\n", encoding="utf-8")
        os.replace(beside, path)

    def extended(
        self, claims: Iterable[Stated], attached: Iterable[Attached], trained: Iterable[tuple[str, Moment]]
    ) -> "Ledger":
        """With whatever is not in it yet: claims by their hashes, attachments, and trainings (identity, moment).

        A training that is known to have been earlier than the entries say makes another entry: the earliest counts.
        """
        known, pairs, first = self.hashes(), {(one.claim, one.statement) for one in self.attached}, self.first()
        new: dict[tuple[str, str], list[str]] = {}
        for identity, moment in trained:
            if identity not in first or moment < first[identity]:
                new.setdefault((moment.date, moment.commit), []).append(identity)
        entries = (Trained(date=date, commit=commit, runs=sorted(set(runs))) for (date, commit), runs in new.items())
        return Ledger(
            claims=(*self.claims, *(one for one in claims if one.hash not in known)),
            attached=(*self.attached, *(one for one in attached if (one.claim, one.statement) not in pairs)),
            trained=(*self.trained, *sorted(entries, key=lambda one: (one.date, one.commit))),
        )

    def hashes(self) -> set[str]:
        """Of all claims that were ever stated."""
        return {one.hash for one in self.claims}

    def first(self) -> dict[str, Moment]:
        """When each identity was trained first."""
        found: dict[str, Moment] = {}
        for entry in self.trained:
            for identity in entry.runs:
                found[identity] = min(entry.moment, found.get(identity, entry.moment))
        return found


def _lines(entries: Iterable[BaseModel]) -> str:
    texts = [json.dumps(one.model_dump(exclude_none=True), ensure_ascii=False) for one in entries]
    return "\n" + ",\n".join(texts) + "\n" if texts else ""
