"""A table of records, indexed by name and site, so that reading a curve does not scan the whole table."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow


class Recorded(Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]):
    """(name, site) -> sorted steps, and values: shape (points,) for scalars, (points, length) for vectors.

    table: columns step, name, site, value, as `Store.publish` writes them.
    """

    def __init__(self, table: "pyarrow.Table") -> None:
        self.table = table

    @cached_property
    def _steps(self) -> np.ndarray:
        return self.table["step"].to_numpy()

    @cached_property
    def _values(self) -> "pyarrow.Array":
        return self.table["value"].combine_chunks()

    @cached_property
    def _rows(self) -> dict[tuple[str, str], np.ndarray]:
        if not self.table.num_rows:
            return {}
        names, sites = (self.table[key].combine_chunks().dictionary_encode() for key in ("name", "site"))
        pairs = names.indices.to_numpy() * len(sites.dictionary) + sites.indices.to_numpy()
        order = np.lexsort((self._steps, pairs))
        groups = np.split(order, np.flatnonzero(np.diff(pairs[order])) + 1)
        return {(names[int(rows[0])].as_py(), sites[int(rows[0])].as_py()): rows for rows in groups}

    def __getitem__(self, key: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
        rows = self._rows[key]
        values = self._values.take(rows)
        flat = (values.flatten() if values.type.num_fields else values).to_numpy(zero_copy_only=False)
        return self._steps[rows], flat.reshape(len(rows), -1) if values.type.num_fields else flat

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
