"""A question, the runs that answer it, and the claims that they judge. Types only; `compose` fills them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bn_study.plan import parts
from bn_study.plan.renamed import current_words, former, former_words
from bn_study.plan.spec import RunSpec, asked_text, by_value
from bn_study.plan.types import FileContent, Number, Positive

Factors = dict[str, Any]
"""Settings by dotted name, as on the command line: `{"norm": "batch", "optimizer.learning_rate": 0.1}`."""


ADHOC = "adhoc"
"""The name of an experiment that has no file: a sweep of the command line."""


Names = Annotated[list[str], Field(min_length=1)]


def _known_test(name: str) -> str:
    if name not in parts.names("test"):
        raise ValueError(parts.unknown("test", name, parts.names("test")))
    parts.check("test", name)
    return name


class _Stated(BaseModel):
    """An entry of an experiment file. It has the named fields, of the named types, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _in_current_words(cls, content: Any) -> Any:
        return current_words(content)


class Tune(_Stated):
    """How a factor's value is chosen for each arm, on selection seeds and validation data only.

    factors: the settings that are chosen. per: the settings whose values make arms; each arm gets its own choice.
    level: the level that the score needs, by data set. best: whether the smallest or the largest score wins.
    grid: the grid or grids of the selection runs. score: one measure, averaged over seeds; ties go to the smaller
    value, and a diverged run is the worst. ends: null: an optimum at the edge means that the grid is too small, and
    what is compared there is blocked; `natural`: the edge is the factor's own limit, such as no dropout.
    seeks: `worst` if the worst value is meant, such as the lowest accuracy.
    """

    grid: str | Names
    factors: list[str]
    per: list[str]
    score: dict[str, Any]
    level: dict[str, Number] = Field(default_factory=dict)
    best: Literal["min", "max"]
    ends: Literal["natural"] | None = None
    seeks: Literal["best", "worst"] = "best"

    @property
    def grids(self) -> list[str]:
        return [self.grid] if isinstance(self.grid, str) else self.grid


class Claim(_Stated):
    """A statement that runs can support or refute: measure x contrast x test x margin.

    says: in how many of its contexts it must be supported to hold as a gate or as a sanity check.
    level: what the measure has to reach, by data set; only for measures that have a level.
    measure: `{name: {arguments}}`, optionally with `scale: log2 | log10`. `over: {factor: ..., take: ...}` makes one
        number of several runs of a seed, such as the largest usable learning rate. A factor that is a list counts as
        its length: `model.widths` is the number of hidden layers.
    contrast: weights by selector (`norm=batch`, or `norm=batch norm.placement=before`), and `constant` for a threshold.
    difference: false if the weights are not meant to sum to 0, because the weighted sum itself is compared with 0.
    cut_window: true if the window of the measure is meant to end with runs that are shorter.
    at: factors held at a value, or at the value that a tuning entry chose for each arm.
    contexts: factors; each of their values is a context with its own verdict.
    grid: the grid or grids of the runs; by default the experiment's first one. A claim has the factor `grid`, the name
        of the grid; with several grids it is usually the context.
    gates: claims of the same experiment; a context is blocked unless each of them is supported there. A gate without
        this context must hold as a whole.
    test: the kind of verdict: what must lie where for the claim to be supported.
    margin: the smallest effect that would matter, on the measure's scale; for `exact`, the tolerance.
    expect: what you think will come out, in words; it decides nothing.
    """

    says: Literal["always", "generally", "can"] = "generally"
    measure: dict[str, Any]
    level: dict[str, Number] = Field(default_factory=dict)
    contrast: dict[str, Number]
    difference: bool = True
    cut_window: bool = False
    at: Factors = Field(default_factory=dict)
    contexts: list[str] = Field(default_factory=list)
    grid: str | Names
    test: Annotated[str, AfterValidator(_known_test)]
    margin: Positive
    gates: list[str] = Field(default_factory=list)
    expect: str = ""

    @property
    def grids(self) -> list[str]:
        return [self.grid] if isinstance(self.grid, str) else self.grid

    @property
    def names_grids(self) -> bool:
        """Whether the names of its grids matter: with several grids, or if `grid` is a factor that it selects by."""
        selected = {word.partition("=")[0] for selector in self.contrast for word in selector.split()}
        return len(self.grids) > 1 or "grid" in {*selected, *self.at, *self.contexts}


@dataclass(frozen=True)
class Tuned:
    """What a tuning entry chose.

    chosen: the value of every tuned factor, by arm (the arm's values of the factors `per`, in that order).
    at_edge: the arms whose choice is the smallest or largest value of the grid.
    """

    per: tuple[str, ...]
    chosen: dict[tuple[Any, ...], Factors]
    at_edge: frozenset[tuple[Any, ...]]


@dataclass(frozen=True)
class Cell:
    """One point of a grid: a complete configuration, except for factors that wait for a tuning entry.

    config: nested, as composed; cells share parts of it, so it must not be changed. waits: factor -> name of the tuning
    entry that will fill it. spec: the run, if no factor waits. fields: otherwise the fields of the run; those with a
    waiting factor as plain configuration, the others checked.
    """

    config: dict[str, Any]
    waits: dict[str, str]
    spec: RunSpec | None = None
    fields: Mapping[str, Any] | None = None

    @property
    def settings(self) -> Factors:
        """By dotted name, as `RunSpec.settings`, but not coerced."""
        return flatten(self.config)

    @property
    def asked(self) -> str:
        """What a claim asks for: `RunSpec.asked`, or the same text of the known fields and the waiting factors."""
        if self.spec is not None:
            return self.spec.asked
        waits = {former(factor): entry for factor, entry in self.waits.items()}
        return asked_text({**(self.config if self.fields is None else self.fields), "waits": waits})


