import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bn_study.analysis import unit_paths
from bn_study.analysis.measures import parse
from bn_study.analysis.needed import Needed
from bn_study.analysis.recorded import NotRecorded
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.spec import Part, RunSpec
from bn_study.store.store import Store


def label(spec, level):
    return parse(spec).label(level)


def measured(measure, run, /, **args):
    return parts.call("measure", Part(measure, args), run)


PATH = {"quantiles": [15.0, 50.0, 85.0], "start": 0, "end": 1000, "relative": False}


@pytest.fixture
def stored(tmp_path):
    """Publish a run with these scalars (name -> [(step, value)]), those that belong to sites ((name, site) -> the same)
    and vectors ((name, site) -> [(step, values)]).
    """

    def publish(scalars=None, vectors=None, status="complete", seed=0, sites=None):
        part = Part("x", {})
        spec = RunSpec(part, part, part, part, 1000, 60, seed, (), {})
        named = {(name, ""): points for name, points in (scalars or {}).items()} | (sites or {})
        rows = [(step, name, site, value) for (name, site), points in named.items() for step, value in points]
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
    assert measured("steps_to", run, metric="test/accuracy", level=0.95) == pytest.approx(steps, nan_ok=True)


def test_order_of_records_does_not_matter(stored):
    run = stored({"test/accuracy": [(300, 0.97), (100, 0.2), (200, 0.96)]})
    assert measured("steps_to", run, metric="test/accuracy", level=0.95) == 200
    assert measured("final", run, metric="test/accuracy") == 0.97


def test_a_diverged_run_has_reached_nothing(stored):
    run = stored(curve(0.96, 0.97, 0.98), status="diverged")
    assert math.isnan(measured("steps_to", run, metric="test/accuracy", level=0.95))
    assert math.isnan(parse({"final": {"metric": "test/accuracy"}}).of(run, None))


def test_a_net_without_statistics_has_one_accuracy_by_any_source_of_them(stored):
    assert measured("final", stored(curve(0.5, 0.7)), metric="test/accuracy_moving_unbiased") == 0.7
    with pytest.raises(UsageError, match="accuracy_batch"):
        measured(
            "final", stored(curve(0.7) | {"test/accuracy_moving": [(1, 0.6)]}, seed=1), metric="test/accuracy_batch"
        )


def test_a_metric_that_was_not_recorded_is_an_error(stored):
    with pytest.raises(UsageError, match="did you mean test/accuracy"):
        measured("final", stored(curve(0.5)), metric="test/acuracy")


def units(site, steps, low, middle, high):
    """Records of three percentiles; each is a list over steps of a list over units."""
    names = {"activation/unit_q15": low, "activation/unit_q50": middle, "activation/unit_q85": high}
    return {(name, site): list(zip(steps, values, strict=True)) for name, values in names.items()}


def test_path_length_by_hand(stored):
    low, middle, high = [[-1, -2], [-1, -2], [-1, -4]], [[0, 0], [1, 0], [0, 0]], [[1, 2], [4, 2], [1, 4]]
    run = stored(vectors=units("layer1/pre", [0, 100, 200], low, middle, high))
    # unit 0 moves by 0, 2 and 6; unit 1 by 2, 0 and 2: means over percentiles 8/3 and 4/3
    assert unit_paths.unit_path_lengths(run, "layer1/pre", [15, 50, 85], 0, 1000) == pytest.approx([8 / 3, 4 / 3])
    assert measured("path_length", run, site="layer1/pre", **PATH) == pytest.approx(2)
    # widths over time: unit 0 has 2, 5, 2 (mean 3), unit 1 has 4, 4, 8 (mean 16/3)
    relative = measured("path_length", run, site="layer1/pre", **PATH | {"relative": True})
    assert relative == pytest.approx((8 / 9 + 4 / 16) / 2)
    assert measured("path_length", run, site="layer1/pre", **PATH | {"end": 100}) == pytest.approx((4 / 3 + 0) / 2)
    assert math.isnan(measured("path_length", run, site="layer1/pre", **PATH | {"start": 150}))
    assert math.isnan(measured("path_length", run, site="layer1/pre", **PATH | {"start": 500, "relative": True}))
    assert unit_paths.median_unit(run, "layer1/pre", [15, 50, 85], 0, 1000) == 1


