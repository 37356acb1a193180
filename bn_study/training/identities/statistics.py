"""The axes of the statistics, how gamma and beta undo them, and the limit of the moving variance."""

import keras
import numpy as np
import tensorflow as tf

from bn_study.training.identities.case import Case, Fact, Values, flat, inference, largest, train_mode, updated

FACTORS = (0.1, 0.3, 3.0, 10.0)
"""Factors on the weights, to which batch normalization is invariant."""
VALUES = 1_600_000
"""Values in all batches of an expectation; the root of the mean variance of two has a standard error of 0.08%."""


def per_unit(case: Case) -> Fact:
    """One mean and one variance per unit; for a feature map they are over its positions in all examples."""
    with case.network.estimating():
        mean, variance = (np.asarray(value) for _, value in updated(case.layer, case.inputs)[:2])
    kind = "map" if case.images else "unit"
    given = flat(case.inputs)
    spread = given.std(axis=0) + np.finfo(np.float32).tiny
    moving = spread > 1e-6 * (1 + abs(given).max(axis=0))  # a constant unit shows only rounding
    errors = np.concatenate([(mean - given.mean(axis=0)) / spread, variance / spread**2 - 1])
    yield f"{kind}_statistics", "", largest(errors[np.tile(moving, 2)])
    yield f"{kind}_count", "", float(mean.size + variance.size - 2 * case.units)


def shift_equivariance(case: Case) -> Fact:
    """Cyclically shifted maps give equally shifted outputs. For images only."""
    if not case.images:
        return
    values = case.with_affine(*case.affine)
    shifted, shape = np.roll(case.inputs, (1, 2), axis=(1, 2)), case.inputs.shape
    for mode in (train_mode, inference):
        moved = np.roll(mode(case.layer, case.inputs, values).reshape(shape), (1, 2), axis=(1, 2))
        error = largest(mode(case.layer, shifted, values) - flat(moved)) / largest(moved)
        yield "shift_equivariance", "training" if mode is train_mode else "inference", error


def undone(case: Case) -> Fact:
    """With gamma = sqrt(variance + epsilon) and beta = mean the output is the input; error relative to its maximum."""
    given = flat(case.inputs)
    gamma, beta = np.sqrt(given.var(axis=0) + case.layer.epsilon), given.mean(axis=0)
    if len(values := case.with_affine(gamma, beta)) == 2:
        yield "undone", "", largest(train_mode(case.layer, case.inputs, values) - given) / largest(given)


def scaled_weights(case: Case) -> Fact:
    """The outputs for aWu and Wu are equal, and the gradient by aW is 1/a times that by W, except for epsilon."""
    kernel = case.dense("scaled", 8, use_bias=False)
    kernel.build(case.synthetic.shape)
    start, norm = tf.convert_to_tensor(kernel.kernel.value), case.another("norm")
    weights = tf.constant(case.random().normal(size=(len(case.synthetic), 8)).astype(np.float32))

    def scaled_by(factor: float) -> tuple[np.ndarray, np.ndarray]:
        scaled = factor * start
        with tf.GradientTape() as tape:
            tape.watch(scaled)
            with keras.StatelessScope(state_mapping=[(kernel.kernel, scaled)]):
                outputs = norm(kernel(tf.constant(case.synthetic)), training=True)
            total = tf.reduce_sum(weights * outputs)
        return flat(outputs), flat(tape.gradient(total, scaled))

    norm.build((None, 8))
    outputs, gradient = scaled_by(1.0)
    results = [(factor, *scaled_by(factor)) for factor in FACTORS]
    yield "scale_output", "", max(largest(other - outputs) for _, other, _ in results) / largest(outputs)
    errors = [np.linalg.norm(factor * other - gradient) / np.linalg.norm(gradient) for factor, _, other in results]
    yield "scale_gradient", "", float(max(errors))


def moving_variance(case: Case) -> Fact:
    """With batches of m the moving variance tends to (m-1)/m of the true one, so inference divides by too little.

    For standard normal values; the limit is computed from one update of 0 and one of 1. The error is that of
    sqrt(true / moving variance) relative to sqrt(m / (m-1)).
    """
    random = case.random()
    for m in (2, 4, 16):
        layer, batches = case.another("norm"), VALUES // m
        layer.build((None, batches))  # every unit sees its own batch
        batch = random.normal(size=(m, batches)).astype(np.float32)
        (_, variance), *_ = layer.statistics
        low, high = (_value(updated(layer, batch, [(variance, tf.fill(batches, start))]), variance)
                     for start in (0.0, 1.0))  # fmt: skip
        limit = low.mean() / (1 - (high - low).mean())
        yield "moving_variance", f"m={m}", float(abs(np.sqrt((m - 1) / (m * limit)) - 1))


def _value(values: Values, wanted: keras.Variable) -> np.ndarray:
    return next(np.asarray(value, np.float64) for variable, value in values if variable is wanted)
