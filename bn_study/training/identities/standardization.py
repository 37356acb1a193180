"""What standardization does to a batch: facts about mean, spread, shape, range and the other examples."""

import numpy as np
from scipy import stats

from bn_study.training.identities.case import Case, Fact, flat, inference, largest, train_mode


def moments(case: Case) -> Fact:
    """In training the output has mean beta and standard deviation |gamma| sqrt(variance / (variance + epsilon))."""
    gamma, beta = case.affine
    outputs = train_mode(case.layer, case.inputs, case.with_affine(gamma, beta))
    variance = flat(case.inputs).var(axis=0)
    expected = np.sqrt(variance / (variance + case.layer.epsilon))
    yield "mean", "", largest(outputs.mean(axis=0) - beta)
    yield "std", "", largest(outputs.std(axis=0) / abs(gamma) - expected)


def shape(case: Case) -> Fact:
    """An affine map keeps skewness (up to gamma's sign) and kurtosis: a bimodal distribution stays bimodal."""
    random = case.random()
    upper = np.arange(800)[:, None] < np.linspace(400, 240, case.units)  # the upper mode has from half to 3 in 10
    bimodal = 3 + np.where(upper, 1, -1) + 0.1 * random.normal(size=upper.shape)
    inputs = case.like_inputs(random.permuted(bimodal, axis=0))
    gamma, beta = case.affine
    outputs, given = train_mode(case.layer, inputs, case.with_affine(gamma, beta)), flat(inputs)
    yield "skewness", "", largest(stats.skew(outputs) * np.sign(gamma) - stats.skew(given))
    yield "kurtosis", "", largest(stats.kurtosis(outputs) - stats.kurtosis(given))
    yield "bimodal_kurtosis_gap", "", largest(stats.kurtosis(outputs))


def value_range(case: Case) -> Fact:
    """Standardized values are not confined to 0..1: the share of outputs outside."""
    outputs = train_mode(case.layer, case.inputs, case.with_affine(np.ones(case.units), np.zeros(case.units)))
    yield "outside_unit_interval", "", float(((outputs < 0) | (outputs > 1)).mean())


def centred_scaling(case: Case) -> Fact:
    """(x - mean) / (max - min), which a source says scales to 0..1, gives negative values. It needs no normalizer."""
    moving = case.features[:, np.ptp(case.features, axis=0) > 0].astype(np.float64)
    scaled = (moving - moving.mean(axis=0)) / np.ptp(moving, axis=0)
    yield "centred_scaling_negative", "", float((scaled < 0).mean())


def in_inference(case: Case) -> Fact:
    """In inference each value is mapped separately, by a fixed affine map."""
    random = case.random()
    (mean, variance), *_ = case.layer.statistics
    given = flat(case.inputs)
    spread = given.std() + 1e-3
    center = given.mean(axis=0) + spread * random.normal(size=case.units)
    power = spread**2 * random.uniform(0.5, 2, case.units)
    gamma, beta = case.affine
    values = [
        *case.with_affine(gamma, beta), (mean, center.astype(np.float32)), (variance, power.astype(np.float32))
    ]  # fmt: skip
    outputs = inference(case.layer, case.inputs, values)
    scale = largest(outputs)
    formula = gamma * (given - center) / np.sqrt(power + case.layer.epsilon) + beta
    yield "inference_formula", "", largest(outputs - formula) / scale
    blend = inference(case.layer, 0.3 * case.inputs + 0.7 * case.inputs[::-1], values)
    mirrored = inference(case.layer, case.inputs[::-1], values)
    yield "inference_affine", "", largest(blend - (0.3 * outputs + 0.7 * mirrored)) / scale
    alone = [inference(case.layer, case.inputs[row : row + 1], values) for row in range(min(8, len(case.inputs)))]
    together = outputs[: sum(map(len, alone))]
    yield "inference_alone", "", largest(np.concatenate(alone) - together) / scale


def in_training(case: Case) -> Fact:
    """In training an example's output depends on the rest of the batch. Unlike the errors, this must not be 0."""
    first = np.concatenate([case.inputs[:1], 2 * case.inputs[1:] + 1])
    own = len(flat(case.inputs[:1]))
    change = train_mode(case.layer, first)[:own] - train_mode(case.layer, case.inputs)[:own]
    yield "training_mates", "", largest(change)
