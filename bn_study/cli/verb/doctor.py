"""Check the installation, the data and the output folders."""

import argparse

ORDER = 120
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flag."""
    parser.add_argument("--parts", action="store_true", help="check the study's own parts instead, in small networks")


def command(options: argparse.Namespace) -> int:
    if options.parts:
        from bn_study.cli import conformance

        return conformance.examine()
    from bn_study.cli import checks

    return checks.examine()
