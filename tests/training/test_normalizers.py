"""The normalizers beside `batch` against formulas written out in numpy, in float64, and against PyTorch's layers."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from closeness import close
from scipy import stats

from bn_study.errors import UsageError
from bn_study.training.norm import (
    batch,
    batch_renorm,
    dyt,
    frozen_batch,
    ghost_batch,
    group,
    instance,
    noise,
    noisy_batch,
    per_activation,
    rms,
    stopped_batch,
)  # fmt: skip
from bn_study.training.norm import layer as layer_norm

EPSILON, MOMENTUM, GROUP = 1e-3, 0.9, 4
SHAPES = [(8, 4), (8, 2, 3, 4)]
COMMON = {"placement": "before", "momentum": MOMENTUM, "epsilon": EPSILON, "center": True, "scale": True}
RENORM = {"group_size": GROUP, "r_max": 1.5, "d_max": 0.3, "warm_up": 1, "r_steps": 3, "d_steps": 2}
NOISE = {"mean_range": 0.5, "scale_range": 1.25, "mean_spread": 0.1, "scale_spread": 0.1}
LAYERS = {
    "batch": partial(batch.layer, "norm", 5, **COMMON, initial_scale=None),
    "ghost_batch": partial(ghost_batch.layer, "norm", 5, group_size=GROUP, **COMMON),
    "stopped_batch": partial(stopped_batch.layer, "norm", 5, **COMMON),
    "frozen_batch": partial(frozen_batch.layer, "norm", 5, **COMMON, warm_up=2),
    "per_activation": partial(per_activation.layer, "norm", 5, **COMMON),
    "batch_renorm": partial(batch_renorm.layer, "norm", 5, **RENORM, **COMMON),
    "group": partial(group.layer, "norm", 5, placement="before", groups=2, epsilon=EPSILON, center=True, scale=True),
    "layer": partial(layer_norm.layer, "norm", 5, placement="before", epsilon=EPSILON, center=True, scale=True),
    "instance": partial(instance.layer, "norm", 5, placement="before", epsilon=EPSILON, center=True, scale=True),
    "rms": partial(rms.layer, "norm", 5, placement="before", epsilon=EPSILON, center=True, scale=True),
    "dyt": partial(dyt.layer, "norm", 5, placement="before", alpha=0.7, center=True, scale=True),
    "noisy_batch": partial(noisy_batch.layer, "norm", 5, **NOISE, **COMMON),
    "noise": partial(noise.layer, "norm", 5, placement="before", **NOISE),
}


def case(shape, seed=1):
    random = np.random.default_rng(seed)
    gamma, beta = random.normal(1, 0.3, shape[-1]), random.normal(0, 0.5, shape[-1])
    return random.normal(0.5, 1.5, shape), gamma, beta, random.normal(size=shape)


def made(name, shape, gamma, beta, **options):
    layer = LAYERS[name](**options)
    layer.build((None, *shape[1:]))
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    return layer


def stepped(layer, x, upstream, **how):
    """Outputs, and the gradients of sum(outputs * upstream) by the inputs and what is learned."""
    inputs = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, **how)
        total = tf.reduce_sum(outputs * tf.constant(upstream, tf.float32))
    return outputs, tape.gradient(total, [inputs, *(one.value for one in layer.trainable_variables)])


def slopes(function, at, upstream):
    """Of sum(function(at) * upstream), by complex steps, which have no rounding: f'(x) = Im f(x + ih) / h, exact in
    float64 for a tiny h (Squire & Trapp 1998, Using complex variables to estimate derivatives of real functions, SIAM
    Review 40).
    """
    tiny, found = 1e-30, np.zeros(at.size)
    for place in range(at.size):
        step = np.zeros(at.size, complex)
        step[place] = 1j * tiny
        found[place] = (function(at + step.reshape(at.shape)) * upstream).sum().imag / tiny
    return found.reshape(at.shape)


def variance_of(x, axes, keepdims=False):
    """As numpy's own, which takes the absolute value of complex numbers before it squares them."""
    return ((x - x.mean(axes, keepdims=True)) ** 2).mean(axes, keepdims=keepdims)


