"""Files that say the same but for last places, against edits of them."""

import json
import math
import random
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bn_study.report.same import KINDS, difference

COMMITTED = {
    ".csv": ("steps_to_match/effects.csv", "steps_to_match/runs.csv", "placement/verdicts.csv"),
    ".json": ("steps_to_match/figure2.json", "board.json"),
    ".md": ("steps_to_match/report.md", "README.md"),
    ".svg": ("steps_to_match/figure2.svg", "landscape/landscape.svg"),
}
FLOAT = re.compile(r"(?<![\w.#-])-?\d+\.\d+(?:e-\d+)?(?!\w|\.\d)")
"""A number with a decimal point, found otherwise than the comparison finds it."""
finite = st.floats(allow_nan=False, allow_infinity=False)


def committed():
    return [(kind, path) for kind, paths in COMMITTED.items() for path in paths]


def read(home, path):
    return (home / "results" / path).read_bytes().decode()


def scaled(number, factor):
    return repr(float(number) * factor)


@pytest.mark.parametrize(("kind", "path"), committed())
def test_last_places_do_not_matter(home, kind, path):
    text, draw = read(home, path), random.Random(0)
    if kind == ".svg":  # coordinates are printed with six decimals, and move by one unit of the last
        shaken = re.sub(
            r' d="[^"]*"',
            lambda match: FLOAT.sub(lambda one: f"{float(one[0]) + draw.choice((-1e-6, 1e-6)):.6f}", match[0]),
            text,
        )
    else:
        head, line, rest = text.partition("\n")  # names of columns are compared to the letter
        shaken = head + line + FLOAT.sub(lambda match: scaled(match[0], 1 + draw.choice((-5e-10, 5e-10))), rest)
    assert shaken != text or kind == ".json"
    assert difference(kind, text, text) is None and difference(kind, shaken, text) is None


@pytest.mark.parametrize(("kind", "path"), committed())
def test_the_fifth_digit_matters_wherever_it_changes(home, kind, path):
    text = read(home, path)
    within = r' d="M [^"]*"' if kind == ".svg" else r"(?s).*"
    spans = [(match.start(), match[0]) for match in re.finditer(within, text)]
    numbers = [(start + one.start(), one[0]) for start, part in spans for one in FLOAT.finditer(part)]
    first = text.index("\n") if kind == ".csv" else 0
    numbers = [(start, number) for start, number in numbers if start > first and abs(float(number)) > 1e-3]
    for start, number in random.Random(0).sample(numbers, min(10, len(numbers))):
        edited = text[:start] + scaled(number, 1 + 1.2e-5) + text[start + len(number) :]
        found = difference(kind, edited, text)
        assert found is not None and found.count == 1
        assert math.isclose(found.largest, 1.2e-5, rel_tol=1e-3)


@example(value=0.0, factor=1.0)
@given(finite, st.floats(-9e-10, 9e-10))
def test_any_number_that_moves_by_less_than_a_billionth_is_the_same(value, factor):
    moved = value * (1 + factor)
    assume(math.isfinite(moved))
    for kind, text in (
        (".csv", "run,x\na,{}\n"), (".json", '{{"x": [{}]}}\n'), (".md", "| a | {} | text {}.\n"),
        (".svg", '<path id="a" d="M {} 1 \nL 2 3"/>\n'),
    ):  # fmt: skip
        assert difference(kind, text.format(repr(moved), repr(moved)), text.format(repr(value), repr(value))) is None


@given(finite, st.floats(1.1e-5, 1e3), st.sampled_from([-1, 1]))
def test_any_number_that_moves_by_a_hundred_thousandth_differs(value, factor, sign):
    moved = value * (1 + sign * factor)
    assume(math.isfinite(moved - value) and abs(moved - value) > 2e-6)
    for kind, text in ((".csv", "x\n{}\n"), (".json", "{}\n"), (".md", "{}\n"), (".svg", '<use x="{}"/>')):
        found = difference(kind, text.format(repr(moved)), text.format(repr(value)))
        assert found is not None and found.count == 1
        assert found.largest == pytest.approx(abs(moved - value) / max(abs(moved), abs(value)))


@given(st.integers(), st.integers())
def test_whole_numbers_are_the_same_or_not(one, other):
    for kind in (".csv", ".json", ".md"):
        assert (difference(kind, f"{one}\n", f"{other}\n") is None) == (one == other)


