"""Sweeps without TensorFlow: the real command line, store, leases, processes and signals, a stand-in for training.

Processes are forked from a server that has everything imported, so that a call costs milliseconds, not seconds. What a
test wants to go wrong it says in the environment:

    STANDIN_PACE      seconds that a stretch of steps takes
    STANDIN_FATE      what becomes of a run by its seed: {"7": "raise", "8": "exit", "9": "hang"}
    STANDIN_TRAINED   a file that gets a line for each run that was trained to its end
    STANDIN_WORKERS   a file that gets the process id of each worker
    STANDIN_KILL      "worker 12", "parent 12" or "both 12": who is killed when the worker is about to make its 12th
                      change to the results; once, for which the file STANDIN_KILLED stands
    STANDIN_HOST      the name of the host that this worker believes to be on
    STANDIN_FILE_SIZE bytes that a file of this worker may have at most
    STANDIN_RIGHTS    "none": the processes cannot write where permissions forbid it, though they be root's
"""

import ctypes
import json
import multiprocessing
import multiprocessing.forkserver
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet
import rich.live

from bn_study.cli import main
from bn_study.plan import compose as composition
from bn_study.report import evidence
from bn_study.store.store import Store
from bn_study.sweep import placement, progress, request, run, worker
from bn_study.sweep.launcher import local

HOME = Path(__file__).resolve().parent.parent
BUILT_IN = ("digits", "linear_target", "toy_regression", "car_prices")
"""Data sets that need no files."""
TINY = ("dataset=toy_regression", "model.widths=[4]", "probe=[]")
PAIR = (*TINY, "seed=range(2)", "steps=15", "workers=1", "checkpoint=1e-9")
FOUR = (*TINY, "seed=range(4)", "steps=40", "workers=2", "checkpoint=1e-9")
STRETCH = 5
"""Steps between which Python is awake."""
IMPORTED = (pyarrow.parquet, rich.live, evidence, progress, run)
"""What a call imports on its way, once for all processes that are forked from here."""


class Composed:
    """Composes each request once, for all processes that are forked afterwards: half of a tiny call's time."""

    def __init__(self):
        self.compose, self.known = composition.compose, {}

    def __call__(self, home, name, overrides, faults=None):
        """Its requests have no faults to be told."""
        key = str(home), name, tuple(overrides)
        if key not in self.known:
            self.known[key] = self.compose(home, name, overrides, faults)
        return self.known[key]


class StandIn:
    """A recurrence that depends on every step before it, so that a wrong resumption shows in the records."""

    def program(self, spec):
        return spec.norm.name

    def facts(self, spec):
        return {"classes": None, "fingerprint": "", "warnings": []}

    def train(self, spec, between, state):
        self._suffer(spec.seed)
        step, value, values = 0, spec.seed, []
        if state is not None:
            step, value, values = int(state["step"]), int(state["value"]), state["values"].tolist()
        while step < spec.steps:
            time.sleep(float(os.environ.get("STANDIN_PACE", 0)))
            for _ in range(STRETCH):
                value = (value * 6364136223846793005 + 1442695040888963407) % 2**64
            step, values = step + STRETCH, [*values, value / 2**64]
            now = {"step": np.array(step), "value": np.array(value, np.uint64), "values": np.array(values)}
            between(step, lambda now=now: now)
        _add_line("STANDIN_TRAINED", spec.id)
        steps = range(STRETCH, spec.steps + 1, STRETCH)
        records = pd.DataFrame({"step": steps, "name": "test/loss", "site": "", "value": values})
        vector = np.array(values, np.float32)
        vectors = pd.DataFrame({"step": [spec.steps], "name": "weights", "site": "", "value": [vector]})
        return SimpleNamespace(records=records, vectors=vectors, diverged_at=None, timing={})

    def _suffer(self, seed):
        fate = json.loads(os.environ.get("STANDIN_FATE", "{}")).get(str(seed))
        if fate == "raise":
            raise ValueError("this run cannot be trained")
        if fate == "exit":
            os._exit(0)  # the code of success does not help it
        if fate == "abort":  # as XLA ends a process
            os.write(2, b"F0000 00:00:1.5  42 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --no_such\n\n")
            os._exit(1)
        if fate == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                signal.pause()


class Forked:
    """What `launch.local` uses of subprocess.Popen, for a worker that is forked instead of executed."""

    def __init__(self, command, *, env, stdout, **options):
        start = len(local.WORKER)
        assert command[:start] == list(local.WORKER) and options["start_new_session"]
        self.returncode = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            for one in (signal.SIGINT, signal.SIGHUP):
                signal.signal(one, signal.SIG_DFL)
            os.dup2(stdout.fileno(), 1)
            os.dup2(stdout.fileno(), 2)
            os.environ.clear()
            os.environ.update(env)
            _end(lambda: work(command[start:]))

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=60):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("worker", timeout)
            time.sleep(0.005)
        return self.returncode

    def send_signal(self, which):
        if self.poll() is None:
            os.kill(self.pid, which)


def work(arguments):
    """A worker: `bn_study.worker` with the stand-in."""
    _add_line("STANDIN_WORKERS", str(os.getpid()))
    if "STANDIN_HOST" in os.environ:
        move(os.environ["STANDIN_HOST"])
    if "STANDIN_FILE_SIZE" in os.environ:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["STANDIN_FILE_SIZE"]),) * 2)
    _watch_changes()
    return worker.main(arguments, StandIn())


def call(words, environment, output):
    """`bn-study run` in this process, which ends with its exit code."""
    _begin(environment, output)
    _end(lambda: main.main(["run", *words]))


