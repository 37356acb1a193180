#!/usr/bin/env bash
# Writes requirements.lock anew from pyproject.toml: every package, of one version, with the hashes of all its files.
# Pins that still fit are kept; `scripts/lock.sh --upgrade` takes the newest. Other arguments go to pip-compile.
# Needs Python 3.11, for which the lock is made, and a network.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3.11}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "lock.sh: $python is not Python 3.11; set PYTHON to one that is" >&2
    exit 2
}

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# What this machine's pip is told to look at besides the index (own wheels, mirrors) must not decide what is locked.
unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL
export PIP_CONFIG_FILE=/dev/null

echo "lock.sh: installing pip-tools into a temporary folder"
"$python" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet pip-tools==7.6.2

echo "lock.sh: resolving; this takes some minutes"
cd "$root"
# setuptools is part of the lock (--build-deps-for, --allow-unsafe), so that install.sh can build with the locked one
CUSTOM_COMPILE_COMMAND=scripts/lock.sh "$tools/bin/pip-compile" --quiet "$@" \
    --extra dev --build-deps-for editable --allow-unsafe --strip-extras --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
    --output-file requirements.lock pyproject.toml
echo "lock.sh: requirements.lock holds $(grep -c '==' requirements.lock) packages"
