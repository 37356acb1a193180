"""What probes and evaluation sources report, against scipy, numpy and closed forms on the same tensors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from bn_study.training.evaluation import SOURCES, Evaluation
from bn_study.training.probe import activations, curves, gradients
from bn_study.training.program import build_network
from bn_study.training.train import Programs, train

ALL_SITES = ["linear", "pre", "post", "out"]


class Fixed:
    """An evaluation that shows given tensors."""

    def __init__(self, sites):
        self.given = sites

    def sites(self, split, count):
        return self.given


class Kind:
    def __init__(self, activation):
        self.activation = activation


def look(tensors, activation="tanh", units=True):
    measured = activations.record(Kind(activation), Fixed(tensors), images=9, sites=ALL_SITES, units=units, bins=7)
    return {(name, site): value for name, site, value in measured}


@pytest.mark.parametrize("shape", [(200, 13), (20, 4, 4, 6)])
def test_statistics_equal_scipys_on_the_same_tensor(shape):
    tensor = np.random.default_rng(0).gamma(2.0, 1.0, shape).astype(np.float32)
    found = look({"layer1/post": tensor})
    flat = tensor.astype(np.float64).ravel()
    assert found["activation/mean", "layer1/post"] == pytest.approx(flat.mean())
    assert found["activation/std", "layer1/post"] == pytest.approx(flat.std())
    assert found["activation/skewness", "layer1/post"] == pytest.approx(stats.skew(flat))
    assert found["activation/kurtosis", "layer1/post"] == pytest.approx(stats.kurtosis(flat))
    for quantile in (5, 15, 50, 85, 95):
        expected = stats.scoreatpercentile(flat, quantile)
        assert found[f"activation/q{quantile}", "layer1/post"] == pytest.approx(expected)
        per_unit = stats.scoreatpercentile(tensor.reshape(-1, shape[-1]), quantile, axis=0)
        np.testing.assert_allclose(found[f"activation/unit_q{quantile}", "layer1/post"], per_unit, rtol=1e-6)
    saturated = 1 - stats.percentileofscore(flat, 0.9) / 100
    assert found["activation/saturated", "layer1/post"] == pytest.approx(saturated)
    assert found["activation/histogram", "layer1/post"].sum() == flat.size
    assert found["activation/edges", "layer1/post"][[0, -1]] == pytest.approx([flat.min(), flat.max()])


def test_standard_normal_into_tanh_saturates_at_14_percent():
    """P(|tanh z| > 0.9) = 14.1% and E tanh'(z) = 0.6057 for z ~ N(0, 1)."""
    z = stats.norm.ppf((np.arange(400_000) + 0.5) / 400_000).reshape(-1, 4)
    post = keras.activations.tanh(z.astype(np.float32)).numpy()
    found = look({"layer1/post": post})
    assert found["activation/saturated", "layer1/post"] == pytest.approx(0.141, abs=5e-4)
    assert found["activation/saturated", "layer1/post"] == pytest.approx(2 * stats.norm.sf(np.arctanh(0.9)), abs=1e-4)
    slope, _ = integrate.quad(lambda x: (1 - np.tanh(x) ** 2) * stats.norm.pdf(x), -10, 10)
    assert (1 - post.astype(float) ** 2).mean() == pytest.approx(slope, abs=1e-5) == pytest.approx(0.6057, abs=1e-4)


def test_sigmoid_saturates_at_a_twentieth_from_either_end_and_relu_not_at_all():
    post = np.linspace(0, 1, 1001, dtype=np.float32).reshape(-1, 1)
    assert look({"layer1/post": post}, "sigmoid")["activation/saturated", "layer1/post"] == pytest.approx(0.1, abs=3e-3)
    assert ("activation/saturated", "layer1/post") not in look({"layer1/post": post}, "relu")


def test_dead_units_are_those_that_do_not_move():
    post = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    post[:, :3] = 0.25
    assert look({"layer1/post": post})["activation/dead", "layer1/post"] == pytest.approx(3 / 8)


