"""How the loss and its gradient change along the gradient (Santurkar et al. 2018, Fig. 4 and Appendix A.2.2)."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Positives
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network
from bn_study.training.surface import Surface


def records(seen: Observed, *, step_sizes: Positives, displacements: Positives) -> Iterator[Record]:
    """Six numbers for each way of measuring a step: by step size and by relative displacement."""
    for kind in ("", "relative_"):
        for name in (
            "loss_low", "loss_high", "loss_range", "predictiveness_low", "predictiveness_high", "smoothness"
        ):  # fmt: skip
            yield Record(f"landscape/{kind}{name}", low=0)


def record(
    network: Network, evaluation: Evaluation, *, step_sizes: Positives, displacements: Positives
) -> Iterator[tuple[str, str, float]]:
    """Evaluate loss and gradient at θ - ηg for the parameters θ, their gradient g and several step sizes η.

    They are of one fixed batch of the training batch size, in training mode with dropout and noise off. Yield

    * `landscape/loss_low`, `loss_high` and `loss_range`, high - low: of the loss at θ - ηg;
    * `landscape/predictiveness_low`, `predictiveness_high`: of ‖∇L(θ) - ∇L(θ - ηg)‖, over all trainable variables;
    * `landscape/smoothness`: the largest ‖∇L(θ) - ∇L(θ - ηg)‖ / (η‖g‖), an effective β;

    and the same with `relative_` before the last part of the name, for steps of length ‖ηg‖ = displacement · ‖θ‖. These
    are needed because weights before a normalizer can be scaled freely, which changes the effect of a given η.
    Smoothness is then the largest ‖∇L(θ) - ∇L(θ - ηg)‖ / ‖g‖ per unit of relative displacement.
    """
    surface = Surface(network, evaluation)
    length, size = surface.lengths()
    relative = [displacement * size / length if length else 0.0 for displacement in displacements]
    units = {"": [eta * length for eta in step_sizes], "relative_": displacements}
    for kind, etas in (("", step_sizes), ("relative_", relative)):
        losses, changes = np.transpose([surface.slope_after(eta) for eta in etas])
        slopes = changes / np.maximum(units[kind], np.finfo(np.float32).tiny)
        yield f"landscape/{kind}loss_low", "", np.fmin.reduce(losses)
        yield f"landscape/{kind}loss_high", "", losses.max()
        yield f"landscape/{kind}loss_range", "", losses.max() - np.fmin.reduce(losses)
        yield f"landscape/{kind}predictiveness_low", "", np.fmin.reduce(changes)
        yield f"landscape/{kind}predictiveness_high", "", changes.max()
        yield f"landscape/{kind}smoothness", "", slopes.max() / (length if kind and length else 1.0)
