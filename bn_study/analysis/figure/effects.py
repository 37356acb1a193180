"""An experiment's verdicts as a forest plot: the effect of every claim in every context, beside its margin.

Claims that measure and compare the same by the same margin share an axis. Each row tells the effect with its intervals,
the number of paired seeds and the outcome, in a word as well as in a color.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

from bn_study.analysis import described, shown, verdict
from bn_study.analysis.figure import _forest
from bn_study.analysis.figure._style import BLACK, PAGE, style
from bn_study.analysis.figure._text import folded
from bn_study.analysis.needed import Needed
from bn_study.analysis.settings import missing
from bn_study.analysis.shown import Tables
from bn_study.analysis.stats import CONFIDENCE, NEGLIGIBLE_CONFIDENCE
from bn_study.analysis.tables import Curve
from bn_study.plan import parts

COLUMNS = (
    *("claim", "context", "outcome", "estimate", "low90", "high90", "low", "high", "n", "replaced"),
    *("test", "margin", "quantity", "contrast"),
)
COLORS = {
    "supported": "#009E73", "small": "#56B4E9", "reversed": "#D55E00", "open": "#E69F00", "blocked": "#CC79A7",
    "missing": "#999999", verdict.VARIES: "#666666",
}  # fmt: skip
"""Of Okabe & Ito's colors, and grays. The word stands beside each, for black-and-white print."""
UNCOUNTED = {"missing": "Missing: runs are not there yet.", "blocked": "Blocked: a gate failed, so it does not count."}
LIGHT = ("small", "open", "blocked")  # colors on which black text is easier to read than white text
LEFT, RIGHT = 2.3, 4.35  # where the axes begin and end, in inches of the page's width
NUMBER, SEEDS, CHIP = 5.68, 5.85, 6.33  # right end of the effects' column, middle of the seeds' and of the outcomes'
INDENT = 0.1
ROW = 0.165  # height of a row, in inches
FOOT, LINE = 0.17, 0.11  # below an axis, for its ticks and for a line of its name
GAP, HEAD = 0.09, 0.22  # between two axes, and above the first one
LETTERS, WIDE = 40, 84  # of a row's name at most, and in a line of an axis' name
NUMBERS = 26  # letters of an effect with three digits, above which it has two


@dataclass(frozen=True)
class _Row:
    """A line of text, with an effect unless it stands above a claim's contexts; its number in the table, or None."""

    label: str
    outcome: str
    effect: dict[str, Any] | None
    inner: bool = False


@dataclass(frozen=True)
class _Block:
    """Claims that share an axis."""

    test: str
    margin: float
    name: str
    rows: tuple[_Row, ...]

    @property
    def height(self) -> float:
        """Of its rows, in inches."""
        return ROW * len(self.rows)

    @property
    def foot(self) -> float:
        return FOOT + LINE * (self.name.count("\n") + 1)


