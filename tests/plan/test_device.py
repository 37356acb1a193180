"""Which GPUs are seen, and what a worker's environment has for one. nvidia-smi is a script that answers so."""

import pytest

from bn_study.plan import device, numerics
from bn_study.plan.gpu import Gpu, seen
from bn_study.plan.spec import Part

H100 = "0, GPU-11aa, NVIDIA H100 80GB HBM3, 9.0, 550.54.15, 81559"
A40 = "1, GPU-22bb, NVIDIA A40, 8.6, 550.54.15, 46068"
SMALL = Gpu("GPU-22bb", "NVIDIA A40", "8.6", "550.54.15", 46068 * 2**20)


@pytest.mark.parametrize(
    "visible, uuids",
    [
        (None, ["GPU-11aa", "GPU-22bb"]), ("1,0", ["GPU-22bb", "GPU-11aa"]), ("1", ["GPU-22bb"]),
        ("GPU-2", ["GPU-22bb"]),
        ("0,-1,1", ["GPU-11aa"]), ("-1", []), ("", []), ("7", []), ("NoDevFiles", []),
    ],
)  # fmt: skip
def test_gpus_are_those_that_cuda_would_show(nvidia_smi, monkeypatch, visible, uuids):
    nvidia_smi(H100, A40)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = seen()
    assert [gpu.uuid for gpu in found.gpus] == uuids
    assert found.reason == ("" if uuids else f"CUDA_VISIBLE_DEVICES={visible}")


def test_what_is_known_of_a_gpu(nvidia_smi):
    nvidia_smi(A40)
    assert seen().gpus == (SMALL,) and str(SMALL) == "NVIDIA A40 (compute capability 8.6, driver 550.54.15)"
    nvidia_smi("0, GPU-33cc, NVIDIA GB10, 12.1, 580.95.05, [N/A]")  # it shares the computer's memory
    assert seen().gpus[0].memory == 0


def test_without_a_driver_or_a_gpu_there_is_a_reason(nvidia_smi, monkeypatch, tmp_path):
    nvidia_smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", code=9)
    assert seen().gpus == () and "couldn't communicate" in seen().reason
    nvidia_smi("No devices were found")
    assert seen().gpus == () and seen().reason == "nvidia-smi: No devices were found"
    nvidia_smi()
    assert seen().gpus == () and seen().reason == "nvidia-smi: it lists none"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert seen().gpus == () and seen().reason == "no nvidia-smi"


def test_a_worker_on_a_gpu_sees_that_one_and_a_child_for_the_cpu_sees_none_of_it():
    user = {"HOME": "/home", "CUDA_VISIBLE_DEVICES": "0,1", "TF_DETERMINISTIC_OPS": "0"}
    on_gpu = device.environment(user, SMALL)
    assert on_gpu["CUDA_VISIBLE_DEVICES"] == "GPU-22bb" and on_gpu["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert on_gpu["TF_DETERMINISTIC_OPS"] == "1" and on_gpu["NVIDIA_TF32_OVERRIDE"] == "0"
    assert device.environment(user, None) == user | {"CUDA_VISIBLE_DEVICES": "-1"}
    assert device.environment(on_gpu, None).keys() == {"HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE"}
    assert device.environment({"NVIDIA_TF32_OVERRIDE": "1"}, SMALL)["NVIDIA_TF32_OVERRIDE"] == "1", "who wants TF32"
    portable = numerics.environment(user, "portable")
    assert not numerics.PORTABLE.items() & device.environment(numerics.environment(portable, "native"), SMALL).items()


def test_provenance_names_the_gpu_and_what_decides_its_bits(nvidia_smi, monkeypatch):
    assert device.in_force() == {"name": "cpu"}
    nvidia_smi(H100, A40)
    for name, value in device.environment({}, SMALL).items():
        monkeypatch.setenv(name, value)
    found = device.in_force()
    assert (found["name"], found["compute_capability"], found["driver"]) == ("NVIDIA A40", "8.6", "550.54.15")
    assert found["tf32"] is False and found["deterministic"] is True and found["memory"] == SMALL.memory


@pytest.mark.parametrize(
    "model, suits",
    [
        (Part("cnn", {"blocks": [[4], [8]], "dense": [10]}), True),
        (Part("mlp", {"widths": [100, 100, 100], "dropout": 0.0}), False),
        (Part("mlp", {"widths": [100, 512], "dropout": 0.0}), True),
        (Part("mlp", {"widths": "width", "dropout": 0.0}), False),  # waits for the tuning entry `width`
    ],
)
def test_a_gpu_suits_networks_that_convolve_or_are_wide(model, suits):
    assert device.suits_gpu(model, 512) is suits
