"""The command line: parses it, carries out one of its verbs (verb/) and turns errors into exit codes."""

import argparse
import errno
import gc
import importlib
import io
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType

from bn_study.cli import verb as folder
from bn_study.errors import UsageError

OVERRIDES = """\
Overrides are Hydra's: dataset=mnist norm=none,batch optimizer.learning_rate=0.1,0.3 'seed=range(8)'
A comma or range makes a sweep. profile=smoke gives every run 60 steps on digits, to see whether an experiment runs;
profile=quick gives every run 3,000, which is shorter only where the experiment has more.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0 done, 1 some run failed, 2 usage or configuration error, 3 interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a terminal cannot show is no reason to fail
    gc.set_threshold(100_000, 20, 20)  # a plan makes hardly any garbage; fewer collections save a fifth of its time
    try:
        parser = _parser()
    except UsageError as error:
        print(f"bn-study: {error}", file=sys.stderr)
        return 2
    options, rest = parser.parse_known_args(arguments)
    if rest and (any(word.startswith("-") for word in rest) or not hasattr(options, "request")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # settings that stood behind a flag
        options.request += rest
    command: Callable[[argparse.Namespace], int] = options.command
    code = 128 + signal.SIGPIPE
    try:
        code = command(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        if options.debug:
            traceback.print_exc()
        print(f"bn-study: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 3
    except BrokenPipeError:  # `bn-study plan | head`
        _drop_output()
        return code
    except OSError as error:
        if not options.debug and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            print(f"bn-study: {error.filename}: {error.strerror}; change its permissions", file=sys.stderr)
            return 2
        if options.debug or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        print(f"bn-study: cannot write: {error.strerror}; make room", file=sys.stderr)
        _drop_output()
        return 1


def _drop_output() -> None:
    """What is still to be printed goes nowhere; or Python would try it once more at its end, and complain."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _verbs() -> list[tuple[str, ModuleType]]:
    """The files in verb/, as the help lists them. Raises UsageError for a file that lacks what makes it a verb."""
    found = []
    for name in (one.name for one in pkgutil.iter_modules(folder.__path__) if not one.name.startswith("_")):
        try:
            verb = importlib.import_module(f"{folder.__name__}.{name}")
        except SyntaxError as error:
            raise UsageError(f"bn_study/cli/verb/{name}.py is not readable as Python: {error}") from None
        for what in ("ORDER", "REQUEST", "arguments", "command"):
            if not hasattr(verb, what):
                raise UsageError(
                    f"bn_study/cli/verb/{name}.py does not define {what}; bn_study/cli/verb/__init__.py says what for"
                )
        found.append((name, verb))
    return sorted(found, key=lambda one: (one[1].ORDER, one[0]))


class _Version(argparse.Action):
    """Prints the version of the installed package, which is looked up only when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from bn_study.store import provenance

        print(f"bn-study {provenance.version() or 'of a folder that is not installed'}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bn-study",
        description="Answer questions about batch normalization with evidence.",
        epilog="Start with `bn-study run faster_convergence profile=quick`, then `report` with the same words.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, verb in _verbs():
        one = verbs.add_parser(
            name, help=verb.__doc__, description=verb.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=getattr(verb, "EPILOG", OVERRIDES if verb.REQUEST else None),
        )  # fmt: skip
        one.add_argument("--debug", action="store_true", help="show the traceback of an error")
        one.set_defaults(command=verb.command)
        verb.arguments(one)
        if verb.REQUEST:
            one.add_argument(
                "request", nargs="*", metavar="[EXPERIMENT] OVERRIDE", help="an experiment and overrides of it"
            )
    return parser