def lone(words, environment, output):
    """A worker without a call that looks after it; the first word names the call that it belongs to."""
    _begin(environment, output)
    _end(lambda: work([words[0], str(os.getppid()), *words[1:]]))


def move(host):
    """Give this process another host name. Raises OSError where that is not permitted."""
    library = ctypes.CDLL(None, use_errno=True)
    new_uts_namespace = 0x04000000
    if library.unshare(new_uts_namespace):
        raise OSError(ctypes.get_errno(), "unshare")
    socket.sethostname(host)


def obey_permissions():
    """Let this process, should it be root's, no longer write where the permissions forbid it."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    data = (ctypes.c_uint32 * 6)()
    library = ctypes.CDLL(None, use_errno=True)
    assert library.capget(header, data) == 0
    data[0] &= ~0b110  # of the effective ones CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert library.capset(header, data) == 0


def _begin(environment, output):
    os.setsid()
    os.environ.update(environment)
    with open(output, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    if environment.get("STANDIN_RIGHTS") == "none":
        obey_permissions()


def _end(main):
    """End a forked process with what `main` returns, and without what the process it was forked from would do."""
    code = 1
    try:
        worker.POLL = local.POLL = 0.02
        local.subprocess = SimpleNamespace(
            Popen=Forked, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired
        )
        composition.compose = request.compose = composed
        placement.usable = lambda gpu: True  # the stand-in needs no TensorFlow
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = main()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _add_line(name, line):
    if name in os.environ:
        with open(os.environ[name], "a") as file:
            file.write(line + "\n")


def _watch_changes():
    """Number every change that this process is about to make to the results; kill whom a test wants killed then."""
    root = os.environ["BN_STUDY_RESULTS"]
    victim, _, at = os.environ.get("STANDIN_KILL", "nobody 0").partition(" ")
    count = 0

    def change():
        nonlocal count
        count += 1
        if count == int(at):
            with suppress(FileExistsError):
                os.close(os.open(os.environ["STANDIN_KILLED"], os.O_CREAT | os.O_EXCL))
                if victim in ("parent", "both"):
                    os.kill(os.getppid(), signal.SIGKILL)
                if victim in ("worker", "both"):
                    os.kill(os.getpid(), signal.SIGKILL)

    def audit(event, arguments):
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, Path)) and str(path).startswith(root) and flags & (os.O_WRONLY | os.O_RDWR):
                change()
        elif event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"):
            change()

    def counted(function):
        def wrapped(*arguments):
            change()
            return function(*arguments)

        return wrapped

    sys.addaudithook(audit)
    os.fsync, os.pwrite = counted(os.fsync), counted(os.pwrite)


def parents():
    """Of all living processes: id -> id of the parent."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = place.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(place.parent.name)] = int(parent)
    return found


def children(pid):
    """Ids of a process's living children."""
    return [child for child, parent in parents().items() if parent == pid]


composed = Composed()
if __name__ != "__main__" and multiprocessing.parent_process() is None and "pytest" not in sys.modules:
    for words in (PAIR, FOUR):
        composed(HOME, None, words)  # in the server, before it forks

_context = multiprocessing.get_context("forkserver")


def _serve():
    """Start the server, once. Its path comes by the environment: what it is to import it looks for there only."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (HOME, HOME / "tests")))
    _context.set_forkserver_preload(["standin"])
    multiprocessing.forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


class Stage:
    """A folder of results, and calls on it."""

    def __init__(self, folder):
        self.folder, self.results, self.root = folder, folder / "results", folder / "results" / "runs"
        self.output = folder / "output.txt"
        self.environment = {
            "BN_STUDY_HOME": str(HOME),
            "BN_STUDY_RESULTS": str(self.results),
            "STANDIN_TRAINED": str(folder / "trained.txt"),
            "STANDIN_WORKERS": str(folder / "workers.txt"),
            "STANDIN_KILLED": str(folder / "killed"),
        }

    def start(self, *words, target=call, **environment):
        """Begin a call; the process."""
        _serve()
        self.folder.mkdir(exist_ok=True)
        self.output.write_bytes(b"")
        process = _context.Process(target=target, args=(words, self.environment | environment, str(self.output)))
        process.start()
        return process

    def run(self, *words, **environment):
        """A call from beginning to end; its exit code."""
        process = self.start(*words, **environment)
        return self.end(process)

    def end(self, process):
        process.join(60)
        assert process.exitcode is not None, f"it hangs: {self.said()}"
        return process.exitcode

    def said(self):
        return self.output.read_text()

    def lines(self, name):
        path = self.folder / f"{name}.txt"
        return path.read_text().split() if path.exists() else []

    def leftovers(self):
        """What attempts at runs may leave behind, by folder."""
        names = (".new", ".lease", ".checkpoint", ".failed", ".damaged")
        found = {name: sorted(os.listdir(self.root / name)) for name in names if (self.root / name).is_dir()}
        return {name: entries for name, entries in found.items() if entries}

    def store(self):
        return Store(self.root)

    def tables(self):
        """Of every published run: the tables as bytes."""
        names = [name for name in os.listdir(self.root) if not name.startswith(".")]
        return {
            name: [(self.root / name / table).read_bytes() for table in ("records.parquet", "vectors.parquet")]
            for name in names
        }

    def settle(self):
        """Wait until no worker is left; one whose call was killed stops after the steps under way."""
        self.wait(lambda: not {int(one) for one in self.lines("workers")} & set(parents()))

    def wait(self, what):
        """Until `what()` is true."""
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.005)
