"""A claim that cannot mean what its author thinks is refused at plan, in a line, before anything is trained.

Every entry of `WRONG` is one thing written wrongly in a file that is right otherwise.
"""

import copy

import pytest
import yaml

from bn_study.cli.main import main
from bn_study.cli.request import parsed

FILE = yaml.safe_load("""
question: Is it so?
base: {dataset: digits, model.widths: [8], steps: 400, probe: [curves, activations], probe.activations.units: true}
grids:
  all: {norm: [none, batch], optimizer.learning_rate: [0.1, 1.0], seed: range(4)}
  select: {like: all, seed: [100, 101]}
  often: {like: all, norm: batch, probe.activations.every: 10}
  later: {like: all, norm: batch, seed: "range(4, 8)"}
  few: {like: all, norm: batch, probe: [[curves]]}
tune:
  rate:
    grid: select
    factors: [optimizer.learning_rate]
    per: [norm]
    score: {final: {metric: validation/accuracy}}
    best: max
claims:
  it:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    at: {optimizer.learning_rate: 0.1}
    test: superiority
    margin: 0.01
""")
PATH = {"site": "layer1/pre", "quantiles": [50], "start": 10, "end": 400, "relative": False}
STEPS = {"measure": {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}, "level": {"digits": 0.9}}
THREE = [
    f"{arm} optimizer.learning_rate={rate}" for arm, rate in (("norm=batch", 0.1), ("norm=none", 0.1), ("norm=none", 1))
]
OVER = {"factor": "optimizer.learning_rate", "take": "largest_usable", "fraction": 0.9}


def path(**changes):
    return {"measure": {"path_length": PATH | changes}}


def step(number):
    return {"measure": {"value": {"name": "activation/std", "site": "layer1/pre", "step": number}}}


def depth(measure, first, last):
    ends = {"name": "activation/std", "site": "pre", "step": 0, "first": first, "last": last}
    return {"measure": {measure: ends | ({"log": False} if measure == "depth_slope" else {"absolute": False})}}


def two(*grids):
    """Normalized nets of two grids against each other."""
    contrast = {f"grid={grids[0]} norm=batch": 1, f"grid={grids[1]} norm=batch": -1}
    return {"grid": list(dict.fromkeys(grids)), "contrast": contrast}


