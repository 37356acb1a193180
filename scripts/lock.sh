#!/usr/bin/env bash
# Rewrites the two locks from pyproject.toml: every package with its version and the hashes of all its files.
#
#   requirements.lock       to run: the program with its mirrors (W&B, TensorBoard) and Slurm
#   requirements-dev.lock   to develop: the same versions, and what tests, checks and documents need
#
# Both hold for Python 3.11 and later: where a package is needed by some of them only, its line has a marker. Pins that
# still fit are kept; `scripts/lock.sh --upgrade` takes the newest versions. Other arguments go to `uv pip compile`, too.
# Needs Python 3.11 or later and a network.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
echo "lock.sh: installing uv into a temporary folder"
"$python" -m venv "$temporary/tools"
"$temporary/tools/bin/python" -m pip install --quiet uv==0.13.9

cd "$root"
# setuptools is locked too, so that install.sh builds this package with that version and downloads nothing
"$python" -c '
import tomllib
for line in tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"]:
    print(line)' >"$temporary/build.in"

compile() { # LOCK OTHER_ARGUMENTS...
    local lock=$1
    shift
    "$temporary/tools/bin/uv" pip compile --quiet --no-config --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
        --no-emit-package bn-study --custom-compile-command scripts/lock.sh --output-file "$lock" \
        "$@" pyproject.toml "$temporary/build.in"
    # the folder of the build's requirements is another one each time
    sed -i "s|-r $temporary/build.in|pyproject.toml (build-system)|" "$lock"
    echo "lock.sh: $lock holds $(grep -c '==' "$lock") packages"
}

compile requirements.lock --extra wandb --extra tensorboard --extra slurm "$@"
compile requirements-dev.lock --extra dev --constraint requirements.lock "$@"
