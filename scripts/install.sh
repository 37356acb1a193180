#!/usr/bin/env bash
# Creates an environment with the locked packages and this checkout; returns at once if it is up to date.
#
#   scripts/install.sh          what is needed to run (requirements.lock)
#   scripts/install.sh --dev    and what is needed to develop (requirements-dev.lock); an environment keeps it from then on
#
#   VENV=folder         where the environment is, instead of .venv
#   PYTHON=program      the interpreter: Python 3.11 to 3.13 with venv and pip
#   WHEELHOUSE=folder   installs from files that scripts/wheelhouse.sh downloaded, without a network
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

stamp=$VENV/installed

fail() {
    printf 'install.sh: %s\n' "$@" >&2
    exit 2
}

find_python() {
    local candidate
    set -- python3.11 python3 python3.12 python3.13 python
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; fi
    for candidate; do
        # Debian's Python lacks ensurepip without the package python3-venv
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# All that decides the content of an environment. The checkout's folder counts, because it is installed as it lies there.
describe() { # LOCKS...
    "$interpreter" - "$root" "$@" <<'END'
import hashlib, pathlib, sys
root, *locks = sys.argv[1:]
content = b"".join((pathlib.Path(root) / name).read_bytes() for name in (*locks, "pyproject.toml"))
version = f"{sys.version_info[0]}.{sys.version_info[1]}"
print(f"python {version}, {root}, {' and '.join(locks)}, {hashlib.sha256(content).hexdigest()}")
END
}

installed() { # WANTED; starts the environment's interpreter, because it may have been removed
    [ "$(cat "$stamp" 2>/dev/null)" = "$1" ] && "$python" -c '' 2>/dev/null
}

case "${1:-}" in
--dev) dev=yes ;;
'') if grep -q 'requirements-dev.lock' "$stamp" 2>/dev/null; then dev=yes; else dev=; fi ;;
*) fail "usage: scripts/install.sh [--dev]" ;;
esac
interpreter=$(find_python) || fail \
    "no Python 3.11 to 3.13 with venv and pip was found (tried ${PYTHON:-python3.11, python3, ...})." \
    "Install one (Debian, Ubuntu: apt install python3.11-venv) or set PYTHON to its path."
to_run=$(describe requirements.lock)
wanted=$to_run
if [ "$dev" ]; then wanted=$(describe requirements.lock requirements-dev.lock); fi
if installed "$wanted"; then exit 0; fi

# What lies in the environment's folder is removed, so a folder of somebody's own is refused.
if [ "$VENV" != "$root/.venv" ] && [ ! -e "$stamp" ] && [ -n "$(ls -A "$VENV" 2>/dev/null)" ]; then
    fail "VENV=$VENV was not made by install.sh, and its content would be removed; name a new or an empty folder"
fi
from=()
if [ -n "${WHEELHOUSE:-}" ]; then
    [ -d "$WHEELHOUSE" ] || fail "WHEELHOUSE=$WHEELHOUSE is not a folder; scripts/wheelhouse.sh $WHEELHOUSE fills it where there is a network"
    from=(--no-index --find-links "$WHEELHOUSE")
fi

# One installation at a time: another script may have started one a moment ago.
mkdir -p "$VENV"
if command -v flock >/dev/null; then
    exec 9>>"$stamp"
    flock --nonblock 9 || { echo "install.sh: waiting for another installation"; flock 9; }
    if installed "$wanted"; then exit 0; fi
fi

pip() { "$python" -m pip --disable-pip-version-check "$@" 9>&-; }
add() { pip install --quiet --require-hashes ${from[@]+"${from[@]}"} --requirement "$root/$1"; }

if ! { [ "$dev" ] && installed "$to_run"; }; then
    # From scratch, to leave nothing of an older lock or an interrupted installation; the stamp is written last.
    echo "install.sh: installing the packages of requirements.lock into $VENV with $("$interpreter" --version)"
    echo "install.sh: this takes some minutes and about 3 GB; it is repeated only if the lock or pyproject.toml changes"
    : >"$stamp"
    find "$VENV" -mindepth 1 -maxdepth 1 ! -name installed -exec rm -rf {} +
    "$interpreter" -m venv "$VENV"
    add requirements.lock
    # setuptools, which builds this package, is locked too, so nothing is downloaded here
    pip install --quiet --no-deps --no-build-isolation --editable "$root"
    echo "$to_run" >"$stamp"
fi
if [ "$dev" ]; then
    echo "install.sh: adding the packages of requirements-dev.lock"
    add requirements-dev.lock
    echo "$wanted" >"$stamp"
fi
echo "install.sh: done"
