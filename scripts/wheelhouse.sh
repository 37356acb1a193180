#!/usr/bin/env bash
# Downloads what scripts/install.sh installs, for machines without a network: scripts/wheelhouse.sh [--dev] FOLDER
# There, `WHEELHOUSE=FOLDER scripts/install.sh` installs from it. The files are for this system and this Python; set
# PYTHON to the version that the other machines have.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

locks=(requirements.lock)
if [ "${1:-}" = --dev ]; then
    locks+=(requirements-dev.lock)
    shift
fi
[ $# = 1 ] || {
    echo "usage: scripts/wheelhouse.sh [--dev] FOLDER" >&2
    exit 2
}
interpreter=${PYTHON:-python3}
for lock in "${locks[@]}"; do
    "$interpreter" -m pip download --quiet --require-hashes --dest "$1" --requirement "$root/$lock"
done
echo "wheelhouse.sh: $(find "$1" -type f | wc -l) files for $("$interpreter" --version) on $(uname -sm), $(du -sh "$1" | cut -f1)"
echo "wheelhouse.sh: install from them with: WHEELHOUSE=$1 PYTHON=$interpreter scripts/install.sh"
