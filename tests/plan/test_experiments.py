"""Every experiment of the repository can be planned, as it stands and under each short profile."""

from pathlib import Path

import pytest

from bn_study.analysis import tune
from bn_study.analysis.check import check
from bn_study.analysis.measures import parse
from bn_study.plan.compose import _compose, _Composer
from bn_study.plan.expand import expand
from bn_study.plan.reading import experiment_names
from bn_study.plan.schedule import measuring_points

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def composer():
    """One for all experiments: it knows each choice of parts that it has composed."""
    return _Composer(HOME)


def specs(experiment, grids):
    """The runs that grids ask for, with some value in the place of each that is to be tuned."""
    runs, waiting = expand(experiment, tune.supposed(experiment))
    assert not waiting
    return [run.spec for run in runs if set(grids) & set(run.grids)]


def cells(experiment):
    """How many runs the grids ask for, with those that several of them share counted in each."""
    return sum(len(grid.cells) for grid in experiment.grids.values())


@pytest.mark.parametrize("name", experiment_names(HOME))
def test_an_experiment_can_be_planned(composer, name):
    for profile in ("smoke", "quick"):
        short, _ = _compose(composer, name, [f"profile={profile}"])
        check(short)
        every = specs(short, short.grids)
        assert every and {spec.dataset.name for spec in every} == {"digits"}
    check(short.unchanged)
    assert cells(short.unchanged) >= cells(short) and short.unchanged.question


@pytest.mark.parametrize("name", experiment_names(HOME))
def test_what_claims_look_at_is_measured(composer, name):
    """A step that a claim names is a measuring point of a probe in every run that it is asked of, not only in one."""
    experiment, _ = _compose(composer, name, [])
    for claim in experiment.claims.values():
        step = parse(claim.measure).args.get("step")
        for spec in specs(experiment, claim.grids) if step is not None else ():
            assert step in [point for point, probes in measuring_points(spec) if probes], (claim, spec.id)


def test_no_two_experiments_share_a_seed(composer):
    """What is peculiar to a seed must not be in the evidence of two questions, nor what was chosen on it."""
    owner = {}
    for name in experiment_names(HOME):
        experiment, _ = _compose(composer, name, [])
        for seed in {cell.config["seed"] for grid in experiment.grids.values() for cell in grid.cells}:
            assert owner.setdefault(seed, name) == name, f"{name} and {owner[seed]} have seed {seed}"