WRONG = {
    "a layer against itself": (depth("depth_ratio", 2, 2), "first and last are both layer 2"),
    "one layer has no slope": (depth("depth_slope", 2, 2), "layers 2 to 2 are fewer than two"),
    "a layer that no net has": (depth("depth_slope", 1, 11), "layer11/pre"),
    # a margin in another unit than the measure's
    "per cent": ({"margin": 5}, "lies between -1 and 1, so superiority would never be supported"),
    "one per cent": ({"margin": 1}, "margin: 1: the contrast of final test/accuracy lies between -1 and 1"),
    "equivalence of anything": ({"margin": 2, "test": "equivalence"}, "equivalence would always be supported"),
    "no loss of anything": ({"margin": 3, "test": "noninferiority"}, "noninferiority would always be supported"),
    "exact to anything": ({"margin": 1.5, "test": "exact"}, "exact would always be supported"),
    "no such difference": ({"margin": 7, "test": "difference"}, "difference would never be supported"),
    "too many doublings": (STEPS | {"margin": 12}, "so superiority would never be supported"),
    "a sum of metrics": (
        {"measure": {"combined": {"metrics": {"test/accuracy": 1, "train/accuracy": -1}}}, "margin": 3},
        "lies between -2 and 2",
    ),
    "a deviation over rates": (
        {"measure": {"final": {"metric": "test/accuracy"}, "over": {"factor": OVER["factor"], "take": "deviation"}},
         "at": {}, "margin": 0.6},
        "lies between -0.5 and 0.5",
    ),
    "a number over seeds": (
        {"measure": {"final": {"metric": "test/accuracy"}, "over": {"factor": "seed", "take": "deviation"}}},
        "over: seed: an effect is taken for each seed",
    ),
    "a sum of nothing": ({"measure": {"combined": {"metrics": {}}}}, "combined: metrics: name at least one"),
    "a threshold in per cent": ({"contrast": {"norm=batch": 1, "constant": -90}}, "lies between -90 and -89"),
    "a threshold that all reach": ({"contrast": {"norm=batch": 1, "constant": 0.5}}, "would always be supported"),
    # weights
    "both arms with the same sign": ({"contrast": {"norm=batch": 1, "norm=none": 1}}, "the weights sum to 2"),
    "one arm": ({"contrast": {"norm=batch": 1}}, "the weights sum to 1, so it is no difference between arms"),
    "an arm without a weight": (
        {"contrast": dict(zip(THREE, (1, -1, 0), strict=True)), "at": {}},
        "norm=none optimizer.learning_rate=1 has the weight 0",
    ),
    # windows and steps
    "a window beyond the run": (path(start=100, end=9000), "ends after the 400 steps of norm=batch"),
    "a window of an average": (
        {"measure": {"average": {"name": "test/loss", "site": "", "start": 0, "end": 500, "log": False}}},
        "the window from step 0 to 500 ends after the 400 steps",
    ),
    "a window without points": (path(start=301, end=399), "has 0 measuring points"),
    "a window turned round": (path(start=300, end=100), "has 0 measuring points"),
    "a step beyond the run": (step(401), "at step 401, at which no run measures it; the nearest measuring point is"),
    "a step between two": (step(11), "at step 11, at which no run measures it; the nearest measuring point is 10"),
    # levels
    "a level in per cent": (STEPS | {"level": {"digits": 80}}, "level: digits: 80: test/accuracy lies between 0 and 1"),
    "a level that all reach": (STEPS | {"level": {"digits": 0}}, "level: digits: 0: test/accuracy lies between 0"),
    "a level of another data set": (STEPS | {"level": {"digits": 0.9, "mnist": 95}}, "level: mnist: 95"),
    "steps until a loss rises": (
        {"measure": {"steps_to": {"metric": "test/loss"}, "scale": "log2"}, "level": {"digits": 0.5}},
        "steps_to asks for values at or above a level, and less test/loss is better",
    ),
    "rates usable by their loss": (
        {"measure": {"final": {"metric": "test/loss"}, "over": OVER}, "at": {}},
        "largest_usable asks for values at or above a level, and less test/loss is better",
    ),
    # arms
    "one seed": ({"at": {"optimizer.learning_rate": 0.1, "seed": 0}}, "share 1 seed; give the grid several"),
    "seeds of their own": (two("all", "later"), "share 0 seeds"),
    "one run on both sides": (
        {"contrast": {"norm=batch": 1, "norm=batch optimizer.learning_rate=0.1": -1}},
        "are the same runs, whose difference is 0",
    ),
    "measured at other steps": (path() | two("all", "often"), "so they cannot be compared"),
    "an arm without the records": (path() | two("all", "few"), "add the probe activations to the grid"),
    "an option of no arm": (
        {"contrast": {"norm=none": 1, "constant": -0.5}, "at": {"optimizer.learning_rate": 0.1, "norm.momentum": 0.9}},
        "norm.momentum is an option that no arm has",
    ),
    "a list that is none": ({"contrast": {"model.widths=[8": 1, "norm=none": -1}}, "no cell"),
    "a scale that is a list": (
        {"measure": {"final": {"metric": "test/accuracy"}, "scale": ["log2"]}}, "unknown scale",
    ),
    "a level where none is taken": (
        {"measure": {"final": {"metric": "test/accuracy", "level": 0.9}}}, "unknown argument of final 'level'",
    ),
    "a metric that is not recorded": ({"measure": {"final": {"metric": "test/acuracy"}}}, "did you mean test/accuracy"),
}  # fmt: skip
TUNINGS = {
    "the worst accuracy": ({"best": "min"}, "picks the worst value, because more validation/accuracy is better"),
    "the largest loss": (
        {"score": {"final": {"metric": "validation/loss"}}},
        "picks the worst value, because less validation/loss is better",
    ),
    "the most steps": (
        {"score": {"steps_to": {"metric": "validation/accuracy"}}, "level": {"digits": 0.9}},
        "picks the worst value, because less steps is better",
    ),
    "a level in per cent": (
        {"score": {"steps_to": {"metric": "validation/accuracy"}}, "level": {"digits": 90}, "best": "min"},
        "level: digits: 90: validation/accuracy lies between 0 and 1",
    ),
    "a window beyond the run": (
        {"score": {"average": {"name": "validation/loss", "site": "", "start": 0, "end": 900, "log": True}},
         "best": "min"},
        "the window from step 0 to 900 ends after the 400 steps of select",
    ),
    "the worst that is the best": ({"seeks": "worst"}, "leave out `seeks: worst`"),
}  # fmt: skip
FIGURES = {
    "a setting that is none": ({"by": ["zzz"]}, "unknown setting 'zzz'"),
    "panels by nothing": ({"panels": "norn"}, "unknown setting 'norn'; did you mean norm"),
    "a color of nothing": ({"color": "zzz"}, "unknown setting 'zzz'"),
    "no grid": ({"grid": []}, "grid: the list is empty"),
}
MEANT = {
    "as it is": {},
    "a sum": {"contrast": {"norm=batch": 1, "norm=none": 1}, "difference": False},
    "one arm": {"contrast": {"norm=batch": 1}, "difference": False},
    "a threshold": {"contrast": {"norm=batch": 1, "constant": -0.9}},
    "one seed of an exact claim": {"at": {"optimizer.learning_rate": 0.1, "seed": 0}, "test": "exact"},
    "a whole run": path(),
    "a window that is cut": path(end=9000) | {"cut_window": True},
    "a step that is measured": step(10),
    "a level": STEPS,
    "a metric by another source": {"measure": {"final": {"metric": "test/accuracy_moving"}}},
    "a loss": {"measure": {"final": {"metric": "test/loss"}}, "margin": 5},
    "rates": {"measure": {"final": {"metric": "test/accuracy"}, "over": OVER, "scale": "log10"}, "at": {}},
}


