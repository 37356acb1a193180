"""The right to train a run, which one process holds at a time.

    .lease/<run>.<number>    one line of JSON: host, boot, pid, call, step, beat, released

On one machine the kernel says whether a holder lives: it keeps its lease locked (flock) until it dies. Another machine
need not see that lock, so there a lease is *silent* when its content has not changed for some time of the observer's
own clock; no two clocks are compared. Taking over lease k is creating lease k+1 exclusively, so that one process wins,
and a holder that is no longer the newest is told so at its next note and discards its work. Numbers only grow until
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

SILENCE = 120.0
"""Seconds without a change after which another machine's lease is free; conf/config.yaml says it for a call."""
_BEATS = 8
"""Signs of life in that time."""
_SIZE = 512
"""Bytes of a lease, filled up with blanks: written at once and never longer, so that a full disk does not matter."""


class Lost(Exception):
    """Another process has taken the lease over: what was trained under it is to be discarded."""


@dataclass(frozen=True)
class Holder:
    """What the newest lease of a run says of the process that holds it.

    here: whether it is a process of this machine. step: the number of steps that it last noted.
    """

    run: str
    host: str
    pid: int
    call: str
    step: int
    here: bool


class Leases:
    """All leases of a store, as one process sees them."""

    def __init__(self, folder: Path, silence: float) -> None:
        self.folder = folder
        self.silence = silence
        self._heard: dict[str, tuple[bytes, float]] = {}

    @contextmanager
    def take(self, run_id: str, call: str) -> Iterator["Lease | None"]:
        """The lease of a run, held until the block ends or the process dies; None if another process holds it.

        Whether the run is still to be trained is to be looked up within the block. Raises OSError.
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
        """Everyone who is training, as far as is known: dead processes of this machine and silent others are not."""
        holders = []
        for run_id, number in sorted(self._newest().items()):
            name = f"{run_id}.{number}"
            if not self._is_free(name) and (about := _read(self.folder / name)[1]):
                holders.append(_holder(run_id, about))
        return holders

    def held(self, call: str) -> dict[int, Holder]:
        """What the processes of a call on this machine hold, or held when they died, by process id."""
        found = {}
        for run_id, number in self._newest().items():
            about = _read(self.folder / f"{run_id}.{number}")[1]
            if about and _is_here(about) and not about["released"] and about["call"] == call:
                found[about["pid"]] = _holder(run_id, about)
        return found

    def unreadable(self) -> list[Path]:
        """Leases whose content is damaged. They count as another machine's: free after the silence."""
        paths = [self.folder / f"{run_id}.{number}" for run_id, number in sorted(self._newest().items())]
        return [path for path in paths if path.exists() and _read(path)[1] is None]

    def clear(self, run_id: str) -> None:
        """Remove what is there for a run, which is published."""
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
        content, about = _read(self.folder / name)
        if about and about["released"]:
            return True
        if about and _is_here(about):
            locked = _is_locked(self.folder / name)
            if locked is not None:
                return not locked
        now = time.monotonic()
        before, since = self._heard.get(name, (None, now))
        if before != content:
            since = now
        self._heard[name] = content, since
        return now - since >= self.silence

    def _create(self, run_id: str, number: int, call: str) -> "Lease | None":
        """Lock and fill a file, then give it its name by `link`, which exactly one process can do."""
        beside = self.folder / f".{run_id}.{number}.{socket.gethostname()}.{os.getpid()}"
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            lease = Lease(self, run_id, number, descriptor, call)
            with suppress(FileExistsError, FileNotFoundError):  # gone: published meanwhile, and cleared
                os.link(beside, self.folder / lease.name)
            won = os.fstat(descriptor).st_nlink == 2  # on NFS the answer of `link` may get lost; the count does not
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
    """A lease that this process holds. A thread gives signs of life, whatever the training is busy with."""

    def __init__(self, leases: Leases, run_id: str, number: int, descriptor: int, call: str) -> None:
        self.name = f"{run_id}.{number}"
        self._leases, self._run, self._number, self._descriptor = leases, run_id, number, descriptor
        self._about = _me() | {"call": call, "step": 0, "beat": 0, "released": False}
        self._writing = threading.Lock()
        self._ended = threading.Event()
        with suppress(OSError):  # a file system without locks: then silence decides on this machine too
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._write({})

    def live(self) -> None:
        """Begin to give signs of life."""
        threading.Thread(target=self._beat, daemon=True).start()

    def note(self, step: int) -> None:
        """Say how far the run is. Raises Lost if another process has the run now, and OSError."""
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
        """Leave the run to whoever wants it."""
        self._ended.set()
        with suppress(OSError):  # where it cannot be written any more, closing it frees it on this machine
            self._write({"released": True})
        with self._writing:
            os.close(self._descriptor)
            self._descriptor = -1

    def _beat(self) -> None:
        while not self._ended.wait(self._leases.silence / _BEATS):
            with suppress(OSError):  # the training learns of it when it notes its next step
                self._write({"beat": self._about["beat"] + 1})

    def _write(self, news: dict[str, Any]) -> None:
        with self._writing:
            if self._descriptor >= 0:
                self._about |= news
                os.pwrite(self._descriptor, json.dumps(self._about).ljust(_SIZE - 1).encode() + b"\n", 0)


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid()}


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _is_here(about: dict[str, Any]) -> bool:
    return about["host"] == socket.gethostname() and about["boot"] == _boot()


def _holder(run_id: str, about: dict[str, Any]) -> Holder:
    return Holder(run_id, about["host"], about["pid"], about["call"], about["step"], _is_here(about))


def _read(path: Path) -> tuple[bytes, dict[str, Any] | None]:
    """The content of a lease and what it says, None if that is unintelligible or the lease is gone."""
    content = b""
    try:
        content = path.read_bytes()
        about = json.loads(content)
        types = {"host": str, "boot": str, "pid": int, "call": str, "step": int, "beat": int, "released": bool}
        return content, about if all(type(about[key]) is kind for key, kind in types.items()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return content, None


def _is_locked(path: Path) -> bool | None:
    """Whether a process keeps the file locked; None where the file system has no locks or the file is gone."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
