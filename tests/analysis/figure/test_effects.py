"""The figure `effects`: what it draws of verdicts, by its artists and its numbers."""

import math
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from scipy import stats

from bn_study.analysis.figure import _style
from bn_study.analysis.figure import effects as figure
from bn_study.analysis.shown import Tables
from bn_study.analysis.stats import Outcome, estimate
from bn_study.plan import parts

ALL = {"claims": None}
RUNS = pd.DataFrame(
    {"run": ["none-mlp-digits-s0-0123456789"], "grids": ["speed"], "seed": [0], "status": ["complete"],
     "dataset": ["digits"], "model": ["mlp"], "model.widths": ["[8,6]"], "model.activation": ["relu"]}
)  # fmt: skip


def a_row(claim="faster", context="", outcome="supported", differences=(0.8, 1.0, 1.3), **changes):
    effect = estimate(list(differences), replaced=False)
    return {
        "claim": claim, "context": context, "outcome": outcome, "estimate": effect.mean, "low": effect.low,
        "high": effect.high, "n": effect.n, "replaced": 0, "test": "superiority", "margin": 0.5,
        "quantity": "log2 steps_to test/accuracy", "contrast": "norm=none − norm=batch",
    } | changes  # fmt: skip


def a_claim(claim, contexts, outcome="varies", **changes):
    """A claim of several contexts: (context, outcome, differences)."""
    head = a_row(claim, "", outcome, (), **changes)
    return [head, *(a_row(claim, name, one, values, **changes) for name, one, values in contexts)]


def tables_of(rows, runs=RUNS):
    return Tables(runs, pd.DataFrame(columns=["run", "step", "name", "site", "unit", "value"]), pd.DataFrame(rows))


def dots(axes):
    return [line for line in axes.lines if line.get_marker() == "o"]


def texts(picture):
    return [text.get_text() for text in picture.texts]


def intervals(axes):
    """Height -> the ends of the intervals drawn there, the 95% one first."""
    found = {}
    for line in axes.lines:
        x, y = (np.asarray(one, float).tolist() for one in (line.get_xdata(), line.get_ydata()))
        if len(x) == 2 and y[0] == y[1]:
            found.setdefault(y[0], []).append(x)
    return found


def drawn(rows, tmp_path, **options):
    picture = drawn_of(figure, tables_of(rows), **(ALL | options))
    _style.save(picture, tmp_path, "effects")
    return picture


MANY = [
    a_row("faster", differences=(0.6, 1.0, 1.5)),
    *a_claim(
        "everywhere",
        [
            ("optimizer.learning_rate=0.1", "supported", (0.9, 1.0, 1.3, 1.1)),
            ("optimizer.learning_rate=1", "small", (-0.1, 0.0, 0.05, 0.02)),
            ("optimizer.learning_rate=3", "missing", ()),
        ],
    ),
    a_row("equal", outcome="open", differences=(0.05, -0.4), test="equivalence", margin=0.1),
]


def test_it_is_a_part_of_an_experiment():
    assert parts.checked("figure", "effects", ALL).args == ALL
    assert parts.checked("figure", "effects", {"claims": ["faster"]}).args == {"claims": ["faster"]}
    assert curves_of(figure, RUNS, **ALL) == {RUNS["run"].iloc[0]: []}


def test_the_intervals_are_those_of_the_t_distribution(tmp_path):
    values = (0.6, 1.0, 1.5)
    data = data_of(figure, tables_of(MANY), **ALL).iloc[0]
    for level, ends in ((0.95, ("low", "high")), (0.90, ("low90", "high90"))):
        wanted = stats.t.interval(level, 2, np.mean(values), stats.sem(values))
        np.testing.assert_allclose([data[one] for one in ends], wanted, rtol=1e-8)
    axes = drawn(MANY, tmp_path).axes[0]
    wide, narrow = intervals(axes)[0.5]
    np.testing.assert_allclose([wide, narrow], [[data["low"], data["high"]], [data["low90"], data["high90"]]])
    assert dots(axes)[0].get_xdata()[0] == pytest.approx(np.mean(values))


