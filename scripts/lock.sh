#!/usr/bin/env bash
# Rewrites requirements.lock from pyproject.toml: every package with its version and the hashes of all its files.
# Pins that still fit are kept; `scripts/lock.sh --upgrade` takes the newest versions. Other arguments go to pip-compile.
# Needs Python 3.11, for which the lock is made, and a network.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3.11}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "lock.sh: $python is not Python 3.11; set PYTHON to the path of Python 3.11" >&2
    exit 2
}

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# Local settings of pip (wheel folders, mirrors) must not decide what is locked.
unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL
export PIP_CONFIG_FILE=/dev/null

echo "lock.sh: installing pip-tools into a temporary folder"
"$python" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet pip-tools==7.6.2

echo "lock.sh: resolving; this takes some minutes"
cd "$root"
# The lock includes setuptools (--build-deps-for, --allow-unsafe), so that install.sh builds with that version
CUSTOM_COMPILE_COMMAND=scripts/lock.sh "$tools/bin/pip-compile" --quiet "$@" \
    --extra dev --build-deps-for editable --allow-unsafe --strip-extras --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
    --output-file requirements.lock pyproject.toml
echo "lock.sh: requirements.lock holds $(grep -c '==' requirements.lock) packages"
