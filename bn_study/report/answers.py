"""The answer to each statement: its headline, computed from committed verdicts, and a sentence that is bound to them.

A sentence is written by hand for certain outcomes, whose digest stands beside it in statements.yaml. `problems` names
the sentences that no longer fit: the outcomes have changed, or a number in the sentence is none that the verdicts give.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bn_study.analysis import headline
from bn_study.analysis.headline import Answer, Case, Headline
from bn_study.analysis.measures import parse
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.experiment import Claim
from bn_study.plan.reading import experiment_names
from bn_study.plan.statements import FILE, Attached, Part, Statement, Statements, Topic
from bn_study.report import quoted
from bn_study.report.board import Evidence, Tested

DIGEST_LENGTH = 8


@dataclass(frozen=True)
class PartAnswer:
    """A part of a statement, its answer, and the claims that it rests on."""

    part: Part
    answer: Answer
    tested: tuple[Tested, ...]


@dataclass(frozen=True)
class Answered:
    """A statement, its headline and the answers of its parts. background: claims that are shown and never decide."""

    name: str
    statement: Statement
    headline: Headline
    parts: Mapping[str, PartAnswer]
    background: tuple[Tested, ...]

    @property
    def tested(self) -> tuple[Tested, ...]:
        """The claims that decide, each once."""
        claims = [one for part in self.parts.values() for one in part.tested]
        return tuple({(one.experiment, one.name): one for one in claims}.values())

    @property
    def shown(self) -> tuple[Tested, ...]:
        """The claims that decide, and those in the background."""
        return (*self.tested, *self.background)

    @property
    def post_hoc(self) -> bool:
        """Whether all claims that decide were stated after their runs."""
        return bool(self.tested) and all(one.post_hoc for one in self.tested)

    @property
    def digest(self) -> str:
        """The hash of the headline and of every outcome that is shown with it, also of blocked and background ones."""
        rows = [
            f"{one.experiment}.{one.name} {row.context} {row.outcome}"
            for one in self.shown
            for row in (one.contexts or (one.verdict,))
        ]
        return _digest([self.headline.word, *sorted(rows)])


@dataclass(frozen=True)
class Question:
    """A question that people ask, the statements that its answer rests on, and the statements that belong to it."""

    name: str
    topic: Topic
    rests_on: tuple[Answered, ...]
    statements: tuple[Answered, ...]

    @property
    def digest(self) -> str:
        return _digest([f"{one.name} {one.digest}" for one in self.rests_on])


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGEST_LENGTH]


def answers(statements: Statements, evidence: Sequence[Evidence]) -> list[Answered]:
    """The answer to each statement, in the file's order."""
    tested = {f"{one.experiment}.{claim.name}": claim for one in evidence for claim in one.tested}
    return [_answered(name, statement, tested) for name, statement in statements.statements.items()]


def questions(statements: Statements, answered: Sequence[Answered]) -> list[Question]:
    """The questions, in the file's order."""
    named = {one.name: one for one in answered}
    return [
        Question(
            name,
            topic,
            tuple(named[statement] for statement in topic.rests_on),
            tuple(one for one in answered if one.statement.topic == name),
        )
        for name, topic in statements.topics.items()
    ]


def _answered(name: str, statement: Statement, tested: Mapping[str, Tested]) -> Answered:
    parts = {key: _part(name, part, tested) for key, part in statement.parts.items()}
    decided = {one.part.says: (one.part.kind, one.answer) for one in parts.values()}
    background = tuple(tested[claim] for claim in statement.background if claim in tested)
    return Answered(name, statement, headline.statement(decided, statement.untestable), parts, background)


def _part(statement: str, part: Part, tested: Mapping[str, Tested]) -> PartAnswer:
    cases, used, afterwards = [], [], set()
    for attached in part.claims:
        one = tested.get(attached.claim)
        found = list(_cases(attached, one))
        if not found:
            raise UsageError(f"{FILE}: {statement}: {attached.claim}: no context has {' or '.join(attached.contexts)}")
        cases += found
        if one is not None:
            used.append(one)
            later = {key.partition(":")[2] for key in one.later if key.startswith(f"{statement}:")}
            afterwards |= set(part.factors) if one.post_hoc else later
    answer = headline.part(cases, part.factors, part.hedge, frozenset(afterwards))
    return PartAnswer(part, answer, tuple(used))