def test_a_unit_without_width_has_no_relative_path(stored):
    low, high = [[0, -1], [0, -1]], [[0, 1], [0, 3]]
    run = stored(vectors=units("layer1/pre", [0, 1], low, low, high))
    assert measured("path_length", run, site="layer1/pre", **PATH | {"relative": True}) == pytest.approx((2 / 3) / 3)


def test_path_growth_is_the_slope_of_the_logarithm(stored):
    vectors = {}
    for layer in range(1, 12):
        values = [[0.0], [3 * 2.0 ** (0.25 * layer)]]
        vectors |= units(f"layer{layer}/pre", [0, 100], values, values, values)
    run = stored(vectors=vectors)
    assert measured("path_growth", run, site="pre", **PATH) == pytest.approx(0.25)
    with pytest.raises(NotRecorded, match="layer<i>/post"):
        measured("path_growth", run, site="post", **PATH)


def test_one_layer_has_no_growth(stored):
    run = stored(vectors=units("layer1/pre", [0, 1], [[0], [1]], [[0], [1]], [[0], [1]]))
    assert math.isnan(measured("path_growth", run, site="pre", **PATH))


# --- records by layer and step ----------------------------------------------------------------------------------------


def at(site="", step=None, name="saturation/share"):
    return {"name": name, "site": site, "step": step}


def layers(values, name="activation/std", site="linear", step=0):
    """Records of one look: a value a layer, from the first on."""
    return {(name, f"layer{layer}/{site}"): [(step, value)] for layer, value in enumerate(values, 1)}


def test_combined_is_the_weighted_sum_of_last_values(stored):
    run = stored({"test/accuracy": [(0, 0.1), (9, 0.5)], "train/accuracy": [(9, 0.75)], "test/loss": [(9, 4.0)]})
    weights = {"train/accuracy": 1.0, "test/accuracy": -1.0, "test/loss": 0.25}
    assert measured("combined", run, metrics=weights) == 0.75 - 0.5 + 1
    with pytest.raises(UsageError, match="did you mean test/loss"):
        measured("combined", run, metrics=weights | {"test/los": 1.0})


def test_a_value_by_name_site_and_step(stored):
    points = [(0, 0.1), (50, 0.3), (100, 0.7)]
    run = stored(sites={("saturation/share", "layer2/post"): points, ("one_step/best", ""): [(4, 9.0)]})
    for step, wanted in (*points, (None, 0.7)):
        assert measured("value", run, **at("layer2/post", step)) == wanted
    assert measured("value", run, **at("", 4, "one_step/best")) == 9
    assert math.isnan(measured("value", run, **at("layer2/post", 150)))  # the run ended before


def test_an_average_over_a_stretch_of_steps(stored):
    run = stored({"landscape/loss_range": [(0, 1.0), (100, 10.0), (200, 1000.0), (300, 5.0)]})
    args = {"name": "landscape/loss_range", "site": "", "start": 0}
    assert measured("average", run, **args, end=200, log=True) == pytest.approx(4 / 3)
    assert measured("average", run, **args, end=150, log=False) == pytest.approx(5.5)
    assert math.isnan(measured("average", run, **(args | {"start": 301}), end=400, log=False))
    with pytest.raises(UsageError, match="not recorded at layer1/pre"):
        measured("average", run, **(args | {"site": "layer1/pre"}), end=200, log=False)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_an_average_of_what_has_no_logarithm(stored, value):
    run = stored({"x/y": [(0, 1.0), (100, value)]})
    assert math.isnan(measured("average", run, name="x/y", site="", start=0, end=100, log=True))


