"""What the overview page shows of each statement: its comparisons in words, and the values that filters find it by.

A statement belongs to the networks and data of the runs that its deciding claims compare, read from runs.csv: the runs
of the claim's grids that have the settings named by its contrast and, where only some contexts are meant, by these.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bn_study.analysis import headline, settings
from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.verdict import Row
from bn_study.plan.statements import Attached, Statements
from bn_study.report import statement_figure, units, words
from bn_study.report.answers import Answered, PartAnswer, Question
from bn_study.report.board import Tested

ANSWERS = {
    "holds": "it was found wherever it could be decided",
    "holds in part": "some of what it says holds, or it holds in some settings; the rest does not, or is not known",
    "depends": "it holds in some settings and not in others, and the answer says which; seen afterwards: nobody had "
    "named that before the runs",
    "cause": "what it says happens; the reason that it gives is not the reason",
    "does not hold": "nothing of it was found: the effect is too small to matter, or the opposite is true",
    "open": "the runs do not decide it",
    "not tested": "no experiment has tested it yet",
    "not testable": "it cannot be tested; the reason is given",
}
"""The kinds of answers in the order of the filter, and what each means."""
LABELS = {"depends": "depends on …", "cause": "effect holds, the stated cause does not"}
"""Kinds whose name is not what readers see."""
ROLES = {"effect": "An effect", "mechanism": "The stated cause", "exact": "An exact identity"}
"""The kinds of parts."""
NETWORKS = {"mlp": "perceptron", "cnn": "convolutional net"}
ACTIVATIONS = {"relu": "ReLU"}
DATA = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar10_jpeg": "CIFAR-10 (JPEG)", "toy_regression": "toy regression"}
"""Names for readers; those that are not here are shown as the settings have them."""
SELECTED = ("grid", "dataset", "model", "model.activation")


@dataclass(frozen=True)
class Comparison:
    """A context of a claim, as a row of a table. where: the setting in words. marks: caveats in brackets, or ""."""

    tested: Tested
    row: Row
    where: str
    effect: str
    margin: str
    marks: str


@dataclass(frozen=True)
class Part:
    """A part of a statement, what was found, and the comparisons that it rests on, blocked ones included."""

    answered: PartAnswer
    found: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Shown:
    """A statement on the page.

    values: filter -> values that find it; topics are its own and those whose answers rest on it. experiments: with
    evidence, deciding ones first. picture: the file of its effects, if there is one.
    """

    answered: Answered
    parts: tuple[Part, ...]
    background: tuple[Comparison, ...]
    values: Mapping[str, Sequence[str]]
    experiments: tuple[str, ...]
    picture: Path | None


def shown(statements: Statements, answered: Sequence[Answered], results: Path) -> list[Shown]:
    """What is shown of each statement. results: the folder of runs.csv and of the pictures (statements/S000-a.svg)."""
    experiments = {claim.experiment for one in answered for claim in one.tested}
    tables = {name: _settings(results / name / "runs.csv") for name in experiments}
    return [_shown(statements, one, results, tables) for one in answered]


def of_topic(all_shown: Sequence[Shown], question: Question) -> list[Shown]:
    """The statements that belong to a question, those that its answer rests on first."""
    own = [one for one in all_shown if one.answered.statement.topic == question.name]
    return sorted(own, key=lambda one: one.answered.name not in question.topic.rests_on)


def options(all_shown: Sequence[Shown], name: str) -> list[str]:
    """The values of a filter that find at least one statement, sorted."""
    return sorted({value for one in all_shown for value in one.values[name]}, key=str.lower)


def _shown(statements: Statements, one: Answered, results: Path, tables: Mapping[str, pd.DataFrame]) -> Shown:
    nets, data = set(), set()
    for part in one.parts.values():
        tested = {f"{claim.experiment}.{claim.name}": claim for claim in part.tested}
        for attached in part.part.claims:
            if attached.claim in tested:
                claim = tested[attached.claim]
                rows = _compared(claim, attached, tables[claim.experiment])
                nets |= {_network(*pair) for pair in zip(rows["model"], rows["model.activation"], strict=True)}
                data |= {DATA.get(name, name) for name in set(rows["dataset"])}
    resting = [name for name, topic in statements.topics.items() if one.name in topic.rests_on]
    picture = results / statement_figure.FOLDER / f"{one.name}.svg"
    return Shown(
        one,
        tuple(_part(one.name, part) for part in one.parts.values()),
        tuple(row for claim in one.background for row in _of_claim(one.name, claim, None)),
        {
            "topic": list(dict.fromkeys([one.statement.topic, *resting])),
            "source": [statements.source(one.name)],
            "outcome": [one.headline.kind],
            "network": sorted(nets),
            "data": sorted(data),
        },
        tuple(dict.fromkeys(claim.experiment for claim in (*one.tested, *one.background))),
        picture if picture.is_file() else None,
    )


def _part(statement: str, one: PartAnswer) -> Part:
    tested = {f"{claim.experiment}.{claim.name}": claim for claim in one.tested}
    known = [(attached, tested[attached.claim]) for attached in one.part.claims if attached.claim in tested]
    found = headline.statement({one.part.says: (one.part.kind, one.answer)}).text
    return Part(one, found, tuple(row for attached, claim in known for row in _of_claim(statement, claim, attached)))


def _of_claim(statement: str, tested: Tested, attached: Attached | None) -> Iterator[Comparison]:
    """The comparisons of a claim: its contexts that are meant. attached: None for background."""
    rows = [row for row in tested.contexts or (tested.verdict,) if attached is None or attached.means(row.context)]
    places = [", ".join(attached.scope_of(row.context).values()) if attached else row.context for row in rows]
    unit = units.unit(tested.claim)
    margin = units.spread(unit, {"estimate": tested.claim.margin, "low": math.nan, "high": math.nan})
    for row, place in zip(rows, places, strict=True):
        where = place if places.count(place) == 1 else ", ".join(filter(None, [place, row.context]))
        effect = f"{units.spread(unit, vars(row))} {unit.label}"
        yield Comparison(tested, row, where or words.NOTHING, effect, margin, tested.marks(statement).strip())


# --- where a statement was tested ---


def _settings(path: Path) -> pd.DataFrame:
    """The grids and the selected settings of the runs in runs.csv, each combination once."""
    wanted = ("grids", *SELECTED)
    runs = pd.read_csv(path, usecols=lambda name: name in wanted, dtype=str, keep_default_na=False)
    return runs.drop_duplicates()


def _compared(tested: Tested, attached: Attached, runs: pd.DataFrame) -> pd.DataFrame:
    """The settings (SELECTED) of the runs that a claim compares in the contexts that are meant."""
    table = settings.rows_of_grids(runs, tested.claim.grids).reindex(columns=SELECTED, fill_value="").drop_duplicates()
    contexts = [row.context for row in tested.contexts or (tested.verdict,) if attached.means(row.context)]
    arms = [selector for selector in tested.claim.contrast if selector != CONSTANT]
    return pd.concat([table.iloc[:0], *(_having(table, f"{arm} {one}") for arm in arms for one in contexts)])


def _having(table: pd.DataFrame, selector: str) -> pd.DataFrame:
    wanted = {key: value for key, value in settings.parse_selector(selector).items() if key in SELECTED}
    return settings.where(table, wanted)


def _network(model: str, activation: str) -> str:
    return " ".join(filter(None, [ACTIVATIONS.get(activation, activation), NETWORKS.get(model, model)]))
