"""The statements under test, from a study's statements.yaml. Claims name them; the verdict board lists all of them."""

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
    """claim: the statement in one sentence. cards: the tests that would answer it."""

    claim: str
    cards: list[str] = Field(min_length=1)


class Statements(_Entry):
    """The content of the file. An id of a statement begins with that of its source (`S000-a`); cards have titles."""

    sources: dict[str, Source]
    cards: dict[str, str]
    statements: dict[str, Statement]

    def source(self, statement: str) -> str:
        return statement.partition("-")[0]


def read(home: Path) -> Statements | None:
    """statements.yaml of a study; None if it has none. Raises UsageError if it is wrong."""
    path = home / FILE
    if not path.is_file():
        return None
    try:
        content = Statements.model_validate(load(path, FILE))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{FILE}: {where}: {first['msg']}") from None
    for name, statement in content.statements.items():
        if content.source(name) not in content.sources:
            raise UsageError(f"{FILE}: {name}: {parts.unknown('source', content.source(name), content.sources)}")
        for card in statement.cards:
            if card not in content.cards:
                raise UsageError(f"{FILE}: {name}: {parts.unknown('card', card, content.cards)}")
    return content


def check(experiment: Experiment, known: Statements | None) -> None:
    """Raises UsageError for a claim about a statement that is not in the file. Without a file any name is accepted."""
    for name, claim in experiment.claims.items():
        for statement in claim.statements:
            if known is not None and statement not in known.statements:
                where = f"experiments/{experiment.name}.yaml: claims.{name}"
                raise UsageError(f"{where}: {parts.unknown('statement', statement, known.statements)}; see {FILE}")
