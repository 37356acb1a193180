"""Batch normalization against formulas written out in numpy, and against Keras' and PyTorch's layers."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from bn_study.training.norm import batch

EPSILON, MOMENTUM = 1e-3, 0.9
SHAPES = [(16, 5), (6, 4, 4, 3)]


def reference(x, gamma, beta, upstream):
    """Ioffe & Szegedy 2015, Alg. 1 and the chain rule of Sec. 3, in float64: outputs, moments and gradients."""
    axes = tuple(range(x.ndim - 1))
    m = np.prod([x.shape[axis] for axis in axes])
    mean, variance = x.mean(axes), x.var(axes)
    deviation = np.sqrt(variance + EPSILON)
    normal = (x - mean) / deviation
    d_normal = upstream * gamma
    d_variance = (d_normal * (x - mean)).sum(axes) * -0.5 * (variance + EPSILON) ** -1.5
    d_mean = -(d_normal / deviation).sum(axes) + d_variance * (-2 * (x - mean)).sum(axes) / m
    d_x = d_normal / deviation + d_variance * 2 * (x - mean) / m + d_mean / m
    d_gamma, d_beta = (upstream * normal).sum(axes), upstream.sum(axes)
    return gamma * normal + beta, mean, variance, d_x, d_gamma, d_beta


def case(shape):
    random = np.random.default_rng(1)
    x = random.normal(2.0, 3.0, shape)
    gamma, beta = random.normal(1, 0.3, shape[-1]), random.normal(0, 0.5, shape[-1])
    return x, gamma, beta, random.normal(size=shape)


made_of = partial(batch.layer, "norm", 0, momentum=MOMENTUM, initial_scale=None)


def layer(shape, gamma, beta):
    made = made_of(placement="before", epsilon=EPSILON, center=True, scale=True)
    made.build((None, *shape[1:]))
    made.gamma.assign(gamma)
    made.beta.assign(beta)
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_backward_and_inference_equal_numpy(shape):
    x, gamma, beta, upstream = case(shape)
    made = layer(shape, gamma, beta)
    inputs = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = made(inputs, training=True)
        total = tf.reduce_sum(outputs * upstream.astype(np.float32))
    d_x, d_gamma, d_beta = tape.gradient(total, [inputs, made.gamma.value, made.beta.value])
    y, mean, variance, *gradients = reference(x, gamma, beta, upstream)
    np.testing.assert_allclose(outputs, y, rtol=1e-4, atol=1e-5)
    for got, expected in zip((d_x, d_gamma, d_beta), gradients, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(made.moving_mean, (1 - MOMENTUM) * mean, rtol=1e-5)
    np.testing.assert_allclose(made.moving_variance, MOMENTUM + (1 - MOMENTUM) * variance, rtol=1e-5)
    inference = gamma * (x - 0.1 * mean) / np.sqrt(0.9 + 0.1 * variance + EPSILON) + beta
    np.testing.assert_allclose(made(inputs, training=False), inference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_keras_own_layer(shape):
    x, gamma, beta, _ = case(shape)
    mine = layer(shape, gamma, beta)
    theirs = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)
    theirs.build((None, *shape[1:]))
    theirs.gamma.assign(gamma)
    theirs.beta.assign(beta)
    inputs = tf.constant(x, tf.float32)
    for _ in range(3):
        np.testing.assert_allclose(mine(inputs, training=True), theirs(inputs, training=True), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mine.moving_variance, theirs.moving_variance, rtol=1e-5)
    np.testing.assert_allclose(mine(inputs, training=False), theirs(inputs, training=False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_training_equals_pytorch(shape):
    torch = pytest.importorskip("torch", reason="PyTorch, for comparison only, is not installed")
    x, gamma, beta, upstream = case(shape)
    _, _, _, *gradients = reference(x, gamma, beta, upstream)
    kind = torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d
    theirs = kind(shape[-1], eps=EPSILON, momentum=1 - MOMENTUM).double()
    theirs.weight.data, theirs.bias.data = torch.tensor(gamma), torch.tensor(beta)
    first = (0, -1, *range(1, len(shape) - 1)) if len(shape) > 2 else (0, 1)  # PyTorch's channels come second
    last = (0, *range(2, len(shape)), 1) if len(shape) > 2 else (0, 1)
    inputs = torch.tensor(x.transpose(first), requires_grad=True)
    outputs = theirs(inputs)
    (outputs * torch.tensor(upstream.transpose(first))).sum().backward()
    mine = layer(shape, gamma, beta)
    ours = mine(tf.constant(x, tf.float32), training=True)
    np.testing.assert_allclose(ours, outputs.detach().numpy().transpose(last), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[0], inputs.grad.numpy().transpose(last), rtol=1e-6, atol=1e-9)
    m = np.prod(shape[:-1])  # PyTorch averages the unbiased variance
    np.testing.assert_allclose(
        (np.asarray(mine.moving_variance) - MOMENTUM) * m / (m - 1),
        theirs.running_var.numpy() - MOMENTUM,
        rtol=1e-4,
    )


def test_shape_of_the_distribution_is_kept():
    """Standardizing is an affine map: a batch of two peaks stays one."""
    from scipy import stats

    random = np.random.default_rng(0)
    x = np.where(random.random((4000, 1)) < 0.3, random.normal(-4, 0.5, (4000, 1)), random.normal(3, 1, (4000, 1)))
    made = layer(x.shape, np.ones(1), np.zeros(1))
    y = np.asarray(made(tf.constant(x, tf.float32), training=True), np.float64)
    np.testing.assert_allclose(
        [stats.skew(y[:, 0]), stats.kurtosis(y[:, 0])], [stats.skew(x[:, 0]), stats.kurtosis(x[:, 0])], atol=1e-4
    )
    np.testing.assert_allclose([y.mean(), y.var()], [0, x.var() / (x.var() + EPSILON)], atol=1e-4)


@pytest.mark.parametrize("shape", [(8, 4), (3, 5, 5, 4)])
@pytest.mark.parametrize(("center", "scale"), [(False, False), (True, False), (False, True)])
def test_without_center_or_scale_there_is_nothing_to_learn(center, scale, shape):
    made = made_of(placement="after", epsilon=EPSILON, center=center, scale=scale)
    made.build((None, *shape[1:]))
    assert len(made.trainable_variables) == center + scale
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(
        made(x, training=True), (x - x.mean(axes)) / np.sqrt(x.var(axes) + EPSILON), rtol=1e-4, atol=1e-5
    )


def test_a_small_epsilon_is_not_replaced_by_a_larger_one():
    """TensorFlow's own wrappers of the fused operation take at least 1.001e-5, without a word."""
    made = made_of(placement="after", epsilon=1e-8, center=True, scale=True)
    made.build((None, 5, 5, 2))
    x = 1e-3 * np.random.default_rng(0).normal(size=(4, 5, 5, 2)).astype(np.float32)
    expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-8)
    np.testing.assert_allclose(made(x, training=True), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_estimating_stores_the_statistics_of_the_batch_as_they_are(shape):
    x, gamma, beta, _ = case(shape)
    made = layer(shape, gamma, beta)
    made.estimating = True
    made(tf.constant(x, tf.float32), training=False)
    axes = tuple(range(x.ndim - 1))
    np.testing.assert_allclose(made.moving_mean, x.mean(axes), rtol=1e-5)
    np.testing.assert_allclose(made.moving_variance, x.var(axes), rtol=1e-5)