def test_a_mean_over_layers_takes_each_layer_once(stored):
    other = {("saturation/share", "layer1/pre"): [(0, 9.0)], ("saturation/dead", "layer1/post"): [(0, 9.0)]}
    run = stored(sites=layers([0.1, 0.2, 0.6], "saturation/share", "post") | other)
    assert measured("layer_mean", run, **at("post", 0)) == pytest.approx(0.3)
    run = stored(sites={("saturation/share", f"layer{one}/post"): [(0, 0.5), (9, one)] for one in range(1, 13)}, seed=1)
    assert measured("layer_mean", run, **at("post")) == pytest.approx(np.arange(1, 13).mean())


SLOPE = {"name": "activation/std", "site": "linear", "step": 0, "log": True, "first": 1, "last": None}


def test_the_slope_over_depth_of_geometric_growth_is_its_rate(stored):
    run = stored(sites=layers([3 * 10 ** (0.05 * layer) for layer in range(1, 21)]))
    assert measured("depth_slope", run, **SLOPE) == pytest.approx(0.05)
    # the first layer is another matter, and so are the last two
    run = stored(sites=layers([1e6, *(2.0**layer for layer in range(2, 9)), 0.0, -1.0]), seed=1)
    assert measured("depth_slope", run, **SLOPE | {"first": 2, "last": 8}) == pytest.approx(math.log10(2))
    assert math.isnan(measured("depth_slope", run, **SLOPE | {"first": 2}))  # 0 has no logarithm


def test_the_slope_over_depth_is_least_squares(stored):
    values = np.random.default_rng(0).normal(size=11)
    run = stored(sites=layers(values))
    depth = np.arange(1, 12) - 6
    wanted = (depth * values).sum() / (depth**2).sum()
    assert measured("depth_slope", run, **SLOPE | {"log": False}) == pytest.approx(wanted)
    assert math.isnan(measured("depth_slope", run, **SLOPE | {"log": False, "first": 11}))  # of one layer
    assert math.isnan(measured("depth_slope", run, **SLOPE | {"log": False, "first": 12}))


RATIO = {"name": "gradient/delta", "site": "linear", "step": 0, "first": 1, "last": None, "absolute": False}


@pytest.mark.parametrize(
    ("values", "ratio"),
    [
        ([0.01, 5.0, 1.0], -2),  # vanishing on the way to the first layer
        ([100.0, 5.0, 1.0], 2),
        ([1.0, 5.0, 1.0], 0),
        ([0.0, 5.0, 1.0], math.log10(np.finfo(np.float32).tiny)),  # vanished altogether
        ([0.0, 5.0, 0.0], 0),
        ([1e-45, 5.0, 1.0], math.log10(np.finfo(np.float32).tiny)),
    ],
)
def test_the_ratio_over_depth_in_decades(stored, values, ratio):
    run = stored(sites=layers(values, "gradient/delta"))
    assert measured("depth_ratio", run, **RATIO) == pytest.approx(ratio)
    assert measured("depth_ratio", run, **RATIO | {"absolute": True}) == pytest.approx(abs(ratio))
    swapped = measured("depth_ratio", run, **RATIO | {"first": 3, "last": 1})
    assert swapped == pytest.approx(-ratio)


@pytest.mark.parametrize("worst", [math.inf, -0.5])
def test_the_ratio_over_depth_of_what_has_no_logarithm(stored, worst):
    run = stored(sites=layers([worst, 1.0, math.nan], "gradient/delta"))
    assert math.isnan(measured("depth_ratio", run, **RATIO | {"last": 2}))
    assert math.isnan(measured("depth_ratio", run, **RATIO | {"first": 2}))


