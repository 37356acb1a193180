"""Where the values of every nonlinearity lie in its range, and how much of its slope remains."""

from collections.abc import Iterator

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.distribution import described
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed, *, images: Count, bins: Count) -> Iterator[Record]:
    """The numbers that are defined for the nonlinearity, at its output."""
    names = ["dead"]
    names += ["share", "asymmetry"] if seen.bounded else []
    names += ["derivative", "entropy"] if seen.curved else []
    for site in seen.sites:
        if site.endswith("/post"):
            for name in names:
                if name == "entropy":
                    yield Record("saturation/entropy", site, low=0)
                else:
                    yield Record(f"saturation/{name}", site, low=0, high=1)


def record(network: Network, evaluation: Evaluation, *, images: Count, bins: Count) -> Iterator[tuple[str, str, float]]:
    """Yield, per hidden layer at `post`, over fixed test examples seen with re-estimated statistics:

    * `saturation/share`: of values within a twentieth of the range from either end (|tanh| > 0.9);
    * `saturation/derivative`: mean of f'(pre) / max f', for a ReLU the share of values that are not cut off;
    * `saturation/entropy`: bits, of the histogram over its range, for a ReLU from 0 to the largest value, for others
      without a range from the smallest to the largest;
    * `saturation/asymmetry`: mean over units of |mean over examples of the side of the range's middle, -1 or 1|, which
      is 0 for a unit that uses both sides alike and 1 for one that stays on one side (Kim et al. 2023);
    * `saturation/dead`: the share of units whose standard deviation over examples is below 0.01.

    A feature map counts as one unit. Share and asymmetry need a bounded nonlinearity, slope and histogram one whose
    slope changes and has a largest value (plan/activations.py); what has no meaning is left out.
    """
    found = evaluation.sites("test", images)
    for site, tensor in found.items():
        if not site.endswith("/post"):
            continue
        pre, post = (one.reshape(-1, one.shape[-1]) for one in (found[site.replace("/post", "/pre")], tensor))
        for name, value in described(network.activation, pre, post, bins):
            yield f"saturation/{name}", site, value
