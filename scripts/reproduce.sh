#!/usr/bin/env bash
# From a fresh checkout to a picture and a verdict: installs, redraws one experiment from its committed evidence, trains the
# small version of it on scikit-learn's digits (no download), reports, and says in three sentences what came out here, what
# came out in the evidence, and why they differ. A second call finds the stored runs.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2}
small=(faster_convergence profile=quick)
bn_study=$VENV/bin/bn-study
redrawn=${BN_STUDY_RESULTS:-$root/results}/local/from_evidence

say() { printf '\nreproduce.sh: %s\n' "$*"; }

"$root/scripts/install.sh"
cd "$root"
say "1. ${small[0]}, redrawn from the committed evidence; nothing is trained"
BN_STUDY_RESULTS='' "$bn_study" report "${small[0]}" --to "$redrawn" >/dev/null
echo "$redrawn/figure1.png"

say "2. ${small[*]}, trained here"
"$bn_study" run "${small[@]}"
report=$("$bn_study" report "${small[@]}")
printf '%s\n' "$report"

say "3. what came out, for the claim faster_tuned"
"$bn_study" compare "${small[@]}" --claim faster_tuned --evidence
echo "The picture of the runs here:     $(grep -m 1 'figure1\.png$' <<<"$report")"
echo "The same of the evidence (MNIST): $redrawn/figure1.png"
