#!/usr/bin/env bash
# Tries what scripts/install.sh installs on each supported Python that is here: scripts/test_pythons.sh [3.12 ...]
# For each, in an environment of its own that is removed afterwards: `doctor`, two small runs and their report, and a run
# whose checksum is known. What is not here, or takes too long on this machine, is said and skipped.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

install_limit=300 # seconds
check_limit=180
sweep=(dataset=digits model=mlp 'model.widths=[20,15]' norm=none,batch steps=20)

find_python() { # VERSION; pyenv's shims are on the path and start nothing until a version is chosen
    local version
    if "python$1" -c 'import venv, ensurepip' 2>/dev/null; then
        command -v "python$1"
    elif version=$(pyenv whence "python$1" 2>/dev/null | tail -n 1) && [ "$version" ]; then
        echo "$(pyenv prefix "$version")/bin/python$1"
    else
        return 1
    fi
}

examine() { # runs in a process of its own, to have a time limit
    set -e
    "$python" -m pip check
    "$VENV/bin/bn-study" doctor
    "$VENV/bin/bn-study" run "${sweep[@]}"
    "$VENV/bin/bn-study" report "${sweep[@]}"
    "$python" tests/golden.py --check 'mlp before'
}
if [ "${1:-}" = --examine ]; then # what this script calls
    cd "$root"
    examine
    exit
fi

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
[ $# -gt 0 ] || set -- 3.11 3.12 3.13
code=0
for version; do
    if ! interpreter=$(find_python "$version"); then
        echo "test_pythons.sh: Python $version is not here: skipped"
        continue
    fi
    export VENV=$temporary/$version BN_STUDY_RESULTS=$temporary/results-$version TF_CPP_MIN_LOG_LEVEL=3
    log=$temporary/$version.log
    since=$SECONDS
    for step in install check; do
        ended=0
        if [ "$step" = install ]; then
            limit=$install_limit
            # modules are compiled when they are imported, which here are few
            PYTHON=$interpreter PIP_NO_COMPILE=1 timeout "$limit" "$root/scripts/install.sh" >"$log" 2>&1 || ended=$?
        else
            limit=$check_limit
            timeout "$limit" "${BASH_SOURCE[0]}" --examine >"$log" 2>&1 || ended=$?
        fi
        case $ended in
        0) ;;
        124) echo "test_pythons.sh: Python $version: $step takes longer than $limit s here: skipped" && continue 2 ;;
        *)
            tail -n 30 "$log"
            echo "test_pythons.sh: Python $version: $step failed (the end of what it said is above)"
            code=1
            continue 2
            ;;
        esac
    done
    echo "test_pythons.sh: Python $version: installed, trained, reported, the same bits ($((SECONDS - since)) s)"
    rm -rf "$VENV"
done
exit "$code"
