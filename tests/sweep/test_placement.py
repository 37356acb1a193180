"""Sweeps with device=gpu up to the device: nvidia-smi is a script, and training a stand-in or TensorFlow on the CPU."""

import os
import shlex
import subprocess
import sys

import pandas as pd
import pytest
from standin import PAIR, TINY, Stage

from bn_study.analysis.tables import runs_table
from bn_study.cli import checks
from bn_study.errors import UsageError
from bn_study.plan.experiment import PlannedRun
from bn_study.report import replicate
from bn_study.store import provenance
from bn_study.store.store import Store
from bn_study.sweep import placement, timings
from bn_study.sweep.call import Call
from bn_study.sweep.launcher import slurm
from bn_study.sweep.request import Request

H100 = "0, GPU-11aa, NVIDIA H100 80GB HBM3, 9.0, 550.54.15, 81559"
A40 = "1, GPU-22bb, NVIDIA A40, 8.6, 550.54.15, 46068"
CNN = ("model=cnn", "model.blocks=[[2]]", "model.dense=[4]")


@pytest.fixture
def call(make_study, tmp_path):
    place = make_study(tmp_path / "study")
    return lambda *words: Call("call", Request.parse(words, place))


def test_workers_fill_the_gpus_one_after_the_other(nvidia_smi, call, monkeypatch):
    nvidia_smi(H100, A40)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    two = call("device=gpu", "launcher.per_gpu=2")
    assert (two.workers(100), two.workers(3), two.device) == (4, 3, "NVIDIA H100 80GB HBM3")
    found = [two.environment(number)["CUDA_VISIBLE_DEVICES"] for number in range(5)]
    assert found == ["GPU-11aa", "GPU-11aa", "GPU-22bb", "GPU-22bb", "GPU-11aa"]
    assert two.environment(0)["BN_STUDY_NUMERICS"] == "native"
    assert call("device=gpu", "launcher.per_gpu=2", "workers=1").workers(100) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    alone = call("device=gpu", "launcher.per_gpu=1")
    assert alone.workers(100) == 1 and alone.environment(0)["CUDA_VISIBLE_DEVICES"] == "GPU-22bb"


@pytest.mark.parametrize(
    "cores, threads, gpu_memory, workers",
    [(64, 1, 10, 8), (64, 1, 4, 22), (8, 1, 4, 8), (8, 2, 4, 4), (1, 1, 4, 2), (64, 1, 100, 2)],
)
def test_as_many_workers_share_a_gpu_as_the_smallest_memory_and_the_cores_hold(
    nvidia_smi, call, monkeypatch, cores, threads, gpu_memory, workers
):
    nvidia_smi(H100, A40)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert call("device=gpu", f"threads={threads}", f"launcher.gpu_memory={gpu_memory}").workers(1000) == workers


def test_on_the_cpu_nothing_asks_for_gpus(call, nvidia_smi):
    (nvidia_smi(H100) / "nvidia-smi").write_text("#!/bin/sh\nkill $PPID\n")
    plain = call("seed=range(9)")
    assert plain.gpus == () and plain.device == "cpu" and plain.environment(3)["CUDA_VISIBLE_DEVICES"] == "-1"
    assert call("device=auto").gpus == (), "a narrow network"


@pytest.mark.parametrize(
    "words, on_gpu",
    [
        (CNN, True), (("model.widths=[64]",), False), (("model.widths=[64,512]",), True),
        (("model.widths=[64]", "wide=64"), True), (("model=cnn,mlp", "model.blocks=[[2]]"), False),
    ],
)  # fmt: skip
def test_auto_takes_a_gpu_if_there_is_one_and_all_networks_suit_it(nvidia_smi, call, words, on_gpu):
    nvidia_smi(H100)
    assert call("device=auto", *words).device == ("NVIDIA H100 80GB HBM3" if on_gpu else "cpu")
    nvidia_smi("No devices were found")
    assert call("device=auto", *words).device == "cpu"


def test_auto_is_refused_where_the_gpus_are_elsewhere(call):
    with pytest.raises(UsageError, match=r"device=auto: .*launcher=slurm.*device=gpu or device=cpu"):
        placement.settled(call("device=auto", "launcher=slurm").request)