def grouped(x, size):
    """Moments of each group of consecutive examples, and which group an example is in."""
    parts = np.split(x, len(x) // size)
    axes = tuple(range(x.ndim - 1))
    mean, variance = np.stack([one.mean(axes) for one in parts]), np.stack([variance_of(one, axes) for one in parts])
    return mean, variance, np.arange(len(x)) // size


def spread(values, of, x):
    """(groups, features) -> a value per example that broadcasts over its pixels."""
    return values[of].reshape(len(x), *(1,) * (x.ndim - 2), x.shape[-1])


def ghost_reference(x, gamma, beta):
    mean, variance, of = grouped(x, GROUP)
    return gamma * (x - spread(mean, of, x)) / np.sqrt(spread(variance, of, x) + EPSILON) + beta


def equal_slopes(got, function, x, gamma, beta, upstream):
    """function: (x, gamma, beta) -> outputs."""
    expected = (
        slopes(lambda one: function(one, gamma, beta), x, upstream),
        slopes(lambda one: function(x, one, beta), gamma, upstream),
        slopes(lambda one: function(x, gamma, one), beta, upstream),
    )
    for one, other in zip(got, expected, strict=True):
        close(one, other)


@pytest.mark.parametrize("shape", SHAPES)
def test_ghost_batch_equals_numpy(shape):
    x, gamma, beta, upstream = case(shape)
    layer = made("ghost_batch", shape, gamma, beta)
    outputs, gradients = stepped(layer, x, upstream, training=True)
    close(outputs, ghost_reference(x, gamma, beta))
    equal_slopes(gradients, ghost_reference, x, gamma, beta, upstream)
    mean, variance, _ = grouped(x, GROUP)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * variance.mean(0), rtol=1e-5)
    expected = gamma * (x - 0.1 * mean.mean(0)) / np.sqrt(0.9 + 0.1 * variance.mean(0) + EPSILON) + beta
    close(layer(tf.constant(x, tf.float32), training=False), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_stopped_batch_puts_out_what_batch_does_and_takes_statistics_for_constants(shape):
    x, gamma, beta, upstream = case(shape)
    axes = tuple(range(x.ndim - 1))
    mean, sigma = x.mean(axes), np.sqrt(x.var(axes) + EPSILON)
    layer, whole = made("stopped_batch", shape, gamma, beta), made("batch", shape, gamma, beta)
    for _ in range(2):
        outputs, gradients = stepped(layer, x, upstream, training=True)
        close(outputs, stepped(whole, x, upstream, training=True)[0])
        equal_slopes(gradients, lambda x, gamma, beta: gamma * (x - mean) / sigma + beta, x, gamma, beta, upstream)
    for one, other in zip(layer.statistics[0], whole.statistics[0], strict=True):
        close(one, other)
    inference = [one(tf.constant(x, tf.float32), training=False) for one in (layer, whole)]
    close(*inference)


@pytest.mark.parametrize("shape", SHAPES)
def test_frozen_batch_is_batch_until_its_averages_are_constants(shape):
    x, gamma, beta, upstream = case(shape)
    layer, whole = made("frozen_batch", shape, gamma, beta), made("batch", shape, gamma, beta)
    for seed in (2, 3):  # the warm-up
        batch = case(shape, seed)[0]
        for one, other in zip(
            stepped(layer, batch, upstream, training=True)[1], stepped(whole, batch, upstream, training=True)[1],
            strict=True,
        ):  # fmt: skip
            close(one, other)
    for one, other in zip(layer.statistics[0], whole.statistics[0], strict=True):
        close(one, other)
    averages = [one.numpy() for one in layer.statistics[0]]
    mean, variance = (one.astype(float) for one in averages)

    def reference(x, gamma, beta):
        return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta

    for seed in (4, 5):
        batch = case(shape, seed)[0]
        outputs, gradients = stepped(layer, batch, upstream, training=True)
        close(outputs, reference(batch, gamma, beta))
        equal_slopes(gradients, reference, batch, gamma, beta, upstream)
    for one, other in zip(layer.statistics[0], averages, strict=True):
        np.testing.assert_array_equal(one, other)
    close(layer(tf.constant(x, tf.float32), training=False), reference(x, gamma, beta))


@pytest.mark.parametrize("shape", SHAPES)
def test_per_activation_has_statistics_of_each_value_over_the_examples(shape):
    def reference(x, gamma, beta):
        return gamma * (x - x.mean(0)) / np.sqrt(variance_of(x, 0) + EPSILON) + beta

    x, gamma, beta, upstream = case(shape)
    layer = made("per_activation", shape, gamma, beta)
    outputs, gradients = stepped(layer, x, upstream, training=True)
    close(outputs, reference(x, gamma, beta))
    equal_slopes(gradients, reference, x, gamma, beta, upstream)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * x.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * x.var(0), rtol=1e-5)
    expected = gamma * (x - 0.1 * x.mean(0)) / np.sqrt(0.9 + 0.1 * x.var(0) + EPSILON) + beta
    close(layer(tf.constant(x, tf.float32), training=False), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ghost_batch", {"group_size": 8}),
        ("batch_renorm", {"group_size": None, "r_max": 1.0, "d_max": 0.0, "warm_up": 0}),
        ("batch_renorm", {"group_size": 8, "warm_up": 100}),
    ],
)
def test_equals_batch_normalization_where_it_should(name, options, shape):
    """In groups of the whole batch; and Batch Renormalization without a correction, or before it begins."""
    x, gamma, beta, upstream = case(shape)
    one, other = made(name, shape, gamma, beta, **options), made("batch", shape, gamma, beta)
    for _ in range(2):
        got, expected = (stepped(layer, x, upstream, training=True) for layer in (one, other))
        close(got[0], expected[0])
        for mine, theirs in zip(got[1], expected[1], strict=True):
            close(mine, theirs)
    np.testing.assert_allclose(one.moving_mean, other.moving_mean, rtol=1e-5, atol=1e-6)
    if name == "ghost_batch":
        np.testing.assert_allclose(one.moving_variance, other.moving_variance, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [None, GROUP])
