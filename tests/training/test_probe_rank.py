"""The stable rank against numpy's singular values, and learned scales against what undoes them."""

import numpy as np
import pytest

from bn_study.training.probe import learned_scale, rank


@pytest.mark.parametrize(
    "model", [("model.widths=[9,8]",), ("model=cnn", "model.blocks=[[4],[8]]", "model.dense=[12]")]
)
def test_stable_rank_is_that_of_singular_values(looked_at, model):
    network, evaluation = looked_at("steps=3", "norm=batch", *model)
    found = {site: value for _, site, value in rank.record(network, evaluation, images=60)}
    values = evaluation.sites("test", 60)
    assert set(found) == {site for site in values if site.endswith("/pre")}
    for site, value in found.items():
        singular = np.linalg.svd(values[site].reshape(-1, values[site].shape[-1]).astype(float), compute_uv=False)
        np.testing.assert_allclose(value, (singular**2).sum() / singular[0] ** 2, rtol=1e-4)


def test_the_ends_of_the_scale_are_one_direction_and_all():
    one = np.outer(np.arange(1, 6), np.ones(3)).astype(np.float32)
    assert rank._stable(one) == pytest.approx(1, abs=1e-5)
    assert rank._stable(1e25 * np.eye(4, dtype=np.float32)) == pytest.approx(4)
    assert rank._stable(np.zeros((5, 3), np.float32)) == 0


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_values_that_are_not_finite_have_no_rank(lost):
    assert np.isnan(rank._stable(np.array([[1, lost], [2, 3]], np.float32)))


def test_gamma_and_beta_that_undo_are_told_from_those_that_do_not(looked_at):
    network, evaluation = looked_at("steps=3", "norm=batch", "model.widths=[8]", "model.normalize_input=false")
    (layer,) = network.normalizers
    mean, variance = (np.asarray(one) for one in evaluation.reestimated)
    deviation = np.sqrt(variance + layer.epsilon)
    layer.gamma.assign(deviation * np.where(np.arange(8) < 2, 4.0, 1.0))
    layer.beta.assign(mean + deviation * np.where(np.arange(8) == 7, -3.0, 0.0))
    found = {name.partition("/")[2]: value for name, _, value in learned_scale.record(network, evaluation, within=0.1)}
    expected = {"log2_ratio": 2 * 2 / 8, "shift": 3 / 8, "distance": (2 * 2 + 3) / 8, "undone": 5 / 8}
    assert found == pytest.approx(expected, abs=1e-5)


def test_without_gamma_and_beta_one_and_zero_stand_for_them(looked_at):
    network, evaluation = looked_at(
        "steps=3", "norm=batch", "norm.center=false", "norm.scale=false", "model.widths=[8]"
    )
    mean, variance = (np.asarray(one) for one in evaluation.reestimated)
    deviation = np.sqrt(variance + network.normalizers[0].epsilon)
    found = {name.partition("/")[2]: value for name, _, value in learned_scale.record(network, evaluation, within=0.1)}
    assert found["log2_ratio"] == pytest.approx(-np.log2(deviation).mean(), rel=1e-4)
    assert found["shift"] == pytest.approx((abs(mean) / deviation).mean(), rel=1e-4)