@pytest.fixture
def refused(study_here, capsys):
    """`refused(content)` -> the lines that `plan` says of a file, with exit code 2 and nothing started."""

    def refused(content):
        study = study_here(x=yaml.safe_dump(content, sort_keys=False))
        assert main(["plan", "x"]) == 2
        said = capsys.readouterr()
        assert said.out == "" and not study.results.exists()
        return said.err.removeprefix("bn-study: ").splitlines()

    return refused


def changed(claim=None, tuning=None):
    content = copy.deepcopy(FILE)
    content["claims"]["it"] |= claim or {}
    content["tune"]["rate"] |= tuning or {}
    return content


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_claim_is_refused_in_a_line(refused, wrong):
    changes, message = WRONG[wrong]
    (line,) = refused(changed(changes))
    assert line.startswith("experiments/x.yaml: claims.it: ") and message in line


@pytest.mark.parametrize("wrong", FIGURES)
def test_a_wrong_figure_is_refused_in_a_line(refused, wrong):
    changes, message = FIGURES[wrong]
    figure = {"kind": "curves", "grid": "all", "metric": "test/accuracy"} | changes
    (line,) = refused(changed() | {"figures": {"it": figure}})
    assert line.startswith("experiments/x.yaml: figures.it: ") and message in line


@pytest.mark.parametrize("wrong", TUNINGS)
def test_a_wrong_tuning_is_refused_in_a_line(refused, wrong):
    changes, message = TUNINGS[wrong]
    (line,) = refused(changed(tuning=changes))
    assert line.startswith("experiments/x.yaml: tune.rate: ") and message in line


@pytest.mark.parametrize("meant", MEANT)
def test_what_is_meant_passes(study_here, meant):
    study_here(x=yaml.safe_dump(changed(MEANT[meant]), sort_keys=False))
    assert parsed(["x"]).experiment.claims


def test_the_worst_value_may_be_meant(study_here):
    study_here(x=yaml.safe_dump(changed(tuning={"best": "min", "seeks": "worst"}), sort_keys=False))
    assert parsed(["x"]).experiment.tune["rate"].seeks == "worst"


