"""Residual blocks against formulas in numpy, at initialization."""

import numpy as np
import pytest

from bn_study.training.program import build_network
from bn_study.training.train import Programs

EPSILON = 1e-3
COMMON = (
    "dataset=digits", "model=mlp", "model.activation=relu", "model.initializer=he", "model.initializer_scale=1",
    f"model.widths={[400] * 11}".replace(" ", ""), "model.residual=true",
)  # fmt: skip


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(0).normal(size=(500, 8, 8, 1)).astype(np.float32)


def built(specify, *overrides):
    spec = specify(*COMMON, *overrides)
    return build_network(spec, Programs().data(spec.dataset))


def seen(network, inputs):
    with network.as_training():
        return {site: np.asarray(value, np.float64) for site, value in network.observed(inputs, training=False).items()}


def normalized(z):
    return (z - z.mean(0)) / np.sqrt(z.var(0) + EPSILON)


@pytest.mark.parametrize(
    ("norm", "branch"),
    [
        (("norm=none",), lambda post, kernel: post @ kernel.T),
        (("norm=batch",), lambda post, kernel: normalized(post @ kernel.T)),
        (("norm=batch", "norm.placement=after"), lambda post, kernel: normalized(post) @ kernel.T),
    ],
    ids=["none", "before", "after"],
)
def test_stream_is_what_entered_the_nonlinearity_before_plus_the_branch(specify, inputs, norm, branch):
    network = built(specify, *norm, "model.widths=[12,12,7,7]")
    values = seen(network, inputs)
    kernels = [np.asarray(layer.kernel, np.float64) for layer in network.linear]
    stream = inputs.reshape(500, -1).astype(np.float64) @ kernels[0].T
    stream = normalized(stream) if norm == ("norm=batch",) else stream
    for index, (kernel, residual) in enumerate(zip(kernels[1:4], (True, False, True), strict=True), 2):
        post = np.maximum(stream, 0)
        np.testing.assert_allclose(values[f"layer{index - 1}/post"], post, rtol=1e-4, atol=1e-4)
        stream = branch(post, kernel) + (stream if residual else 0)
        np.testing.assert_allclose(values[f"layer{index}/pre"], stream, rtol=1e-3, atol=1e-3)


def growth(specify, inputs, *overrides):
    """Variance of the stream in each layer, of all units together, over that in the first; of four seeds."""
    variances = []
    for seed in range(4):
        values = seen(built(specify, *overrides, f"seed={seed}"), inputs)
        variances.append([values[f"layer{index}/pre"].var() for index in range(1, 12)])
    return np.mean(variances, 0) / np.mean(variances, 0)[0]


def test_variance_doubles_a_block_and_grows_by_one_where_branches_are_normalized(specify, inputs):
    """The closed forms of CLAIMS C04: with weights of variance 2/n, E[(W relu(z))^2] = E[z^2] for symmetric z."""
    np.testing.assert_allclose(growth(specify, inputs, "norm=none"), 2.0 ** np.arange(11), rtol=0.1)
    np.testing.assert_allclose(growth(specify, inputs, "norm=batch"), np.arange(1, 12), rtol=0.03)


def test_without_it_nothing_is_added(specify, inputs):
    values = [
        seen(built(specify, "norm=batch", f"model.residual={value}"), inputs)["output"]
        for value in ("null", "false", "true")
    ]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.allclose(values[0], values[2])
