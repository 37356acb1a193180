"""The verdict board as pages: results/README.md, and a summary in the study's README.

Both follow from the statements, the answers to them and the committed evidence alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bn_study.analysis.described import note
from bn_study.analysis.stats import RULE
from bn_study.plan.statements import Statements
from bn_study.report import fresh_seeds, seen, statement_figure, words
from bn_study.report.answers import Answered, Question, questions
from bn_study.report.board import Evidence, tally
from bn_study.report.multiplicity import multiplicity, paragraph
from bn_study.report.page import render

BEGIN, END = "<!-- verdicts in short, by `bn-study report` -->\n", "<!-- end of verdicts -->\n"
"""The study's README shows `short` between these lines."""
KINDS = {
    "holds": ("holds", "hold"),
    "holds in part": ("holds in part", "hold in part"),
    "depends": ("depends on the setting", "depend on the setting"),
    "cause": ("has an effect, but not for the stated reason", "have an effect, but not for the stated reason"),
    "does not hold": ("does not hold", "do not hold"),
    "open": ("is open", "are open"),
    "not tested": ("is not tested yet", "are not tested yet"),
    "not testable": ("cannot be tested", "cannot be tested"),
}
"""What one statement and several statements with a headline of a kind do."""


def page(
    statements: Statements,
    answered: Sequence[Answered],
    evidence: Sequence[Evidence],
    replicated: Sequence[seen.Seen],
    results: Path,
) -> str:
    """The text of results/README.md. replicated: the processors on which rows were trained again.

    results: the folder whose comparison of seeds is shown.
    """
    datasets = sorted({data for one in evidence for claim in one.tested for data in claim.datasets})
    return render(
        "board.md.j2",
        statements=statements,
        questions=questions(statements, answered),
        total=len(answered),
        counts=[(KINDS[kind][len(names) > 1], names) for kind, names in counts(answered).items()],
        evidence=evidence,
        claims=sum(len(one.tested) for one in evidence),
        notes=[f"{name} is {note(name)}" for name in datasets if note(name)],
        pictures={one.name for one in answered if statement_figure.panels(one)},
        answer=answer,
        computed=computed,
        reports=reports,
        name=name,
        rule=RULE,
        replicated=replicated,
        seen=seen,
        reseeded=fresh_seeds.sentence(results),
        reseeded_changed=fresh_seeds.changed(results),
        post_hoc=[(one, [claim for claim in one.tested if claim.post_hoc]) for one in evidence],
        later=list(_attached_later(answered)),
        multiplicity=paragraph(multiplicity(evidence)),
    )


def counts(answered: Sequence[Answered]) -> dict[str, list[str]]:
    """The statements by the kind of their headline; kinds without any are left out."""
    grouped = {kind: [one.name for one in answered if one.headline.kind == kind] for kind in KINDS}
    return {kind: names for kind, names in grouped.items() if names}


def answer(one: Answered) -> str:
    """Our answer; "" if it says no more than the headline."""
    text, word = one.statement.answer or one.statement.untestable, one.headline.word
    return "" if text.rstrip(".").lower() in (word, f"{word} yet") else text


def computed(one: Answered) -> str:
    """What was found where, in sentences; "" if that is no more than the headline."""
    if one.headline.kind in ("not tested", "not testable") or one.headline.text == one.headline.word:
        return ""
    text = words.daggered(one.headline.text)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def reports(one: Answered) -> list[tuple[str, str]]:
    """The experiments that bear on a statement, deciding ones first, each with a count of its background's outcomes."""
    grouped: dict[str, list[str]] = {tested.experiment: [] for tested in one.tested}
    for tested in one.background:
        grouped.setdefault(tested.experiment, []).append(tested.verdict.outcome)
    return [(experiment, tally(outcomes)) for experiment, outcomes in grouped.items()]


def name(code: str) -> str:
    """The name of an experiment or a claim in words."""
    return code.replace("_", " ")


def _attached_later(answered: Sequence[Answered]) -> Iterator[str]:
    """The statements to which a claim that decides was attached after its runs had been trained."""
    for one in answered:
        if any(one.name in tested.later for tested in one.tested):
            yield one.name


def short(statements: Statements, answered: Sequence[Answered], replicated: Sequence[seen.Seen], results: Path) -> str:
    """The README's summary: the questions with their answers, how many statements hold, other seeds, replications."""
    text = [f"- {_in_short(one)}" for one in questions(statements, answered)]
    found = [f"{len(names)} {KINDS[kind][len(names) > 1]}" for kind, names in counts(answered).items()]
    text += ["", f"Of {len(answered)} statements {', '.join(found)}: [all answers](results/README.md)."]
    late = sum(one.post_hoc for one in answered)
    if late:
        rest = "rests" if late == 1 else "rest"
        text[-1] += f" {late} of these answers {rest} only on comparisons that were stated after their runs."
    if other_seeds := fresh_seeds.sentence(results):
        text[-1] += f" {other_seeds} [Which, and why](results/README.md#the-same-questions-other-seeds)."
    if seen.kinds(replicated):
        text[-1] += f" {seen.in_short(replicated)}: [how they agree](results/README.md#replicated-on-other-machines)."
    return "\n".join(text) + "\n"


def _in_short(one: Question) -> str:
    tables = one.topic.tables
    place = f"results/README.md#{one.name}" if one.statements or not tables else tables[0].file
    answer = one.topic.answer or "No answer yet."
    return f"**[{one.topic.question}]({place})** {answer}"


def inserted(readme: str, text: str) -> str:
    """A README with the text between BEGIN and END replaced; unchanged if it lacks these lines."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{text}\n{end}{after}" if begin and end else readme