@pytest.mark.parametrize(
    ("kind", "there", "wanted", "message"),
    [
        (
            ".csv", "claim,context,outcome\na,x=1,supported\n", "claim,context,outcome\na,x=1,reversed\n",
            "row 1 (claim a, context x=1), outcome is 'supported' and should be 'reversed'; 1 cell differs",
        ),
        (
            ".csv", "run,a,b\nr1,0.5,0.1\nr2,1.0,0.2\n", "run,a,b\nr1,0.5,0.1\nr2,1.5,0.4\n",
            "row 2 (run r2), b is '0.2' and should be '0.4'; 2 cells differ, numbers by up to 0.5 of their size",
        ),
        (".csv", "a\n1\n2\n", "a\n1\n", "row 2, a is '2' and should be ''; 1 cell differs"),
        (".csv", "a\n1\n", "a\n1\n2\n", "row 2, a is '' and should be '2'; 1 cell differs"),
        (".csv", "a,b\n1,2\n", "a,c\n1,2\n", "the name of column 2 is 'b' and should be 'c'; 1 cell differs"),
        (".csv", "a\n0.5\n", "a\n\n", "row 1, a is '0.5' and should be ''; 1 cell differs"),
        (".csv", "a\n0.5\n", "a\nnan\n", "row 1, a is '0.5' and should be 'nan'; 1 cell differs"),
        (
            ".csv", "commit\n5f503b02ce\n", "commit\n5f503b02cf\n",
            "row 1, commit is '5f503b02ce' and should be '5f503b02cf'; 1 cell differs",
        ),
        (
            ".csv", "edited by hand", "a\n1\n",
            "the name of column 1 is 'edited by hand' and should be 'a'; 2 cells differ",
        ),
        (
            ".json", '{"a": [1, {"b": 0.5}]}', '{"a": [1, {"b": "0.5"}]}',
            "a[1].b is '0.5' and should be '\"0.5\"'; 1 value differs",
        ),
        (".json", '{"a": {"b": 1}}', '{"c": {"b": 1}}', "c.b is 'a.b' and should be 'c.b'; 1 value differs"),
        (".json", '{"a": [1]}', '{"a": [1, 2]}', "a[1] is '' and should be 'a[1]'; 1 value differs"),
        (".json", '{"a": 1', '{"a": 1}', "line 1 is '{\"a\": 1' and should be '{\"a\": 1}'; 1 line differs"),
        (
            ".md", "one\nt 0.12.\n", "one\nt 0.13.\n",
            "line 2 is 't 0.12.' and should be 't 0.13.'; 1 line differs, numbers by up to 0.077 of their size",
        ),
        (
            ".md", "version 1.2.3\n", "version 1.2.4\n",
            "line 1 is 'version 1.2.3' and should be 'version 1.2.4'; 1 line differs",
        ),
        (".svg", '<g style="opacity: 0.15"/>', '<g style="opacity: 0.1500001"/>', None),
        (".svg", "<!-- 0.93 -->", "<!-- 0.9300001 -->", None),
        (".svg", '<path d="M 1 2 \nL 3 4"/>', '<path d="M 1 2 \nL 3 4 \nL 5 6"/>', None),
    ],
)  # fmt: skip
def test_what_differs_is_said_in_a_line(kind, there, wanted, message):
    found = difference(kind, there, wanted)
    assert found is not None and (message is None or str(found) == message)
    assert "\n" not in str(found)


SVG = """<g clip-path="url(#p{0})"><use xlink:href="#m{2}" x="1.5" y="2"/></g>
<g clip-path="url(#p{1})"/><path id="m{2}" d="M 0 1"/>
<clipPath id="p{0}"><rect width="{3}"/></clipPath><clipPath id="p{1}"/>
"""
ONE, OTHER, MARK = "0123456789", "abcdef0123", "fedcba9876"


def test_ids_that_hash_numbers_are_compared_by_their_order():
    text = SVG.format(ONE, OTHER, MARK, 30.25)
    assert difference(".svg", SVG.format("99999aaaaa", "88888bbbbb", "77777ccccc", 30.250001), text) is None
    assert difference(".svg", text.replace(f"url(#p{OTHER}", f"url(#p{ONE}"), text) is not None
    swapped = (
        text.replace(f"url(#p{OTHER}", "url(#x").replace(f"url(#p{ONE}", f"url(#p{OTHER}").replace("#x", f"#p{ONE}")
    )
    found = difference(".svg", swapped, text)
    assert found is not None and found.largest == 0
    assert difference(".svg", text.replace(f"#m{MARK}", f"#p{ONE}"), text) is not None


def test_a_swapped_clip_and_a_moved_point_of_a_real_picture_are_found(home):
    text = read(home, "landscape/landscape.svg")
    one, other = list(dict.fromkeys(re.findall(r"url\(#(p[0-9a-f]{10})\)", text)))[:2]
    at = text.rindex(f"url(#{one})")
    swapped = text[:at] + f"url(#{other})" + text[at + len(f"url(#{one})") :]
    found = difference(".svg", swapped, text)
    assert found is not None and "clip-path" in found.there and found.largest == 0
    x = re.search(r'd="M (\d+\.\d+) ', text)
    moved = text[: x.start(1)] + f"{float(x[1]) + 0.01:.6f}" + text[x.end(1) :]
    found = difference(".svg", moved, text)
    assert found is not None and found.count == 1 and found.largest > 0


@pytest.mark.parametrize(("kind", "path"), [one for one in committed() if one[0] == ".csv"])
def test_a_row_more_or_less_is_found(home, kind, path):
    head, *rows = read(home, path).splitlines(keepends=True)
    for edited in (rows[1:], rows[:-1], [*rows, rows[0]], [*rows[:1], *rows]):
        assert difference(kind, "".join([head, *edited]), "".join([head, *rows])) is not None


def test_every_kind_is_tried(home):
    assert set(COMMITTED) == set(KINDS)
    json.loads(read(home, COMMITTED[".json"][0]))
