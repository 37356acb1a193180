"""Check the installation, the data and the output folders."""

import argparse

ORDER = 120
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the verb has no flags."""


def command(options: argparse.Namespace) -> int:
    from bn_study.cli import checks

    return checks.examine()
