"""Loss and accuracy during training."""

from collections.abc import Iterator

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count, Source
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(
    seen: Observed,
    *,
    images: Count,
    sources: list[Source],
    full: list[Source],
) -> Iterator[Record]:
    """Loss and accuracy of each split with each source. Sources outside `sources` only at the end."""
    quantities = ("loss",) if seen.task == "regression" else ("loss", "accuracy")
    for split in ("train", "validation", "test"):
        for source in seen.sources:
            for quantity in quantities:
                yield Record(f"{split}/{quantity}" + ("" if source == "reestimated" else f"_{source}"))


def record(
    network: Network,
    evaluation: Evaluation,
    *,
    images: Count,
    sources: list[Source],
    full: list[Source],
) -> Iterator[tuple[str, str, float]]:
    """Yield `<split>/loss` and `<split>/accuracy` (classifiers only), with `_<source>` for other sources of statistics.

    The plain name means re-estimated statistics. During training the probe uses `images` fixed examples of each split
    and the given sources. At the end it uses every source; those in `full` use all of validation and test.
    """
    wanted = [source for source in evaluation.sources if evaluation.final or source in sources]
    for split in ("train", "validation", "test"):
        for source in wanted:
            everything = evaluation.final and source in full and split != "train"
            suffix = "" if source == "reestimated" else f"_{source}"
            loss, accuracy = evaluation.loss_and_accuracy(split, None if everything else images, source)
            yield f"{split}/loss{suffix}", "", loss
            if evaluation.data.classes is not None:
                yield f"{split}/accuracy{suffix}", "", accuracy
