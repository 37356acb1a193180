"""What is read of a run's records, said before there is a run: measures and figures declare it, `plan` looks it up."""

from dataclasses import dataclass

LAYERS = "layer*/"
"""Begins a site that stands for the same place in every hidden layer: `layer*/pre`."""


@dataclass(frozen=True)
class Needed:
    """A record that must be there.

    site: "" for none. step: a measuring point, None for whichever is last. vector: whether a value per unit is read.
    """

    name: str
    site: str = ""
    step: int | None = None
    vector: bool = False
