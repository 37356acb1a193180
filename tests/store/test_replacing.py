"""A file that is replaced is the old one until the new one is whole."""

import errno
import fcntl

import pytest

from bn_study.store.replacing import changing, replacing, write_text


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


def test_text_that_cannot_be_encoded_leaves_the_old_text(tmp_path):
    path = tmp_path / "page.md"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \udcff")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_locks_holds_nobody_off(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with changing(tmp_path / "table.csv"):
        (tmp_path / "table.csv").write_text("new")
    assert (tmp_path / "table.csv").read_text() == "new"
