"""The exact facts hold for the harness' layers, and fail for a normalizer that is wrong in one way."""

from functools import cache

import keras
import numpy as np
import pytest
from keras import ops

from bn_study.training.evaluation import Evaluation
from bn_study.training.normalization import BatchNormalization
from bn_study.training.probe import identities
from bn_study.training.train import Programs

TOLERANCE = {
    "mean": 1e-5, "std": 1e-5, "skewness": 1e-5, "kurtosis": 1e-5, "undone": 1e-5,
    "inference_formula": 1e-5, "inference_affine": 1e-5, "inference_alone": 1e-5,
    "bias_output": 1e-4, "bias_inference": 1e-4, "bias_gradient": 1e-6, "bias_trajectory": 1e-4,
    "scale_output": 1e-4, "scale_gradient": 1e-4, "moving_variance": 5e-3,
    "tanh_saturation": 1e-4, "tanh_derivative": 1e-4, "sigmoid_derivative": 1e-4,
}  # fmt: skip
OF_MAPS = {"map_statistics": 1e-4, "map_count": 0, "shift_equivariance": 1e-5, "std": 1e-4}
"""The fused operation rounds more."""
OF_UNITS = {"unit_statistics": 1e-5, "unit_count": 0}
NOT_SO = {
    "bimodal_kurtosis_gap": (1.8, 2.0), "outside_unit_interval": (0.5, 1), "centred_scaling_negative": (0.3, 0.7),
    "training_mates": (0.1, 100), "bias_control": (1e-3, 10),
    "sample_parses": (0, 0), "sample_output_rank": (4, 4), "sample_mlp_rank": (3, 3),
}  # fmt: skip
FREE = {"centred_scaling_negative", "tanh_saturation", "tanh_derivative", "sigmoid_derivative", "sample_parses",
        "sample_output_rank", "sample_mlp_rank"}  # fmt: skip
SMALL = ("steps=0", "model.widths=[7,6]", "batch_size=30")
NORM = ("norm=batch", "norm.epsilon=1e-7")
MLP, CNN = (*SMALL, *NORM), ("steps=0", *NORM, "model=cnn", "model.blocks=[[3],[4]]", "model.dense=[5]")


@cache
def made(specify, *overrides):
    """A network as initialized and what may be measured of it; measuring leaves it so."""
    spec = specify(*overrides)
    program, evaluator = Programs().start(spec)
    return program.network, Evaluation(evaluator, spec.batch_size, 100, step=0, final=True)


def look(specify, *overrides, patch=lambda: None):
    """fact -> its largest value over sites. patch: called when the network has been made, before it is measured."""
    network, evaluation = made(specify, *overrides)
    patch()
    found = {}
    for name, _, value in identities.record(network, evaluation):
        fact = name.removeprefix("identity/")
        found[fact] = max(value, found.get(fact, 0.0))
    return found


@pytest.mark.parametrize(
    ("overrides", "more"),
    [
        (MLP, OF_UNITS),
        ((*MLP, "norm.placement=after", "model.activation=tanh", "seed=3"), OF_UNITS),
        ((*MLP, "dataset=toy_regression"), OF_UNITS),
        (CNN, OF_MAPS),
        ((*CNN, "norm.placement=after", "seed=3"), OF_MAPS),
    ],
)
def test_every_fact_holds(specify, overrides, more):
    found, tolerance = look(specify, *overrides), TOLERANCE | more
    assert set(found) == set(tolerance) | set(NOT_SO)
    assert {fact: value for fact, value in found.items() if value > tolerance.get(fact, np.inf)} == {}
    assert {fact: found[fact] for fact, (low, high) in NOT_SO.items() if not low <= found[fact] <= high} == {}


def test_without_a_normalizer_only_facts_that_need_none_are_told(specify):
    assert set(look(specify, *SMALL, "norm=none")) == FREE


def test_a_layer_without_gamma_and_beta_cannot_be_undone_and_keeps_the_other_facts(specify):
    found = look(specify, *MLP, "norm.center=false", "norm.scale=false")
    assert set(found) == set(TOLERANCE | OF_UNITS | NOT_SO) - {"undone"}
    assert {fact: value for fact, value in found.items() if value > TOLERANCE.get(fact, np.inf)} == {}


def test_a_large_epsilon_is_seen_in_the_scaled_weights_alone(specify):
    found = look(specify, *MLP, "norm.epsilon=1e-2")
    failing = {fact for fact, value in found.items() if value > (TOLERANCE | OF_UNITS).get(fact, np.inf)}
    assert failing == {"scale_output", "scale_gradient"}


