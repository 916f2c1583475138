"""The demo's scenarios on the whole product, all five at once: what became of each candidate, and of everybody who asked meanwhile.

`test_product.py` collects these tests, so that one process has the product.
"""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

import environ
import numpy as np
import psycopg2
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from controlplane.demo.drift_scenario import DRIFT, LIMIT
from controlplane.demo.scenarios import SCENARIOS
from controlplane.supervisor.config import REPOSITORY
from experiments.metrics import roc_auc

RATE, SPEED = 60, 4  # requests per second to each model; how much faster than usual
LONGEST_S = 1200  # on a loaded machine; a quiet one needs a tenth of it
BAD = {"errors": "errors", "latency": "answers above 20 ms"}  # which guardrail fails


@dataclass(frozen=True)
class Event:
    """One line of the audit trail."""

    at: datetime
    actor: str
    action: str
    payload: dict


@dataclass(frozen=True)
class Rehearsed:
    """One scenario after its end.

    Attributes:
        told: what its callers counted, by status.
        records: of the prediction log, in order, without shadows: (at, version, arm, weight, key, status).
        moves: of the rollout; verdicts are apart.
        promotion: what happened to the promotion.
        verdicts: the last outcome of each guardrail, with its sentence.
        steps: how many the plan has.
    """

    told: Counter
    records: list[tuple]
    moves: list[Event]
    promotion: list[str]
    verdicts: dict[str, tuple[str, str]]
    failed_at: datetime | None
    champion: int
    state: str
    labels: int
    steps: int


@pytest.fixture(scope="module")
def rehearsed(stack):
    """Run all of them, and read what those with a rollout left once every record is shipped."""
    command = [sys.executable, "manage.py", "scenario", *SCENARIOS, DRIFT.name, f"--rate={RATE}", f"--speed={SPEED}"]
    finished = subprocess.run(
        command, cwd=REPOSITORY, env=stack.environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    print(finished.stdout)  # noqa: T201  for the reader of the log
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr[-3000:]}"
    told = {
        name: Counter({int(status): int(count) for count, status in re.findall(r"(\d+) x (\d+)", said)})
        for name, said in re.findall(r"^(\w+) .* Requests: (.*)\.$", finished.stdout, re.MULTILINE)
    }
    stack.until(
        lambda: all(len(records_of(stack, name)) >= told[name].total() for name in SCENARIOS), seconds=60,
        what="the last records to be shipped",
    )  # fmt: skip
    return {name: read(stack, name, told[name]) for name in SCENARIOS}


def records_of(stack, name):
    table = DeltaTable(str(stack.var / "lake/predictions")).to_pyarrow_dataset()
    mine = (pc.field("model") == SCENARIOS[name].model) & (pc.field("arm") != "shadow")
    columns = ["at", "version", "arm", "weight_bp", "key_hash", "status"]
    return sorted(tuple(row.values()) for row in table.to_table(columns, filter=mine).to_pylist())


def read(stack, name, told):
    with asking(stack) as rows:
        [(rollout, promotion, state, document)] = rows(
            "SELECT r.id, r.promotion_id, r.state, r.document FROM rollouts_rollout r JOIN registry_registeredmodel m ON"
            " m.id = r.model_id WHERE m.name = %s",
            SCENARIOS[name].model,
        )
        trail = "SELECT at, actor, action, payload FROM registry_auditevent WHERE subject = %s ORDER BY seq"
        events = [Event(*row) for row in rows(trail, f"/rollouts/{rollout}/")]
        failed = [e.at for e in events if e.action == "rollout.verdict" and e.payload["outcome"] == "fail"]
        [(champion,)] = rows(
            "SELECT v.number FROM registry_alias a JOIN registry_modelversion v ON v.id = a.version_id JOIN"
            " registry_registeredmodel m ON m.id = a.model_id WHERE a.name = 'champion' AND m.name = %s",
            SCENARIOS[name].model,
        )
        verdicts = rows(
            "SELECT metric, outcome, sentence FROM rollouts_rolloutverdict WHERE rollout_id = %s ORDER BY id", rollout
        )
        [(labels,)] = rows(
            "SELECT count(*) FROM monitoring_label l JOIN registry_registeredmodel m ON m.id = l.model_id WHERE m.name = %s",
            SCENARIOS[name].model,
        )
        return Rehearsed(
            told, records_of(stack, name), [e for e in events if e.action != "rollout.verdict"],
            [action for _, _, action, _ in rows(trail, f"/promotions/{promotion}/")],
            {metric: (outcome, sentence) for metric, outcome, sentence in verdicts}, failed[0] if failed else None,
            champion, state, labels, len(document["steps"]),
        )  # fmt: skip


