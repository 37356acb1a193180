"""The statements under test and what answers them, from a study's statements.yaml.

A statement has parts. A part names the claims that answer it directly; other claims are background. Experiments do not
name statements: what a claim means for a statement is an interpretation, which may change without the claim.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

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


class Attached(_Entry):
    """A claim that answers a part of a statement directly.

    claim: `experiment.claim`. contexts: selectors such as `model.activation=relu`; the claim's contexts that contain
    all words of one of them are meant. Without contexts, all of them are.
    scope: the value of each scope factor in words, either one text, or one for each selector of a context.
    """

    claim: str
    contexts: list[str] = Field(default_factory=list)
    scope: dict[str, str | dict[str, str]] = Field(default_factory=dict)

    def means(self, context: str) -> bool:
        """Whether a context of the claim (`grid=cnn norm.group_size=2`) is meant."""
        return not self.contexts or any(_within(selector, context) for selector in self.contexts)

    def scope_of(self, context: str) -> dict[str, str]:
        """The value of each scope factor in a context. Raises UsageError if a factor has none there."""
        values = {}
        for factor, words in self.scope.items():
            matching = [words] if isinstance(words, str) else [v for key, v in words.items() if _within(key, context)]
            if not matching:
                raise UsageError(f"{FILE}: {self.claim}: scope {factor}: no value for the context {context!r}")
            values[factor] = matching[0]
        return values


def _within(selector: str, context: str) -> bool:
    return set(selector.split()) <= set(context.split())


class Part(_Entry):
    """One thing that a statement says.

    kind: an `effect`, the `mechanism` that is said to cause it, or an `exact` identity. hedge: `can` if the source says
    that it can, may or often does happen, so that one setting in which it does is enough.
    """

    kind: Literal["effect", "mechanism", "exact"]
    says: str
    hedge: Literal["", "can"] = ""
    claims: list[Attached] = Field(default_factory=list)

    @property
    def factors(self) -> tuple[str, ...]:
        """The scope factors along which the answer may differ, in order."""
        return tuple(dict.fromkeys(factor for attached in self.claims for factor in attached.scope))


class Statement(_Entry):
    """What a source says, and the answer.

    claim: the statement in one sentence. topic: the question that it belongs to. cards: the tests that would answer it.
    background: claims (`experiment.claim`) that are shown and never decide. untestable: why nobody can test it.
    literature: what others found. answer: our answer in plain words. numbers: the source of each number in it (see
    report/quoted.py). answered: the digest of the outcomes that it was written for (see report/answers.py).
    """

    claim: str
    topic: str
    cards: list[str] = Field(min_length=1)
    parts: dict[str, Part] = Field(default_factory=dict)
    background: list[str] = Field(default_factory=list)
    untestable: str = ""
    literature: str = ""
    answer: str = ""
    numbers: dict[str, str] = Field(default_factory=dict)
    answered: str = ""

    def attachments(self) -> Iterator[Attached]:
        for part in self.parts.values():
            yield from part.claims


class Table(_Entry):
    """A committed table of ratios.

    of: what it measures. column: that of the ratios. kind, kinds: the column that tells rows apart, and its values.
    """

    of: str
    file: str
    column: str
    kind: str
    kinds: list[str]


class Topic(_Entry):
    """A question that people ask, and the answer.

    rests_on: the statements that the answer uses; it may use the numbers of theirs. evidence: experiments to read.
    tables: the numbers of an answer that rests on no claim.
    """

    question: str
    rests_on: list[str] = Field(default_factory=list)
    evidence: list[str] = Field(default_factory=list)
    tables: list[Table] = Field(default_factory=list)
    answer: str = ""
    answered: str = ""


class Statements(_Entry):
    """The content of the file. The id of a statement begins with that of its source (`S000-a`).

    cards: titles of tests. topics: questions. glossary: terms with their meanings. scopes: values of scope factors that
    several parts share, for YAML's anchors.
    """

    sources: dict[str, Source]
    cards: dict[str, str]
    topics: dict[str, Topic]
    glossary: dict[str, str] = Field(default_factory=dict)
    scopes: dict[str, dict[str, str]] = Field(default_factory=dict)
    statements: dict[str, Statement]

    def source(self, statement: str) -> str:
        return statement.partition("-")[0]

    def attached(self, experiment: str) -> dict[str, list[str]]:
        """What each claim of an experiment is attached to: statements, and their scope factors as `S000-a:network`."""
        found: dict[str, dict[str, None]] = {}
        for name, statement in self.statements.items():
            for attached in statement.attachments():
                keys = [name, *(f"{name}:{factor}" for factor in attached.scope)]
                found.setdefault(attached.claim, {}).update(dict.fromkeys(keys))
            for claim in statement.background:
                found.setdefault(claim, {}).setdefault(name)
        own = {claim.partition(".")[2]: keys for claim, keys in found.items() if claim.partition(".")[0] == experiment}
        return {claim: list(keys) for claim, keys in own.items()}


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
        quotes = "; put it in quotes" if first["type"] == "string_type" else ""
        raise UsageError(f"{FILE}: {where}: {first['msg']}{quotes}") from None
    for name, statement in content.statements.items():
        _known(name, "source", content.source(name), content.sources)
        _known(name, "topic", statement.topic, content.topics)
        for card in statement.cards:
            _known(name, "card", card, content.cards)
        for key, part in statement.parts.items():
            for attached in part.claims:
                if tuple(attached.scope) != part.factors:
                    wanted = ", ".join(part.factors)
                    raise UsageError(f"{FILE}: {name}.{key}: {attached.claim}: give the scope factors {wanted}")
        _check_claims(name, statement)
    for name, topic in content.topics.items():
        for used in topic.rests_on:
            _known(f"topics.{name}", "statement", used, content.statements)
    return content


def _known(where: str, kind: str, name: str, names: Mapping[str, object]) -> None:
    if name not in names:
        raise UsageError(f"{FILE}: {where}: {parts.unknown(kind, name, names)}")


def _check_claims(name: str, statement: Statement) -> None:
    """Check that claims name their experiments, stand once in a part, and are not both direct and in the background."""
    for key, part in statement.parts.items():
        claims = [attached.claim for attached in part.claims]
        twice = next((claim for claim in claims if claims.count(claim) > 1), None)
        if twice is not None:
            raise UsageError(f"{FILE}: {name}.{key}: {twice} is named twice; give it all contexts at once")
    direct = {attached.claim for attached in statement.attachments()}
    for claim in [*direct, *statement.background]:
        if "." not in claim:
            raise UsageError(f"{FILE}: {name}: {claim}: name a claim by its experiment, `experiment.claim`")
    for claim in statement.background:
        if claim in direct:
            raise UsageError(f"{FILE}: {name}: {claim} decides a part, so it is no background; remove one")


def check(experiment: Experiment, known: Statements | None) -> None:
    """Raises UsageError for a claim of this experiment that statements.yaml names and the experiment lacks."""
    for claim, statements in (known.attached(experiment.name) if known else {}).items():
        if claim not in experiment.claims:
            unknown = parts.unknown("claim", claim, experiment.claims)
            raise UsageError(f"{FILE}: {statements[0]}: {experiment.name}.{claim}: {unknown}")
