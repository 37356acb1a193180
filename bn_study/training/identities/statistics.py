"""What the statistics are taken over, how they can be undone, and what the moving variance comes to."""

import keras
import numpy as np
import tensorflow as tf

from bn_study.training.identities.case import Case, Fact, Values, flat, inference, largest, train_mode, updated

FACTORS = (0.1, 0.3, 3.0, 10.0)
"""On the weights, within which a batch normaliser does not see them."""
VALUES = 1_600_000
"""In all batches for an expectation: a standard error of 0.08 % for the root of the mean variance of two values."""


def per_unit(case: Case) -> Fact:
    """One mean and one variance a unit; of a feature map, over its positions in all examples."""
    with case.network.estimating():
        mean, variance = (np.asarray(value) for _, value in updated(case.layer, case.inputs)[:2])
    kind = "map" if case.images else "unit"
    given = flat(case.inputs)
    spread = given.std(axis=0) + np.finfo(np.float32).tiny
    moving = spread > 1e-6 * (1 + abs(given).max(axis=0))  # of a constant there is only rounding to be seen
    errors = np.concatenate([(mean - given.mean(axis=0)) / spread, variance / spread**2 - 1])
    yield f"{kind}_statistics", "", largest(errors[np.tile(moving, 2)])
    yield f"{kind}_count", "", float(mean.size + variance.size - 2 * case.units)


def shift_equivariance(case: Case) -> Fact:
    """Maps that are shifted around give the same outputs, shifted around. Images only."""
    if not case.images:
        return
    values = case.with_affine(*case.affine)
    shifted, places = np.roll(case.inputs, (1, 2), axis=(1, 2)), case.inputs.shape
    for mode in (train_mode, inference):
        moved = np.roll(mode(case.layer, case.inputs, values).reshape(places), (1, 2), axis=(1, 2))
        error = largest(mode(case.layer, shifted, values) - flat(moved)) / largest(moved)
        yield "shift_equivariance", "training" if mode is train_mode else "inference", error


def undone(case: Case) -> Fact:
    """With gamma = sqrt(variance + epsilon) and beta = mean the output is the input, relative to its largest value."""
    given = flat(case.inputs)
    gamma, beta = np.sqrt(given.var(axis=0) + case.layer.epsilon), given.mean(axis=0)
    if len(values := case.with_affine(gamma, beta)) == 2:
        yield "undone", "", largest(train_mode(case.layer, case.inputs, values) - given) / largest(given)


def scaled_weights(case: Case) -> Fact:
    """The outputs for aWu are those for Wu, and the gradient by aW is 1/a times the one by W, but for epsilon."""
    kernel = case.dense("scaled", 8, use_bias=False)
    kernel.build(case.synthetic.shape)
    start, norm = tf.convert_to_tensor(kernel.kernel.value), case.another("norm")
    weights = tf.constant(case.random().normal(size=(len(case.synthetic), 8)).astype(np.float32))

    def look(factor: float) -> tuple[np.ndarray, np.ndarray]:
        scaled = factor * start
        with tf.GradientTape() as tape:
            tape.watch(scaled)
            with keras.StatelessScope(state_mapping=[(kernel.kernel, scaled)]):
                outputs = norm(kernel(tf.constant(case.synthetic)), training=True)
            total = tf.reduce_sum(weights * outputs)
        return flat(outputs), flat(tape.gradient(total, scaled))

    norm.build((None, 8))
    outputs, gradient = look(1.0)
    found = [(factor, *look(factor)) for factor in FACTORS]
    yield "scale_output", "", max(largest(one - outputs) for _, one, _ in found) / largest(outputs)
    errors = [np.linalg.norm(factor * by - gradient) / np.linalg.norm(gradient) for factor, _, by in found]
    yield "scale_gradient", "", float(max(errors))


def moving_variance(case: Case) -> Fact:
    """Of batches of m the moving variance comes to (m-1)/m of the true one, so inference divides by too little.

    Standard normal values; the value at which the moving variance stays is told from one update of 0 and one of 1.
    The error is that of sqrt(true / moving variance) relative to sqrt(m / (m-1)).
    """
    random = case.random()
    for m in (2, 4, 16):
        layer, batches = case.another("norm"), VALUES // m
        layer.build((None, batches))  # every unit sees a batch of its own
        batch = random.normal(size=(m, batches)).astype(np.float32)
        (_, variance), *_ = layer.statistics
        low, high = (_value(updated(layer, batch, [(variance, tf.fill(batches, start))]), variance)
                     for start in (0.0, 1.0))  # fmt: skip
        stays = low.mean() / (1 - (high - low).mean())
        yield "moving_variance", f"m={m}", float(abs(np.sqrt((m - 1) / (m * stays)) - 1))


def _value(values: Values, wanted: keras.Variable) -> np.ndarray:
    return next(np.asarray(value, np.float64) for variable, value in values if variable is wanted)
