"""Tables of records by name and site, against a search of the whole table."""

import numpy as np
import pandas as pd
import pyarrow

from bn_study.store.records import Recorded


def recorded(rows):
    return Recorded(pyarrow.Table.from_pandas(pd.DataFrame(rows, columns=["step", "name", "site", "value"])))


def test_every_curve_is_what_a_search_finds():
    random = np.random.default_rng(0)
    rows = [(int(step), f"n{step % 3}", ("", "a", "b")[place], random.normal()) for step in random.permutation(40)
            for place in range(3)]  # fmt: skip
    rows[7] = (*rows[7][:3], float("nan"))
    found, table = recorded(rows), pd.DataFrame(rows, columns=["step", "name", "site", "value"])
    assert set(found) == set(zip(table["name"], table["site"], strict=True)) and ("n0", "c") not in found
    for (name, site), (steps, values) in found.items():
        wanted = table[(table["name"] == name) & (table["site"] == site)].sort_values("step")
        np.testing.assert_array_equal(steps, wanted["step"])
        np.testing.assert_array_equal(values, wanted["value"])


def test_vectors_are_stacked_and_keep_their_type():
    draw = np.random.default_rng(0).normal
    units = [draw(size=4).astype(np.float32) for _ in range(3)]
    units[1][2] = np.nan
    found = recorded([(step, "u", "x", one) for step, one in zip((2, 0, 1), units, strict=True)]
                     + [(0, "edges", "x", np.arange(3, dtype=np.float32))])  # fmt: skip
    steps, values = found["u", "x"]
    np.testing.assert_array_equal(steps, [0, 1, 2])
    np.testing.assert_array_equal(values, np.stack([units[1], units[2], units[0]]))
    assert values.dtype == np.float32 and found["edges", "x"][1].shape == (1, 3)


def test_a_table_without_rows_has_no_curves():
    assert dict(recorded([])) == {}