@pytest.mark.parametrize(
    ("measure", "args", "message"),
    [
        ("value", at("layer1/post", 0, "saturation/shares"), "did you mean saturation/share"),
        ("value", at("", 0), "saturation/share was not recorded at no site; name it in the grid's probes"),
        ("value", at("layer9/post", 0), "saturation/share was not recorded at layer9/post"),
        ("value", at("layer1/post", 7), "not measured at step 7, but at 0, 10"),
        ("layer_mean", at("post", 7), "not measured at step 7, but at 0, 10"),
        ("layer_mean", at("pre", 0), "saturation/share was not recorded at layer<i>/pre"),
        ("layer_mean", at("post", 0, "saturation/dead"), "unknown record 'saturation/dead'"),
        ("depth_ratio", RATIO | at("post", 0) | {"last": 3}, "saturation/share was not recorded at layer3/post"),
        ("depth_slope", SLOPE | at("out", 0), "saturation/share was not recorded at layer<i>/out"),
    ],
)
def test_a_record_that_is_not_there_is_an_error(stored, measure, args, message):
    run = stored(sites={("saturation/share", f"layer{one}/post"): [(0, 0.5), (10, 0.5)] for one in (1, 2)})
    with pytest.raises(UsageError, match=f"^run {run.id}: .*{message}"):
        measured(measure, run, **args)


def test_drift_of_moments_is_that_of_a_plain_loop(stored):
    random, steps = np.random.default_rng(1), [0, 50, 100, 150, 200]
    means = random.normal(size=(5, 7)).astype(np.float32)
    variances = random.uniform(0.1, 4, size=(5, 7)).astype(np.float32)
    variances[:, 3] = 0  # a dead unit has no deviation to be measured in
    site = "layer2/pre"
    vectors = {
        ("drift/unit_mean", site): list(zip(steps, means, strict=True)),
        ("drift/unit_variance", site): list(zip(steps, variances, strict=True)),
    }
    run = stored(vectors=vectors)

    def by_hand(rows):
        drifts = []
        for unit in (0, 1, 2, 4, 5, 6):
            deviation = [math.sqrt(variances[row, unit]) for row in rows]
            moved = 0.0
            for index in range(1, len(rows)):
                moved += abs(float(means[rows[index], unit]) - float(means[rows[index - 1], unit]))
                moved += abs(deviation[index] - deviation[index - 1])
            drifts.append(moved / (sum(deviation) / len(rows)))
        return sum(drifts) / len(drifts)

    def drift(start, end):
        return measured("moment_drift", run, site=site, start=start, end=end)

    assert drift(0, 1000) == pytest.approx(by_hand([0, 1, 2, 3, 4]))
    assert drift(50, 150) == pytest.approx(by_hand([1, 2, 3]))
    assert math.isnan(drift(50, 90)) and math.isnan(drift(500, 900))
    with pytest.raises(UsageError, match="add the probe drift"):
        measured("moment_drift", run, site="layer3/pre", start=0, end=9)


def test_units_that_never_vary_have_no_drift(stored):
    still = {("drift/unit_mean", "layer1/pre"): [(0, [0.0]), (1, [5.0])]}
    still |= {("drift/unit_variance", "layer1/pre"): [(0, [0.0]), (1, [0.0])]}
    assert math.isnan(measured("moment_drift", stored(vectors=still), site="layer1/pre", start=0, end=9))


def test_labels_of_arguments_that_are_mappings_or_missing():
    assert label({"combined": {"metrics": {"test/loss": 1, "test/accuracy": -0.5}}}, None) == (
        "combined(metrics={test/accuracy:-0.5,test/loss:1})"
    )
    assert label({"value": at("layer1/post")}, None) == "value(name=saturation/share,site=layer1/post,step=None)"


