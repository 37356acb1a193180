"""results/<experiment>/stated.json: when each claim was stated and each run first trained. It is only appended to.

An experiment's file and its runs do not keep their history: a claim may be edited and a run trained again. So a report
enters here, with its commit, what it sees for the first time.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bn_study.errors import UsageError
from bn_study.plan.moment import Moment
from bn_study.store.replacing import changing, write_text

FILE = "stated.json"


class _Entry(BaseModel):
    """Something that first happened at a moment (see `Moment`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    date: str
    commit: str

    @property
    def moment(self) -> Moment:
        return Moment(self.date, self.commit)


class Stated(_Entry):
    """A claim as it was tested from that moment on.

    tested: `Experiment.tested`; hash: its hash. rule: the version of the decision rule at that time. was: the claim's
    hash in the column `stated` of runs that are older than this file.
    """

    claim: str
    hash: str
    tested: dict[str, Any]
    rule: int
    was: str | None = None


class Attached(_Entry):
    """A statement that a claim was attached to, or a scope factor of the statement's answer (`S000-a:network`)."""

    claim: str
    statement: str


class Trained(_Entry):
    """Settings and seeds that were first trained at that moment, as `RunSpec.training` names them."""

    runs: list[str]


class Ledger(BaseModel):
    """The content of one file, oldest entry first."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    claims: tuple[Stated, ...] = ()
    attached: tuple[Attached, ...] = ()
    trained: tuple[Trained, ...] = ()

    @staticmethod
    def read(path: Path) -> "Ledger":
        """Read a file. Raises UsageError if it was edited or damaged."""
        try:
            return Ledger.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise UsageError(f"{path}: not readable ({reason}); restore it from git, it is never edited") from None

    def write(self, path: Path) -> None:
        """Write one entry per line, so that a diff shows exactly what was appended.

        An entry that another process has appended since this ledger was read stays.
        """
        with changing(path):
            whole = self
            if path.is_file():
                trained = ((run, entry.moment) for entry in self.trained for run in entry.runs)
                whole = Ledger.read(path).extended(self.claims, self.attached, trained)
            sections = [f'"{name}": [{_lines(getattr(whole, name))}]' for name in type(self).model_fields]
            write_text(path, "{" + ",\n".join(sections) + "}\n")

    def extended(
        self, claims: Iterable[Stated], attached: Iterable[Attached], trained: Iterable[tuple[str, Moment]]
    ) -> "Ledger":
        """The ledger with new entries: claims by their hashes, attachments, and trainings (identity, moment).

        A training that was earlier than its entry says gets another entry: the earliest counts.
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
        """The hashes of all claims that were ever stated."""
        return {claim.hash for claim in self.claims}

    def first(self) -> dict[str, Moment]:
        """When each identity was first trained."""
        moments: dict[str, Moment] = {}
        for entry in self.trained:
            for identity in entry.runs:
                moments[identity] = min(entry.moment, moments.get(identity, entry.moment))
        return moments


def _lines(entries: Iterable[BaseModel]) -> str:
    texts = [json.dumps(one.model_dump(exclude_none=True), ensure_ascii=False) for one in entries]
    return "\n" + ",\n".join(texts) + "\n" if texts else ""
