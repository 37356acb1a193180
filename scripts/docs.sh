#!/usr/bin/env bash
# Builds the pages of docs/ into a site, docs/_build/html; a link without a target or any other warning is an error.
# DOCS_SOURCE is the address of a published checkout, for links to its files; without it they lead into this one.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

"$root/scripts/install.sh" --dev
"$python" -m sphinx --fail-on-warning --keep-going --quiet "$root/docs" "$root/docs/_build/html"
echo "docs.sh: $root/docs/_build/html/index.html"
