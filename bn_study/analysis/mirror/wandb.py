"""Weights & Biases: offline unless there is a key. Only the run is sent, nothing about this machine or its code."""

import os
import shutil
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from bn_study.analysis.mirror._run import Run
from bn_study.errors import UsageError

NEEDS = {"wandb": "bn-study[wandb]"}
SERVER = "https://api.wandb.ai"
TAG, NAME = 64, 128  # characters at most
LOOK = "wandb sync {folder}/wandb/offline-run-*   (runs exported without a key)"


def export(run: Run, folder: Path, *, project: str, histograms: Literal["none", "few", "all"]) -> Path:
    """Write a W&B run with our id, named by its arm and seed, into `<folder>`, replacing an offline run that is there.

    The run is online if WANDB_MODE says so. If WANDB_MODE is not set, it is online if there is a key (WANDB_API_KEY, or
    a key for the server in ~/.netrc). Otherwise it is offline, and `wandb sync` sends it later. WANDB_BASE_URL names a
    private server. project: the W&B project; the group is the experiment. histograms: of no run, of the smallest
    reported seed, or of all. The config has all settings and, because W&B sorts it by name, once more as `arm` those
    that vary in the experiment. Every measuring point is logged with its step. The summary holds the last values, how
    the run ended and, if it diverged, at which step. Metadata, code and console are not captured.

    Raises UsageError if W&B is switched off by WANDB_MODE=disabled or WANDB_DISABLED.
    """
    if off := _switched_off():
        raise UsageError(f"nothing exported: {off}; unset it")
    place = folder / "wandb"
    for old in place.glob(f"offline-run-*-{run.id}"):
        shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("CACHE", "DATA", "CONFIG"):
        os.environ.setdefault(f"WANDB_{name}_DIR", str(folder / "cache"))
    import wandb

    settings = wandb.Settings(
        console="off", silent=True, x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
        x_save_requirements=False, save_code=False, disable_git=True, disable_code=True, disable_job_creation=True,
        host="", program="bn-study",
    )  # fmt: skip
    with wandb.init(
        project=project, group=run.experiment, job_type="train", id=run.id, name=run.name[-NAME:], dir=str(folder),
        tags=[tag[:TAG] for tag in run.tags], config={"arm": run.varied, **run.settings}, mode=_mode(), resume="allow",
        reinit="finish_previous", settings=settings,
    ) as copy:  # fmt: skip
        chosen = run.chosen(histograms)
        for step in sorted({*run.scalars, *chosen}):
            row: dict[str, object] = dict(run.scalars.get(step, {}))
            for name, (counts, edges) in chosen.get(step, {}).items():
                row[name] = wandb.Histogram(np_histogram=(counts, edges))
            copy.log(row, step=step)
        copy.summary.update({**run.last, "status": run.status, "diverged": run.status == "diverged"})
        if run.diverged_at is not None:
            copy.summary["diverged_at"] = run.diverged_at
        return Path(copy.settings.sync_dir)


def _switched_off() -> str:
    """The environment variable that switches W&B off, or ""."""
    if os.environ.get("WANDB_MODE") == "disabled":
        return "WANDB_MODE=disabled"
    asked = os.environ.get("WANDB_DISABLED", "")
    return f"WANDB_DISABLED={asked}" if asked.lower() not in ("", "0", "false", "no") else ""


def _mode() -> Any:
    if mode := os.environ.get("WANDB_MODE"):
        return mode
    return "online" if os.environ.get("WANDB_API_KEY") or _in_netrc() else "offline"


def _in_netrc() -> bool:
    import netrc

    host = urlsplit(os.environ.get("WANDB_BASE_URL", SERVER)).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
