"""The NVIDIA GPUs that this process may use, as `nvidia-smi` lists them: TensorFlow is not needed to know them."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

QUERY = ("index", "uuid", "name", "compute_cap", "driver_version", "memory.total")
COMMAND = ("nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits")
DEADLINE = 60
"""Seconds for the answer; without persistent mode the driver starts first."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpu:
    """uuid: names it in CUDA_VISIBLE_DEVICES whatever the order. memory: bytes, 0 where the driver does not say."""

    uuid: str
    name: str
    compute_capability: str
    driver: str
    memory: int

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.compute_capability}, driver {self.driver})"


@dataclass(frozen=True)
class Seen:
    """gpus: in the order of CUDA_VISIBLE_DEVICES, else of the bus. reason: why there are none, or ""."""

    gpus: tuple[Gpu, ...]
    reason: str = ""


def seen(environment: Mapping[str, str] = os.environ) -> Seen:
    """The GPUs that this environment leaves visible."""
    try:
        answer = subprocess.run(
            COMMAND, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=DEADLINE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Seen((), "no nvidia-smi" if isinstance(error, FileNotFoundError) else f"nvidia-smi: {error}")
    lines = answer.stdout.strip().splitlines()
    if answer.returncode or not lines:
        said = (answer.stderr.strip().splitlines() or lines or ["it lists none"])[-1]
        return Seen((), f"nvidia-smi: {said}")
    listed = {}
    for fields in ([one.strip() for one in line.split(",")] for line in lines):
        if len(fields) == len(QUERY):
            index, uuid, name, capability, driver, memory = fields
            listed[index] = Gpu(uuid, name, capability, driver, int(memory) << 20 if memory.isdecimal() else 0)
    chosen = environment.get(VISIBLE)
    gpus = tuple(listed.values()) if chosen is None else _visible(listed, chosen)
    return Seen(gpus, "" if gpus else f"{VISIBLE}={chosen}" if listed else f"nvidia-smi: {lines[0]}")


def _visible(listed: Mapping[str, Gpu], chosen: str) -> tuple[Gpu, ...]:
    """As CUDA reads it: indices or beginnings of UUIDs, up to the first that names no GPU."""
    found: list[Gpu] = []
    for word in (one.strip() for one in chosen.split(",")):
        gpu = listed.get(word) or next((one for one in listed.values() if word and one.uuid.startswith(word)), None)
        if gpu is None:
            break
        found.append(gpu)
    return tuple(found)