def test_what_is_taken_over_a_factor_is_no_other_column():
    """The runs of a seed each have the measure itself; the number they make is the claim's."""
    over = {"factor": "optimizer.learning_rate", "take": "usable_decades"}
    plain, measure = {"final": {"metric": "test/accuracy"}}, {"final": {"metric": "test/accuracy"}, "over": over}
    assert label(measure, 0.9) == label(plain, None) and parse(measure).needs_level
    words = "log2 usable_decades(optimizer.learning_rate) of final(metric=test/accuracy)"
    assert parse(measure | {"scale": "log2"}).words(0.9) == words


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
        ({"value": {"name": "a", "site": ""}}, "value needs the argument step"),
        ({"value": {"name": "a", "site": "", "step": -1}}, "step"),
        ({"depth_ratio": {**RATIO, "first": 0}}, "first=0"),
        ({"combined": {"metrics": {"a": "one"}}}, "metrics.a='one'"),
        ({"final": {"metric": "a"}, "over": {}}, "give a factor and what to take"),
        ({"final": {"metric": "a"}, "over": {"factor": "x", "take": "aera"}}, "did you mean area"),
    ],
)
def test_bad_measures_are_refused(spec, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        parse(spec)


L, Q15 = "layer*/pre", "activation/unit_q15"


@pytest.mark.parametrize(
    ("spec", "records"),
    [
        ({"steps_to": {"metric": "test/accuracy"}}, [Needed("test/accuracy")]),
        (
            {"combined": {"metrics": {"test/loss": 1.0, "train/loss": -1.0}}},
            [Needed("test/loss"), Needed("train/loss")],
        ),
        ({"value": {"name": "a/b", "site": "layer2/pre", "step": 50}}, [Needed("a/b", "layer2/pre", 50)]),
        ({"average": {"name": "a/b", "site": "", "start": 0, "end": 9, "log": True}}, [Needed("a/b")]),
        ({"layer_mean": {"name": "a/b", "site": "pre", "step": None}}, [Needed("a/b", L)]),
        ({"depth_slope": SLOPE}, [Needed("activation/std", f"{one}/linear", 0) for one in ("layer*", "layer1")]),
        ({"depth_ratio": RATIO}, [Needed(RATIO["name"], f"{one}/linear", 0) for one in ("layer1", "layer*")]),
        ({"path_growth": {"site": "pre", **PATH, "quantiles": [15]}}, [Needed(Q15, L, vector=True)]),
    ],
)
def test_what_a_measure_needs_is_known_before_there_is_a_run(spec, records):
    assert parse(spec).needs() == records


class Watched(dict):
    """Records that know what was read of them."""

    def __init__(self, records):
        super().__init__(records)
        self.read = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)


ARGUMENTS = {
    "steps_to": {"metric": "x/y", "level": 0.5},
    "final": {"metric": "x/y"},
    "combined": {"metrics": {"x/y": 1.0}},
    "value": {"name": "x/z", "site": "layer1/pre", "step": 0},
    "average": {"name": "x/z", "site": "layer1/pre", "start": 0, "end": 1, "log": False},
    "layer_mean": {"name": "x/z", "site": "pre", "step": 0},
    "depth_slope": {"name": "x/z", "site": "pre", "step": 0, "log": False, "first": 1, "last": None},
    "depth_ratio": {"name": "x/z", "site": "pre", "step": 0, "first": 1, "last": 2, "absolute": False},
    "moment_drift": {"site": "layer1/pre", "start": 0, "end": 1},
    "path_length": {"site": "layer1/pre", "quantiles": [15, 85], "start": 0, "end": 1, "relative": False},
    "path_growth": {"site": "pre", "quantiles": [15, 85], "start": 0, "end": 1, "relative": False},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_measure_reads_what_it_says_that_it_needs(stored, name):
    sites = [f"layer{layer}/pre" for layer in (1, 2)]
    vectors = ("drift/unit_mean", "drift/unit_variance", Q15, "activation/unit_q85")
    run = stored(
        scalars={"x/y": [(0, 0.1), (1, 0.7), (2, 0.8)]},
        sites={("x/z", site): [(0, 1.0), (1, 2.0)] for site in sites},
        vectors={(one, site): [(0, [1.0, 2.0]), (1, [2.0, 5.0])] for one in vectors for site in sites},
    )
    scalars, arrays = Watched(run.scalars), Watched(run.arrays)
    watched = SimpleNamespace(id=run.id, provenance=run.provenance, scalars=scalars, arrays=arrays)
    measured(name, watched, **ARGUMENTS[name])
    needed = parts.find("measure", name).needs(**{key: one for key, one in ARGUMENTS[name].items() if key != "level"})
    for vector, read in ((False, scalars.read), (True, arrays.read)):
        places = [
            (one.name, one.site.replace("*", str(layer))) for one in needed if one.vector == vector for layer in (1, 2)
        ]
        assert read == set(places)
