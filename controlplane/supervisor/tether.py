"""Become a command that is told to stop when its parent dies, however the parent dies.

It runs by path with ``-I -S``, before any package is imported, and then replaces itself, so a tethered process costs
some milliseconds more to start and nothing after that. Where the system is not Linux it only replaces itself.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str], *, stop_signal: signal.Signals = signal.SIGTERM, user: str = "") -> list[str]:
    """Return ``command`` tied to the process that starts it.

    Args:
        stop_signal: what the command gets when its parent has died.
        user: whom to become first; empty keeps the present user.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(stop_signal)), user, *command]


def _become(parent: int, stop_signal: int, user: str, command: list[str]) -> None:
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        # After the change of user, which would clear it; exec keeps it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:  # it died before the call
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  replacing this process is the point


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
