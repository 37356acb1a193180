#!/usr/bin/env bash
# Speed, measured side by side: scripts/bench.sh [steps] [step_profile] [sweep] [measure] [scale] [mirror] [page] [numerics];
# without a name all of them, forty minutes on two cores that do nothing else. Real data are needed (BN_STUDY_DATA),
# PyTorch for the comparison and Chromium for pages. Figures go to results/bench/*.csv, and from there into the README.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/install.sh"
"$root/scripts/install_torch.sh" || {
    echo "bench.sh: without a CPU build of PyTorch there is nothing to compare with; install one into .venv" >&2
    exit 2
}
[ $# -gt 0 ] || set -- steps step_profile sweep measure scale mirror page numerics
cd "$root"
for name; do
    case $name in
        steps | step_profile | sweep | measure | scale | mirror | page | numerics) ;;
        *)
            echo "bench.sh: no benchmark '$name'; there are: steps step_profile sweep measure scale mirror page numerics" >&2
            exit 2
            ;;
    esac
done
for name; do
    echo "bench.sh: $name"
    .venv/bin/python "scripts/bench/$name.py"
done
.venv/bin/python scripts/bench/targets.py
