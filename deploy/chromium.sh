#!/bin/sh
# The browser tests drive Debian's chromium: make sure of it, or say what to install.
set -eu
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The browser tests need chromium; install it: sudo apt-get install chromium" >&2
    exit 1
fi
echo "Installing chromium for the browser tests"
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null
