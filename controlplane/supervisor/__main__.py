"""The commands behind `make demo`, `make stop` and `make reset`."""

import argparse
import asyncio
import io
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controlplane.embedded import EmbeddedServerError, Postgres
from controlplane.supervisor import backup
from controlplane.supervisor.config import REPOSITORY, Config, SetupError, data_folder
from controlplane.supervisor.presence import AlreadyRunningError, Presence
from controlplane.supervisor.run import Supervisor
from controlplane.supervisor.terminal import Terminal

READY_FD = "CONTROLPLANE_READY_FD"


def demo() -> int:
    """Run the demo until it is stopped."""
    ready_fd = os.environ.pop(READY_FD, "")
    var = data_folder(os.environ)
    with Presence(var) as presence:
        config = Config.from_environment(os.environ, var=var)
        config.check_ports()
        log = var / "logs/demo.log"
        terminal = Terminal(log)
        try:
            asyncio.run(Supervisor(config, presence, terminal).run(when_ready=lambda: _say_ready(terminal, ready_fd)))
        except (SetupError, EmbeddedServerError) as error:
            terminal.say(f"{error}\nThe whole log is {log}.")
            return 1
    return 0


def demo_detached() -> int:
    """Run the demo in the background; return once all is healthy, or it could not be started."""
    ready, tell_ready = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "controlplane.supervisor", "demo"], cwd=REPOSITORY, stdin=subprocess.DEVNULL,
        env={**os.environ, READY_FD: str(tell_ready)}, pass_fds=[tell_ready], start_new_session=True,
    )  # fmt: skip
    os.close(tell_ready)
    try:
        return 0 if os.read(ready, 1) else process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return 130


def stop() -> int:
    """Stop the demo, wherever it was started."""
    presence = Presence(data_folder(os.environ))
    if presence.stop_holder():
        _print("Stopped; the data stays.")
    else:
        with presence:  # ends what a killed supervisor may have left
            _print("No demo runs.")
    return 0


def reset() -> int:
    """Stop the demo and delete all it keeps, after asking; YES=1 answers."""
    var = data_folder(os.environ)
    if not var.exists():
        _print("There is nothing to delete.")
        return 0
    if os.environ.get("YES") != "1":
        _print(f"This deletes {var}: database, models, data sets, log-ins. Databases elsewhere are not touched.")
        if not sys.stdin.isatty() or input("Type yes to go on: ").strip() != "yes":
            _print("Nothing was deleted; `make reset YES=1` does not ask.")
            return 1
    presence = Presence(var)
    presence.stop_holder()
    presence.sweep()
    Postgres(var / "postgres", 0).destroy()
    shutil.rmtree(var)
    _print(f"Deleted {var}.")
    return 0


def back_up() -> int:
    """Write database, files and keys to one folder; the demo may run meanwhile."""
    config = Config.from_environment(os.environ, var=data_folder(os.environ))
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = Path(os.environ.get("TO") or REPOSITORY / "backups" / stamp).absolute()
    if backup.is_empty(config):
        raise SetupError(f"{config.var} keeps nothing yet; there is nothing to back up.")
    kept = backup.backup(config, target)
    _print(f"{len(kept['sha256']):,} files in {target}, keys among them: keep it where only you read.")
    return 0


def restore() -> int:
    """Replace what is there by a backup, after asking where that is something; YES=1 answers."""
    if not (source := os.environ.get("FROM")):
        raise SetupError("Say which backup: make restore FROM=backups/…")
    var = data_folder(os.environ)
    config = Config.from_environment(os.environ, var=var)
    backup.check(Path(source))
    if not backup.is_empty(config) and os.environ.get("YES") != "1":
        _print(f"{var} is in use: database, models, data sets and log-ins there would be replaced.")
        if not sys.stdin.isatty() or input("Type yes to go on: ").strip() != "yes":
            _print("Nothing was restored; `make restore FROM=… YES=1` does not ask.")
            return 1
    presence = Presence(var)
    presence.stop_holder()
    with presence:
        kept = backup.restore(config, Path(source))
    _print(
        f"Restored what was backed up at {kept['made_at']}. `manage.py audit_verify` proves the trail; `make demo` starts."
    )
    return 0


def status() -> int:
    """Say whether the demo runs; 0 if it is ready."""
    state = Presence(data_folder(os.environ)).state()
    _print(_describe(state))
    return 0 if state.get("state") == "ready" else 1


def _describe(state: dict[str, Any]) -> str:
    match state.get("state"):
        case None:
            return "No demo runs; `make demo` starts one."
        case "ready":
            return "The demo runs: web {web}, mlflow {mlflow}, gateway {gateway}. `make stop` ends it.".format(**state)
        case phase:
            return f"The demo is {phase}. `make stop` ends it."


def _say_ready(terminal: Terminal, ready_fd: str) -> None:
    """Go on with the logs; started in the background, tell who waits and leave the terminal."""
    if ready_fd:
        terminal.say("It runs in the background; `make stop` ends it.")
        terminal.detach()
        os.write(int(ready_fd), b"1")
        os.close(int(ready_fd))
    else:
        terminal.say("The logs follow; Ctrl-C stops everything.\n")
        terminal.follow = True


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> int:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(prog="python -m controlplane.supervisor", description=__doc__)
    parser.add_argument("command", choices=["demo", "stop", "reset", "status", "backup", "restore"])
    parser.add_argument("--detach", action="store_true", help="with demo: return once all is healthy")
    arguments = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode still works
    commands = {
        "demo": demo_detached if arguments.detach else demo, "stop": stop, "reset": reset, "status": status,
        "backup": back_up, "restore": restore,
    }  # fmt: skip
    try:
        return commands[arguments.command]()
    except AlreadyRunningError as error:
        _print(_describe(error.state))
        return 0
    except (SetupError, EmbeddedServerError) as error:
        _print(str(error))
        return 1
    except KeyboardInterrupt:  # before there was anything to stop
        return 130


if __name__ == "__main__":
    sys.exit(main())
