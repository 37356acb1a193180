"""List experiments, parts and profiles."""

import argparse

from bn_study.errors import UsageError

ORDER = 10
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb has no flags."""


def command(options: argparse.Namespace) -> int:
    from bn_study.plan import parts
    from bn_study.plan.grids import GROUPS
    from bn_study.plan.reading import experiment_names, experiment_question
    from bn_study.study import locate

    home = locate().home
    print("experiments")
    for name in experiment_names(home):
        try:
            print(f"  {name:24} {experiment_question(home, name)}")
        except UsageError as error:
            print(f"  {name:24} {error}")
    print("\nparts")
    for kind in (*GROUPS, "launcher", "mirror", "profile"):
        print(f"  {kind:24} {' '.join(sorted(path.stem for path in (home / 'conf' / kind).glob('*.yaml')))}")
    print("\nEvery option of a part, with its default and meaning: conf/<kind>/<part>.yaml\n")
    print("named in experiments")
    for kind in ("measure", "test", "figure"):
        print(f"  {kind:24} {' '.join(parts.names(kind))}")
    return 0