def test_one_axis_for_claims_that_measure_and_compare_the_same(tmp_path):
    picture = drawn(MANY, tmp_path)
    first, second = picture.axes
    assert [axes.get_ylim()[0] for axes in picture.axes] == [5, 1]  # rows: one, one and three contexts; one
    assert first.get_xlabel().startswith("log2 steps_to test/accuracy: norm=none − norm=batch")
    assert "superiority by 0.5" in first.get_xlabel() and "equivalence within ±0.1" in second.get_xlabel()
    assert len(dots(first)) == 3 and len(dots(second)) == 1  # neither the claim above its contexts nor the missing one


@pytest.mark.parametrize(
    ("test", "margins"),
    [
        ("superiority", {0.5}),
        ("noninferiority", {0.5}),
        ("equivalence", {-0.5, 0.5}),
        ("exact", {-0.5, 0.5}),
        ("difference", {-0.5, 0.5}),
    ],
)
def test_margins_are_dashed(tmp_path, test, margins):
    (axes,) = drawn([a_row(test=test)], tmp_path).axes
    assert {line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"} == margins
    low, high = axes.get_xlim()
    assert low < -0.5 and high > 1.3


EVERY = a_claim(
    "everywhere",
    [
        ("a=1", "supported", (0.9, 1.0, 1.3)),
        ("a=2", "small", (0.1, 0.12, 0.14)),
        ("a=3", "reversed", (-0.9, -1.0, -1.3)),
        ("a=4", "open", (-0.9, 1.0, 1.3)),
        ("a=5", "blocked", (0.8, 1.0, 1.3)),
        ("a=6", "missing", ()),
        ("a=7", "small", (-0.1, 0.05, 0.1)),
        ("a=8", "small", (-0.1, -0.12, -0.14)),
    ],
)
"""Every outcome, and small effects of either sign."""


def test_outcomes_have_a_word_and_a_color(tmp_path):
    picture = drawn(EVERY, tmp_path)
    chips = {text.get_text(): text.get_bbox_patch() for text in picture.texts if text.get_bbox_patch() is not None}
    signed = {"small, above 0", "small, below 0"}
    assert set(chips) == {*get_args(Outcome), "varies", *signed} == {*figure.COLORS, *signed}
    colors = {name: to_hex(chip.get_edgecolor()).upper() for name, chip in chips.items()}
    assert colors == figure.COLORS | dict.fromkeys(signed, figure.COLORS["small"])
    assert [to_hex(dot.get_color()).upper() for dot in dots(picture.axes[0])] == [
        figure.COLORS[one["outcome"]] for one in EVERY[1:] if one["outcome"] != "missing"
    ]
    assert "Blocked: a gate failed" in caption_of(figure, tables_of(EVERY), **ALL)
    assert "Blocked" not in caption_of(figure, tables_of(MANY), **ALL)


def test_colors_are_told_apart_in_gray_print_and_text_on_them_can_be_read(tmp_path):
    """By lightness, of WCAG's relative luminance: small and reversed are not the same gray, and text has contrast."""

    def luminance(color):
        parts = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in to_rgb(color)]
        return np.dot(parts, [0.2126, 0.7152, 0.0722])

    def contrast(first, second):
        light, dark = sorted((luminance(first) + 0.05, luminance(second) + 0.05), reverse=True)
        return light / dark

    assert contrast(figure.COLORS["small"], figure.COLORS["reversed"]) >= 1.5
    assert len(set(figure.COLORS.values())) == len(figure.COLORS)
    heads = [a_row(one, outcome=one) for one in figure.COLORS]
    for text in drawn(heads, tmp_path).texts:
        if text.get_bbox_patch() is not None:
            assert contrast(text.get_color(), text.get_bbox_patch().get_facecolor()[:3]) >= 2.8, text.get_text()


def test_contexts_are_told_in_short(tmp_path):
    picture = drawn(MANY, tmp_path)
    assert {"faster", "everywhere", "learning_rate=0.1", "learning_rate=3"} <= set(texts(picture))
    contexts = [f"grid=depth{depth} model.activation={one} model.initializer=glorot_uniform" for depth in (3, 10)
                for one in ("relu", "sigmoid")]  # fmt: skip
    many = a_claim("closer", [(one, "supported", (1.0, 1.1)) for one in contexts])
    words = texts(drawn(many, tmp_path))
    assert "closer by grid, activation, initializer" in words and "depth10, sigmoid, glorot_uniform" in words
    alike = a_claim("both", [(f"model.scale={one} norm.scale={one}", "supported", (1.0, 1.1)) for one in (1, 2)])
    assert "model.scale=1 norm.scale=1" in texts(drawn(alike, tmp_path))


