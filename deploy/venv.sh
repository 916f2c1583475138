#!/bin/sh
# Create .venv with the first Python that is new enough: the named ones, then the usual names.
set -eu
for python in "$@" python3 python3.13 python3.12 python3.11 python3.14 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "Creating .venv with $("$python" --version)"
        if ! "$python" -c 'import ensurepip' 2>/dev/null; then
            # Debian keeps this part of Python in a package of its own.
            package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
            if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
                echo "Python's venv is missing; install it: sudo apt-get install $package" >&2
                exit 1
            fi
            echo "Installing $package"
            apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "$package" >/dev/null
        fi
        "$python" -m venv .venv
        touch .venv/.created
        exit 0
    fi
done
echo "Python 3.11 or newer is needed and was not found; name one: make demo PYTHON=/path/to/python3.11" >&2
exit 1