def plain(value: Any) -> Any:
    """A setting as a cell of a table: lists and mappings as compact JSON text, a file as its path."""
    if isinstance(value, FileContent):
        return value.path
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    return value


def flatten(config: Mapping[str, Any]) -> Factors:
    """A nested configuration by dotted name; the `name` of a part becomes the value of the part's own key."""
    flat: Factors = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {key if name == "name" else f"{key}.{name}": entry for name, entry in flatten(value).items()}
        else:
            flat[key] = value
    return flat


@dataclass(frozen=True)
class Grid:
    """The product of its factors' values, as cells.

    points: the size of the product. There are fewer cells if a part lacks an option that another part has.
    """

    name: str
    factors: Factors
    cells: tuple[Cell, ...]
    points: int = 0

    @cached_property
    def asked(self) -> frozenset[str]:
        """A hash of each cell as a claim asks for it (`Cell.asked`)."""
        return frozenset(hashlib.sha256(cell.asked.encode()).hexdigest() for cell in self.cells)


@dataclass(frozen=True)
class Experiment:
    """A composed experiment.

    changed: the overrides that make it differ from its file. unchanged: the experiment without them; None if there are
    none. sanity_check: whether its claims are known truths; every other experiment's verdicts wait for them. shortened:
    how overrides that shorten runs changed the steps that a claim or a tuning names, in words, by `claims.<name>`.
    unread: the entries of its file that have errors, as `grids.<name>`; they are left out.
    """

    name: str
    question: str
    source: str
    grids: dict[str, Grid]
    tune: dict[str, Tune]
    claims: dict[str, Claim]
    figures: dict[str, Factors]
    discussion: str
    changed: tuple[str, ...]
    unchanged: "Experiment | None" = None
    sanity_check: bool = False
    shortened: Mapping[str, str] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()

    @property
    def tuning_grids(self) -> set[str]:
        """Grids that only serve to tune values. Their seeds are never reported."""
        return {grid for entry in self.tune.values() for grid in entry.grids}

    @property
    def digest(self) -> str:
        """Ten hex digits of what is trained: the runs, the cells that wait, and the tuning that they wait for.

        Claims and figures are left out, so compositions that train the same runs have the same digest.
        """
        cells = [cell for grid in self.grids.values() for cell in grid.cells]
        trained = sorted({cell.asked if cell.spec is None else cell.spec.id for cell in cells})
        return _digest([trained, self._tuning(self.awaited(self.grids))])

    def stated(self) -> dict[str, str]:
        """The hash of each claim as its file states it: of `tested` and nothing else."""
        return {name: self.stated_hash(name) for name in self.claims}

    def stated_hash(self, name: str) -> str:
        """The hash of one claim; see `stated`."""
        return _digest(self.tested(name))

    def tested(self, name: str) -> dict[str, Any]:
        """All that decides a claim's verdict, as its file states it.

        That is the fields of the claim, its gates (each by its own hash), its runs, and its tuning with the tuning's
        runs. Runs are given by their number and a hash that ignores the recipe. `expect`, which interprets the claim,
        is left out; so are the statements that it is attached to, and `difference` and
        `cut_window`, which confirm what is tested.
        """
        if self.unchanged is not None:
            return self.unchanged.tested(name)
        claim = self.claims[name]
        runs = {grid: self._runs([grid]) for grid in claim.grids} if claim.names_grids else self._runs(claim.grids)
        fields = claim.model_dump(exclude={"expect", "grid", "gates", "difference", "cut_window"})
        return {
            **by_value(former_words(fields)),
            "gates": sorted(self.stated_hash(gate) for gate in claim.gates),
            "runs": runs,
            "tune": self._tuning(self.tuning(claim)),
        }

    def _tuning(self, entries: Iterable[str]) -> dict[str, Any]:
        """The fields of tuning entries by name, with the runs of their grids in place of the grids' names."""
        fields = {
            name: by_value(former_words(self.tune[name].model_dump(exclude={"grid", "seeks"}))) for name in entries
        }
        return {name: entry | {"runs": self._runs(self.tune[name].grids)} for name, entry in fields.items()}

    def _runs(self, grids: Iterable[str]) -> dict[str, Any]:
        """The number and the hash of the runs of these grids together."""
        asked = sorted(frozenset().union(*(self.grids[grid].asked for grid in grids)))
        return {"count": len(asked), "hash": _digest(asked)}

    def tuning(self, claim: Claim) -> dict[str, Tune]:
        """The tuning that a claim depends on: entries named in `at`, and transitively those that its runs wait for."""
        needed: set[str] = set()
        named = {value for value in claim.at.values() if value in list(self.tune)} | self.awaited(claim.grids)
        while named:
            needed |= named
            named = self.awaited(grid for name in named for grid in self.tune[name].grids) - needed
        return {name: entry for name, entry in self.tune.items() if name in needed}

    def awaited(self, grids: Iterable[str]) -> set[str]:
        """The tuning entries that cells of these grids wait for."""
        return {entry for grid in grids for cell in self.grids[grid].cells for entry in cell.waits.values()}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class PlannedRun:
    """A run of a plan, with the grids that ask for it."""

    spec: RunSpec
    grids: tuple[str, ...]