def test_effects_are_written_as_in_the_report(tmp_path):
    replaced = a_row(differences=(-1.0, -0.5), replaced=3)
    words = texts(drawn([replaced, a_row("other", differences=(0.25,)), a_row("none", "", "missing", ())], tmp_path))
    low, high = stats.t.interval(0.95, 1, -0.75, stats.sem([-1.0, -0.5]))
    assert f"-0.75 [{low:.3g}, {high:.3g}]*".replace("-", "−") in words
    assert "0.25" in words and "–" in words
    assert "*: other values stand in" in caption_of(figure, tables_of([replaced]), **ALL)


def test_an_interval_that_dwarfs_the_effects_is_cut_with_an_arrow(tmp_path):
    (axes,) = drawn([a_row(differences=(0.1, 1.1)), a_row("b", differences=(0.9, 1.0, 1.1))], tmp_path).axes
    low, high = axes.get_xlim()
    effect = estimate([0.1, 1.1], replaced=False)
    assert effect.low < low and high < effect.high
    assert [line.get_marker() for line in axes.lines if line.get_marker() in "<>"] == ["<", ">"]


def test_equal_seeds_are_a_point_and_one_seed_has_no_interval(tmp_path):
    rows = [a_row(differences=(1.0, 1.0, 1.0)), a_row("b", outcome="open", differences=(0.7,))]
    data = data_of(figure, tables_of(rows), **ALL)
    assert data.loc[0, ["low90", "high90"]].tolist() == [1.0, 1.0]
    assert data.loc[1, ["low90", "high90"]].isna().all()
    assert len(dots(drawn(rows, tmp_path).axes[0])) == 2


def test_claims_can_be_chosen():
    data = data_of(figure, tables_of(MANY), claims=["equal"])
    assert data["claim"].tolist() == ["equal"]
    assert len(drawn_of(figure, tables_of(MANY), claims=["equal"]).axes) == 1


def test_the_caption_tells_seeds_data_and_what_lines_mean():
    text = caption_of(figure, tables_of(MANY), **ALL)
    assert "3 claims" in text and "2 or 3 or 4 paired seeds" in text and "95% t-interval" in text
    assert "not MNIST" in text and "8-6 relu units" in text and "Missing: runs are not there yet." in text


@pytest.mark.parametrize("rows", [[], [a_row("a", "", "missing", (), low=math.nan)]])
def test_nothing_to_show(tmp_path, rows):
    for runs in (RUNS, RUNS.iloc[:0], pd.DataFrame(columns=["run", "grids"])):
        tables = tables_of(rows, runs)
        _style.save(drawn_of(figure, tables, **ALL), tmp_path, "effects")
        assert len(data_of(figure, tables, **ALL)) == len(rows) and caption_of(figure, tables, **ALL)
    if not rows:
        assert "no claim to show" in texts(drawn_of(figure, Tables(RUNS, pd.DataFrame()), **ALL))


@pytest.mark.parametrize("contexts", [1, 20])
def test_no_text_overlaps_another(tmp_path, contexts):
    many = [(f"grid=mlp optimizer.learning_rate=0.{at}", "small", (1.23e-7, 3.1e-6, 2e-4)) for at in range(contexts)]
    rows = [*a_claim("a_claim_with_quite_a_long_name_as_they_are", many), *MANY]
    picture = drawn(rows, tmp_path)
    assert picture.get_size_inches()[1] > 0.15 * (contexts + 6)
    with _style.style():
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        renderer = canvas.get_renderer()
        words = [*picture.texts, *(axes.xaxis.label for axes in picture.axes)]
        words += [label for axes in picture.axes for label in axes.get_xticklabels() if label.get_text()]
        boxes = [(one.get_text(), one.get_window_extent(renderer)) for one in words]
        for at, (text, box) in enumerate(boxes):
            assert picture.bbox.x0 <= box.x0 and box.x1 <= picture.bbox.x1 and picture.bbox.y0 <= box.y0, text
            assert not [other for other, it in boxes[:at] if box.overlaps(it)], text


def test_the_same_tables_give_the_same_bytes(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        drawn(MANY, tmp_path / name)
        found.append([(tmp_path / name / f"effects.{kind}").read_bytes() for kind in ("svg", "png")])
    assert found[0] == found[1]