@contextmanager
def asking(stack):
    """Open the product's database; yields what asks it."""
    url = environ.Env.db_url_config(settings_of(stack)["DATABASE_URL"])
    with closing(psycopg2.connect(
        dbname=url["NAME"], user=url["USER"], password=url["PASSWORD"], host=url["HOST"], port=url["PORT"]
    )) as connection, connection.cursor() as cursor:  # fmt: skip

        def rows(sql, *values):
            cursor.execute(sql, values)
            return cursor.fetchall()

        yield rows


def settings_of(stack):
    pairs = (line.split("=", 1) for line in (stack.var / "demo.env").read_text().splitlines())
    return {name: value.strip('"') for name, value in pairs}


def test_the_good_candidate_reaches_everybody(rehearsed):
    good = rehearsed["good"]

    assert (good.state, good.champion) == ("promoted", 2)
    assert [e.action for e in good.moves] == [
        "rollout.start",
        "rollout.shadow",
        *["rollout.step"] * 3,
        "rollout.promote",
    ]
    assert [e.payload["weight_bp"] for e in good.moves if e.action == "rollout.step"] == [500, 2000, 5000]
    assert good.promotion == [
        "promotion.request", "plan.bring", "promotion.approve", "promotion.roll_out", "promotion.complete",
    ]  # fmt: skip
    deciding = [guard["name"] for guard in SCENARIOS["good"].guardrails if guard.get("decides", True)]
    assert {name: good.verdicts[name][0] for name in deciding} == dict.fromkeys(deciding, "pass")
    assert good.labels > 0


@pytest.mark.parametrize("name", BAD)
def test_a_bad_candidate_goes_back_by_itself(rehearsed, name):
    bad = rehearsed[name]

    assert (bad.state, bad.champion) == ("rolled_back", 1)
    first, *steps, last = [e.action for e in bad.moves]
    assert (first, last) == ("rollout.start", "rollout.roll_back")
    assert set(steps) == {"rollout.step"}
    assert bad.promotion[-2:] == ["promotion.roll_out", "promotion.roll_back"]
    outcome, sentence = bad.verdicts[BAD[name]]
    assert outcome == "fail"
    assert sentence in bad.moves[-1].payload["reason"]
    assert bad.records[-1][1] == 1


