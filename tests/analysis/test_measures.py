import math

import numpy as np
import pandas as pd
import pytest

from bn_study.analysis import measures
from bn_study.analysis.measures import label, parse
from bn_study.errors import UsageError
from bn_study.plan.spec import Part, RunSpec
from bn_study.store import Store

PATH = {"quantiles": [15.0, 50.0, 85.0], "start": 0, "end": 1000, "relative": False}


@pytest.fixture
def stored(tmp_path):
    """Publish a run with these scalars (name -> [(step, value)]) and vectors ((name, site) -> [(step, values)])."""

    def publish(scalars=None, vectors=None, status="complete", seed=0):
        part = Part("x", {})
        spec = RunSpec(part, part, part, part, 1000, 60, seed, (), {})
        rows = [(step, name, "", value) for name, points in (scalars or {}).items() for step, value in points]
        records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
        rows = [(s, name, site, np.array(v)) for (name, site), points in (vectors or {}).items() for s, v in points]
        table = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
        store = Store(tmp_path)
        store.prepare()
        store.publish(spec, records, table, {"status": status, "classes": 10})
        return store.read(spec.id)

    return publish


def curve(*values):
    return {"test/accuracy": [(100 * (index + 1), value) for index, value in enumerate(values)]}


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ((0.1, 0.95, 0.2, 0.95, 0.96, 0.1), 400),
        ((0.95, 0.95), 100),
        ((0.1, 0.2, 0.95), math.nan),
        ((0.1, 0.94, 0.9499), math.nan),
        ((0.99,), math.nan),
        ((0.1, math.nan, 0.96, 0.97), 300),
    ],
)
def test_steps_to_is_the_first_of_two_points_at_the_level(stored, values, steps):
    run = stored(curve(*values))
    assert measures.steps_to(run, metric="test/accuracy", level=0.95) == pytest.approx(steps, nan_ok=True)


def test_order_of_records_does_not_matter(stored):
    run = stored({"test/accuracy": [(300, 0.97), (100, 0.2), (200, 0.96)]})
    assert measures.steps_to(run, metric="test/accuracy", level=0.95) == 200
    assert measures.final(run, metric="test/accuracy") == 0.97


def test_a_diverged_run_has_reached_nothing(stored):
    run = stored(curve(0.96, 0.97, 0.98), status="diverged")
    assert math.isnan(measures.steps_to(run, metric="test/accuracy", level=0.95))
    assert math.isnan(parse({"final": {"metric": "test/accuracy"}}).of(run, None))


def test_a_metric_that_was_not_recorded_is_an_error(stored):
    with pytest.raises(UsageError, match="did you mean test/accuracy"):
        measures.final(stored(curve(0.5)), metric="test/acuracy")


def units(site, steps, low, middle, high):
    """Records of three percentiles; each is a list over steps of a list over units."""
    names = {"activation/unit_q15": low, "activation/unit_q50": middle, "activation/unit_q85": high}
    return {(name, site): list(zip(steps, values, strict=True)) for name, values in names.items()}


def test_path_length_by_hand(stored):
    low, middle, high = [[-1, -2], [-1, -2], [-1, -4]], [[0, 0], [1, 0], [0, 0]], [[1, 2], [4, 2], [1, 4]]
    run = stored(vectors=units("layer1/pre", [0, 100, 200], low, middle, high))
    # unit 0 moves by 0, 2 and 6; unit 1 by 2, 0 and 2: means over percentiles 8/3 and 4/3
    assert measures.unit_path_lengths(run, "layer1/pre", [15, 50, 85], 0, 1000) == pytest.approx([8 / 3, 4 / 3])
    assert measures.path_length(run, site="layer1/pre", **PATH) == pytest.approx(2)
    # widths over time: unit 0 has 2, 5, 2 (mean 3), unit 1 has 4, 4, 8 (mean 16/3)
    relative = measures.path_length(run, site="layer1/pre", **PATH | {"relative": True})
    assert relative == pytest.approx((8 / 9 + 4 / 16) / 2)
    assert measures.path_length(run, site="layer1/pre", **PATH | {"end": 100}) == pytest.approx((4 / 3 + 0) / 2)
    assert math.isnan(measures.path_length(run, site="layer1/pre", **PATH | {"start": 150}))
    assert math.isnan(measures.path_length(run, site="layer1/pre", **PATH | {"start": 500, "relative": True}))
    assert measures.median_unit(run, "layer1/pre", [15, 50, 85], 0, 1000) == 1


