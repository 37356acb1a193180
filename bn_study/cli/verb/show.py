"""Print the settings, the status and the records of runs."""

import argparse
import json
from typing import Any

from bn_study.errors import UsageError

ORDER = 110
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its flags."""
    parser.add_argument("run", nargs="*", help="ids, or the beginnings or ends of ids; without any, the latest runs")


def command(options: argparse.Namespace) -> int:
    from bn_study.study import locate

    study = locate()
    ids = study.store.ids()
    if not options.run:
        newest = sorted(ids, key=lambda run_id: (study.store.root / run_id).stat().st_mtime)[-20:]
        print("\n".join(newest) if newest else f"no runs in {study.store.root}")
        return 0
    for wanted in options.run:
        matches = [run_id for run_id in ids if run_id.startswith(wanted) or run_id.endswith(wanted)]
        if not matches:
            raise UsageError(f"no stored run {wanted!r} in {study.store.root}; `bn-study show` lists the latest")
        for run_id in matches:
            _show_run(study.store.read(run_id))
    return 0


def _show_run(run: Any) -> None:
    from bn_study.store.stored_run import DamagedRun
    from bn_study.sweep import shares

    try:
        records, provenance, settings = run.records, run.provenance, run.spec["settings"]
        vectors = run.vectors
    except DamagedRun as error:
        print(f"{run.id}\n  damaged: {error}")
        return
    print(run.id)
    at = f" at step {provenance['diverged_at']}" if provenance["status"] == "diverged" else ""
    trained = f"trained in {provenance['seconds']:.1f} s at commit {provenance['commit'][:10]}"
    chosen = " ".join(f"{key}={_compact(value)}" for key, value in settings.items() if value is not None)
    print(f"  status     {provenance['status']}{at}, {trained}")
    print(f"  time       {shares.line(shares.shares([provenance], 1, 0.0))}")
    print(f"  settings   {chosen}")
    steps = sorted(records["step"].unique())
    print(f"  measured   {len(records)} values and {len(vectors)} vectors at {len(steps)} steps: {_ends(steps)}")
    for (name, site), values in records.groupby(["name", "site"], sort=False)["value"]:
        print(f"  {name:34} {site:16} first {values.iloc[0]:10.4g}   last {values.iloc[-1]:10.4g}")
    for (name, site), values in vectors.groupby(["name", "site"], sort=False)["value"]:
        print(f"  {name:34} {site:16} {len(values)} vectors of {len(values.iloc[0])}")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).replace('"', "")


def _ends(steps: list[int]) -> str:
    shown = [str(step) for step in steps]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "...", *shown[-2:]])