def trained(specify, *overrides):
    spec = specify(*overrides)
    programs = Programs()
    train(spec, programs, lambda step, state: None, None)
    _, program, evaluator = programs._program
    return spec, program.network, evaluator


def numpy_forward(network, x, statistics=None, epsilon=1e-3):
    """An MLP with BN before its sigmoid, by hand. statistics: (mean, variance) pairs; None takes the batch's own."""
    dense, norms = network.linear, network.normalizers
    used = []
    h = x.reshape(len(x), -1).astype(np.float64)
    for index, norm in enumerate(norms):
        z = h @ dense[index].kernel.numpy().T.astype(np.float64)
        mean, variance = (z.mean(0), z.var(0)) if statistics is None else statistics[index]
        used.append((mean, variance))
        z = (z - mean) / np.sqrt(variance + epsilon) * norm.gamma.numpy() + norm.beta.numpy()
        h = 1 / (1 + np.exp(-z))
    return h @ dense[-1].kernel.numpy().T + dense[-1].bias.numpy(), used


def score(logits, targets):
    logits = logits - logits.max(1, keepdims=True)
    log_probability = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    rows = np.arange(len(targets))
    return -log_probability[rows, targets].mean(), (logits.argmax(1) == targets).mean()


def test_every_evaluation_source_equals_numpy(specify):
    spec, network, evaluator = trained(specify, "norm=batch", "steps=40", "batch_size=8", "model.widths=[12,9]")
    data = evaluator.data
    evaluation = Evaluation(evaluator, spec.batch_size, 500, step=40, final=True)
    measured = curves.record(network, evaluation, images=2000, sources=["reestimated"], full=list(SOURCES))
    found = {name: value for name, _, value in measured}
    x, y = data.test.inputs, data.test.targets

    moving = [(norm.moving_mean.numpy(), norm.moving_variance.numpy()) for norm in network.normalizers]
    unbiased = [(mean, variance * 8 / 7) for mean, variance in moving]
    _, estimated = numpy_forward(network, data.train.slice(500).inputs)
    batches = [score(numpy_forward(network, x[at : at + 8])[0], y[at : at + 8]) for at in range(0, len(x) // 8 * 8, 8)]
    expected = {
        "": score(numpy_forward(network, x, estimated)[0], y),
        "_moving": score(numpy_forward(network, x, moving)[0], y),
        "_moving_unbiased": score(numpy_forward(network, x, unbiased)[0], y),
        "_batch": np.mean(batches, axis=0),
    }
    for source, (loss, accuracy) in expected.items():
        assert found[f"test/loss{source}"] == pytest.approx(loss, rel=1e-4), source
        assert found[f"test/accuracy{source}"] == pytest.approx(accuracy, abs=1.01 / len(y)), source
    assert len({round(found[f"test/loss{source}"], 6) for source in expected}) == 4, "the sources differ here"


@pytest.mark.parametrize(("norm", "sizes"), [("batch", [4 * 8 * 8, 4 * 4 * 4, 4]), ("per_activation", [4, 4, 4])])
def test_batch_of_a_convolution_counts_its_pixels(specify, norm, sizes):
    """One mean of a feature map is over batch x height x width values, so the unbiased factor is m/(m-1) of that m."""
    spec, _, evaluator = trained(
        specify, f"norm={norm}", "model=cnn", "model.blocks=[[3],[4]]", "model.dense=[5]", "steps=3", "batch_size=4"
    )
    evaluation = Evaluation(evaluator, spec.batch_size, 100, step=3, final=True)
    factors = [
        float(np.median(np.asarray(unbiased) / np.asarray(biased)))
        for biased, unbiased in zip(
            evaluation.statistics("moving")[1::2], evaluation.statistics("moving_unbiased")[1::2], strict=True
        )
    ]
    np.testing.assert_allclose(factors, [m / (m - 1) for m in sizes], rtol=1e-5)


def test_dropout_is_off_whatever_the_source(specify):
    _, network, evaluator = trained(specify, "norm=batch", "model.dropout=0.5", "steps=5", "model.widths=[12,9]")
    part = evaluator.slice("test", 60)
    expected, _ = numpy_forward(network, part.inputs)
    ((loss, _),) = evaluator.score.by_batch({"test": 60}, 60)[0]
    assert loss == pytest.approx(score(expected, part.targets)[0], rel=1e-4)


def test_gradient_norms_equal_finite_differences(specify):
    """d loss / d (Wx+b) and d loss / d W, for a net without normalizer, against central differences in float64."""
    spec = specify("norm=none", "model.widths=[4,3]", "model.activation=tanh", "model.initializer=glorot",
                   "model.initializer_scale=1", "batch_size=5", "steps=0")  # fmt: skip
    programs = Programs()
    train(spec, programs, lambda step, state: None, None)
    _, program, evaluator = programs._program
    found = {
        (name, site): value
        for name, site, value in gradients.record(program.network, Evaluation(evaluator, 5, 100, step=0, final=True))
    }
    part = evaluator.data.train.slice(5)
    kernels = [layer.kernel.numpy().astype(np.float64) for layer in program.network.linear]
    x = part.inputs.reshape(5, -1).astype(np.float64)

    def loss(kernels, shift, at):
        h = x
        for index, kernel in enumerate(kernels):
            z = h @ kernel.T + (shift if index == at else 0)
            h = np.tanh(z)
        return score(z, part.targets)[0]

    def norm(function, shape, step=1e-5):
        total = 0.0
        for index in np.ndindex(*shape):
            bump = np.zeros(shape)
            bump[index] = step
            total += ((function(bump) - function(-bump)) / (2 * step)) ** 2
        return np.sqrt(total)

    for at, name in enumerate(("layer1", "layer2", "output")):
        delta = norm(lambda bump, at=at: loss(kernels, bump, at), (5, kernels[at].shape[0]))
        assert found["gradient/delta", f"{name}/linear"] == pytest.approx(delta, rel=1e-3)
        weight = norm(
            lambda bump, at=at: loss([*kernels[:at], kernels[at] + bump, *kernels[at + 1 :]], 0, None),
            kernels[at].shape,
        )
        assert found["gradient/weight", f"{name}/linear"] == pytest.approx(weight, rel=1e-3)


def test_regression_has_no_accuracy(specify):
    spec, network, evaluator = trained(specify, "dataset=toy_regression", "norm=batch", "model.widths=[5]", "steps=3")
    evaluation = Evaluation(evaluator, spec.batch_size, 100, step=3, final=True)
    measured = curves.record(network, evaluation, images=50, sources=["reestimated"], full=["moving"])
    found = {name: value for name, _, value in measured}
    assert not [name for name in found if "accuracy" in name]
    outputs = np.asarray(network.model(evaluator.data.test.inputs, training=False))
    assert found["test/loss_moving"] == pytest.approx(((outputs - evaluator.data.test.targets) ** 2).mean(), rel=1e-4)


def test_initial_kernels_have_the_stated_spread(specify):
    data = Programs().data(specify().dataset)
    for name, scale, expected in (
        ("normal", 0.3, 0.3),
        ("glorot", 2.0, 2 * np.sqrt(2 / (200 + 200))),
        ("he", 1.0, np.sqrt(2 / 200)),
        ("lecun", 1.0, np.sqrt(1 / 200)),
    ):
        spec = specify("model.widths=[200,200]", f"model.initializer={name}", f"model.initializer_scale={scale}")
        kernel = build_network(spec, data).linear[1].kernel.numpy()
        assert kernel.std() == pytest.approx(expected, rel=0.03), name


def test_reestimating_leaves_the_moving_averages(specify):
    spec, network, evaluator = trained(specify, "norm=batch", "steps=5", "model.widths=[6]")
    before = network.normalizers[0].moving_mean.numpy()
    estimated = Evaluation(evaluator, spec.batch_size, 300, step=5, final=False).reestimated
    assert isinstance(estimated[0], tf.Tensor) and not np.allclose(estimated[0], before)
    np.testing.assert_array_equal(network.normalizers[0].moving_mean.numpy(), before)
