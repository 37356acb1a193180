"""What is seen between steps, of normalizers that work by groups or add noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bn_study.training.evaluation import Evaluation
from bn_study.training.train import Programs, train

MLP = ("dataset=digits", "model=mlp", "model.widths=[12,9]", "model.activation=tanh", "steps=40", "batch_size=12")
CNN = ("dataset=digits", "model=cnn", "model.blocks=[[3],[4]]", "model.dense=[5]", "steps=5", "batch_size=12")
EPSILON = 1e-3


def look(specify, *overrides, reestimate=300):
    spec, programs = specify(*overrides, "probe=[]"), Programs()
    train(spec, programs, lambda step, state: None, None)
    _, program, evaluator = programs._program
    return program.network, Evaluation(evaluator, spec.batch_size, reestimate, spec.steps, final=True)


def ghost_loss(network, x, y, statistics=None):
    """Of an MLP as trained here, by hand. statistics: (mean, variance) pairs; None takes those of groups of 3."""
    dense, values = network.linear, x.reshape(len(x), -1).astype(np.float64)
    for index, norm in enumerate(network.normalizers):
        z = values @ np.asarray(dense[index].kernel, np.float64).T
        parts = z.reshape(-1, 3, z.shape[1])
        mean, variance = (parts.mean(1, keepdims=True), parts.var(1, keepdims=True))
        if statistics is not None:
            mean, variance = statistics[index]
        z = ((parts - mean) / np.sqrt(variance + EPSILON)).reshape(z.shape)
        values = np.tanh(z * norm.gamma.numpy() + norm.beta.numpy())
    logits = values @ dense[-1].kernel.numpy().T + dense[-1].bias.numpy()
    logits = logits - logits.max(1, keepdims=True)
    return -(logits - np.log(np.exp(logits).sum(1, keepdims=True)))[np.arange(len(y)), y].mean()


def test_sources_of_groups_equal_numpy(specify):
    network, evaluation = look(specify, *MLP, "norm=ghost_batch", "norm.group_size=3")
    test = evaluation.data.test
    x, y = test.inputs[: len(test) // 12 * 12], test.targets[: len(test) // 12 * 12]
    assert evaluation.scores({"test": None}, ["batch"])["test", "batch"][0] == pytest.approx(
        ghost_loss(network, x, y), rel=1e-4
    )
    moving = [(norm.moving_mean.numpy(), norm.moving_variance.numpy()) for norm in network.normalizers]
    unbiased = [(mean, variance * 3 / 2) for mean, variance in moving]
    for source, statistics in (("moving", moving), ("moving_unbiased", unbiased)):
        got = [one.numpy() if hasattr(one, "numpy") else one for one in evaluation.statistics(source)]
        for one, other in zip(got, [value for pair in statistics for value in pair], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
    whole = evaluation.data.train.slice(300).inputs.reshape(300, -1).astype(np.float64)
    z = whole @ np.asarray(network.linear[0].kernel, np.float64).T
    np.testing.assert_allclose(evaluation.reestimated[0], z.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(evaluation.reestimated[1], z.var(0), rtol=1e-4)


def test_a_slice_that_is_no_multiple_of_a_group_loses_its_rest(specify):
    network, evaluation = look(specify, *MLP, "norm=ghost_batch", "norm.group_size=3")
    part = evaluation.data.test.slice(11)
    expected = ghost_loss(network, part.inputs[:9], part.targets[:9])
    assert evaluation.scores({"test": 11}, ["batch"])["test", "batch"][0] == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(evaluation.scores({"test": 2}, ["batch"])["test", "batch"][0])


@pytest.mark.parametrize(("norm", "m"), [("batch", 12), ("ghost_batch", 4), ("batch_renorm", 12)])
def test_pixels_count_where_the_variance_is_corrected(specify, norm, m):
    _, evaluation = look(specify, *CNN, f"norm={norm}")
    moving, unbiased = evaluation.statistics("moving"), evaluation.statistics("moving_unbiased")
    for layer, pixels in enumerate((64, 16, 1)):  # 8x8 images, pooled once, then a dense layer
        ratio = np.asarray(unbiased[2 * layer + 1]) / np.asarray(moving[2 * layer + 1])
        np.testing.assert_allclose(ratio, m * pixels / (m * pixels - 1), rtol=1e-6)
        np.testing.assert_array_equal(unbiased[2 * layer], moving[2 * layer])


@pytest.mark.parametrize("model", [MLP, CNN], ids=["mlp", "cnn"])
def test_sites_are_seen_with_the_noise_of_the_next_step_and_scores_without(specify, model):
    network, evaluation = look(specify, *model, "norm=noise", "model.initializer=glorot", "model.initializer_scale=1")
    inputs = evaluation.data.train.slice(12).inputs

    def next_step():
        with keras.StatelessScope():
            return network.observed(inputs, training=True)

    expected = tf.function(next_step, jit_compile=network.xla)()
    seen = evaluation.sites("train", 12)
    for site, value in seen.items():
        np.testing.assert_allclose(value, expected[site], rtol=1e-4, atol=1e-5, err_msg=site)
    assert np.abs(seen["layer1/pre"] - seen["layer1/linear"]).max() > 0.05
    targets = evaluation.data.train.slice(12).targets
    logits = network.model(inputs, training=False)
    quiet = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True).numpy().mean()
    assert evaluation.training_loss() == pytest.approx(quiet, rel=1e-4)
    assert evaluation.scores({"train": 12}, ["reestimated"])["train", "reestimated"][0] == pytest.approx(
        quiet, rel=1e-4
    )


def test_statistics_under_noise_are_those_of_what_layers_get_then(specify):
    """Else the noise of one layer would look like a drift of the next one's output, which in training it is not."""
    _, evaluation = look(
        specify, *MLP, "norm=noisy_batch", "norm.mean_spread=0", "norm.scale_spread=0", "norm.mean_range=2",
        "norm.scale_range=1.5", "norm.center=false", "norm.scale=false",
    )  # fmt: skip
    seen = evaluation.sites("train", 300)
    for layer in (1, 2):
        pre, spread = seen[f"layer{layer}/pre"], np.std(seen[f"layer{layer}/linear"], axis=0)
        shrunk = spread / np.sqrt(spread**2 + EPSILON)
        assert np.abs(pre.mean(0)).max() < 2.001 and np.abs(pre.mean(0)).max() > 0.5
        assert (pre.std(0) / shrunk).min() > 0.999 and (pre.std(0) / shrunk).max() < 1.501


def test_sites_are_computed_once_and_those_with_the_same_values_share_them(specify, monkeypatch):
    network, evaluation = look(specify, *MLP, "norm=none")
    seen = evaluation.sites("test", 12)
    expected = network.observed(evaluation.data.test.slice(12).inputs, training=False)
    for site, value in seen.items():
        np.testing.assert_allclose(value, expected[site], rtol=1e-5, atol=1e-6)
        assert not value.flags.writeable
    assert seen["layer1/linear"] is seen["layer1/pre"] and seen["layer1/post"] is seen["layer1/out"]
    assert seen["layer1/pre"] is not seen["layer1/post"]
    other = evaluation.sites("test", 11)["layer1/pre"]
    monkeypatch.setattr(evaluation.evaluator, "observe", None)
    assert evaluation.sites("test", 12)["layer1/pre"] is seen["layer1/pre"]
    assert evaluation.sites("test", 11)["layer1/pre"] is other
    assert len(evaluation.outputs("test", 12)) == 12
