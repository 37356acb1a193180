"""The right to train a run, which one process holds at a time.

    .lease/<run>.<number>    one line of JSON: host, boot, pid, call, step, beat, released

On one machine the kernel knows whether a holder lives: it keeps its lease locked (flock) until it dies. Another machine
may not see that lock. There a lease is free when its content has not changed for a heartbeat timeout by the observer's
own clock; no two clocks are compared. A process takes over lease k by creating lease k+1 exclusively, so only one wins.
A holder whose lease is no longer the newest learns it at its next note and discards its work. Numbers only grow until
the run is published.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HEARTBEAT_TIMEOUT = 120.0
"""Seconds without a change after which another machine's lease is free; conf/config.yaml gives the value of a call."""
_BEATS = 8
"""Heartbeats in that time."""
_SIZE = 512
"""Bytes of a lease, padded with blanks. The size never changes, so a disk that fills up later does not matter."""


class Lost(Exception):
    """Another process has taken over the lease. Discard what was trained under it."""


@dataclass(frozen=True)
class Holder:
    """The process that holds the newest lease of a run.

    here: whether it runs on this machine. step: the number of steps that it last noted.
    """

    run: str
    host: str
    pid: int
    call: str
    step: int
    here: bool


class Leases:
    """All leases of a store, as one process sees them."""

    def __init__(self, folder: Path, heartbeat_timeout: float) -> None:
        self.folder = folder
        self.heartbeat_timeout = heartbeat_timeout
        self._heard: dict[str, tuple[bytes, float]] = {}

    @contextmanager
    def take(self, run_id: str, call: str) -> Iterator["Lease | None"]:
        """The lease of a run, held until the block ends or the process dies; None if another process holds it.

        Check inside the block whether the run is still to be trained. Raises OSError.
        """
        newest = self._newest().get(run_id, 0)
        if newest and not self._is_free(f"{run_id}.{newest}"):
            yield None
            return
        lease = self._create(run_id, newest + 1, call)
        try:
            yield lease
        finally:
            if lease is not None:
                lease.release()

    def holders(self) -> list[Holder]:
        """The holders that are alive: not dead processes of this machine, nor others past the heartbeat timeout."""
        holders = []
        for run_id, number in sorted(self._newest().items()):
            name = f"{run_id}.{number}"
            if not self._is_free(name) and (content := _read(self.folder / name)[1]):
                holders.append(_holder(run_id, content))
        return holders

    def held(self, call: str) -> dict[int, Holder]:
        """What the processes of a call on this machine hold, or held when they died, by process id."""
        holders = {}
        for run_id, number in self._newest().items():
            content = _read(self.folder / f"{run_id}.{number}")[1]
            if content and _is_here(content) and not content["released"] and content["call"] == call:
                holders[content["pid"]] = _holder(run_id, content)
        return holders

    def unreadable(self) -> list[Path]:
        """Leases whose content is damaged. Like another machine's, they are free after the heartbeat timeout."""
        paths = [self.folder / f"{run_id}.{number}" for run_id, number in sorted(self._newest().items())]
        return [path for path in paths if path.exists() and _read(path)[1] is None]

    def clear(self, run_id: str) -> None:
        """Remove all leases of a published run."""
        for name in self._names():
            if name.lstrip(".").startswith(f"{run_id}."):
                (self.folder / name).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.folder)
        except FileNotFoundError:
            return []

    def _newest(self) -> dict[str, int]:
        newest: dict[str, int] = {}
        for name in self._names():
            run_id, _, number = name.rpartition(".")
            if number.isdecimal() and not name.startswith("."):
                newest[run_id] = max(newest.get(run_id, 0), int(number))
        return newest

    def _is_free(self, name: str) -> bool:
        text, content = _read(self.folder / name)
        if content and content["released"]:
            return True
        if content and _is_here(content):
            locked = _is_locked(self.folder / name)
            if locked is not None:
                return not locked
        now = time.monotonic()
        before, since = self._heard.get(name, (None, now))
        if before != text:
            since = now
        self._heard[name] = text, since
        return now - since >= self.heartbeat_timeout

    def _create(self, run_id: str, number: int, call: str) -> "Lease | None":
        """Lock and write a file, then give it its name by `link`, in which only one process can succeed."""
        beside = self.folder / f".{run_id}.{number}.{socket.gethostname()}.{os.getpid()}"
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            lease = Lease(self, run_id, number, descriptor, call)
            with suppress(FileExistsError, FileNotFoundError):  # not found: the run was published meanwhile
                os.link(beside, self.folder / lease.name)
            won = os.fstat(descriptor).st_nlink == 2  # NFS may lose the answer of `link`, not this count
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            beside.unlink(missing_ok=True)
        if not won:
            os.close(descriptor)
            return None
        lease.live()
        for name in self._names():
            before, _, older = name.rpartition(".")
            if before == run_id and older.isdecimal() and int(older) < number:
                (self.folder / name).unlink(missing_ok=True)
        return lease


