"""Names of metrics in captions and on axes."""

SOURCES = {
    "": "statistics re-estimated on training data",
    "_moving": "moving averages",
    "_moving_unbiased": "moving averages, their variance times m/(m-1)",
    "_batch": "the statistics of each test batch itself",
}
"""What follows the name of a metric, and what a normalizer then uses (bn_study/training/probe/curves.py)."""
RECORDS = {
    "gradient/delta": "norm of the loss gradient by Wx+b",
    "gradient/weight": "norm of the loss gradient by the weights",
    "activation/mean": "mean of the values",
    "activation/std": "standard deviation of the values",
}
"""What is recorded at layers, in words (bn_study/training/probe/)."""


def recorded(name: str, power: float = 1.0) -> str:
    """`squared norm of the loss gradient by Wx+b`."""
    words = RECORDS.get(name, name.replace("/", " ").replace("_", " "))
    return {1.0: words, 2.0: f"squared {words}"}.get(power, f"{words}, to the power {power:g}")


def shared(metrics: list[str]) -> str:
    """`test accuracy`: what the metrics' names begin with, in words."""
    shortest = min(metrics, key=len, default="")
    name = shortest if all(one.startswith(shortest) for one in metrics) else ""
    return name.replace("/", " ").replace("_", " ") or "value"


def judged(metrics: list[str]) -> str:
    """Which statistics each metric uses, in words, if its name says so."""
    found = {}
    for metric in metrics:
        kind = metric.rpartition("/")[2]
        base = next((one for one in ("accuracy", "loss") if kind.startswith(one)), None)
        if base and kind.removeprefix(base) in SOURCES:
            found[metric] = SOURCES[kind.removeprefix(base)]
    if len(found) == 1:
        return next(iter(found.values()))
    return "; ".join(f"{metric}: {words}" for metric, words in found.items())
