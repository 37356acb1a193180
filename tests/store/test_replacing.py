"""A file that is replaced is the old one until the new one is whole."""

import pytest

from bn_study.store.replacing import replacing


def test_content_changes_only_when_all_of_it_is_written(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="disk"), replacing(path) as beside:
        beside.write_text("half")
        raise OSError("disk is full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
