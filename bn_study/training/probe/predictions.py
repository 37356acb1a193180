"""The curve that a network has fitted."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed, *, images: Count) -> Iterator[Record]:
    """Three vectors of a regression."""
    if seen.task != "classification":
        for name in ("input", "target", "output"):
            yield Record(f"predictions/{name}", vector=True)


def record(network: Network, evaluation: Evaluation, *, images: Count) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield the vectors `predictions/input`, `predictions/target` and `predictions/output`, in order of the input.

    They are of fixed test examples, and normalizers use re-estimated statistics. Only a regression on one number has
    them; other data yield nothing.
    """
    part = evaluation.evaluator.slice("test", images)
    if evaluation.data.classes is not None or part.inputs.shape[1:] != (1,):
        return
    order = np.argsort(part.inputs[:, 0], kind="stable")
    for name, values in (
        ("input", part.inputs), ("target", part.targets), ("output", evaluation.outputs("test", images))
    ):  # fmt: skip
        yield f"predictions/{name}", "", values[order, 0]
