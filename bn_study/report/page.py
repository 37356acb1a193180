"""Markdown pages from templates. Values from experiment files are escaped: they form no tags and no table cells."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bn_study.report import words


def render(template: str, **values: Any) -> str:
    """A page from a template in this folder, with the module `words` and the filter `cell` for values in a table."""
    environment = Environment(
        loader=PackageLoader("bn_study.report", "."),
        autoescape=False,  # the page is Markdown; `finalize` escapes every value
        finalize=_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment.get_template(template).render(words=words, **values)


def _text(value: Any) -> str:
    """A value as Markdown text without tags."""
    return str(value).replace("<", "&lt;")


def _cell(value: Any) -> str:
    """A value as the content of a table cell: one line without separators."""
    return " ".join(str(value).split()).replace("|", "\\|") or words.NOTHING
