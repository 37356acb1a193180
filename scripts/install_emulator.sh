#!/usr/bin/env bash
# Installs Debian's qemu-user if it is missing (needs root). A test trains runs on processors that it emulates.
set -euo pipefail

fail() {
    echo "install_emulator.sh: $*" >&2
    exit 1
}

if command -v qemu-x86_64 >/dev/null; then exit 0; fi
[ "$(uname -m)" = x86_64 ] || fail "emulated x86-64 processors load this machine's libraries, which are for $(uname -m)"
command -v apt-get >/dev/null || fail "no qemu-x86_64 and no apt-get here; install qemu-user"
[ "$(id -u)" = 0 ] || fail "no qemu-x86_64; install qemu-user as root"
echo "install_emulator.sh: installing qemu-user"
export DEBIAN_FRONTEND=noninteractive
timeout 300 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends qemu-user >/dev/null ||
    fail "apt-get cannot install qemu-user (its reason is above)"
command -v qemu-x86_64 >/dev/null || fail "qemu-user is installed, but qemu-x86_64 is not on the path"