def whole_tensor(layer, inputs):
    """One mean and variance for everything, a known mistake."""
    mean, variance = ops.moments(inputs, axes=tuple(range(len(inputs.shape))))
    mean, variance = (ops.broadcast_to(one, (inputs.shape[-1],)) for one in (mean, variance))
    return layer._affine(inputs, mean, variance), mean, variance


def per_position(layer, inputs):
    """A mean and variance for every unit of every position, from which the stored ones are averaged."""
    mean, variance = ops.moments(inputs, axes=(0,))
    kept = [ops.mean(one, axis=tuple(range(len(one.shape) - 1))) for one in (mean, variance)]
    return layer._affine(inputs, mean, variance), *kept


def one_percent_off(layer, inputs):
    mean, variance = ops.moments(inputs, axes=tuple(range(len(inputs.shape) - 1)))
    return layer._affine(inputs, mean, variance) * 1.01, mean, variance


def shifted_mean(layer, inputs):
    mean, variance = ops.moments(inputs, axes=tuple(range(len(inputs.shape) - 1)))
    return layer._affine(inputs, 0.99 * mean, variance), mean, variance


def unbiased(layer, inputs):
    """Stores the variance times m/(m-1)."""
    axes = tuple(range(len(inputs.shape) - 1))
    mean, variance = ops.moments(inputs, axes=axes)
    m = int(np.prod([inputs.shape[axis] for axis in axes]))
    return layer._affine(inputs, mean, variance), mean, variance * (m / (m - 1))


def bent(layer, inputs):
    """Not affine, but with the right mean and nearly the right spread."""
    mean, variance = ops.moments(inputs, axes=tuple(range(len(inputs.shape) - 1)))
    return layer._affine(inputs + 0.05 * ops.sin(5 * inputs), mean, variance), mean, variance


def held_gradient(layer, inputs):
    """Takes the statistics for constants in the backward pass."""
    mean, variance = ops.moments(ops.stop_gradient(inputs), axes=tuple(range(len(inputs.shape) - 1)))
    return layer._affine(inputs, mean, variance), mean, variance


@pytest.mark.parametrize(
    ("overrides", "wrong", "failing"),
    [
        (MLP, whole_tensor, {"mean", "std", "unit_statistics", "undone", "bias_output", "bias_gradient"}),
        (CNN, whole_tensor, {"mean", "std", "map_statistics", "undone", "bias_output", "bias_gradient"}),
        (CNN, per_position, {"skewness", "kurtosis", "map_statistics", "undone"}),
        (MLP, one_percent_off, {"std", "undone"}),
        (CNN, one_percent_off, {"std", "undone"}),
        (MLP, shifted_mean, {"mean", "bias_output", "bias_gradient", "undone"}),
        (MLP, unbiased, {"moving_variance", "unit_statistics"}),
        (MLP, bent, {"skewness", "kurtosis", "undone", "scale_output"}),
        (MLP, held_gradient, {"bias_gradient"}),
    ],
)
def test_a_wrong_normalizer_in_training_is_found(specify, monkeypatch, overrides, wrong, failing):
    def patch():
        for path in ("_portable", "_fused"):
            monkeypatch.setattr(BatchNormalization, path, wrong)

    found, tolerance = look(specify, *overrides, patch=patch), TOLERANCE | OF_UNITS | OF_MAPS
    assert failing <= {fact for fact, value in found.items() if value > tolerance.get(fact, np.inf)}


def test_a_normalizer_that_looks_at_its_batch_in_inference_is_found(specify, monkeypatch):
    def always_training(layer, inputs, training=False):
        return layer._portable(inputs)[0]

    found = look(specify, *MLP, patch=lambda: monkeypatch.setattr(BatchNormalization, "call", always_training))
    for fact in ("inference_formula", "inference_affine", "inference_alone"):
        assert found[fact] > 0.01


def test_a_layer_that_always_uses_its_moving_averages_does_not_see_its_batch_mates(specify, monkeypatch):
    def never_training(layer, inputs):
        mean, variance = layer.moving_mean, layer.moving_variance
        return layer._affine(inputs, mean, variance), mean * 1.0, variance * 1.0

    found = look(specify, *MLP, patch=lambda: monkeypatch.setattr(BatchNormalization, "_portable", never_training))
    assert found["training_mates"] == 0 and found["scale_output"] > 1


def test_keras_own_layer_agrees_with_the_expectation_of_its_moving_variance():
    """Keras 3 averages the biased variance: the fact that `moving_variance` is held against, told by Keras itself."""
    variances = []
    for m in (2, 4, 16):
        wide = keras.layers.BatchNormalization(momentum=0.0)
        wide(np.random.default_rng(m).normal(size=(m, 100_000)).astype(np.float32), training=True)
        variances.append(float(ops.mean(wide.moving_variance)))
    np.testing.assert_allclose(variances, [(m - 1) / m for m in (2, 4, 16)], rtol=0.02)