class Lease:
    """A lease that this process holds. A thread writes heartbeats, independently of the training."""

    def __init__(self, leases: Leases, run_id: str, number: int, descriptor: int, call: str) -> None:
        self.name = f"{run_id}.{number}"
        self._leases, self._run, self._number, self._descriptor = leases, run_id, number, descriptor
        self._content = _me() | {"call": call, "step": 0, "beat": 0, "released": False}
        self._writing = threading.Lock()
        self._ended = threading.Event()
        with suppress(OSError):  # a file system without locks: the timeout decides on this machine too
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._write({})

    def live(self) -> None:
        """Start the heartbeats."""
        threading.Thread(target=self._beat, daemon=True).start()

    def note(self, step: int) -> None:
        """Write how far the run is. Raises Lost if another process has taken over the run, and OSError."""
        self.check()
        self._write({"step": step})

    def check(self) -> None:
        """Raises Lost unless this is the newest lease of its run."""
        try:
            named = os.stat(self._leases.folder / self.name)
        except FileNotFoundError:
            raise Lost from None
        newest = self._leases._newest().get(self._run)
        if newest != self._number or not os.path.samestat(named, os.fstat(self._descriptor)):
            raise Lost

    def release(self) -> None:
        """Free the run for other processes."""
        self._ended.set()
        with suppress(OSError):  # if writing fails, closing the file still frees it on this machine
            self._write({"released": True})
        with self._writing:
            os.close(self._descriptor)
            self._descriptor = -1

    def _beat(self) -> None:
        while not self._ended.wait(self._leases.heartbeat_timeout / _BEATS):
            with suppress(OSError):  # the training meets the error at its next note
                self._write({"beat": self._content["beat"] + 1})

    def _write(self, changes: dict[str, Any]) -> None:
        with self._writing:
            if self._descriptor >= 0:
                self._content |= changes
                os.pwrite(self._descriptor, json.dumps(self._content).ljust(_SIZE - 1).encode() + b"\n", 0)


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid()}


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _is_here(content: dict[str, Any]) -> bool:
    return content["host"] == socket.gethostname() and content["boot"] == _boot()


def _holder(run_id: str, content: dict[str, Any]) -> Holder:
    return Holder(run_id, content["host"], content["pid"], content["call"], content["step"], _is_here(content))


def _read(path: Path) -> tuple[bytes, dict[str, Any] | None]:
    """The bytes of a lease and its parsed content, which is None if the lease is damaged or gone."""
    text = b""
    try:
        text = path.read_bytes()
        content = json.loads(text)
        types = {"host": str, "boot": str, "pid": int, "call": str, "step": int, "beat": int, "released": bool}
        return text, content if all(type(content[key]) is kind for key, kind in types.items()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return text, None


def _is_locked(path: Path) -> bool | None:
    """Whether a process holds a lock on the file; None if the file is gone or its file system has no locks."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
