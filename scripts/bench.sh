#!/usr/bin/env bash
# Speed, measured side by side: scripts/bench.sh [steps] [inference] [step_profile] [sweep] [measure] [experiment] [scale] [mirror] [page] [numerics];
# without a name it runs all of them, which takes forty minutes on two otherwise idle cores. It needs real data
# (BN_STUDY_DATA), PyTorch to compare with, and Chromium. Figures go to results/bench/*.csv and into docs/speed.md.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

"$root/scripts/install.sh" --dev
"$root/scripts/install_torch.sh" || {
    echo "bench.sh: without a CPU build of PyTorch there is nothing to compare with; install one into $VENV" >&2
    exit 2
}
[ $# -gt 0 ] || set -- steps inference step_profile sweep measure experiment scale mirror page numerics
cd "$root"
for name; do
    case $name in
        steps | inference | step_profile | sweep | measure | experiment | scale | mirror | page | numerics) ;;
        *)
            echo "bench.sh: no benchmark '$name'; choose from: steps inference step_profile sweep measure experiment scale mirror page numerics" >&2
            exit 2
            ;;
    esac
done
for name; do
    echo "bench.sh: $name"
    "$python" "scripts/bench/$name.py"
done
"$python" scripts/bench/targets.py
