#!/usr/bin/env bash
# Creates .venv with the locked packages and this checkout; returns at once if it is up to date.
# Needs Python 3.11 or later with venv and pip, and a network to install; set PYTHON to choose the interpreter.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
stamp=$root/.venv/installed

find_python() {
    local candidate
    set -- python3.11 python3 python3.12 python3.13 python
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; fi
    for candidate; do
        # Debian's Python lacks ensurepip without the package python3-venv
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# All that decides the content of .venv. The folder counts, because a moved .venv would still run the old checkout.
describe() {
    "$1" - "$root" <<'END'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
content = b"".join((root / name).read_bytes() for name in ("requirements.lock", "pyproject.toml"))
print(f"python {sys.version_info[0]}.{sys.version_info[1]}, {root}, {hashlib.sha256(content).hexdigest()}")
END
}

up_to_date() { # start the interpreter of .venv, because it may have been removed
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$root/.venv/bin/python" -c '' 2>/dev/null
}

python=$(find_python) || {
    echo "install.sh: no Python 3.11 or later with venv and pip was found (tried ${PYTHON:-python3.11, python3, ...})." >&2
    echo "Install one (Debian, Ubuntu: apt install python3.11-venv) or set PYTHON to its path." >&2
    exit 2
}
wanted=$(describe "$python")
if up_to_date; then exit 0; fi

# One installation at a time: another script may have started one a moment ago.
if command -v flock >/dev/null; then
    exec 9<"$root/pyproject.toml"
    flock --nonblock 9 || { echo "install.sh: waiting for another installation"; flock 9; }
    if up_to_date; then exit 0; fi
fi

# From scratch, to leave nothing of an older lock or an interrupted installation; the stamp comes last.
echo "install.sh: installing the packages of requirements.lock into .venv with $("$python" --version)"
echo "install.sh: this takes some minutes and about 3 GB; it is repeated only if the lock or pyproject.toml changes"
rm -f "$stamp"
"$python" -m venv --clear "$root/.venv"
pip() { "$root/.venv/bin/python" -m pip --disable-pip-version-check "$@" 9<&-; }
pip install --quiet --require-hashes --requirement "$root/requirements.lock"
# setuptools, which builds this package, is locked too, so nothing is downloaded here
pip install --quiet --no-deps --no-build-isolation --editable "$root"
echo "$wanted" >"$stamp"
echo "install.sh: done"