def _cases(attached: Attached, tested: Tested | None) -> Iterator[Case]:
    """The contexts that an attachment means. A claim without a verdict is one missing case."""
    nothing = float("nan")
    if tested is None:
        yield Case(attached.claim, "", "missing", nothing, nothing, nothing, 0, {})
        return
    claim = tested.claim
    unit = _unit(claim)
    for row in tested.contexts or (tested.verdict,):
        if attached.means(row.context):
            yield Case(
                attached.claim, row.context, row.outcome, row.estimate, row.low, row.high, row.n,
                attached.scope_of(row.context), unit, claim.test == "exact",
            )  # fmt: skip


def _unit(claim: Claim) -> str:
    """What a claim measures, at whatever step, and compares. A constant of 0 is none."""
    measure = parse(claim.measure)
    options = {key: value for key, value in measure.args.items() if key != "step"}
    weights = {selector: weight for selector, weight in claim.contrast.items() if weight}
    return repr((measure.scale, measure.over, measure.name, sorted(options.items()), sorted(weights.items())))


def problems(home: Path, statements: Statements, answered: Sequence[Answered]) -> list[str]:
    """A line for each sentence that does not fit the verdicts. home: the folder of the tables that topics name."""
    lines = list(_unknown_experiments(home, statements))
    plain = {one.name: _plain(one) for one in answered}
    sourced = {one.name: quoted.sources(one.name, one.statement.numbers, one.shown) for one in answered}
    for one in answered:
        unknown = quoted.unknown(one.statement.answer, plain[one.name], sourced[one.name])
        lines += _misfits(one.name, one.statement.answer, one.statement.answered, one.digest, unknown)
    for question in questions(statements, answered):
        topic, digest = question.topic, question.digest
        known = [number for one in question.rests_on for number in plain[one.name]]
        for table in (quoted.of_table(home, one) for one in topic.tables):
            known, digest = [*known, *table], _digest([digest, *(f"{ratio:.3g}" for ratio in table)])
        given: dict[str, list[float]] = {}
        for one in question.rests_on:
            for number, values in sourced[one.name].items():
                given.setdefault(number, []).extend(values)
        unknown = quoted.unknown(topic.answer, known, given)
        lines += _misfits(f"topics.{question.name}", topic.answer, topic.answered, digest, unknown)
    return lines


def _unknown_experiments(home: Path, statements: Statements) -> Iterator[str]:
    experiments = experiment_names(home)
    for name, statement in statements.statements.items():
        for claim in [*(attached.claim for attached in statement.attachments()), *statement.background]:
            if claim.partition(".")[0] not in experiments:
                yield f"{FILE}: {name}: {claim}: {parts.unknown('experiment', claim.partition('.')[0], experiments)}"
    for name, topic in statements.topics.items():
        for experiment in topic.evidence:
            if experiment not in experiments:
                yield f"{FILE}: topics.{name}: {parts.unknown('experiment', experiment, experiments)}"


def _plain(one: Answered) -> set[float]:
    return quoted.plain(one.statement, one.tested, [part.answer.cases for part in one.parts.values()])


def _misfits(name: str, answer: str, answered: str, digest: str, unknown: Sequence[str]) -> Iterator[str]:
    if not answer:
        yield f"{FILE}: {name}: answer is missing; write it, and `answered: '{digest}'` below it"
        return
    if answered != digest:
        yield (
            f"{FILE}: {name}: the answer was written for other outcomes; read it again: {answer!r}. "
            f"If it still holds, write `answered: '{digest}'`"
        )
    for number in unknown:
        yield f"{FILE}: {name}: the answer says {number}, which its source or no verdict gives: {answer!r}"
