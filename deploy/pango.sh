#!/bin/sh
# Review packs become PDF through Debian's pango: install it as root, else say what is missing. HTML and JSON work without.
set -eu
found() { for place in /usr/lib /lib /usr/local/lib /opt/homebrew/lib; do
    [ -n "$(find "$place" -name "$1*" -print -quit 2>/dev/null)" ] && return 0; done; return 1; }
packages=
found libpango-1.0 || packages="$packages libpango-1.0-0"
found libpangoft2-1.0 || packages="$packages libpangoft2-1.0-0"
found libharfbuzz-subset || packages="$packages libharfbuzz-subset0"
[ -z "$packages" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Review packs as PDF need$packages; install: sudo apt-get install$packages (HTML and JSON work without)" >&2
    exit 0
fi
echo "Installing$packages for review packs as PDF"
{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages; } >/dev/null ||
    echo "That failed; review packs come as HTML and JSON alone" >&2
