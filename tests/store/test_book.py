"""The records of a run while it is trained."""

import io

import numpy as np
import pandas as pd
import pytest

from bn_study.errors import UsageError
from bn_study.store.book import Book, read


def test_a_record_that_no_table_can_hold_is_refused():
    book = Book()
    book.write(0, "own/sizes", "layer1", np.zeros(2))
    book.write(1, "own/sizes", "layer2", np.zeros(3))
    for value in (np.zeros(3), np.zeros((2, 2))):
        with pytest.raises(UsageError, match=r"own/sizes at 'layer1' has shape .* at step 1"):
            book.write(1, "own/sizes", "layer1", value)
    book.write(1, "own/sizes", "layer1", np.ones(2))
    assert len(book.tables()[1]) == 3


@pytest.mark.parametrize("records", [
    [],
    [(0, "train/loss", "", 2.5), (10, "train/loss", "", float("nan"))],
    [(0, "a/edges", "layer1/pre", np.arange(3.0)), (0, "b/count", "", 7), (5, "a/edges", "layer1/pre", np.zeros(3)),
     (5, "a/histogram", "layer1/pre", np.ones(2))],
])  # fmt: skip
def test_a_book_survives_the_way_through_a_file_of_plain_arrays(records):
    book = Book()
    for record in records:
        book.write(*record)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **dict(book.arrays()))
    with np.load(io.BytesIO(file.getvalue()), allow_pickle=False) as arrays:
        again = read(arrays)
    for before, after in zip(book.tables(), again.tables(), strict=True):
        pd.testing.assert_frame_equal(before, after)
    for before, after in zip(book.vectors, again.vectors, strict=True):
        assert before[3].dtype == after[3].dtype == np.float32
