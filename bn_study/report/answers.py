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
from bn_study.plan.experiment import Claim
from bn_study.plan.statements import Attached, Part, Statement, Statements, Topic
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
        return tuple(
            {f"{one.experiment}.{one.name}": one for part in self.parts.values() for one in part.tested}.values()
        )

    @property
    def digest(self) -> str:
        """The hash of the headline and of every outcome that it follows from."""
        rows = [
            f"{name} {case.claim} {case.context} {case.outcome}"
            for name, part in self.parts.items()
            for case in part.answer.cases
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
        cases += list(_cases(attached, one))
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
        yield Case(attached.claim, "", "missing", nothing, nothing, nothing, 0, nothing, {})
        return
    claim = tested.claim
    unit = _unit(claim)
    for row in tested.contexts or (tested.verdict,):
        if attached.means(row.context):
            yield Case(
                attached.claim, row.context, row.outcome, row.estimate, row.low, row.high, row.n, claim.margin,
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
    lines: list[str] = []
    for one in answered:
        lines += _misfits(one.name, one.statement.answer, one.statement.answered, one.digest, _known(one))
    for question in questions(statements, answered):
        topic, known = question.topic, set().union(*map(_known, question.rests_on))
        if topic.table:
            known |= quoted.of_table(home / topic.table)
        lines += _misfits(f"topics.{question.name}", topic.answer, topic.answered, question.digest, known)
    return lines


def _known(one: Answered) -> set[float]:
    """The numbers that the answer to a statement may use."""
    parts = [part.answer.cases for part in one.parts.values()]
    return quoted.of_statement(one.statement, [*one.tested, *one.background], parts)


def _misfits(name: str, answer: str, answered: str, digest: str, known: set[float]) -> Iterator[str]:
    if not answer:
        yield f"statements.yaml: {name}: answer is missing; write it, and `answered: {digest}` below it"
        return
    if answered != digest:
        yield (
            f"statements.yaml: {name}: the answer was written for other outcomes; read it again: {answer!r}. "
            f"If it still holds, write `answered: {digest}`"
        )
    for number in quoted.unknown(answer, known):
        yield f"statements.yaml: {name}: the answer says {number}, which no verdict gives: {answer!r}"
