"""Every link in a committed page leads to a committed file, and to a heading or an anchor in it. No network."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

HOME = Path(__file__).resolve().parent.parent
REMOTE = ("http://", "https://", "mailto:")


@cache
def committed() -> frozenset[Path]:
    """All files that are or could be committed, and their folders."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False).stdout.split("\0")
    files = [HOME / name for name in listed if name and (HOME / name).exists()]
    return frozenset(folder for file in files for folder in (file, *file.parents) if folder.is_relative_to(HOME))


def pages() -> list[str]:
    return sorted(str(path.relative_to(HOME)) for path in committed() if path.suffix in (".md", ".ipynb"))


@cache
def parsed(path: Path) -> list[Token]:
    """All tokens of a page, those inside of paragraphs too."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [inner for token in MarkdownIt().enable("table").parse(text) for inner in (token, *(token.children or ()))]


def targets(path: Path) -> Iterator[str]:
    """What links and images of a page point to."""
    for token in parsed(path):
        if token.type in ("link_open", "image"):
            yield str(token.attrs["href" if token.type == "link_open" else "src"])
        elif token.type in ("html_inline", "html_block"):
            yield from re.findall(r'\b(?:href|src)="([^"]+)"', token.content)


@cache
def anchors(path: Path) -> frozenset[str]:
    """Anchors of a page: explicit ones, and those that its headings get."""
    html = "".join(token.content for token in parsed(path) if token.type.startswith("html_"))
    found = re.findall(r'\b(?:id|name)="([^"]+)"', html)
    for before, token in pairwise(parsed(path)):
        if before.type == "heading_open":
            words = "".join(child.content for child in token.children or ())
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            again = sum(name == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", name) is not None for name in found)
            found.append(f"{slug}-{again}" if again else slug)
    return frozenset(found)


def broken(path: Path) -> Iterator[str]:
    for target in targets(path):
        if target.startswith(REMOTE):
            continue
        place, _, anchor = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        if file not in committed():
            yield f"{target}: no such file is committed"
        elif anchor and anchor not in anchors(file):
            yield f"{target}: the page has no such heading"


@pytest.mark.skipif(not committed(), reason="not a git checkout")
@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page):
    assert not list(broken(HOME / page))


def test_a_broken_link_is_found(tmp_path, monkeypatch):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# One & two: `x`\n\n## Twice\n\n## Twice\n\n<a id='no'></a><a id=\"S1-a\"></a>\n")
    lines = ["# Here", "[a](other.md#one--two-x) [b](other.md#twice-1) [c](other.md#S1-a) [d](#here) `[e](code.md)`"]
    lines += ["| t |", "|---|", "| [f](gone.md) |", "", "[g](other.md#three) [h](https://no.invalid)", ""]
    lines += ['<img src="gone.png">', "", "[i](#there)", ""]
    page.write_text("\n".join(lines))
    monkeypatch.setattr(f"{__name__}.committed", lambda: {page, other})
    assert [one.partition(":")[0] for one in broken(page)] == ["gone.md", "other.md#three", "gone.png", "#there"]
