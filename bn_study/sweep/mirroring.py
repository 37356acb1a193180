"""The child process that mirrors a call's runs, and the warning if it fails."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bn_study.sweep import child
from bn_study.sweep.call import Call

FOLLOWER = (*child.PYTHON, "-m", "bn_study.sweep.follower")


@contextmanager
def following(call: Call) -> Iterator[list[str]]:
    """Mirror what the block trains, if the call asks for it. Yields lines to print afterwards.

    The mirror never changes what the block does: one that fails, hangs or dies costs a warning. When the block ends,
    the mirror has `mirror_wait` seconds for what is left.
    """
    remarks: list[str] = []
    mirror = call.settings.mirror
    if mirror is None:
        yield remarks
        return
    log = call.study.store.log(f"{call.id}-mirror")
    try:
        with open(log, "wb") as file:
            since = os.fstat(file.fileno()).st_mtime
            command = [*FOLLOWER, str(since), *call.request.words]
            process = subprocess.Popen(
                command, env=os.environ | child.environment(),
                stdin=subprocess.PIPE, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        remarks.append(f"warning: the mirror {mirror.name} could not be started ({error.strerror})")
        yield remarks
        return
    try:
        yield remarks
    finally:
        reason = _ended(process, call.settings.mirror_wait)
        if reason:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            rest = f"`bn-study export {mirror.name} {shlex.join(call.request.words)}` exports what is missing"
            words = f": {lines[-1]}" if lines and process.returncode == 1 else ""
            remarks.append(f"warning: the mirror {mirror.name} {reason}{words}; {rest}; its log is {log}")
        else:
            log.unlink(missing_ok=True)


def _ended(process: "subprocess.Popen[bytes]", wait: float) -> str:
    """Let the follower finish. Returns how it failed, or "" if it did not."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        code = process.wait(wait)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "was interrupted" if isinstance(error, KeyboardInterrupt) else f"did not finish in {wait:g} seconds"
    return f"ended with exit code {code}" if code else ""
