# Sourced by the other scripts: the checkout, and its environment, which VENV=folder puts elsewhere than .venv.
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${VENV:-$root/.venv}
case $VENV in /*) ;; *) VENV=$PWD/$VENV ;; esac
export VENV # for the scripts that they call
# shellcheck disable=SC2034
python=$VENV/bin/python
