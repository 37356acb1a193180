"""Renders pages: one per experiment, and an overview of all.

Everything from experiments, settings or runs is shown as text: templates escape it, the JSON data contain no tags, and
the scripts write text nodes. A content security policy in each page blocks other scripts and all requests.
"""

import base64
import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bn_study.analysis.verdict import Verdict
from bn_study.plan.experiment import Experiment
from bn_study.plan.statements import Statements
from bn_study.report import answers, words
from bn_study.report.board import Evidence
from bn_study.report.trace import Trace
from bn_study.report.web import overview as view

HERE = Path(__file__).parent
NAME = "index.html"
PARTS = ("data", "state", "arms", "table", "plots", "curves", "relations", "distributions", "details", "main")
SCRIPTS = tuple(f"page_{name}.js" for name in PARTS)
ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def experiment(
    found: Experiment,
    verdicts: Mapping[str, Verdict],
    traces: Mapping[str, Sequence[Trace]],
    figures: Sequence[tuple[str, Path, str]],
    content: Mapping[str, Any],
    above: str | None,
    notes: Sequence[str],
    live: str | None = None,
) -> str:
    """An experiment's page.

    figures: name, SVG and caption of each. content: see `write.data`.
    above: relative address of the overview page; None if there is none. notes: what holds for all verdicts. live: the
    version of a served page's data.
    """
    return _render(
        "experiment.html.j2",
        scripts=(_plotly(), "\n".join(map(_read, SCRIPTS)), *([_read("live.js")] if live else [])),
        live=live,
        experiment=found,
        claims=[(found.claims[name], verdict) for name, verdict in verdicts.items()],
        traces=traces,
        figures=[(name, _image(path), caption) for name, path, caption in figures],
        content=_json(content),
        above=above,
        notes=notes,
        words=words,
    )


def waiting(found: Experiment, reason: str, live: str) -> str:
    """The served page of an experiment of which there is nothing to show, and why. live: see `experiment`."""
    return _render("waiting.html.j2", scripts=(_read("live.js"),), experiment=found, reason=reason, live=live)


def overview(
    evidence: Sequence[Evidence],
    thumbnails: Mapping[str, Path],
    board: Path | None,
    statements: Statements | None = None,
    results: Path = HERE,
) -> str:
    """The overview of all statements and experiments.

    thumbnails: a picture for each experiment that has one. board: the verdict board's. statements: those of the study,
    if it has any. results: the folder with the evidence, which has a picture of each statement.
    """
    return _render(
        "overview.html.j2",
        scripts=(_read("overview.js"),) if statements is not None else (),
        evidence=evidence,
        thumbnails={name: _image(path) for name, path in thumbnails.items()},
        board=_image(board) if board is not None else None,
        words=words,
        statements=statements,
        **(_of_statements(statements, evidence, results) if statements is not None else {}),
    )


def _of_statements(statements: Statements, evidence: Sequence[Evidence], results: Path) -> dict[str, Any]:
    """What the template shows of the statements."""
    answered = answers.answers(statements, evidence)
    questions = answers.questions(statements, answered)
    shown = view.shown(statements, answered, results)
    groups = [(one.name, view.of_topic(shown, one)) for one in questions]
    who = {key: ", ".join([one.author, one.work]) for key, one in statements.sources.items()}
    counts = Counter(one.answered.headline.kind for one in shown)
    return {
        "questions": questions,
        "place": lambda table: posixpath.relpath(table.file, "results"),
        "shown": shown,
        "groups": [(topic, cards) for topic, cards in groups if cards],
        "topics": [(one.name, one.topic.question) for one in questions if one.statements or one.rests_on],
        "sources": [(key, who[key]) for key in view.options(shown, "source")],
        "kinds": [(kind, view.LABELS.get(kind, kind)) for kind in view.ANSWERS if counts[kind]],
        "networks": [(one, one) for one in view.options(shown, "network")],
        "data": [(one, one) for one in view.options(shown, "data")],
        "meanings": view.ANSWERS,
        "counts": counts,
        "found_by": Counter(topic for one in shown for topic in one.values["topic"]),
        "roles": view.ROLES,
        "who": {one.answered.name: who[statements.source(one.answered.name)] for one in shown},
        "pictures": {one.answered.name: _image(one.picture) for one in shown if one.picture is not None},
    }


def _render(template: str, scripts: Sequence[str], **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("bn_study.report", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}".removesuffix(".")
    hashes = " ".join(f"'sha256-{_hash(one)}'" for one in scripts) or "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    policy += "; connect-src 'self'" if values.get("live") else ""
    style, code = Markup(_read("page.css")), [Markup(one) for one in scripts]
    return environment.get_template(template).render(policy=policy, style=style, scripts=code, **values)


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """Plotly's bundle, for a script element."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("</script", "<\\/script")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(content: Any) -> Markup:
    """JSON without tags, for a script element of type application/json."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Markup(text.translate(ESCAPES))


def _image(path: Path) -> str:
    kind = {"svg": "svg+xml"}.get(path.suffix[1:], path.suffix[1:])
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
