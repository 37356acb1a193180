"""Markdown pages from templates. What is filled in is text of experiment files: no part of it is a tag or a cell."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bn_study.report import words


def render(template: str, **values: Any) -> str:
    """A page from a template beside this module, with `words` and the filter `cell` for what stands in a table."""
    environment = Environment(
        loader=PackageLoader("bn_study.report", "."),
        autoescape=False,  # the page is Markdown; `_text` is applied to everything that is filled in
        finalize=_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment.get_template(template).render(words=words, **values)


def _text(value: Any) -> str:
    """Text of an experiment file in Markdown: no part of it is a tag."""
    return str(value).replace("<", "&lt;")


def _cell(value: Any) -> str:
    """In a table: a line, and no separator of its own."""
    return " ".join(str(value).split()).replace("|", "\\|") or words.NOTHING