def test_batch_renorm_equals_numpy_through_its_schedule(shape, size):
    """Ioffe 2017, Alg. 1, and Sec. 4.1 for the bounds: 1 and 0 until warm_up, then linear."""
    layer = made("batch_renorm", shape, *case(shape)[1:3], group_size=size)
    mu, sigma = np.zeros(shape[-1]), np.full(shape[-1], np.sqrt(1 + EPSILON))
    bounds = [(1, 0), (1, 0), (1.25, 0.3), (1.5, 0.3), (1.5, 0.3)]
    clipped = 0
    for step, (r_max, d_max) in enumerate(bounds):
        x, gamma, beta, upstream = case(shape, seed=step)
        layer.gamma.assign(gamma)
        layer.beta.assign(beta)
        mean, variance, _ = grouped(x, size or len(x))
        r = np.clip(np.sqrt(variance + EPSILON) / sigma, 1 / r_max, r_max)
        d = np.clip((mean - mu) / sigma, -d_max, d_max)
        clipped += (abs(d) == d_max).sum() + (r == r_max).sum() if d_max else 0

        def reference(x, gamma, beta, r=r, d=d):
            mean, variance, of = grouped(x, size or len(x))
            normal = (x - spread(mean, of, x)) / np.sqrt(spread(variance, of, x) + EPSILON)
            return gamma * (normal * spread(r, of, x) + spread(d, of, x)) + beta

        outputs, gradients = stepped(layer, x, upstream, training=True)
        close(outputs, reference(x, gamma, beta))
        equal_slopes(gradients, reference, x, gamma, beta, upstream)
        mu = 0.9 * mu + 0.1 * mean.mean(0)
        sigma = 0.9 * sigma + 0.1 * np.sqrt(variance + EPSILON).mean(0)
        np.testing.assert_allclose(layer.moving_mean, mu, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(layer.moving_variance, sigma**2 - EPSILON, rtol=1e-5)
        expected = gamma * (x - mu) / sigma + beta
        close(layer(tf.constant(x, tf.float32), training=False), expected)
    assert 0 < clipped < 3 * r.size * 2, "bounds were meant to matter, and not always"
    assert int(layer.steps.numpy()) == len(bounds)


def test_batch_renorm_within_its_bounds_puts_out_what_inference_does():
    """The paper's point: with r and d free, training puts out what inference does with the averages before the step."""
    x, gamma, beta, upstream = case((8, 4))
    free = {"r_max": 1e6, "d_max": 1e6, "warm_up": 0, "r_steps": 0, "d_steps": 0}
    layer = made("batch_renorm", x.shape, gamma, beta, **free)
    expected = layer(tf.constant(x, tf.float32), training=False)
    close(stepped(layer, x, upstream, training=True)[0], expected)


def group_reference(x, gamma, beta, groups=2):
    parts = x.reshape(*x.shape[:-1], groups, -1)
    axes = (*range(1, x.ndim - 1), x.ndim)
    mean, variance = parts.mean(axes, keepdims=True), variance_of(parts, axes, keepdims=True)
    return gamma * ((parts - mean) / np.sqrt(variance + EPSILON)).reshape(x.shape) + beta


def instance_reference(x, gamma, beta):
    """In a fully connected layer a feature is one value, and stays what it is."""
    return group_reference(x, gamma, beta, x.shape[-1]) if x.ndim > 2 else gamma * x + beta


def rms_reference(x, gamma, beta):
    axes = tuple(range(1, x.ndim))
    return gamma * x / np.sqrt((x**2).mean(axes, keepdims=True) + EPSILON) + beta


PER_EXAMPLE = {
    "group": group_reference,
    "layer": partial(group_reference, groups=1),
    "instance": instance_reference,
    "rms": rms_reference,
    "dyt": lambda x, gamma, beta: gamma * np.tanh(0.7 * x) + beta,
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PER_EXAMPLE)
def test_normalization_within_an_example_equals_numpy(name, shape, training):
    x, gamma, beta, upstream = case(shape)
    layer = made(name, shape, gamma, beta)
    outputs, (by_inputs, *by_learned) = stepped(layer, x, upstream, training=training)
    reference = PER_EXAMPLE[name]
    close(outputs, reference(x, gamma, beta))
    learned = {one.name: gradient for one, gradient in zip(layer.trainable_variables, by_learned, strict=True)}
    equal_slopes((by_inputs, learned["gamma"], learned["beta"]), reference, x, gamma, beta, upstream)
    if name == "dyt":
        slope = (upstream * gamma * x * (1 - np.tanh(0.7 * x) ** 2)).sum()
        close(learned["alpha"], slope)


def torch_layer(torch, name, shape):
    """PyTorch's own layer, and whether its gamma and beta are per feature, as ours are."""
    features = shape[-1]
    everything = (features, *shape[1:-1])
    return {
        "group": lambda: torch.nn.GroupNorm(2, features, eps=EPSILON),
        "layer": lambda: torch.nn.LayerNorm(everything, eps=EPSILON, elementwise_affine=False),
        "instance": lambda: torch.nn.InstanceNorm2d(features, eps=EPSILON, affine=True),
        "rms": lambda: torch.nn.RMSNorm(everything, eps=EPSILON, elementwise_affine=False),
    }[name]().double()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["group", "layer", "instance", "rms"])
