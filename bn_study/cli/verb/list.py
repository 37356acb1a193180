"""List experiments, parts and profiles."""

import argparse
from pathlib import Path

from bn_study.errors import UsageError

ORDER = 10
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb has no flags."""


def command(options: argparse.Namespace) -> int:
    from bn_study.plan import own_parts, parts, places
    from bn_study.plan.grids import GROUPS
    from bn_study.plan.reading import experiment_question
    from bn_study.study import locate

    home = locate().home
    conf = places.vocabulary(home)[0]
    beneath = not places.complete(home)
    print(f"experiments{', with * those of this study' if beneath else ''}")
    for name, path in places.experiments(home).items():
        mark = "*" if beneath and places.is_own(home, path) else " "
        try:
            print(f" {mark}{name:24} {experiment_question(home, name)}")
        except UsageError as error:
            print(f" {mark}{name:24} {error}")
    print("\nparts")
    for kind in (*GROUPS, "launcher", "mirror", "profile"):
        files = places.options(home, kind)
        print(f"  {kind:24} {' '.join(f'{name}{_star(path, conf)}' for name, path in files.items())}")
    print(f"\nEvery option of a part, with its default and meaning: {conf if beneath else 'conf'}/<kind>/<part>.yaml\n")
    print("named in experiments")
    for kind in ("measure", "test", "figure"):
        own = own_parts.names(kind)
        print(f"  {kind:24} {' '.join(f'{name}*' if name in own else name for name in parts.names(kind))}")
    return 0


def _star(path: Path, conf: Path) -> str:
    return "" if path.is_relative_to(conf) else "*"
