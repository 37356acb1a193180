"""Grids of cells: the product of the axes of an experiment, each cell a complete configuration."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from bn_study.errors import Faults, UsageError
from bn_study.plan import parts, specify
from bn_study.plan.experiment import Cell, Factors, Grid, Tune
from bn_study.plan.renamed import current

GROUPS = ("dataset", "model", "norm", "optimizer", "schedule", "probe")
"""Settings that choose a part: each is a Hydra group, a folder in conf/."""
FIXED = ("name", "keras")
"""Entries that identify a part's file. An override may repeat them, as a run's settings do, but not change them."""
Axes = dict[str, list[Any]]


@dataclass(frozen=True)
class _Piece:
    """An entry of a configuration with values of the axes filled in. It is made and checked once; many cells share it.

    content: its value in the cell's config. waits: see Cell. field: its field of the RunSpec, if no factor waits.
    """

    name: str
    content: Any
    waits: dict[str, str]
    field: Any


class GridBuilder:
    """Grids of one experiment, and a check that every setting it names reached at least one run.

    The chosen parts decide which entry of the configuration each axis changes. Each entry takes few values, so a cell
    only combines pieces that exist already. This makes grids of a hundred thousand cells affordable.
    """

    def __init__(self, composer: Callable[[Mapping[str, Any]], dict[str, Any]], tune: Mapping[str, Tune]) -> None:
        self.composer = composer
        self.tune = tune
        self.grids: dict[str, Grid] = {}
        self.pieces: dict[str, _Piece] = {}
        self.reached: set[str] = set()
        self.options: set[str] = set()

    def add_all(
        self,
        where: str,
        base: Factors,
        written: Mapping[str, Factors],
        axis: Callable[[str, Any, str], list[Any]],
        profile: Axes,
        asked: Axes,
        told: Faults,
    ) -> None:
        """Add the grids of a file; `told` gets the errors of those that cannot be read.

        axis: reads a factor. profile, asked: what overrides it; an override of `seed` does not reach grids that tune.
        """
        tuning_grids = {grid for entry in self.tune.values() for grid in entry.grids}
        for grid, factors in written.items():
            changed = {key: one for key, one in asked.items() if not (key == "seed" and grid in tuning_grids)}
            fixed = {key: one for key, one in profile.items() if not (key == "seed" and grid in tuning_grids)}
            with told.at():
                own = {current(key): axis(key, value, f"{where}: grids.{grid}") for key, value in factors.items()}
                try:
                    self.add(grid, base, own, fixed, changed)
                except UsageError as error:
                    overridden = any(key in str(error) for key in changed)
                    told.add(error, *(() if overridden else (where, f"grids.{grid}")))

    def add(self, name: str, base: Factors, own: Axes, profile: Axes, asked: Axes) -> None:
        """Raises UsageError for a setting that no part has and for a value that its part refuses."""
        axes = {key: [value] for key, value in base.items()} | own | profile | asked
        reached: set[str] = set()
        options: set[str] = set(GROUPS)
        cells: dict[tuple[int, ...], Cell] = {}
        for pieces in self._combinations(axes, reached, options):
            same = tuple(map(id, pieces))
            if same not in cells:
                cells[same] = _cell(pieces)
        self.reached |= reached
        self.options |= options
        unknown = [key for key in own if key not in profile and key not in asked and key not in reached]
        if unknown:
            raise UsageError("; ".join(parts.unknown("setting", key, options) for key in unknown))
        stated = {key: axis if len(axis) > 1 else axis[0] for key, axis in axes.items()}
        self.grids[name] = Grid(name, stated, tuple(cells.values()), math.prod(map(len, axes.values())))

    def finish(
        self, where: str, written: Mapping[str, Factors], base: Factors, asked: Axes, of_call: Iterable[str]
    ) -> None:
        """Raises UsageError for a setting that reached no run, where all grids could be read."""
        if len(self.grids) < len(written):
            return
        for source, keys in ((f"{where}: base", base), ("command line", asked)):
            for key in keys:
                if key not in self.reached and (source == "command line" or key not in asked):
                    known = self.options | set(of_call if source == "command line" else ())
                    raise UsageError(f"{source}: {parts.unknown('setting', key, known)}")

    def _combinations(self, axes: Axes, reached: set[str], options: set[str]) -> Iterator[list[_Piece]]:
        """The pieces of each point of the product of the axes; the last axis varies fastest."""
        choosing = [number for number, key in enumerate(axes) if key in GROUPS]
        known: dict[tuple[int, ...], list[tuple[Callable[..., _Piece], list[int]]]] = {}
        for indices in itertools.product(*(range(len(axis)) for axis in axes.values())):
            choice = tuple(indices[number] for number in choosing)
            if choice not in known:
                chosen = {key: axis[index] for (key, axis), index in zip(axes.items(), indices, strict=True)}
                choices = {key: chosen[key] for key in GROUPS if key in chosen}
                known[choice] = self._slots(choices, axes, reached, options)
            yield [piece(*[indices[number] for number in numbers]) for piece, numbers in known[choice]]

    def _slots(
        self, choices: Factors, axes: Axes, reached: set[str], options: set[str]
    ) -> list[tuple[Callable[..., _Piece], list[int]]]:
        """For each entry of the configuration: the function from indices to its piece, and the axes that they index."""
        for key, value in choices.items():
            if not isinstance(value, list if key == "probe" else str):
                hint = "a list of probes in brackets" if key == "probe" else "the name of one part"
                raise UsageError(f"{key}={value}: give {hint}")
        config = self.composer(choices)
        options |= set(dotted(config))
        settings = [key for key in axes if key not in GROUPS and _has(config, key)]
        fixed = [key for key in settings if key.split(".")[-1] in FIXED]
        reached |= {*choices, *settings} - {key for key in fixed if _get(config, key) not in axes[key]}
        slots: list[tuple[Callable[..., _Piece], list[int]]] = []
        for name, content in config.items():
            own = {key: axes[key] for key in settings if key.split(".")[0] == name and key not in fixed}
            numbers = [number for number, key in enumerate(axes) if key in own]
            slots.append((cache(partial(self._piece, name, content, own)), numbers))
        return slots

    def _piece(self, name: str, content: Any, axes: Axes, *indices: int) -> _Piece:
        config, waits = {name: content}, {}
        for (key, axis), index in zip(axes.items(), indices, strict=True):
            value = axis[index]
            if isinstance(value, str) and value in self.tune and key in self.tune[value].factors:
                waits[key] = value
            set_value(config, key, value)
        same = repr((config, waits))
        if same not in self.pieces:
            field = specify.checked_field(name, config[name]) if name in specify.FIELDS and not waits else None
            self.pieces[same] = _Piece(name, config[name], waits, field)
        return self.pieces[same]


def _cell(pieces: list[_Piece]) -> Cell:
    config = {one.name: one.content for one in pieces}
    waits = {factor: entry for one in pieces for factor, entry in one.waits.items()}
    fields = {one.name: one.content if one.waits else one.field for one in pieces if one.name in specify.FIELDS}
    return Cell(config, waits, None, fields) if waits else Cell(config, waits, specify.assembled(fields))


def dotted(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{key}.")
        elif key not in FIXED:
            yield f"{prefix}{key}"


def _has(config: Any, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(config, dict) or name not in config:
            return False
        config = config[name]
    return not isinstance(config, dict)


def _get(config: Any, key: str) -> Any:
    for name in key.split("."):
        config = config[name]
    return config["name"] if isinstance(config, dict) else config


def set_value(config: dict[str, Any], key: str, value: Any) -> None:
    """Change a setting in place. The mappings on the way to it are copied, because other cells may share them."""
    *parents, last = key.split(".")
    for name in parents:
        config[name] = dict(config[name])
        config = config[name]
    config[last] = value
