"""Of every experiment of the study: what changes the hash of which claim. Expected is what the file's text says."""

import dataclasses
from pathlib import Path

import pytest

from bn_study.plan.compose import compose
from bn_study.plan.experiment import Cell
from bn_study.plan.reading import Sections, experiment_names, read_experiment
from bn_study.plan.spec import Part, RunSpec

HOME = Path(__file__).resolve().parents[2]
NAMES = experiment_names(HOME)


class Written:
    """What an experiment's file says: which claims rest on which grids, tuning entries and gates."""

    def __init__(self, name):
        sections = Sections(name, read_experiment(HOME, name))
        self.base, self.tune = sections.section("base"), sections.entries("tune")
        self.grids = sections.entries("grids", like=True)
        self.claims = sections.entries("claims", like=True)

    def grids_of(self, entry):
        names = entry.get("grid", next(iter(self.grids)))
        return {names} if isinstance(names, str) else set(names)

    def tuning(self, claim):
        """The entries that a claim is held at, those that its runs wait for, and so on."""
        found, new = set(), {one for one in self.claims[claim].get("at", {}).values() if one in list(self.tune)}
        grids = self.grids_of(self.claims[claim])
        while True:
            for grid in grids:
                for factor, value in (self.base | self.grids[grid]).items():
                    values = value if isinstance(value, list) else [value]
                    new |= {one for one in values if one in list(self.tune) and factor in self.tune[one]["factors"]}
            if new <= found:
                return found
            found |= new
            grids = {grid for entry in found for grid in self.grids_of(self.tune[entry])}

    def resting(self, rests):
        """The claims of which `rests` is true, and those that they gate."""
        found = {claim for claim in self.claims if rests(claim)}
        while more := {name for name, one in self.claims.items() if found & set(one.get("gates", []))} - found:
            found |= more
        return found


@pytest.fixture(scope="module", params=NAMES)
def both(request):
    return compose(HOME, request.param, [])[0], Written(request.param)


def changed(before, **changes):
    """The claims whose hash another experiment has not."""
    old, new = before.stated(), dataclasses.replace(before, **changes).stated()
    return {name for name in old if old[name] != new[name]}


def with_claims(experiment, names, **changes):
    return {
        name: claim.model_copy(update=changes) if name in names else claim for name, claim in experiment.claims.items()
    }


def with_cells(experiment, grid, change):
    there = experiment.grids[grid]
    return experiment.grids | {grid: dataclasses.replace(there, cells=tuple(map(change, there.cells)))}


def test_what_claims_are_read_as_changes_none(both):
    experiment, _ = both
    texts = dict.fromkeys(("question", "source", "discussion"), "something else")
    claims = with_claims(experiment, experiment.claims, expect="the contrary")
    other = dataclasses.replace(experiment, claims=claims, figures={}, **texts)
    assert other.stated() == experiment.stated() and other.digest == experiment.digest


def test_a_margin_changes_its_claim_and_those_that_it_gates(both):
    experiment, written = both
    for name, claim in experiment.claims.items():
        claims = with_claims(experiment, [name], margin=claim.margin * 2)
        assert changed(experiment, claims=claims) == written.resting(lambda one, name=name: one == name)
        assert dataclasses.replace(experiment, claims=claims).digest == experiment.digest, "the same is trained"


@pytest.mark.parametrize(
    ("field", "value"),
    [("level", {"nowhere": 0.5}), ("says", "no word"), ("test", "no test"), ("contrast", {"constant": 7.0}),
     ("at", {"batch_size": 7}), ("contexts", ["no factor"]), ("measure", {"final": {"metric": "x"}})],
)  # fmt: skip
def test_so_does_whatever_else_is_tested(both, field, value):
    experiment, written = both
    for name in experiment.claims:
        claims = with_claims(experiment, [name], **{field: value})
        assert changed(experiment, claims=claims) == written.resting(lambda one, name=name: one == name)


@pytest.mark.parametrize("factor", ["seed", "batch_size"])
def test_a_value_of_a_grid_changes_the_claims_that_rest_on_it(both, factor):
    """One seed or one setting of its first run; also where it only serves to choose values."""
    experiment, written = both
    for grid, there in experiment.grids.items():

        def change(cell, first=there.cells[0]):
            return moved(cell, factor) if cell is first else cell

        def rests(claim, grid=grid):
            selection = set().union(*(written.grids_of(written.tune[one]) for one in written.tuning(claim)))
            return grid in written.grids_of(written.claims[claim]) | selection

        other = with_cells(experiment, grid, change)
        assert changed(experiment, grids=other) == written.resting(rests)
        assert dataclasses.replace(experiment, grids=other).digest != experiment.digest


def moved(cell: Cell, factor: str) -> Cell:
    if cell.spec is not None:
        return dataclasses.replace(cell, spec=dataclasses.replace(cell.spec, **{factor: 12345}))
    return dataclasses.replace(cell, fields=dict(cell.fields) | {factor: 12345})


def test_a_tuning_changes_the_claims_that_rest_on_it(both):
    experiment, written = both
    for name, entry in experiment.tune.items():
        other = entry.model_copy(update={"best": "min" if entry.best == "max" else "max"})
        found = changed(experiment, tune=experiment.tune | {name: other})
        assert found == written.resting(lambda claim, name=name: name in written.tuning(claim))


def test_neither_a_recipe_nor_an_option_that_is_null_changes_any(both):
    """As if the recipe were raised, and each part and probe had another option, which is null."""
    experiment, _ = both

    def part(one: Part) -> Part:
        return Part(one.name, dict(one.args) | {"later": None})

    def field(value):
        if isinstance(value, Part):
            return part(value)
        if isinstance(value, dict):
            return value | {"later": None}
        return tuple(map(part, value)) if isinstance(value, tuple) else value

    def change(cell: Cell) -> Cell:
        if cell.spec is None:
            return dataclasses.replace(cell, fields={name: field(one) for name, one in cell.fields.items()})
        values = {one.name: getattr(cell.spec, one.name) for one in dataclasses.fields(RunSpec)}
        spec = RunSpec(**{name: field(one) for name, one in values.items()} | {"recipe": values["recipe"] + 1})
        assert spec.training == cell.spec.training and spec.id != cell.spec.id
        return dataclasses.replace(cell, spec=spec)

    grids = {
        name: dataclasses.replace(grid, cells=tuple(map(change, grid.cells))) for name, grid in experiment.grids.items()
    }
    assert changed(experiment, grids=grids) == set()


def test_what_is_trained_is_without_probes_and_schedule(both):
    experiment, _ = both
    specs = [cell.spec for grid in experiment.grids.values() for cell in grid.cells if cell.spec is not None]
    for spec in specs[:: max(1, len(specs) // 10)]:
        assert dataclasses.replace(spec, probes=(), schedule={"points": 1}, recipe=99).training == spec.training
        for change in ({"seed": spec.seed + 1}, {"steps": spec.steps + 1}, {"norm": Part("other", {})}):
            assert dataclasses.replace(spec, **change).training != spec.training
