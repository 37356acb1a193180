#!/usr/bin/env bash
# From a fresh checkout to a verdict: installs, trains the small version of one experiment on scikit-learn's digits (no
# download), and reports. A second call finds the stored runs and only reports.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2}

"$root/scripts/install.sh"
cd "$root"
for verb in run report; do
    echo "reproduce.sh: bn-study $verb faster_convergence profile=quick"
    .venv/bin/bn-study "$verb" faster_convergence profile=quick
done
