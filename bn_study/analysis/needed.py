"""The records that measures and figures will read. They declare them, so that `plan` can check before a run exists."""

from dataclasses import dataclass

LAYERS = "layer*/"
"""The start of a site that means the same site of every hidden layer: `layer*/pre`."""


@dataclass(frozen=True)
class Needed:
    """A record that must be there.

    site: "" for none. step: a measuring point, None for the last. vector: whether a value per unit is read.
    """

    name: str
    site: str = ""
    step: int | None = None
    vector: bool = False
