"""The records of a run while it is trained, and as arrays of its checkpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bn_study.errors import UsageError

Row = tuple[int, str, str, Any]
"""Step, name, site and value of a record."""
_COLUMNS = ["step", "name", "site", "value"]


@dataclass
class Book:
    """The records so far: numbers, and vectors (length,) of float32."""

    scalars: list[Row] = field(default_factory=list)
    vectors: list[Row] = field(default_factory=list)

    def write(self, step: int, name: str, site: str, value: Any) -> None:
        """Add a record. Raises UsageError for one that the table of vectors cannot hold."""
        if np.ndim(value):
            before = next((one for _, *of, one in reversed(self.vectors) if of == [name, site]), value)
            if np.ndim(value) > 1 or len(value) != len(before):
                raise UsageError(
                    f"{name} at {site!r} has shape {np.shape(value)} at step {step}; a probe records numbers, and "
                    "vectors whose length stays the same"
                )
            self.vectors.append((step, name, site, np.asarray(value, np.float32)))
        else:
            self.scalars.append((step, name, site, float(value)))

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Scalars and vectors, each with columns step, name, site, value."""
        return pd.DataFrame(self.scalars, columns=_COLUMNS), pd.DataFrame(self.vectors, columns=_COLUMNS)

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """The records as named plain arrays, a column each; `read` makes a book of them again."""
        for kind, rows in (("scalars", self.scalars), ("vectors", self.vectors)):
            for index, column in enumerate(_COLUMNS[:-1]):
                yield f"{kind}/{column}", np.array([row[index] for row in rows])
        vectors = [value for *_, value in self.vectors]
        yield "scalars/value", np.array([value for *_, value in self.scalars])
        yield "vectors/length", np.array([len(value) for value in vectors], np.int64)
        yield "vectors/value", np.concatenate([np.zeros(0, np.float32), *vectors])


def read(arrays: Mapping[str, np.ndarray]) -> Book:
    """The book whose `arrays` these are, among others. Raises KeyError, ValueError or TypeError if there is none."""
    lengths = arrays["vectors/length"]
    values = {
        "scalars": arrays["scalars/value"].tolist(),
        "vectors": np.split(arrays["vectors/value"], np.cumsum(lengths)[:-1]) if len(lengths) else [],
    }
    columns = {kind: [arrays[f"{kind}/{column}"].tolist() for column in _COLUMNS[:-1]] for kind in values}
    return Book(**{kind: list(zip(*columns[kind], values[kind], strict=True)) for kind in values})