def test_normalization_within_an_example_equals_pytorch(name, shape):
    torch = pytest.importorskip("torch", reason="PyTorch, for comparison only, is not installed")
    if name == "instance" and len(shape) == 2:
        pytest.skip("PyTorch refuses instance normalization of one value")
    x, gamma, beta, upstream = case(shape)
    theirs = torch_layer(torch, name, shape)
    learned = [torch.tensor(one, requires_grad=True) for one in (gamma, beta)]
    inputs = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    wide = [one.reshape(-1, *(1,) * (len(shape) - 2)) for one in learned]
    expected = theirs(inputs) * wide[0] + wide[1]
    (expected * torch.tensor(np.moveaxis(upstream, -1, 1))).sum().backward()
    outputs, gradients = stepped(made(name, shape, gamma, beta), x, upstream)
    close(outputs, np.moveaxis(expected.detach().numpy(), 1, -1))
    wanted = np.moveaxis(inputs.grad.numpy(), 1, -1), *(one.grad.numpy() for one in learned)
    for got, one in zip(gradients, wanted, strict=True):
        close(got, one)


def test_group_sizes_that_do_not_fit_are_named():
    layer = group.layer("layer2_norm", 0, placement="before", groups=3, epsilon=1e-3, center=True, scale=True)
    with pytest.raises(UsageError, match=r"norm.groups=3: layer2_norm has 8 features"):
        layer.build((None, 8))
    layer = made("ghost_batch", (6, 4), np.ones(4), np.zeros(4))
    with pytest.raises(UsageError, match=r"norm.group_size=4: batch_size=6 is no multiple of it"):
        layer(np.ones((6, 4), np.float32), training=True)


@pytest.mark.parametrize("name", ["ghost_batch", "batch_renorm"])
def test_estimating_is_by_all_examples_and_as_training_by_groups(name):
    x, gamma, beta, _ = case((8, 4))
    layer = made(name, x.shape, gamma, beta)
    whole = made("batch", x.shape, gamma, beta)(x.astype(np.float32), training=True)
    by_groups = ghost_reference(x, gamma, beta)  # before warm_up a correction is none
    with keras.StatelessScope():
        layer.as_training = True
        close(layer(x.astype(np.float32), training=False), by_groups)
        layer.as_training = False
    layer.estimating = True
    close(layer(x.astype(np.float32), training=False), whole)
    np.testing.assert_allclose(layer.moving_mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, x.var(0), rtol=1e-5)


def test_a_batch_of_unknown_size_may_be_less_than_a_group():
    x, gamma, beta, _ = case((8, 4))
    layer = made("ghost_batch", x.shape, gamma, beta)
    layer.as_training = True
    unknown = tf.function(
        lambda inputs: layer(inputs, training=False), input_signature=[tf.TensorSpec((None, 4), tf.float32)]
    )
    close(unknown(x), ghost_reference(x, gamma, beta))
    few = x[:3]
    expected = gamma * (few - few.mean(0)) / np.sqrt(few.var(0) + EPSILON) + beta
    close(unknown(few), expected)


