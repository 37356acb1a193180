"""The statements that are tested: statements.yaml of a study. Claims name them, the verdict board lists them all."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.experiment import Experiment
from bn_study.plan.reading import load

FILE = "statements.yaml"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Entry):
    """Who says it, and where."""

    author: str
    work: str


class Statement(_Entry):
    """claim: what is said, in one sentence. cards: the tests that would answer it."""

    claim: str
    cards: list[str] = Field(min_length=1)


class Statements(_Entry):
    """The file: statements by id, whose beginning (`S000` of `S000-a`) is their source's; the cards' titles."""

    sources: dict[str, Source]
    cards: dict[str, str]
    statements: dict[str, Statement]

    def source(self, statement: str) -> str:
        return statement.partition("-")[0]


def read(home: Path) -> Statements | None:
    """statements.yaml of a study, or None where it has none. Raises UsageError where it is wrong."""
    path = home / FILE
    if not path.is_file():
        return None
    try:
        found = Statements.model_validate(load(path, FILE))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(one) for one in first["loc"])
        raise UsageError(f"{FILE}: {where}: {first['msg']}") from None
    for name, statement in found.statements.items():
        if found.source(name) not in found.sources:
            raise UsageError(f"{FILE}: {name}: {parts.unknown('source', found.source(name), found.sources)}")
        for card in statement.cards:
            if card not in found.cards:
                raise UsageError(f"{FILE}: {name}: {parts.unknown('card', card, found.cards)}")
    return found


def check(experiment: Experiment, known: Statements | None) -> None:
    """Raises UsageError for a claim about a statement that is not in the file; without a file any name will do."""
    for name, claim in experiment.claims.items():
        for statement in claim.statements:
            if known is not None and statement not in known.statements:
                where = f"experiments/{experiment.name}.yaml: claims.{name}"
                raise UsageError(f"{where}: {parts.unknown('statement', statement, known.statements)}; see {FILE}")
