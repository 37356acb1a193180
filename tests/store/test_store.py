"""Run folders: published whole or not at all, held by one worker at a time, and never read when damaged."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from bn_study.errors import UsageError
from bn_study.store.store import Store
from bn_study.store.stored_run import CannotRead, DamagedRun

RECORDS = pd.DataFrame({"step": [0, 5], "name": ["test/loss"] * 2, "site": [""] * 2, "value": [0.1, float("nan")]})
VECTORS = pd.DataFrame(
    {"step": [5], "name": ["activation/histogram"], "site": ["layer1/post"], "value": [np.arange(3, dtype=np.float32)]}
)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "runs")
    made.prepare()
    return made


@pytest.fixture
def spec(specify):
    return specify()


def publish(store, spec, status="complete"):
    store.publish(spec, RECORDS, VECTORS, {"status": status, "diverged_at": None})


def test_what_was_published_is_read_back(store, spec):
    assert not store.done(spec.id) and store.ids() == []
    publish(store, spec)
    assert store.done(spec.id) and store.ids() == [spec.id]
    run = store.read(spec.id)
    pd.testing.assert_frame_equal(run.records, RECORDS)
    np.testing.assert_array_equal(run.vectors["value"][0], VECTORS["value"][0])
    assert run.spec["canonical"] == spec.canonical() and run.spec["settings"] == spec.settings
    assert run.provenance["status"] == "complete"
    assert os.listdir(store.root / ".new") == []


def test_a_run_is_invisible_until_all_of_it_is_there(store, spec, monkeypatch):
    seen = []
    rename = os.rename

    def watch(source, target):
        seen.append((store.ids(), sorted(os.listdir(source))))
        rename(source, target)

    monkeypatch.setattr(os, "rename", watch)
    publish(store, spec)
    assert seen == [([], ["provenance.json", "records.parquet", "spec.json", "vectors.parquet"])]


def test_the_loser_of_a_race_discards_its_copy(store, spec):
    publish(store, spec, "diverged")
    publish(store, spec, "complete")
    assert store.read(spec.id).provenance["status"] == "diverged"
    assert os.listdir(store.root / ".new") == []


def test_a_publication_that_fails_leaves_nothing_visible(store, spec):
    unwritable = {"status": object()}
    with pytest.raises(TypeError):
        store.publish(spec, RECORDS, VECTORS, unwritable)
    assert store.ids() == []
    publish(store, spec)
    assert store.done(spec.id)


@pytest.mark.parametrize("table", ["records.parquet", "vectors.parquet"])
def test_one_flipped_bit_is_noticed_and_the_run_set_aside(store, spec, table):
    publish(store, spec)
    path = store.root / spec.id / table
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    run = store.read(spec.id)
    with pytest.raises(DamagedRun, match="checksum"):
        _ = run.records, run.vectors
    said = store.set_aside(spec.id)
    assert (store.root / ".damaged" / f"{spec.id}-0").is_dir() and f"{spec.id}-0" in said and not store.done(spec.id)
    publish(store, spec)
    assert len(store.read(spec.id).records) == 2


@pytest.mark.parametrize("name", ["provenance.json", "records.parquet"])
def test_a_run_that_cannot_be_read_now_is_not_damaged_and_one_without_a_file_is(store, spec, name):
    publish(store, spec)
    path = store.root / spec.id / name
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(DamagedRun, match=name):
        _ = store.read(spec.id).records
    about_provenance = name == "provenance.json"
    assert store.read(spec.id).status() == ("damaged" if about_provenance else "complete")
    path.symlink_to(path)  # the system refuses to open it, root too
    with pytest.raises(CannotRead, match=f"{name} cannot be read now .*; try again"):
        _ = store.read(spec.id).records
    assert store.read(spec.id).status() == ("unreadable" if about_provenance else "complete")
    path.unlink()
    path.write_bytes(content)
    assert len(store.read(spec.id).records) == 2


def test_a_glance_sees_what_was_written_to_since_and_reading_sees_the_rest(store, spec):
    """The time of the last change is what saves reading tables; without it only who reads the table notices."""
    publish(store, spec)
    store.read(spec.id).glance(spec)
    path = store.root / spec.id / "records.parquet"
    times, content = os.stat(path), path.read_bytes()
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    with pytest.raises(DamagedRun, match="checksum"):
        store.read(spec.id).glance(spec)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    store.read(spec.id).glance(spec)
    with pytest.raises(DamagedRun, match="checksum"):
        _ = store.read(spec.id).records
    path.write_bytes(content)
    store.read(spec.id).glance(spec)  # touched but whole, as after a copy


def test_a_glance_sees_another_runs_folder_under_the_name(store, spec, specify):
    publish(store, spec)
    other = specify("seed=9")
    os.rename(store.root / spec.id, store.root / other.id)
    with pytest.raises(DamagedRun, match="its spec does not belong to its name"):
        store.read(other.id).glance(other)


@pytest.mark.parametrize("name", ["spec.json", "provenance.json"])
def test_an_edited_text_is_damage(store, spec, name):
    publish(store, spec)
    path = store.root / spec.id / name
    edited = path.read_text().replace('"digits"', '"mnist"').replace('"complete"', '"diverged"')
    assert edited != path.read_text()
    path.write_text(edited)
    with pytest.raises(DamagedRun, match="checksum"):
        store.read(spec.id).glance(spec)


def test_truncated_or_missing_files_are_damage_not_a_traceback(store, spec):
    publish(store, spec)
    (store.root / spec.id / "provenance.json").write_text('{"status": "comp')
    with pytest.raises(DamagedRun):
        _ = store.read(spec.id).provenance
    (store.root / spec.id / "spec.json").unlink()
    with pytest.raises(DamagedRun):
        _ = store.read(spec.id).spec


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("worker starts\nno GPU here\n", "no GPU here"),
        ('Traceback (most recent call last):\n  File "a.py"\nKeyError: 1\n\nDuring handling of ...\n\n'
         'Traceback (most recent call last):\n  File "b.py", line 3, in f\n    g()\nValueError: one\ntwo\n',
         "ValueError: one"),
        ('Traceback (most recent call last):\n  File "c.py"\nAttributeError: Exception encountered when calling'
         " Brk.call().\n\n\x1b[1mmodule has no attribute 'nonsense'\x1b[0m\n\nArguments:\n  • training=False\n",
         "AttributeError: module has no attribute 'nonsense'"),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_what_was_raised(store, spec, log, reason):
    store.fail(spec.id, "call", "failed", log)
    assert store.failed(spec.id, "call").line == reason


def test_a_failure_counts_for_its_call_and_goes_when_the_run_is_done(store, spec):
    store.fail(spec.id, "first", "failed", "Traceback ...\nValueError: no\n")
    failure = store.failed(spec.id, "first")
    assert (failure.kind, failure.line, failure.usage) == ("failed", "ValueError: no", False)
    assert "Traceback" in failure.path.read_text() and store.failures("first") == {spec.id: failure}
    assert store.failed(spec.id, "second") is None
    store.fail(spec.id, "second", "timeout", "too long", usage=False)
    assert store.failed(spec.id, "first") == failure, "another call's failure must not send the first one back to it"
    publish(store, spec)
    assert store.failed(spec.id, "first") is None and store.failures("second") == {}


def test_a_run_is_left_alone_when_it_took_a_second_worker_with_it(store, spec):
    store.fail(spec.id, "first", "crashed", "its worker was ended by SIGSEGV")
    assert store.failed(spec.id, "first") is None
    store.fail(spec.id, "first", "crashed", "its worker was ended by SIGSEGV")
    assert store.failed(spec.id, "first").kind == "crashed" and store.failed(spec.id, "second") is None


def test_a_place_that_cannot_be_written_is_said_in_a_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written .* BN_STUDY_RESULTS"):
        Store(tmp_path / "file" / "runs").prepare()


def test_json_files_are_strict(store, spec):
    publish(store, spec)
    for name in ("spec.json", "provenance.json"):
        json.loads((store.root / spec.id / name).read_text(), parse_constant=lambda text: pytest.fail(text))