def test_a_unit_without_width_has_no_relative_path(stored):
    low, high = [[0, -1], [0, -1]], [[0, 1], [0, 3]]
    run = stored(vectors=units("layer1/pre", [0, 1], low, low, high))
    assert measures.path_length(run, site="layer1/pre", **PATH | {"relative": True}) == pytest.approx((2 / 3) / 3)


def test_path_growth_is_the_slope_of_the_logarithm(stored):
    vectors = {}
    for layer in range(1, 12):
        values = [[0.0], [3 * 2.0 ** (0.25 * layer)]]
        vectors |= units(f"layer{layer}/pre", [0, 100], values, values, values)
    run = stored(vectors=vectors)
    assert measures.path_growth(run, site="pre", **PATH) == pytest.approx(0.25)
    with pytest.raises(UsageError, match="layer<i>/post"):
        measures.path_growth(run, site="post", **PATH)


def test_one_layer_has_no_growth(stored):
    run = stored(vectors=units("layer1/pre", [0, 1], [[0], [1]], [[0], [1]], [[0], [1]]))
    assert math.isnan(measures.path_growth(run, site="pre", **PATH))


def test_labels_are_canonical():
    spec = {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}
    assert label(spec, 0.95) == "steps_to(level=0.95,metric=test/accuracy)"
    assert label({"path_length": {"site": "layer3/pre", **PATH}}, None) == (
        "path_length(end=1000,quantiles=[15,50,85],relative=false,site=layer3/pre,start=0)"
    )
    whole = {"path_length": {"site": "layer3/pre", **PATH, "end": 1e3, "quantiles": [15, 50, 85]}}
    assert label(whole, None) == label({"path_length": {"site": "layer3/pre", **PATH}}, None)


def test_scales():
    assert parse({"final": {"metric": "test/loss"}, "scale": "log10"}).scaled(1000) == pytest.approx(3)
    assert parse({"final": {"metric": "test/loss"}}).scaled(-2) == -2
    assert math.isnan(parse({"final": {"metric": "test/loss"}, "scale": "log2"}).scaled(0))


@pytest.mark.parametrize(
    ("spec", "replacement"),
    [
        ({"steps_to": {"metric": "test/accuracy"}}, "length"),
        ({"final": {"metric": "test/accuracy_moving"}}, "chance"),
        ({"final": {"metric": "test/loss"}}, "worst"),
        ({"path_growth": {"site": "pre", **PATH}}, "worst"),
    ],
)
def test_what_stands_for_a_missing_value(spec, replacement):
    assert parse(spec).replacement == replacement


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "a measure is one name"),
        ({"final": {"metric": "a"}, "steps_to": {"metric": "a"}}, "a measure is one name"),
        ({"step_to": {"metric": "a"}}, "did you mean steps_to"),
        ({"final": {"metric": "a"}, "scale": "log3"}, "did you mean log2"),
        ({"final": {}}, "final needs the argument metric"),
        ({"final": None}, "final needs the argument metric"),
        ({"final": {"metrik": "a", "metric": "a"}}, "did you mean metric"),
        ({"final": {"metric": 3}}, "metric=3"),
        ({"final": "test/accuracy"}, "must be a mapping"),
        ({"steps_to": {"metric": "a", "level": 0.9}}, "give the level in `level`"),
        ({"path_growth": {"site": "pre", **PATH, "quantiles": [150]}}, "quantiles.0=150"),
        ({"path_growth": {"site": "pre", **PATH, "relative": "yes"}}, "relative='yes'"),
    ],
)
def test_bad_measures_are_refused(spec, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        parse(spec)
