"""Workers that go on by themselves, whatever launcher started them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bn_study.plan import parts
from bn_study.sweep.request import Request


@dataclass(frozen=True)
class Job:
    """A call that was submitted somewhere.

    call: its id. name: what people call the job. submitted: when, in ISO 8601. states: how many of its tasks run or
    wait, "" if none does. folder: where it prints. cancel: has its workers write a checkpoint and end.
    """

    call: str
    name: str
    submitted: str
    states: str
    folder: Path
    cancel: Callable[[], None]


def detaching() -> list[str]:
    """The launchers whose workers go on by themselves."""
    return [name for name in parts.names("launcher") if parts.defines("launcher", name, "jobs")]


def jobs(request: Request) -> Iterator[Job]:
    """The jobs of an experiment, of all launchers. Raises UsageError where one cannot be asked."""
    for name in detaching():
        yield from parts.find("launcher", name).jobs(request.experiment, request.study.store)
