"""The gateway beside other servers of the same model: LightGBM, 200 trees, 63 leaves, 30 features.

Each server has one core, ``wrk`` the other: 16 connections that stay open, one row of JSON, three rounds in turn, medians.
``on`` is what production runs: input validation, a token, sticky routing, a canary of 10%, 10% shadow, every prediction in the durable log.
``off`` is the same server with one arm and without token and log. ``bare`` and ``constant`` are floors, written for this purpose.

No figure is printed unless afterwards every prediction that was answered is in the lake exactly once, the canary and the shadow had a
tenth each, a token that was revoked under load was refused, and all servers answered the same number.
"""

import argparse
import json
import os
import statistics
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import lightgbm
import numpy as np
import pyarrow.compute as pc

from benchmarks.catalogue import installation
from benchmarks.load import Server, need_wrk, serving
from benchmarks.peers import servers as peers
from benchmarks.report import Row, arguments, finish
from benchmarks.served import AT, FEATURES, MODEL_ID, admit, train
from controlplane.embedded import free_port
from serving.contract import CHAMPION, SHADOW, Arm, Route, RoutingTable, Version, write_table

MODEL = "late-flight"
SECRET, DOOMED = "benchmark-caller-00000000000000000", "benchmark-revoked-0000000000000000"
SHARE = 0.10
BATCH = 1_000
FULL, QUICK = (3, 5.0), (1, 3.0)  # rounds, seconds of each run


def main() -> None:
    """Train, start, check, load, ship, compare."""
    need_wrk()
    options = arguments(__doc__ or "")
    with installation() as home, ExitStack() as stack:
        rows, check_log = measure(stack, home.folder, options)
        stack.close()  # what is stopped has sealed its segments
        check_log()
        finish(rows, options.json)


def measure(stack: ExitStack, home: Path, options: argparse.Namespace) -> tuple[list[Row], Callable[[], None]]:
    """Run everything against everything; return the figures, and what is to be checked before they are worth anything."""
    rounds, seconds = QUICK if options.quick else FULL
    versions = [train(home, number) for number in (1, 2, 3)]
    row = np.random.default_rng(1).normal(size=FEATURES).round(6).tolist()
    model = _model_file(versions[0])
    ours = Ours(home, versions, row)
    on = stack.enter_context(ours.running("on"))
    off = stack.enter_context(ours.running("off"))
    start = {
        "mlserver": lambda: peers.mlserver(model, home), "mlflow": lambda: peers.mlflow(model, home),
        "litserve": lambda: peers.litserve(model, home), "bentoml": lambda: peers.bentoml(model, home),
        "bare": lambda: peers.bare(model), "constant": peers.constant,
    }  # fmt: skip
    running = {name: stack.enter_context(peer().running(home, [row])) for name, peer in start.items()}
    _check_same_answer([on, off, *(server for name, server in running.items() if name != "constant")], ours.expected)
    with ours.revoking(on, after=seconds / 3):
        on.wrk(seconds)
    for server in (on, off, *running.values()):
        server.wrk(1)
    for _ in range(rounds):
        for server in (on, off, *running.values()):
            server.loads.append(server.wrk(seconds))
    figures = _figures(on, off, running)
    figures += _tails(on, running["bare"], rounds, seconds)
    figures += _batches(home, on, running["mlserver"], rounds, seconds)
    figures.append(Row("rss_over_mlserver", on.rss_mb() / running["mlserver"].rss_mb(), "x", ("≤", 1.0)))
    figures += [Row(f"rss.{s.name}", s.rss_mb(), "MB") for s in (on, off, *running.values())]
    with ours.running("two", workers=2, cores="0,1") as two:
        two.wrk(1)
        cpu = statistics.median(two.wrk(seconds).cpu_us for _ in range(rounds))
        answered = {server.name: (_counted(server), server.answered) for server in (on, two)}
        cut = on.cut + two.cut
    figures.append(Row("scaling_2_workers", 2 * _median(on, "cpu_us") / cpu, "x", ("≥", 1.7)))
    return sorted(figures, key=lambda figure: figure.target is None), lambda: ours.check_log(answered, cut)


