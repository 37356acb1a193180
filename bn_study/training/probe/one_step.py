"""How far one gradient step may go before the loss explodes (Bjorck et al. 2018, Sec. 3.2, Fig. 2 to 4)."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Positive, Positives
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network
from bn_study.training.surface import Surface

LARGEST = 1e30
"""Recorded instead of a ratio that is larger or not a number."""
TINIEST = 1e-37
"""Replaces a loss of 0 before the step."""


def records(seen: Observed, *, rates: Positives, limit: Positive) -> Iterator[Record]:
    """The ratio at each rate, and one rate."""
    yield Record("one_step/relative_loss", vector=True)
    yield Record("one_step/largest_rate", low=min(rates) / 10, high=max(rates))


def record(
    network: Network, evaluation: Evaluation, *, rates: Positives, limit: Positive
) -> Iterator[tuple[str, str, float | np.ndarray]]:
    """Take a step of plain gradient descent at each rate from the same parameters, and evaluate the same batch again.

    The batch is fixed and has the training batch size. The mode is training with dropout and noise off, so a normalizer
    uses the batch's own statistics before and after the step. Yield

    * vector `one_step/relative_loss`: loss after / loss before, a value per rate in ascending order, at most 1e30;
    * `one_step/largest_rate`: the largest rate at which, and at all smaller ones, that ratio is at most `limit`
      (the paper calls more than 1,000 divergence); a tenth of the smallest rate if there is no such rate.
    """
    surface = Surface(network, evaluation)
    rates = sorted(rates)
    ratios = np.array([surface.loss_after(rate) for rate in rates]) / max(float(surface.loss), TINIEST)
    ratios = np.where(np.isfinite(ratios), np.minimum(ratios, LARGEST), LARGEST)
    yield "one_step/relative_loss", "", ratios
    tame = int(np.cumprod(ratios <= limit).sum())
    yield "one_step/largest_rate", "", rates[tame - 1] if tame else rates[0] / 10
