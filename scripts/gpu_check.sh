#!/usr/bin/env bash
# Checks the GPU path on a machine with an NVIDIA GPU: installs CUDA's libraries if TensorFlow lacks them, runs the tests
# that need a GPU, trains the golden runs on it and judges them against the CPU's, and times a step of MLP and CNN beside
# Keras `fit` and, if the environment has a CUDA build of it, PyTorch. The tables go to results/bench/gpu_agree.csv and gpu_steps.csv.
# Exit code 2 without a usable GPU. BN_STUDY_DATA must have the real data.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

command -v nvidia-smi >/dev/null || {
    echo "gpu_check.sh: no NVIDIA GPU is seen here (no nvidia-smi); nothing was checked" >&2
    exit 2
}
"$root/scripts/install.sh" --dev
cd "$root"
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}
if ! "$python" scripts/bench/gpu.py ready 2>/dev/null; then
    echo "gpu_check.sh: installing CUDA's libraries beside the locked TensorFlow"
    installed=$(mktemp)
    trap 'rm -f "$installed"' EXIT
    "$python" -m pip freeze --all --exclude-editable >"$installed"
    "$python" -m pip install --quiet --disable-pip-version-check --constraint "$installed" 'tensorflow[and-cuda]' || true
    "$python" scripts/bench/gpu.py ready || exit 2
fi
"$python" -c 'import torch' 2>/dev/null || "$root/scripts/install_torch.sh" || true
if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    echo "gpu_check.sh: no CUDA build of PyTorch in $VENV: it is left out of the step times"
fi

code=0
echo "gpu_check.sh: tests"
"$python" -m pytest -q -n 0 tests/plan/test_device.py tests/sweep/test_placement.py tests/training/test_gpu.py || code=1
echo "gpu_check.sh: golden runs on the GPU against the CPU"
"$python" scripts/bench/gpu.py agree || code=1
echo "gpu_check.sh: step times"
"$python" scripts/bench/gpu.py steps || code=1
exit "$code"
