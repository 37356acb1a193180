"""How scripts/docs.sh builds these pages into a site.

Files of the checkout that are no pages, such as README.md and results/README.md, are linked where they lie: relative to
docs/_build/html, or below DOCS_SOURCE, the address of a published checkout. tests/test_links.py checks their anchors.
"""

import os
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
SOURCE = os.environ.get("DOCS_SOURCE", "../../..").rstrip("/")

project = "bn_study"
html_title = project
html_theme = "furo"
html_show_copyright = False
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
myst_heading_anchors = 4


def link_outside(app: Sphinx, doctree: nodes.document) -> None:
    """Link pages and folders outside docs/ where they lie; what does not exist is left, and becomes a warning."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        target, _, anchor = link["reftarget"].partition("#")
        places = [(HERE / f"{target}{suffix}").resolve() for suffix in ("", ".md")]  # MyST cuts the suffix of pages
        found = next((place for place in places if place.exists() and not place.is_relative_to(HERE)), None)
        if found is not None:
            anchor = link.get("reftargetid") or anchor
            address = f"{SOURCE}/{found.relative_to(HERE.parent)}" + (f"#{anchor}" if anchor else "")
            link.replace_self(nodes.reference("", "", *link.children, refuri=address))


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", link_outside)
