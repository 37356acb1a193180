#!/usr/bin/env bash
# Adds a CPU build of PyTorch to the environment, for the tests and benchmarks that compare with it. Locked packages do not change.
# Fails if pip finds no +cpu wheel, because Linux's plain wheel brings gigabytes of CUDA libraries.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

torch=torch==2.13.0+cpu

if "$python" -c 'import torch' 2>/dev/null; then exit 0; fi
echo "install_torch.sh: installing $torch"
installed=$(mktemp)
trap 'rm -f "$installed"' EXIT
"$python" -m pip freeze --all --exclude-editable >"$installed"
"$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --constraint "$installed" "$torch"
