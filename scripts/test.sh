#!/usr/bin/env bash
# Installs, checks style and types, runs the tests: scripts/test.sh [--all] [pytest arguments]; --all adds the slow tests.
# Files of tests are distributed over one process per core, at most four; `-n 0` runs all in one, for a debugger.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2}

selection="not slow"
if [ "${1:-}" = --all ]; then
    selection=""
    shift
fi

"$root/scripts/install.sh" --dev
cd "$root"
echo "test.sh: ruff check"
"$python" -m ruff check .
echo "test.sh: mypy"
"$python" -m mypy --no-error-summary
# With CI set, pytest prints differences in full, which takes hours for the bytes of two files.
unset CI BUILD_NUMBER
# A hanging test ends its process (faulthandler_timeout); a new process would start it again.
set -- -m "$selection" --numprocesses auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile --durations 10 "$@"
echo "test.sh: pytest $*"
"$python" -m pytest "$@"
