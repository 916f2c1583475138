"""Faults of the gateway under a constant load: a version switch, a killed worker, a full spool, everything else gone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks.asking import Answered
from serving.contract import PredictionRecord, read_segment
from tests.gateways import (
    ROOT,
    RunningGateway,
    infer_body,
    make_boosted,
    make_route,
    make_table,
    probability,
    running_gateway,
)

TREES = {1: 20, 2: 5}  # by version
ROWS = 2  # of a request
ROOM = 512 * 1024  # bytes that are left on the small disk


@dataclass(frozen=True)
class Outcome:
    """What a fault did to the requests of its time.

    Attributes:
        asked: requests.
        answered: of them with a prediction.
        mixed: answers that disagree with themselves, with the log or with what the version would say.
        lost: answers that the log does not hold.
        doubled: answers that it holds twice.
        errors: requests without a prediction, by what they got instead.
        recovery_s: from the fault until all was well again.
        versions: answers by version.
    """

    asked: int
    answered: int
    mixed: int
    lost: int
    doubled: int
    errors: dict[str, int]
    recovery_s: float = 0.0
    versions: dict[str, int] | None = None

    @property
    def dropped(self) -> int:
        """Requests without a prediction."""
        return self.asked - self.answered


@contextmanager
def small_disk(home: Path) -> Iterator[Path | None]:
    """Mount a disk of 16 MB, nearly full; None where this system does not let us."""
    disk = home / "disk"
    disk.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=False)  # noqa: S603, S607
    if mounted.returncode:
        sys.stderr.write("No small disk can be mounted here (that takes root): the disk itself is not filled.\n")
        yield None
        return
    try:
        (disk / "ballast").write_bytes(bytes(16 * 1024 * 1024 - ROOM))
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)  # noqa: S603, S607


@contextmanager
def asking(gateway: RunningGateway, *, rate: float, seconds: float) -> Iterator[list[Answered]]:
    """Have a process ask while the body runs; afterwards the list holds all answers."""
    target, answers = gateway.log.with_name("answers.ndjson"), list[Answered]()
    address = f"{gateway.url}/v2/models/flight-delay/infer"
    command = [sys.executable, "-m", "benchmarks.asking", address, json.dumps(request()), str(rate), str(seconds)]
    with subprocess.Popen([*command, str(target)], cwd=ROOT) as caller:  # noqa: S603
        time.sleep(min(1.0, seconds / 4))  # it has begun
        yield answers
    if caller.returncode:
        raise RuntimeError(f"the caller ended with {caller.returncode}")
    answers += [Answered(*json.loads(line)) for line in target.read_text().splitlines()]


def records(root: Path) -> Iterator[PredictionRecord]:
    """Yield what the spool holds, sealed or not."""
    for path in sorted(root.glob("*/0*")):
        yield from read_segment(path)


def outcome(answers: list[Answered], logged: Iterable[PredictionRecord], *, recovery_s: float = 0.0) -> Outcome:
    """Compare each answer with its records, one a row, and with what its version says."""
    expected = {str(version): [probability(trees=trees)] * ROWS for version, trees in TREES.items()}
    by_id: dict[str, list[PredictionRecord]] = {}
    for record in logged:
        by_id.setdefault(record.request_id, []).append(record)
    good = [answer for answer in answers if answer.status == 200]
    return Outcome(
        len(answers), len(good),
        mixed=sum(
            answer.values != expected.get(answer.version)
            or any(_said(record) != (answer.version, answer.values[record.row]) for record in by_id.get(answer.id, []))
            for answer in good
        ),
        lost=sum(len(by_id.get(answer.id, [])) < ROWS for answer in good),
        doubled=sum(len(by_id.get(answer.id, [])) > ROWS for answer in good),
        errors=dict(Counter(f"{a.status} {a.error}" for a in answers if a.status != 200)),
        recovery_s=recovery_s, versions=dict(Counter(answer.version for answer in good)),
    )  # fmt: skip


def _said(record: PredictionRecord) -> tuple[str, float]:
    return str(record.number), float(record.outputs["probability"])


def request() -> dict[str, object]:
    """Return the body of a request of several rows: all of them are answered by one version."""
    body: dict[str, list[dict[str, object]]] = infer_body()
    return {"inputs": [t | {"shape": [ROWS], "data": [*t["data"], *t["data"]]} for t in body["inputs"]]}  # type: ignore[misc]


def until(so: Callable[[], bool], *, seconds: float = 60) -> float:
    """Return how long it took until ``so``."""
    began = time.monotonic()
    while not so():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"waited {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - began


def switch_versions(home: Path, *, rate: float, seconds: float, switches: int) -> Outcome:
    """Switch the champion ``switches`` times while requests come at a constant rate (F10)."""
    one, two = make_boosted(home, 1, TREES[1]), make_boosted(home, 2, TREES[2])
    with running_gateway(home, make_table(make_route(one, two))) as gateway:
        gateway.wait_for("/v2/models/flight-delay/versions/2/ready")
        with asking(gateway, rate=rate, seconds=seconds) as answers:
            for number in range(switches):
                champion, other = (two, one) if number % 2 == 0 else (one, two)
                gateway.publish(make_table(make_route(champion, other), version=number + 2))
                time.sleep(seconds * 0.6 / switches)
    return outcome(answers, records(gateway.spool_root))


def kill_workers(home: Path, *, rate: float, seconds: float, kills: int) -> Outcome:
    """Kill -9 one of two workers again and again under load; what was acknowledged has to be in the log."""
    table = make_table(make_route(make_boosted(home, 1, TREES[1])))
    took = 0.0
    with running_gateway(home, table, GATEWAY_WORKERS="2") as gateway:
        until(lambda: len(_workers(gateway)) == 2 and len(list(gateway.spool_root.glob("*/state.json"))) == 2)
        with asking(gateway, rate=rate, seconds=seconds) as answers:
            for _ in range(kills):
                killed = _workers(gateway)[0]
                os.kill(killed, signal.SIGKILL)
                took = max(took, until(partial(_two_serve, gateway, without=killed)))
    return outcome(answers, records(gateway.spool_root), recovery_s=took)


def _workers(gateway: RunningGateway) -> list[int]:
    return [child.pid for child in psutil.Process(gateway.process.pid).children()]


def _two_serve(gateway: RunningGateway, *, without: int) -> bool:
    """Tell whether two workers serve, by what they wrote down themselves."""
    told = {int(path.parent.name.split("-")[-2]): path.read_text() for path in gateway.spool_root.glob("*/state.json")}
    return sum('"champion":1' in told.get(pid, "") for pid in _workers(gateway) if pid != without) == 2


def fill_the_disk(home: Path, *, rate: float, seconds: float, disk: Path | None = None) -> Outcome:
    """Let the spool fill up under load, and empty it as shipping would; ``disk`` is a small disk for it, else a limit of bytes."""
    environment = {"SEGMENT_MAX_BYTES": "20000"} | ({} if disk else {"SPOOL_MAX_BYTES": "150000"})
    if disk:
        environment["SPOOL_ROOT"] = str(disk)
    kept = home / "shipped/x"
    kept.mkdir(parents=True)
    table = make_table(make_route(make_boosted(home, 1, TREES[1])))
    with running_gateway(home, table, **environment) as gateway:
        root = disk or gateway.spool_root
        with asking(gateway, rate=rate, seconds=seconds) as answers:
            until(lambda: gateway.infer().status_code == 503)
            refused = gateway.infer()
            if refused.headers.get("retry-after") is None:
                raise RuntimeError(f"refused without Retry-After: {refused.text}")
            for path in sorted(root.glob("*/*.segment")):
                shutil.copy(path, kept / f"0-{path.parent.name}-{path.name}")
                path.unlink()
            took = until(lambda: gateway.infer().status_code == 200)
    return outcome(answers, [*records(root), *records(home / "shipped")], recovery_s=took)