def _figures(on: Server, off: Server, running: dict[str, Server]) -> list[Row]:
    rows = []
    least = {"mlserver": 7.0, "mlflow": 80.0, "litserve": None, "bentoml": None, "bare": 0.6}
    for name, target in least.items():
        ratio = _median(on, "per_second") / _median(running[name], "per_second")
        rows.append(
            Row(f"ratio.{name}", ratio, "x", ("≥", target) if target else None, why="performance.md#under-load")
        )
    for server in (on, off, *running.values()):
        rows += [
            Row(f"per_second.{server.name}", _median(server, "per_second"), "/s"),
            Row(f"p50.{server.name}", _median(server, "p50_us"), "µs"),
            Row(f"p99.{server.name}", _median(server, "p99_us"), "µs"),
            Row(f"cpu.{server.name}", _median(server, "cpu_us"), "µs"),
        ]
    return rows


def _tails(on: Server, bare: Server, rounds: int, seconds: float) -> list[Row]:
    """Ask both at one rate, half of what we can do with everything on: the floor is not even half busy then."""
    rate = _median(on, "per_second") / 2
    ours, floor = [], []
    for _ in range(rounds):
        ours.append(on.open_loop(rate, seconds))
        floor.append(bare.open_loop(rate, seconds))
    p99 = [statistics.median(seen["p99_us"] for seen in side) for side in (ours, floor)]
    return [
        Row("p99_over_bare", p99[0] / p99[1], "x", ("≤", 2.0), why="performance.md#the-tail"),
        Row("open_loop.rate", rate, "/s"),
        Row("open_loop.p99.on", p99[0], "µs"),
        Row("open_loop.p99.bare", p99[1], "µs"),
    ]


def _batches(home: Path, on: Server, mlserver: Server, rounds: int, seconds: float) -> list[Row]:
    body = home / "batch.json"
    body.write_bytes(peers.tensor_body(np.random.default_rng(2).normal(size=(BATCH, FEATURES)).round(6).tolist()))
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for server, kept in zip((on, mlserver), rates, strict=True):
            kept.append(BATCH * server.wrk(seconds, body, connections=2).per_second)
    ours, theirs = (statistics.median(kept) for kept in rates)
    return [
        Row("ratio.batch_mlserver", ours / theirs, "x", ("≥", 3.0), why="performance.md#batches"),
        Row("batch.rows_per_second.on", ours, "/s"),
        Row("batch.rows_per_second.mlserver", theirs, "/s"),
    ]