def test_too_little_known_waits_for_a_person(rehearsed):
    unclear = rehearsed["inconclusive"]

    assert (unclear.state, unclear.champion) == ("awaiting", 1)
    assert [e.action for e in unclear.moves] == ["rollout.start", *["rollout.step"] * unclear.steps, "rollout.ask"]
    assert unclear.verdicts["near-certain delays"][0] == "inconclusive"
    assert "near-certain delays" in unclear.moves[-1].payload["reason"]
    assert unclear.promotion[-1] == "promotion.roll_out"


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_person_moved_a_rollout_and_each_move_has_its_reason(rehearsed, name):
    for event in rehearsed[name].moves:
        assert event.actor == "rollouts"
        assert event.payload["reason"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_request_failed_because_of_a_switch(rehearsed, name):
    """What failed, the failing candidate failed, as a canary; and every answer that callers saw is on record."""
    done = rehearsed[name]

    failed = {(version, arm, status) for _, version, arm, _, _, status in done.records if status != 200}
    assert failed == ({(2, "canary", 500)} if name == "errors" else set())
    assert Counter(record[-1] for record in done.records) == done.told


@pytest.mark.parametrize("name", SCENARIOS)
def test_who_met_the_candidate_keeps_it_while_its_share_grows(rehearsed, name):
    met = defaultdict(dict)
    for _, version, _, weight, key, _ in rehearsed[name].records:
        if weight:
            met[key].setdefault(share_of_candidate(version, weight), set()).add(version)

    torn = [key for key, by_share in met.items() if not is_settled([by_share[share] for share in sorted(by_share)])]
    assert torn == []


def share_of_candidate(version, weight):
    return weight if version == 2 else 10_000 - weight


def is_settled(versions):
    """Whether a key met one version at each share, and never the champion after the candidate."""
    return all(len(met) == 1 for met in versions) and versions == sorted(versions, key=min)


@pytest.mark.parametrize("name", BAD)
def test_how_soon_a_bad_candidate_is_gone(rehearsed, name, record_property):
    """Figures for the reader; a loaded machine takes longer."""
    bad = rehearsed[name]
    of_candidate = [record for record in bad.records if record[1] == 2]
    back = bad.moves[-1].at
    figures = {
        "candidate's first request to verdict, s": (bad.failed_at - of_candidate[0][0]).total_seconds(),
        "candidate's requests until the verdict": sum(at <= bad.failed_at for at, *_ in of_candidate),
        "verdict to candidate's last request, s": (of_candidate[-1][0] - back).total_seconds(),
    }
    if failures := [at for at, *_, status in of_candidate if status == 500 and at <= bad.failed_at]:
        figures["first failing request to verdict, s"] = (bad.failed_at - failures[0]).total_seconds()
        figures["last failing request before the verdict to it, s"] = (bad.failed_at - failures[-1]).total_seconds()
    for what, value in figures.items():
        record_property(f"{name}: {what}", round(value, 2))
        print(f"{name}: {what}: {value:.2f}")  # noqa: T201  a figure for the reader of the log
    assert any(at > of_candidate[-1][0] for at, *_ in bad.records)  # the champion goes on


def test_a_drifted_model_is_trained_anew_by_itself_and_once(stack, rehearsed):
    """Drift and a fall in quality are found, one version is trained on what was frozen, people approve it, and it is champion."""
    with asking(stack) as rows:
        [(pk, state, slot, why, comparison, frozen, version, promotion)] = rows(
            "SELECT r.id, r.state, r.slot, r.why, r.comparison, d.frozen, v.number, r.promotion_id FROM monitoring_retraining r"
            " JOIN registry_registeredmodel m ON m.id = r.model_id JOIN registry_modelversion v ON v.id = r.version_id"
            " JOIN experiments_datasetversion d ON d.id = r.dataset_version_id WHERE m.name = %s",
            DRIFT.model,
        )
        trail = rows(
            "SELECT action, actor FROM registry_auditevent WHERE subject = %s ORDER BY seq", f"/retraining/{pk}/"
        )
        decided = rows(
            "SELECT action, actor FROM registry_auditevent WHERE subject = %s ORDER BY seq", f"/promotions/{promotion}/"
        )
        [(champion,)] = rows(
            "SELECT v.number FROM registry_alias a JOIN registry_modelversion v ON v.id = a.version_id JOIN"
            " registry_registeredmodel m ON m.id = a.model_id WHERE a.name = 'champion' AND m.name = %s",
            DRIFT.model,
        )
        trained = rows(
            "SELECT count(*) FROM jobs_job WHERE kind = 'train' AND subject = %s AND state = 'succeeded'", DRIFT.path
        )

    assert (state, slot, champion, version, frozen) == ("promoted", "after:0", 2, 2, True)
    assert "quality: Area under the ROC curve" in why
    assert re.search(r"drift: \d+ of \d+ features, limit 3", why)
    steps = ["due", "freeze", "train", "evaluate", "propose", "promote"]
    assert [action for action, _ in trail if action != "retraining.hold"] == [f"retraining.{step}" for step in steps]
    assert {actor for _, actor in trail} == {f"retraining:{pk}"}
    assert decided == [
        ("promotion.request", "engineer"), ("promotion.approve", "approver"), ("promotion.complete", "approver"),
    ]  # fmt: skip
    assert trained == [(2,)]
    assert comparison["low"] > 0


def test_its_quality_recovers_by_what_labels_say(stack, rehearsed):
    """Measured here anew from the lake: who was late among those whom each version answered."""
    lake = stack.var / "lake"
    mine = pc.field("model") == DRIFT.model
    answers = DeltaTable(str(lake / "predictions")).to_pyarrow_dataset().to_table(
        ["request_id", "version", "score", "status"], filter=mine & (pc.field("arm") != "shadow")
    )  # fmt: skip
    labels = DeltaTable(str(lake / "labels")).to_pyarrow_dataset().to_table(["request_id", "number"], filter=mine)
    outcome = dict(zip(labels["request_id"].to_pylist(), labels["number"].to_pylist(), strict=True))
    by_version = defaultdict(list)
    for row in answers.to_pylist():
        assert row["status"] == 200
        if row["request_id"] in outcome:
            by_version[row["version"]].append((outcome[row["request_id"]], row["score"]))

    found = {version: roc_auc(*map(np.array, zip(*pairs, strict=True))) for version, pairs in by_version.items()}
    assert sorted(found) == [1, 2]
    assert found[1].value < LIMIT < found[2].low