# --- noise ------------------------------------------------------------------------------------------------------------


def draws(shape, steps, inputs):
    layer = LAYERS["noise"]()
    return np.stack([np.asarray(layer(np.full(shape, inputs, np.float32), training=True)) for _ in range(steps)])


def uniform(values, low, high):
    return stats.kstest(np.ravel(values), stats.uniform(low, high - low).cdf).pvalue


@pytest.mark.parametrize("shape", [(2000, 3), (80, 5, 5, 3)])
def test_noise_has_the_distributions_of_the_paper(shape):
    """Of inputs of 0 the outputs are m, and of inputs of 1,000 nearly 1,000 s. Seeds are fixed: no test by chance."""
    examples = tuple(range(1, len(shape)))  # and pixels: all but the step and the feature
    m, s = draws(shape, 60, 0), draws(shape, 60, 1e6) / 1e6
    mu, sigma = m.mean(examples), s.mean(examples)
    assert uniform(mu, -0.5, 0.5) > 0.01 and uniform(sigma, 1, 1.25) > 0.01
    assert len(np.unique(mu)) == mu.size, "drawn anew for each step and feature"
    assert uniform((m - mu.reshape(60, *(1,) * len(examples), 3))[::20], -0.1, 0.1) > 0.01
    normal = (s - sigma.reshape(60, *(1,) * len(examples), 3))[::20] / 0.1
    assert stats.kstest(normal.ravel(), stats.norm.cdf).pvalue > 0.01
    flat = m[0].reshape(-1, 3) - mu[0]
    assert abs(np.corrcoef(flat.T)[np.triu_indices(3, 1)]).max() < 0.08
    assert abs(np.corrcoef(flat[:-1, 0], flat[1:, 0])[0, 1]) < 0.08, "neighbors are independent"


@pytest.mark.parametrize("shape", SHAPES)
def test_noisy_batch_is_batch_normalization_and_the_noise_that_a_plain_net_gets(shape):
    x, gamma, beta, upstream = case(shape)
    noisy, plain = made("noisy_batch", shape, gamma, beta), made("batch", shape, gamma, beta)
    alone, other = LAYERS["noise"](), noise.layer("norm", 6, placement="before", **NOISE)
    for _ in range(2):
        normal, _ = stepped(plain, x, upstream, training=True)
        got, gradients = stepped(noisy, x, upstream, training=True)
        np.testing.assert_allclose(got, alone(normal, training=True), rtol=1e-5, atol=1e-6)
        assert np.abs(got - other(normal, training=True)).max() > 0.1
        assert all(np.isfinite(one).all() for one in gradients)
    np.testing.assert_array_equal(noisy.moving_variance, plain.moving_variance)
    inputs = x.astype(np.float32)
    np.testing.assert_allclose(noisy(inputs, training=False), plain(inputs, training=False), rtol=1e-6)
    np.testing.assert_array_equal(alone(inputs, training=False), inputs)


def test_gradient_of_noise_is_its_factor():
    x = np.zeros((6, 4))
    factor = draws(x.shape, 1, 1e6)[0] / 1e6
    _, (gradient,) = stepped(LAYERS["noise"](), x, np.ones_like(x), training=True)
    np.testing.assert_allclose(gradient, factor, rtol=1e-5)


@pytest.mark.parametrize("name", ["noise", "noisy_batch"])
def test_noise_can_be_shown_as_the_next_step_draws_it_and_stays_what_it_was(name):
    x = case((8, 4))[0].astype(np.float32)
    layer = LAYERS[name]()
    layer(x, training=True)
    before = [variable.numpy() for variable in layer.variables]
    with keras.StatelessScope():
        layer.showing_noise = layer.as_training = True
        shown = [np.asarray(layer(x, training=False))]
    layer.showing_noise = layer.as_training = False
    for variable, value in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    np.testing.assert_array_equal(layer(x, training=True), shown[0])


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [one for one in LAYERS if one not in ("noise", "noisy_batch")])
def test_xla_and_eager_agree(name, shape):
    """All but the noise: XLA's random numbers are others."""
    x, _, _, upstream = case(shape)
    results = []
    for compiled in (False, True):
        layer = LAYERS[name]()
        layer.build((None, *shape[1:]))
        step = partial(stepped, layer, x, upstream, training=True)
        step = tf.function(step, jit_compile=True) if compiled else step
        for _ in range(3):
            outputs, gradients = step()
        results.append([outputs, *gradients, *(variable.numpy() for variable in layer.variables)])
    for one, other in zip(*results, strict=True):
        close(one, other)