def _counted(server: Server) -> int:
    """Return how many predictions the gateway says it answered, once its workers have told one another."""
    time.sleep(2)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return sum(
        int(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("gateway_requests_total{") and 'status="200"' in line and f'arm="{SHADOW}"' not in line
    )


def _median(server: Server, what: str) -> float:
    return float(statistics.median(getattr(load, what) for load in server.loads))


def _check_same_answer(running: list[Server], expected: list[float]) -> None:
    for server in running:
        _, answer = server.ask()
        value = peers.value_in(json.loads(answer))
        if min(abs(value - one) for one in expected) > 1e-9:
            raise RuntimeError(f"{server.name} answers {value}, the model {expected}")


class Ours:
    """This product's gateway, started by its own command, and what has to be true of its log afterwards."""

    def __init__(self, home: Path, versions: list[Version], row: list[float]) -> None:
        self._home, self._versions = home, versions
        self.body = home / "ours.json"
        self.body.write_bytes(peers.tensor_body([row]))
        self.expected = [
            float(lightgbm.Booster(model_file=str(_model_file(version))).predict(np.array([row]))[0]) for version in versions
        ]  # fmt: skip
        _register(len(versions))

    @contextmanager
    def running(self, name: str, *, workers: int = 1, cores: str = "0") -> Iterator[Server]:
        """Start a gateway with everything on, or off."""
        everything, port = name != "off", free_port()
        table = self._home / f"routing-{name}" / "table.json"
        self._publish(table, everything=everything)
        spool = self._spool if everything else self._home / "unused-spool"
        variables = {
            "PATH": os.environ["PATH"], "ROUTING_TABLE_PATH": str(table), "SPOOL_ROOT": str(spool),
            "GATEWAY_PORT": str(port), "GATEWAY_WORKERS": str(workers), "SPOOL_MAX_BYTES": str(40 * 2**30),
        } | ({} if everything else {"GATEWAY_AUTH": "off", "SPOOL_MAX_BYTES": "0", "SPOOL_WHEN_FULL": "drop"})  # fmt: skip
        with serving(
            name, [sys.executable, "-m", "serving.gateway"], port=port, path=f"/v2/models/{MODEL}/infer", body=self.body,
            log=self._home / f"{name}.log", environment=variables, token=SECRET if everything else "", cores=cores,
        ) as server:  # fmt: skip
            yield server

    @property
    def _spool(self) -> Path:
        from django.conf import settings

        return Path(settings.SPOOL_ROOT)

    def _publish(self, table: Path, *, everything: bool) -> None:
        tenth = round(SHARE * 10_000)
        arms = [Arm(CHAMPION, 1, 10_000 - tenth), Arm("canary", 2, tenth), Arm(SHADOW, 3, tenth)]
        route = Route(
            MODEL, MODEL_ID, "classification", "salt", arms if everything else [Arm(CHAMPION, 1, 10_000)], {CHAMPION: 1},
            self._versions if everything else self._versions[:1],
        )  # fmt: skip
        table.parent.mkdir()
        write_table(RoutingTable(1, AT, [route]), table)
        admit(table, 1, SECRET, DOOMED)

    @contextmanager
    def revoking(self, server: Server, *, after: float) -> Iterator[None]:
        """Revoke a caller's token while others ask on.

        Raises:
            RuntimeError: it was still answered at the end.
        """
        if server.ask(token=DOOMED)[0] != 200:
            raise RuntimeError("the token that is about to be revoked is not known")
        table = self._home / f"routing-{server.name}" / "table.json"

        def revoke() -> None:
            time.sleep(after)
            admit(table, 2, SECRET)

        thread = Thread(target=revoke)
        thread.start()
        yield
        thread.join()
        if (status := server.ask(token=DOOMED)[0]) != 401:
            raise RuntimeError(f"a revoked token is answered {status}")

    def check_log(self, answered: dict[str, tuple[int, int]], cut: int) -> None:
        """Ship all that was recorded.

        Args:
            answered: by server, how many answers of 200 it counted, and how many callers did.
            cut: how many answers callers may not have waited for, at the end of a run.

        Raises:
            RuntimeError: an answer is missing or doubled, or the canary's or shadow's share is off by a point.
        """
        from monitoring import shipping

        while shipping.ship().segments:
            pass
        requests, doubled = _requests_in_lake()
        canary, shadow = requests["canary"], requests[SHADOW]
        served = requests[CHAMPION] + canary
        counted, seen = (sum(pair[i] for pair in answered.values()) for i in (0, 1))
        if doubled or served != counted or not 0 <= served - seen <= cut:
            raise RuntimeError(f"{seen} answers seen, {counted} counted, {served} in the lake, {doubled} twice")
        for name, share in (("canary", canary / served), ("shadow", shadow / served)):
            if abs(share - SHARE) > 0.01:
                raise RuntimeError(f"the {name} had {share:.1%} of {served} requests, not {SHARE:.0%}")


def _requests_in_lake() -> tuple[Counter[str], int]:
    """Return how many requests of each arm were answered, and how many records are there twice."""
    from monitoring.predictions.lake import open_table

    table = open_table()
    if table is None:
        raise RuntimeError("nothing was shipped")
    rows = table.to_pyarrow_table(columns=["request_id", "row", "arm", "status"])
    rows = rows.filter(pc.equal(rows["status"], 200))
    doubled = rows.num_rows - rows.group_by(["request_id", "row", "arm"]).aggregate([]).num_rows
    firsts = rows.filter(pc.equal(rows["row"], 0)).group_by("arm").aggregate([([], "count_all")])
    return Counter(dict(zip(firsts["arm"].to_pylist(), firsts["count_all"].to_pylist(), strict=True))), doubled


def _model_file(version: Version) -> Path:
    return Path(version.folder) / version.file


def _register(versions: int) -> None:
    """Make the model known to the control plane, so that its records can be counted there."""
    from django.contrib.auth.models import User

    from registry.models import ModelVersion, RegisteredModel, Team

    user = User.objects.create_user("bench")
    team = Team.objects.create(slug="bench", name="Bench")
    model = RegisteredModel.objects.create(pk=MODEL_ID, name=MODEL, team=team, created_by=user, last_number=versions)
    for number in range(1, versions + 1):
        ModelVersion.objects.create(model=model, number=number, source="bench:/", created_by=user)


if __name__ == "__main__":
    main()