@pytest.mark.slow
def test_tensorflow_without_cuda_is_found_out_before_anything_starts(nvidia_smi, call, home, tmp_path, capsys):
    """Here TensorFlow is real and cannot use a GPU, whatever nvidia-smi says."""
    nvidia_smi(H100)
    places = {"BN_STUDY_HOME": str(home), "BN_STUDY_RESULTS": str(tmp_path / "results"), "PYTHONPATH": str(home)}
    answer = subprocess.run(
        [sys.executable, "-m", "bn_study", "run", "device=gpu", *TINY], env=os.environ | places,
        capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 2 and answer.stdout == "" and answer.stderr.count("\n") == 1
    assert "NVIDIA H100" in answer.stderr and "pip install 'bn-study[gpu]'" in answer.stderr
    assert Store(tmp_path / "results" / "runs").ids() == []
    settled = placement.settled(call("device=auto", *CNN).request)
    assert settled.settings.device == "cpu" and "the CPU trains" in capsys.readouterr().err
    assert "TensorFlow cannot use it" in checks._gpu()


def test_without_a_gpu_there_is_one_line(call):
    with pytest.raises(UsageError, match=r"^device=gpu: no NVIDIA GPU is seen here .*pip install 'bn-study\[gpu\]'"):
        placement.settled(call("device=gpu").request)
    assert "no NVIDIA GPU is seen" in checks._gpu()


def test_runs_say_what_trained_them_and_may_go_on_elsewhere(nvidia_smi, specify, tmp_path):
    folder = nvidia_smi(H100, A40)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    undisturbed, stage = Stage(tmp_path / "undisturbed"), Stage(tmp_path / "stage")
    assert undisturbed.run(*PAIR) == 0
    words = (*PAIR, "device=gpu", "workers=2", "launcher.per_gpu=1")
    gpus = {"PATH": path, "CUDA_VISIBLE_DEVICES": "0,1"}
    assert stage.run(*words, **gpus) == 0, stage.said()
    assert "NVIDIA H100" in stage.said() and "native" in stage.said()
    assert stage.tables() == undisturbed.tables()
    names = {"GPU-11aa": "NVIDIA H100 80GB HBM3", "GPU-22bb": "NVIDIA A40"}
    for run in stage.store().ids():
        about = stage.store().read(run).provenance
        assert about["device"]["name"] == names[about["environment"]["CUDA_VISIBLE_DEVICES"]]
        assert about["numerics"] == "native"

    moved = Stage(tmp_path / "moved")
    assert moved.run(*PAIR, "device=gpu", **gpus, STANDIN_KILL="both 20") != 0
    assert moved.store().checkpoints(), "it was killed after a checkpoint"
    assert moved.run(*PAIR) == 0 and moved.tables() == undisturbed.tables()
    runs = [PlannedRun(specify(*TINY, "steps=15", f"seed={seed}"), ("sweep",)) for seed in range(2)]
    table = runs_table(runs, moved.store(), [])
    assert sorted(table["device"]) == ["", "NVIDIA H100 80GB HBM3 + cpu"]
    assert set(runs_table(runs, stage.store(), [])["device"]) <= set(names.values())
    assert "device" not in runs_table(runs, undisturbed.store(), [])


def test_times_of_another_device_are_not_comparable(specify, tmp_path, monkeypatch):
    store = Store(tmp_path / "runs")
    store.prepare()
    spec = specify(*TINY)
    empty = pd.DataFrame(columns=["step", "name", "site", "value"])
    facts = {"status": "complete", "timing": {}, "seconds": 1.0, "peak_memory": 10, "threads": 1}
    store.publish(spec, empty, empty, facts | {"machine": provenance.machine()})  # of before devices were noted
    assert len(timings.stored(store, [spec], 1, "cpu")) == 1
    assert timings.stored(store, [spec], 1, "NVIDIA A40") == []
    other = specify(*TINY, "seed=5")
    about = facts | {"machine": provenance.machine(), "device": {"name": "NVIDIA A40"}}
    store.publish(other, empty, empty, about)
    assert len(timings.stored(store, [other], 1, "NVIDIA A40")) == len(timings.stored(store, [other], 1, "cpu")) == 1


def test_replicas_of_a_gpu_are_a_processors_of_their_own(nvidia_smi, call):
    nvidia_smi(A40)
    cpu, gpu = (replicate.processor(call(f"device={one}").request) for one in ("cpu", "gpu"))
    assert gpu == replicate.Processor(
        "nvidia-a40-compute-capability-8-6", "NVIDIA A40, driver 550.54.15", "compute capability 8.6"
    )
    assert cpu.kind == replicate.instruction_set() and cpu.stem.endswith(cpu.kind)
    assert replicate._trainer(cpu, "1") != replicate._trainer(gpu, "1")
    assert replicate._numerics(call("device=gpu").settings) == "native"


@pytest.mark.parametrize(
    "words, line",
    [
        (["device=gpu"], "gpu:1"), (["device=gpu", "launcher.gres=gpu:a100:1"], "gpu:a100:1"),
        (["device=gpu", "launcher.extra.gres=shard:1"], "shard:1"), ([], None),
    ],
)  # fmt: skip
def test_slurm_asks_for_a_gpu(call, tmp_path, monkeypatch, words, line):
    (tmp_path / "bin").mkdir()
    for name in ("sbatch", "srun"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho Submitted batch job 7\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    one = call("launcher=slurm", *words)
    slurm.submit(one)
    script = next((one.study.store.jobs() / "call").glob("*.sh")).read_text(encoding="utf-8")
    found = [shlex.split(text)[1] for text in script.splitlines() if text.startswith("#SBATCH --gres")]
    assert found == ([f"--gres={line}"] if line else [])
    assert one.device == ("gpu" if line else "cpu"), "the GPU is another machine's"
