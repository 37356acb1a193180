"""Check the installation, the data and the places that are written to."""

import argparse

ORDER = 120
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has no flags."""


def command(options: argparse.Namespace) -> int:
    from bn_study.cli import checks

    return checks.examine()
