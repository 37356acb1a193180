#!/usr/bin/env bash
# Installs Debian's Chromium and its driver if they are missing (needs root). Tests open a report's pages in it.
set -euo pipefail

packages=(chromium chromium-driver)

fail() {
    echo "install_browser.sh: $*" >&2
    exit 1
}

there() { command -v chromium >/dev/null && command -v chromedriver >/dev/null; }

if there; then exit 0; fi
command -v apt-get >/dev/null || fail "no chromium and no apt-get here; install ${packages[*]}"
[ "$(id -u)" = 0 ] || fail "no chromium; install ${packages[*]} as root"
echo "install_browser.sh: installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
timeout 300 apt-get update -qq && timeout 600 apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    fail "apt-get cannot install ${packages[*]} (its reason is above)"
there || fail "${packages[*]} are installed, but chromium or chromedriver is not on the path"