def test_what_confirms_a_claim_is_not_in_its_hash(make_study, tmp_path):
    """The claim is tested at tuned rates, so the tuning is in its hash."""
    claim, tuning = {"difference": False, "cut_window": True}, {"seeks": "best"}
    found = []
    for name, content in (("plain", changed()), ("said", changed(claim, tuning))):
        content["claims"]["it"]["at"] = {"optimizer.learning_rate": "rate"}
        study = make_study(tmp_path / name, x=yaml.safe_dump(content, sort_keys=False))
        experiment = parsed(["x"], study).experiment
        assert set(experiment.tuning(experiment.claims["it"])) == {"rate"}
        found.append(experiment.stated())
    assert found[0] == found[1]


# --- all at once ------------------------------------------------------------------------------------------------------


def test_all_errors_of_a_file_are_told_at_once(refused):
    """In every section, of every kind, two in one claim; what follows from another error is not told."""
    content = changed({"margin": 5, "contrast": {"norm=batch": 1, "norm=none": 1}, "difference": False})
    content["grids"]["broken"] = {"like": "all", "optimizer.learning_rate": -1}
    content["tune"]["rate"]["best"] = "min"
    content["tune"]["unread"] = {"grid": "select", "factors": ["batch_size"], "per": [], "best": "max"}
    claim = FILE["claims"]["it"]
    content["claims"] |= {
        "typo": claim | {"tset": "superiority", "margin": -1},
        "window": claim | path(start=100, end=9000) | {"margin": 0.5},
        "level": claim | STEPS | {"level": {"digits": 80}, "contrast": {"norm=batch": 1}},
        "same": {"like": "it", "margin": 6, "contrast": claim["contrast"]},
        "inherits": {"like": "same", "says": "always"},
        "follows": claim | {"grid": "broken"},
        "waits": claim | {"at": {"batch_size": "unread", "optimizer.learning_rate": 0.1}},
        "gated": claim | {"gates": ["typo"]},
    }
    content["figures"] = {"drawn": {"kind": "curve"}}
    content["sectoin"] = {}
    places = {
        "unknown section 'sectoin'": "",
        "score is missing": "tune.unread",
        "unknown field 'tset'": "claims.typo",
        "margin: Input should be greater than 0": "claims.typo",
        "learning_rate": "grids.broken",
        "picks the worst value": "tune.rate",
        "margin: 5: the contrast of final test/accuracy lies between 0 and 2": "claims.it",
        "the window from step 100 to 9000": "claims.window",
        "level: digits: 80": "claims.level",
        "the weights sum to 1": "claims.level",
        "unknown figure 'curve'": "figures.drawn",
        "margin: 6": "claims.same, claims.inherits",
    }
    lines = refused(content)
    for message, place in places.items():
        (line,) = [one for one in lines if message in one]
        assert line.startswith(f"experiments/x.yaml: {place}")
    assert len(lines) == len(places), "\n".join(lines)


# --- shortened runs ---------------------------------------------------------------------------------------------------


def test_overrides_that_shorten_runs_shorten_what_claims_name(study_here):
    content = changed(path(start=20, end=200))
    content["claims"]["at_a_step"] = content["claims"]["it"] | step(400)
    content["tune"]["rate"]["score"] = {
        "average": {"name": "validation/loss", "site": "", "start": 40, "end": 400, "log": True}
    }
    content["tune"]["rate"]["best"] = "min"
    study_here(x=yaml.safe_dump(content, sort_keys=False))
    experiment = parsed(["x", "steps=100"]).experiment
    window = experiment.claims["it"].measure["path_length"]
    assert (window["start"], window["end"]) == (5, 50)
    assert experiment.claims["at_a_step"].measure["value"]["step"] == 100
    assert experiment.tune["rate"].score["average"]["end"] == 100
    assert experiment.shortened["claims.it"] == (
        "start 20 → 5, end 200 → 50, because the runs have 100 steps and not 400"
    )
    assert experiment.stated() == parsed(["x"]).experiment.stated()
    assert parsed(["x", "steps=4000"]).experiment.shortened == {} == parsed(["x", "seed=0,1"]).experiment.shortened


def test_a_file_that_is_wrong_is_refused_with_overrides_too(refused, study_here, capsys):
    refused(changed({"margin": 5}))
    for words in (["profile=quick"], ["steps=50"]):
        assert main(["plan", "x", *words]) == 2
        assert "margin: 5: the contrast of final test/accuracy" in capsys.readouterr().err
