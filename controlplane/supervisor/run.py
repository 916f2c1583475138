"""One life of the demo: start in order, follow, and stop in reverse order."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

from controlplane.supervisor.child import Child, Spec
from controlplane.supervisor.config import Config
from controlplane.supervisor.plan import Plan
from controlplane.supervisor.presence import MARK, Presence
from controlplane.supervisor.terminal import Terminal

START_TIMEOUT_S = 180.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

MAY = {
    "engineer": "trains, evaluates, asks for promotions",
    "product": "drafts acceptance criteria",
    "approver": "agrees to criteria, decides on promotions",
    "admin": "keeps the team; cannot approve",
    "viewer": "reads",
    "sandbox": "engineer of another team, to whom none of this exists",
}


class Supervisor:
    """Holds the children of one demo."""

    def __init__(self, config: Config, presence: Presence, terminal: Terminal) -> None:
        self.config = config
        self.presence = presence
        self.terminal = terminal
        self.plan = Plan(config, mark={MARK: presence.mark})
        self._tiers: list[list[Child]] = []
        self._asked_to_stop = asyncio.Event()

    async def run(self, *, when_ready: Callable[[], None]) -> None:
        """Start everything, call ``when_ready``, and stay until a signal asks to stop.

        Raises:
            SetupError: something did not start; everything else was stopped again.
        """
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._ask_to_stop)
        asked = asyncio.create_task(self._asked_to_stop.wait())
        starting = asyncio.create_task(self._start(when_ready))
        try:
            await asyncio.wait({asked, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await asked
        finally:
            starting.cancel()
            await asyncio.wait({starting})
            await self._stop()

    async def _start(self, when_ready: Callable[[], None]) -> None:
        began = time.monotonic()
        servers = self._launch(await asyncio.to_thread(self.plan.servers))
        await _together(*(self._until_healthy(server) for server in servers))
        if self.config.postgres:
            await asyncio.to_thread(self.config.postgres.provision)
        self.config.write_env_file()
        await self._step("database migrated", self.plan.provision())
        web, *others = self._launch(self.plan.processes())
        await _together(self._open_doors(web), *(self._until_healthy(child) for child in others))
        self._launch(self.plan.visitors())
        addresses = {name: self.config.url(name) for name in self.config.ports}
        self.presence.tell(state="ready", **addresses)
        self.terminal.say(f"All is healthy after {time.monotonic() - began:.1f} s.")
        when_ready()

    async def _open_doors(self, web: Child) -> None:
        """Seed beside the starting processes, and show addresses and log-ins once the pages answer."""
        told = await self._step("demo data", self.plan.seed())
        await self._until_healthy(web)
        described = json.loads((self.config.var / "demo.json").read_text())
        rows = [("web", "pages, and the API under /api/v1/"), ("mlflow", "any MlflowClient"), ("gateway", "inference")]
        self.terminal.say()
        for name, purpose in rows:
            self.terminal.say(f"  {name:10} {described[name]:26} {purpose}")
        self.terminal.say(f"\n  {'log in as':10} {'password':26}")
        for name, user in described["users"].items():
            self.terminal.say(f"  {name:10} {user['password']:26} {MAY[name]}")
        self.terminal.say(
            f"\n  {told}\n  For scripts: `. {self.config.var / 'demo.sh'}` sets addresses and tokens; demo.json beside it has the same.\n"
        )

    async def _step(self, what: str, spec: Spec) -> str:
        """Run ``spec`` to its end; return the last line it wrote."""
        began = time.monotonic()
        [child] = self._launch([spec])
        await child.until_finished()
        self.terminal.done(what, time.monotonic() - began)
        return child.last_lines[-1] if child.last_lines else ""

    async def _until_healthy(self, child: Child) -> None:
        seconds = await child.until_healthy(START_TIMEOUT_S)
        self.terminal.done(child.spec.name, seconds)

    def _launch(self, specs: list[Spec]) -> list[Child]:
        tier = [Child(spec, line=self.terminal.line, say=self.terminal.say) for spec in specs]
        self._tiers.append(tier)
        for child in tier:
            child.start()
        return tier

    async def _stop(self) -> None:
        self.presence.tell(state="stopping")
        self.terminal.say("Stopping …")
        for tier in reversed(self._tiers):
            await asyncio.gather(*(child.stop() for child in tier))
        self.terminal.say("Stopped; the data stays.")

    def _ask_to_stop(self) -> None:
        if self._asked_to_stop.is_set():  # a second time: somebody is in a hurry
            for tier in self._tiers:
                for child in tier:
                    child.kill()
        self._asked_to_stop.set()


async def _together(*work: Coroutine[Any, Any, Any]) -> None:
    """Await all of ``work``; the first error ends the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in work:
                group.create_task(part)
    except* Exception as errors:
        raise errors.exceptions[0] from None
