"""Leases: the kernel knows who lives on one machine, a heartbeat timeout decides across machines, one process wins."""

import json
import multiprocessing
import os
import signal
import socket

import pytest

from bn_study.store import lease as module
from bn_study.store.lease import Leases, Lost

RUN = "none-mlp-digits-s0-0123456789"


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def clock(monkeypatch):
    """`clock(seconds)` lets that much time pass for whoever observes a lease."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def pass_time(seconds):
        now[0] += seconds

    return pass_time


def elsewhere(folder, number, **changes):
    """A lease of another machine, which has a boot id of its own."""
    about = {"host": "elsewhere", "boot": "b", "pid": 7, "call": "theirs", "step": 3, "beat": 0, "released": False}
    (folder / f"{RUN}.{number}").write_text(json.dumps(about | changes))


def hold(folder, ready):
    with Leases(folder, 120).take(RUN, "theirs") as lease:
        lease.note(7)
        ready.send(True)
        signal.pause()


def test_a_lease_has_one_holder_and_dies_with_it(folder):
    ready, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(target=hold, args=(folder, theirs))
    holder.start()
    try:
        assert ready.recv()
        leases = Leases(folder, 0)
        (about,) = leases.holders()
        assert (about.run, about.pid, about.step, about.here) == (RUN, holder.pid, 7, True)
        assert about.host == socket.gethostname() and leases.held("theirs") == {holder.pid: about}
        os.kill(holder.pid, signal.SIGSTOP)  # stopped is not dead: however long it is silent
        with leases.take(RUN, "mine") as lease:
            assert lease is None
        os.kill(holder.pid, signal.SIGKILL)
        holder.join()
        assert leases.holders() == [] and leases.held("theirs") == {about.pid: about}, "what it held when it died"
        with leases.take(RUN, "mine") as lease:
            assert lease is not None and leases.held("theirs") == {}
            with leases.take(RUN, "another") as second:
                assert second is None
    finally:
        holder.kill()
    assert leases.holders() == []


def test_a_released_lease_is_free_at_once_and_numbers_grow(folder):
    for number in (1, 2, 3):
        with Leases(folder, 120).take(RUN, "mine") as lease:
            assert lease.name == f"{RUN}.{number}"
            assert os.listdir(folder) == [lease.name], "older ones and what lay beside are gone"


def test_another_machine_is_silent_when_nothing_changed_for_the_observers_time(folder, clock):
    elsewhere(folder, 4)
    leases = Leases(folder, 120)

    def free():
        with leases.take(RUN, "mine") as lease:
            return lease is not None

    assert not free()
    clock(119)
    assert not free() and leases.holders()[0].host == "elsewhere"
    elsewhere(folder, 4, beat=1)
    clock(2)
    assert not free(), "it gave a sign of life"
    clock(119)
    assert not free()
    clock(2)
    assert leases.holders() == [] and free()


def test_who_lost_the_lease_is_told_at_the_next_note(folder):
    with Leases(folder, 120).take(RUN, "mine") as lease:
        lease.note(1)
        elsewhere(folder, 2)
        for notice in (lambda: lease.note(2), lease.check):
            with pytest.raises(Lost):
                notice()


def test_a_lease_of_the_same_name_is_not_the_same_lease(folder):
    """The run was published by another process, set aside as damaged and begun anew, all while this one slept."""
    with Leases(folder, 120).take(RUN, "mine") as lease:
        Leases(folder, 120).clear(RUN)
        with pytest.raises(Lost):
            lease.check()
        elsewhere(folder, 1)
        with pytest.raises(Lost):
            lease.check()


def test_only_one_of_those_who_see_the_same_lease_takes_it_over(folder, monkeypatch):
    """The other one is between looking and creating: what it saw is free, but no longer the newest."""
    elsewhere(folder, 1, released=True)
    slow, quick = Leases(folder, 120), Leases(folder, 120)
    winner = quick.take(RUN, "quick")
    is_free = slow._is_free

    def look(name):
        free = is_free(name)
        assert winner.__enter__() is not None
        return free

    monkeypatch.setattr(slow, "_is_free", look)
    with slow.take(RUN, "slow") as lease:
        assert lease is None
    winner.__exit__(None, None, None)


def test_signs_of_life_come_without_steps(folder):
    content = set()
    with Leases(folder, 0.08).take(RUN, "mine") as lease:
        while len(content) < 5:
            content.add((folder / lease.name).read_bytes())


def test_without_locks_the_heartbeat_timeout_decides(folder, clock, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", unsupported)
    leases = Leases(folder, 120)
    with leases.take(RUN, "mine") as lease, leases.take(RUN, "another") as other:
        assert lease is not None and other is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 512, b'{"host": "x"}', b"[]"])
def test_a_damaged_lease_is_free_after_the_heartbeat_timeout(folder, clock, content):
    (folder / f"{RUN}.1").write_bytes(content)
    leases = Leases(folder, 120)
    assert leases.unreadable() == [folder / f"{RUN}.1"] and leases.holders() == []
    with leases.take(RUN, "mine") as lease:
        assert lease is None
    clock(121)
    with leases.take(RUN, "mine") as lease:
        assert lease is not None


def test_a_lease_in_the_making_may_be_cleared_by_who_published_the_run(folder, monkeypatch):
    """Between the making of its file and its name the run was published, and what there was for it removed."""
    link = os.link

    def cleared(source, target):
        Leases(folder, 120).clear(RUN)
        link(source, target)

    monkeypatch.setattr(module.os, "link", cleared)
    with Leases(folder, 120).take(RUN, "ours") as lease:
        assert lease is None
