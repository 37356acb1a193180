"""Make a study of your own: a folder with an experiment that runs, and a place for your parts."""

import argparse
import shlex

ORDER = 5
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its argument."""
    parser.add_argument("folder", metavar="STUDY", help="the folder to make")


def command(options: argparse.Namespace) -> int:
    from pathlib import Path

    from bn_study.cli import new_study

    folder = new_study.make(Path(options.folder))
    print(f"made {folder}: experiments/my_question.yaml, which runs as it is, and parts/ for parts of your own")
    print(f"next: cd {shlex.quote(str(options.folder))} && git init && git add . && git commit -m 'State my_question'")
    print("then: bn-study run my_question && bn-study report my_question")
    return 0
