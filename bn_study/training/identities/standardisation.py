"""What standardising does to a batch, and what it does not: CLAIMS of mean, spread, shape, range and batch mates."""

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
    """An affine map leaves skewness (but for gamma's sign) and kurtosis: two heaps stay two heaps, not one bell."""
    random = case.random()
    upper = np.arange(800)[:, None] < np.linspace(400, 240, case.units)  # from even heaps to 3 in 10
    heaps = 3 + np.where(upper, 1, -1) + 0.1 * random.normal(size=upper.shape)
    inputs = case.like_inputs(random.permuted(heaps, axis=0))
    gamma, beta = case.affine
    outputs, given = train_mode(case.layer, inputs, case.with_affine(gamma, beta)), flat(inputs)
    yield "skewness", "", largest(stats.skew(outputs) * np.sign(gamma) - stats.skew(given))
    yield "kurtosis", "", largest(stats.kurtosis(outputs) - stats.kurtosis(given))
    yield "bimodal_kurtosis_gap", "", largest(stats.kurtosis(outputs))


def value_range(case: Case) -> Fact:
    """Standardised values are not between 0 and 1."""
    outputs = train_mode(case.layer, case.inputs, case.with_affine(np.ones(case.units), np.zeros(case.units)))
    yield "outside_unit_interval", "", float(((outputs < 0) | (outputs > 1)).mean())


def centred_scaling(case: Case) -> Fact:
    """(x - mean) / (max - min), said to scale to between 0 and 1, gives negative values. It needs no normaliser."""
    moving = case.features[:, np.ptp(case.features, axis=0) > 0].astype(np.float64)
    scaled = (moving - moving.mean(axis=0)) / np.ptp(moving, axis=0)
    yield "centred_scaling_negative", "", float((scaled < 0).mean())


def in_inference(case: Case) -> Fact:
    """In inference a fixed affine map of each value on its own."""
    random = case.random()
    (mean, variance), *_ = case.layer.statistics
    given = flat(case.inputs)
    spread = given.std() + 1e-3
    centre = given.mean(axis=0) + spread * random.normal(size=case.units)
    power = spread**2 * random.uniform(0.5, 2, case.units)
    gamma, beta = case.affine
    values = [
        *case.with_affine(gamma, beta), (mean, centre.astype(np.float32)), (variance, power.astype(np.float32))
    ]  # fmt: skip
    outputs = inference(case.layer, case.inputs, values)
    scale = largest(outputs)
    formula = gamma * (given - centre) / np.sqrt(power + case.layer.epsilon) + beta
    yield "inference_formula", "", largest(outputs - formula) / scale
    blend = inference(case.layer, 0.3 * case.inputs + 0.7 * case.inputs[::-1], values)
    mirrored = inference(case.layer, case.inputs[::-1], values)
    yield "inference_affine", "", largest(blend - (0.3 * outputs + 0.7 * mirrored)) / scale
    alone = [inference(case.layer, case.inputs[one : one + 1], values) for one in range(min(8, len(case.inputs)))]
    together = outputs[: sum(len(one) for one in alone)]
    yield "inference_alone", "", largest(np.concatenate(alone) - together) / scale


def in_training(case: Case) -> Fact:
    """In training an example's output changes with its batch mates. The site of no fact: it must not be 0."""
    first = np.concatenate([case.inputs[:1], 2 * case.inputs[1:] + 1])
    own = len(flat(case.inputs[:1]))
    change = train_mode(case.layer, first)[:own] - train_mode(case.layer, case.inputs)[:own]
    yield "training_mates", "", largest(change)
