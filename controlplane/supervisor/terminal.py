"""What the supervisor and its processes say: to the terminal, and to a log file beside it."""

import itertools
import os
import sys
from pathlib import Path
from typing import TextIO

COLOURS = ("36", "35", "33", "32", "34", "96", "95", "93", "92", "94")
MAX_LOG_BYTES = 20_000_000


class Terminal:
    """Prints lines; those of processes carry a coloured name and show only once ``follow`` is set."""

    def __init__(self, log: Path, *, out: TextIO | None = None) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.follow = False
        self._path = log
        self._log = self._open_log()
        self._out = out or sys.stdout
        self._coloured = self._out.isatty() and "NO_COLOR" not in os.environ
        self._colours = itertools.cycle(COLOURS)
        self._colour_of: dict[str, str] = {}

    def say(self, text: str = "") -> None:
        """Print the supervisor's own word."""
        self._write(f"{text}\n")
        self._show(f"{text}\n")

    def line(self, name: str, text: str) -> None:
        """Pass on one line of process ``name``."""
        self._write(f"{name:9} | {text}\n")
        if self.follow:
            self._show(f"{self._paint(name, f'{name:9} |')} {text}\n")

    def done(self, what: str, seconds: float) -> None:
        """Print one finished step."""
        tick = "\x1b[32m✓\x1b[0m" if self._coloured else "✓"
        self.say(f"  {tick} {what:60} {seconds:5.1f} s")

    def detach(self) -> None:
        """Write to the log alone from now on, errors of the supervisor itself included."""
        self.follow = False
        self._out = Path(os.devnull).open("w")  # noqa: SIM115  as long as the supervisor
        for stream in (sys.stdout, sys.stderr):
            os.dup2(self._log.fileno(), stream.fileno())

    def _show(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:  # whoever read along is gone; the demo goes on
            self.detach()

    def _paint(self, name: str, text: str) -> str:
        if not self._coloured:
            return text
        if name not in self._colour_of:
            self._colour_of[name] = next(self._colours)
        return f"\x1b[{self._colour_of[name]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        if self._log.tell() > MAX_LOG_BYTES:
            self._log.close()
            self._log = self._open_log()
        self._log.write(text)

    def _open_log(self) -> TextIO:
        """Open the log to append; a large one makes room first."""
        if self._path.exists() and self._path.stat().st_size > MAX_LOG_BYTES:
            self._path.replace(self._path.with_suffix(".old.log"))
        return open(
            self._path, "a", buffering=1, errors="backslashreplace",
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )  # fmt: skip
