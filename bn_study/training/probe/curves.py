"""Loss and accuracy during training."""

from collections.abc import Iterator

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count, Source
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network

SPLITS = ("train", "validation", "test")


def records(
    seen: Observed,
    *,
    images: Count,
    sources: list[Source],
    full: list[Source],
) -> Iterator[Record]:
    """Loss and accuracy of each split with each source. Sources outside `sources` only at the end."""
    quantities = ("loss",) if seen.task == "regression" else ("loss", "accuracy")
    for split in SPLITS:
        for source in seen.sources:
            ending = "" if source == "reestimated" else f"_{source}"
            for quantity in quantities:
                if quantity == "accuracy":
                    yield Record(f"{split}/accuracy{ending}", low=0, high=1, better="more")
                else:
                    yield Record(f"{split}/loss{ending}", low=0, better="less")


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
    few = dict.fromkeys(SPLITS, images)
    if evaluation.final:
        complete = [source for source in wanted if source in full]
        found = evaluation.scores({"train": images}, complete)
        found |= evaluation.scores({"validation": None, "test": None}, complete)
        for source in wanted:
            if source not in complete:  # one by one: every number of sources is compiled anew
                found |= evaluation.scores(few, [source])
    else:
        found = evaluation.scores(few, wanted)
    for split in SPLITS:
        for source in wanted:
            suffix = "" if source == "reestimated" else f"_{source}"
            loss, accuracy = found[split, source]
            yield f"{split}/loss{suffix}", "", loss
            if evaluation.data.classes is not None:
                yield f"{split}/accuracy{suffix}", "", accuracy
