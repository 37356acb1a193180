"""Renders pages: one per experiment, and an overview of all.

Everything from experiments, settings or runs is shown as text: templates escape it, the JSON data contain no tags, and
the scripts write text nodes. A content security policy in each page blocks other scripts and all requests.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bn_study.analysis.verdict import Verdict
from bn_study.plan.experiment import Experiment
from bn_study.report import words
from bn_study.report.board import Evidence
from bn_study.report.trace import Trace

HERE = Path(__file__).parent
NAME = "index.html"
ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def experiment(
    found: Experiment,
    verdicts: Mapping[str, Verdict],
    traces: Mapping[str, Sequence[Trace]],
    figures: Sequence[tuple[str, Path, str]],
    content: Mapping[str, Any],
    command: str,
    above: str | None,
) -> str:
    """An experiment's page.

    figures: name, SVG and caption of each. content: see `content.of_runs`. command: the command that trains the runs.
    above: relative address of the overview page; None if there is none.
    """
    return _render(
        "experiment.html.j2",
        scripts=(_plotly(), _read("page.js")),
        experiment=found,
        claims=[(found.claims[name], verdict) for name, verdict in verdicts.items()],
        traces=traces,
        figures=[(name, _image(path), caption) for name, path, caption in figures],
        content=_json(content),
        command=command,
        above=above,
        words=words,
    )


def overview(evidence: Sequence[Evidence], thumbnails: Mapping[str, Path], board: Path | None) -> str:
    """The overview of all experiments. thumbnails: a picture for each that has one. board: the verdict board's."""
    return _render(
        "overview.html.j2",
        scripts=(),
        evidence=evidence,
        thumbnails={name: _image(path) for name, path in thumbnails.items()},
        board=_image(board) if board is not None else None,
        words=words,
    )


def _render(template: str, scripts: Sequence[str], **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("bn_study.report", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    hashes = " ".join(f"'sha256-{_hash(one)}'" for one in scripts) or "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
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