@dataclass(frozen=True)
class Drawing:
    """claims: which are shown; None for all."""

    claims: list[str] | None

    def needs(self) -> list[Needed]:
        """No record; its claims say what they read."""
        return []

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """Every run, since any may bear on a verdict; none of their records."""
        return {run: [] for run in runs["run"]}

    def data(self, tables: Tables) -> pd.DataFrame:
        """Every number in the figure, a row each: a claim's context, or the claim itself where there are several.

        estimate, low, high: the mean over n paired seeds and its 95% t-interval, on the measure's scale. low90,
        high90: of the 90% one, which decides whether an effect is small; from the former, as both are of one
        distribution.
        """
        verdicts = tables.verdicts.reindex(columns=sorted({*tables.verdicts.columns, *COLUMNS}))
        drawn = verdicts[[self.claims is None or one in self.claims for one in verdicts["claim"]]]
        rows = [row | _narrow(row) | {"context": _text(row["context"])} for row in drawn.to_dict("records")]
        return shown.numbers(rows, COLUMNS, ("estimate", "low90", "high90", "low", "high", "margin"))

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown, from which runs, and by which rules."""
        effects = data[data["estimate"].notna()]
        text = [f"Verdicts on {data['claim'].nunique()} claims, a row for each context."]
        if len(effects):
            seeds = sorted({int(one) for one in effects["n"]})
            text.append(
                f"Dot: mean effect over {' or '.join(map(str, seeds))} paired seeds (n), on the scale below the axis; "
                "thin line: its 95% t-interval, thick line: the 90% one; an arrow where it leaves the axis. Dashed: "
                f"the margin that was stated before; shaded: effects within it. {_wanted()}."
            )
        if effects["replaced"].any():
            text.append("*: other values stand in for runs that diverged or did not reach the level.")
        text += [meaning for outcome, meaning in UNCOUNTED.items() if (data["outcome"] == outcome).any()]
        if tables.runs.empty:
            return " ".join([*text, "No run is there yet."])
        return " ".join([*text, f"Data: {described.data(tables.runs)}.", described.limits(tables.runs)])

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """The figure, drawn only from its data."""
        blocks = _blocks(data)
        height = HEAD + sum(one.height + one.foot + GAP for one in blocks) + (0 if blocks else 0.3)
        with style():
            figure = Figure(figsize=(PAGE, height))
            _say(figure, NUMBER, height - 0.6 * HEAD, "effect [95%]", ha="right", color="0.4")
            _say(figure, SEEDS, height - 0.6 * HEAD, "n", ha="center", color="0.4")
            _say(figure, CHIP, height - 0.6 * HEAD, "verdict", ha="center", color="0.4")
            if not blocks:
                _say(figure, PAGE / 2, height / 3, "no claim to show", ha="center", color="0.4")
            top = height - HEAD
            for block in blocks:
                bottom = top - block.height
                place = (LEFT / PAGE, bottom / height, (RIGHT - LEFT) / PAGE, block.height / height)
                _draw_block(figure, figure.add_axes(place), block, top)
                top = bottom - block.foot - GAP
        return figure


# --- numbers ----------------------------------------------------------------------------------------------------------


def _narrow(row: dict[str, Any]) -> dict[str, float]:
    """The 90% interval that belongs to a 95% one of the t-distribution."""
    if missing(row["low"]) or row["n"] < 2:
        return {"low90": math.nan, "high90": math.nan}
    share, whole = (stats.t.ppf((1 + one) / 2, row["n"] - 1) for one in (NEGLIGIBLE_CONFIDENCE, CONFIDENCE))
    return {f"{end}90": row["estimate"] + share / whole * (row[end] - row["estimate"]) for end in ("low", "high")}


def _wanted() -> str:
    """What a claim of each test asks for; the tests that judge every seed come last."""
    tests, order = [parts.find("test", name) for name in parts.names("test")], ("low", "near", "far", "high")
    return ", ".join(one.CAPTION for one in sorted(tests, key=lambda one: (one.EVERY_SEED, order.index(one.AGAINST))))


def _text(value: Any) -> str:
    return "" if missing(value) else str(value)


# --- rows and axes ----------------------------------------------------------------------------------------------------


def _blocks(data: pd.DataFrame) -> list[_Block]:
    """The claims in their order, those together that follow each other and can share an axis."""
    found: list[tuple[tuple[Any, ...], list[_Row]]] = []
    for _, own in data.groupby("claim", sort=False):
        first = own.iloc[0]
        key = (first["test"], first["margin"], _text(first["quantity"]), _text(first["contrast"]))
        if not found or found[-1][0] != key:
            found.append((key, []))
        found[-1][1].extend(_rows(own))
    return [_Block(test, margin, _axis(test, margin, *words), tuple(rows)) for (test, margin, *words), rows in found]


def _rows(own: pd.DataFrame) -> Iterator[_Row]:
    """The rows of a claim: one, or one above those of its contexts."""
    head, *contexts = own.to_dict("records")
    if not contexts:
        yield _Row(head["claim"], head["outcome"], head)
        return
    factors, labels = _shortened([one["context"] for one in contexts])
    yield _Row(" by ".join(filter(None, [head["claim"], factors])), head["outcome"], None)
    for label, one in zip(labels, contexts, strict=True):
        yield _Row(label, one["outcome"], one, inner=True)


def _shortened(contexts: list[str]) -> tuple[str, list[str]]:
    """Contexts without what a reader can do without: the part before an option's name; the names, if they are long.

    The first result are the names in that case: `grid, activation` of `depth3, relu`.
    """
    pairs = [[word.partition("=")[::2] for word in context.split()] for context in contexts]
    short = {name: name.rpartition(".")[2] for one in pairs for name, _ in one}
    if len(set(short.values())) < len(short):
        short = {name: name for name in short}
    labels = [" ".join(f"{short[name]}={value}" for name, value in one) for one in pairs]
    if max(map(len, labels)) <= LETTERS or len({tuple(name for name, _ in one) for one in pairs}) > 1:
        return "", labels
    return ", ".join(short.values()), [", ".join(value for _, value in one) for one in pairs]


def _axis(test: str, margin: float, quantity: str, contrast: str) -> str:
    """What an axis shows: the measure, the contrast and the rule, in lines."""
    lines = folded(f"{quantity}: {contrast}", WIDE)
    rule = f"({parts.find('test', test).WORDS}{margin:g})"
    return "\n".join([*lines[:-1], *([f"{lines[-1]} {rule}"] if len(lines[-1] + rule) < WIDE else [lines[-1], rule])])


# --- picture ----------------------------------------------------------------------------------------------------------


def _say(figure: Figure, x: float, y: float, text: str, **look: Any) -> None:
    """Text at a place in inches."""
    width, height = figure.get_size_inches()
    options: dict[str, Any] = {"va": "center", "fontsize": 7} | look
    figure.text(x / width, y / height, text, **options)


def _draw_block(figure: Figure, axes: Axes, block: _Block, top: float) -> None:
    axes.set_ylim(len(block.rows), 0)
    axes.set_yticks([])
    effects = [row.effect for row in block.rows if row.effect is not None]
    axes.set_xlim(*_forest.limits(effects, [0.0, block.margin, -block.margin]))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: _forest.minus(f"{value:g}"))
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="x", pad=2)
    axes.set_xlabel(block.name, fontsize=6.5, labelpad=1, linespacing=1.1)
    _draw_margin(axes, block)
    for place, row in enumerate(block.rows):
        height = top - ROW * (place + 0.5)
        _say(figure, INDENT * (1 + row.inner), height, row.label, ha="left", weight="normal" if row.inner else "bold")
        _draw_chip(figure, height, row)
        if row.effect is not None:
            _forest.draw_effect(axes, place + 0.5, row.effect, COLORS[row.outcome])
            _say(figure, NUMBER, height, _written(row.effect), ha="right", fontsize=6.5)
            _say(figure, SEEDS, height, str(int(row.effect["n"])), ha="center", fontsize=6.5)


def _draw_margin(axes: Axes, block: _Block) -> None:
    axes.axvline(0, color=BLACK, linewidth=0.6, zorder=1)
    sides = (-1, 1) if parts.find("test", block.test).AGAINST in ("near", "far") else (1,)
    axes.axvspan(-block.margin, block.margin, color="0.94", linewidth=0, zorder=0)
    for side in sides:
        axes.axvline(side * block.margin, color="0.35", linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)


def _draw_chip(figure: Figure, height: float, row: _Row) -> None:
    """A claim's own verdict is filled, that of one of its contexts framed."""
    color = COLORS[row.outcome]
    box = {"boxstyle": "round,pad=0.25,rounding_size=0.5", "edgecolor": color, "linewidth": 0.7}
    fill = {"facecolor": "white"} if row.inner else {"facecolor": color}
    text = "white" if not row.inner and row.outcome not in LIGHT else BLACK
    word = row.outcome if row.effect is None else verdict.shown(row.outcome, row.effect["low"], row.effect["high"])
    _say(figure, CHIP, height, word, ha="center", fontsize=5.5, color=text, bbox=box | fill)


def _written(effect: dict[str, Any]) -> str:
    """`0.93 [0.81, 1.1]*`, as in the report."""
    if math.isnan(effect["estimate"]):
        return "–"
    texts = []
    for digits in (3, 2):
        mean, low, high = (f"{effect[key]:.{digits}g}" for key in ("estimate", "low", "high"))
        texts.append(mean if low == "nan" else f"{mean} [{low}, {high}]")
    return _forest.minus(texts[len(texts[0]) > NUMBERS] + ("*" if effect["replaced"] else ""))
