"""The committed table of nonlinearities against Keras; a wrong name is refused at plan, any of Keras' trains."""

from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.activations import ALL_OBJECTS_DICT

from bn_study.errors import UsageError
from bn_study.plan import declared
from bn_study.plan.activations import ALIASES, RANGES, STEEPEST, Name
from bn_study.training.distribution import described, unsaturated
from bn_study.training.slopes import slope
from bn_study.training.train import Programs, train

NAMES = get_args(Name)
LEFT_OUT = {"glu": "it halves the units", "threshold": "it needs numbers"}
MIXING = ("log_softmax", "softmax", "sparsemax")


def test_the_names_are_those_of_keras():
    assert {*ALL_OBJECTS_DICT} == {*NAMES, *ALIASES, *LEFT_OUT}
    assert list(NAMES) == sorted(NAMES)
    for alias, name in ALIASES.items():
        assert keras.activations.get(alias) is keras.activations.get(name)


@pytest.mark.parametrize("name", NAMES)
def test_range_and_largest_slope_are_those_of_the_function(name):
    grid = np.concatenate([np.linspace(-12, 12, 240_001), -np.geomspace(12, 1e6, 50), np.geomspace(12, 1e6, 50)])
    function = keras.activations.get(name)
    values = function(tf.constant(grid[:, None], tf.float32)).numpy()
    assert values.shape == (len(grid), 1)
    if name in MIXING:
        assert name not in RANGES and name not in STEEPEST
        return
    bounded = np.isfinite(values).all() and np.ptp(values) < 10
    assert bounded == (name in RANGES)
    if bounded:
        np.testing.assert_allclose([values.min(), values.max()], RANGES[name], atol=1e-4)
        low, high = unsaturated(name)
        np.testing.assert_allclose([low, high], np.quantile(RANGES[name], [0.05, 0.95]))
    slopes = slope(name, grid[:240_001].astype(np.float32))
    numeric = np.diff(values[:240_001, 0].astype(np.float64)) / np.diff(grid[:240_001])
    if name in STEEPEST:
        far = slope(name, np.array([-500, 500], np.float32))
        smooth = slopes[abs(grid[:240_001]) > 1e-6]  # at a kink Keras may add the slopes of both sides
        assert max(smooth.max(), *far) == pytest.approx(STEEPEST[name], rel=1e-3)
        assert np.median(abs(numeric - (slopes[1:] + slopes[:-1]) / 2)) < 2e-2
        assert np.isfinite(slopes).all()


@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "hard_tanh", "softsign"])
def test_saturation_is_recorded_where_it_has_a_meaning(name):
    """The mean slope of N(0, 1) against a numerical integral of differences of the function."""
    z = np.random.default_rng(0).normal(size=(200_000, 1)).astype(np.float32)
    function = keras.activations.get(name)
    found = dict(described(name, z, function(tf.constant(z)).numpy(), 20))
    assert ("share" in found) == ("asymmetry" in found) == (name in RANGES)
    step = 1e-2
    ends = [function(tf.constant(z.astype(np.float64) + side)).numpy() for side in (step, -step)]
    assert found["derivative"] == pytest.approx((ends[0] - ends[1]).mean() / (2 * step) / STEEPEST[name], abs=2e-3)
    assert 0 < found["entropy"] <= np.log2(20)


@pytest.mark.parametrize("name", ["linear", "exponential", "softmax"])
def test_what_has_no_meaning_is_left_out(name):
    z = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    assert dict(described(name, z, z, 20)).keys() == {"dead"}


def test_a_name_is_checked_at_plan_and_an_alias_is_refused(specify):
    with pytest.raises(UsageError, match=r"model\.activation=gelo: did you mean gelu\? It should be 'celu', .*"):
        specify("model.activation=gelo")
    with pytest.raises(UsageError, match=r"model\.activation=swish: the name used here is silu"):
        specify("model.activation=swish")  # or a claim and a tuning would have to know both


@pytest.mark.parametrize("name", ["gelu", "hard_tanh", "softmax"])
def test_it_trains_and_records_what_the_plan_says(specify, name):
    words = ("norm=batch", "model.widths=[6]", "steps=2", "probe=[curves,activations,saturation]")
    spec = specify(f"model.activation={name}", *words)
    trained = train(spec, Programs(), lambda step, state: None, None)
    tables = (trained.records, trained.vectors)
    recorded = {pair for table in tables for pair in zip(table["name"], table["site"], strict=True)}
    seen = declared.observed(spec.dataset, spec.model, spec.norm)
    planned = {(one.name, one.site) for probe in spec.probes for one in declared.records(probe, seen)}
    assert recorded == planned
    assert (("saturation/share", "layer1/post") in recorded) == (name in RANGES)
    assert (("activation/saturated", "layer1/post") in recorded) == (name in RANGES)
    assert (("saturation/derivative", "layer1/post") in recorded) == (name in STEEPEST)
