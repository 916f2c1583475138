"""The rows that a retraining learns from: labelled predictions, parted by time, frozen once; and what makes them unusable."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from experiments.models import DatasetVersion
from experiments.rows.frames import load_frame
from experiments.selectors import dataset_rows
from jobs.models import Job
from monitoring.labelling.rows import count_labelled_rows, labelled_rows
from monitoring.models import Retraining
from monitoring.retraining.states import State
from monitoring.services import log_policy_change, reconcile_retrainings
from tests.data_sets import make_trained_champion
from tests.factories import make_actor, make_model, run_jobs
from tests.retraining import INPUTS, labelled, look, make_policy

ROWS = 400


@pytest.fixture
def champion(db):
    return make_trained_champion(make_model(name="flight-delay", risk_tier=3), f"sha256:{7:064x}", INPUTS)


def inputs(n):
    return {"inputs": {"distance": None if n % 50 == 0 else 100.0 + n, "carrier": "AA" if n % 2 else "UA"}}


def frozen(champion, *, each=inputs, outcome=lambda n: n % 3 == 0, count=ROWS, **fields):
    """Let a policy start over labelled predictions, and its rows be frozen."""
    policy = make_policy(champion.model, window_days=1, **fields)
    records = labelled(champion, count, each=each, outcome=outcome)
    look(policy)
    [job] = run_jobs("monitoring")
    return records, job, Retraining.objects.get()


def test_labelled_predictions_become_a_data_set_version(champion):
    records, job, made = frozen(champion)

    data = made.dataset_version
    assert job.result == {"dataset_version": data.path, "rows": ROWS}
    frame = load_frame(data.parquet, data.digest)
    assert frame["prediction"].tolist() == [f"{r.request_id}/0" for r in records]
    assert frame["outcome"].tolist() == [int(n % 3 == 0) for n in range(ROWS)]
    assert frame["distance"].isna().sum() == ROWS // 50
    assert [(c["name"], c["type"], c["role"]) for c in data.columns] == [
        ("distance", "double", "feature"), ("carrier", "string", "feature"), ("outcome", "long", "target"),
        ("predicted_at", "datetime", "time"), ("prediction", "string", "key"),
    ]  # fmt: skip
    assert data.failed_checks == []
    assert data.query["model"] == "flight-delay"
    assert f"p.model_id = {champion.model_id}" in data.query["sql"]
    assert data.query["tables"] == {"predictions": 0, "labels": 0}
    assert datetime.fromisoformat(data.query["until"]) == made.started_at - timedelta(seconds=60)
    assert data.created_by == made.policy.made_by


def test_parts_lie_as_far_apart_as_labels_take_and_the_newest_is_held_out(champion):
    _, _, made = frozen(champion, held_out=0.25, validation=0.15)

    parts = {
        name: dataset_rows(made.dataset_version, name)["predicted_at"] for name in ("train", "validation", "held_out")
    }

    assert {name: len(part) for name, part in parts.items()} == {"train": 228, "validation": 60, "held_out": 100}
    gap = timedelta(seconds=60)
    assert parts["train"].max() + gap <= parts["validation"].min()
    assert parts["validation"].max() + gap <= parts["held_out"].min()


def test_only_what_callers_were_answered_counts_and_each_once(champion):
    labelled(champion, 10, each=lambda n: {"arm": "shadow"})
    labelled(champion, 10, each=lambda n: {"pinned": True})
    labelled(champion, 10, each=lambda n: {"status": 500, "outputs": {}})
    records = labelled(champion, 10)
    now = timezone.now()
    window = {"since": now - timedelta(hours=2), "until": now}

    rows = labelled_rows(champion.model, **window)

    assert [row.request_id for row in rows] == [record.request_id for record in records]
    assert count_labelled_rows(champion.model, **window) == 10
    assert count_labelled_rows(champion.model, since=rows[3].at, until=rows[7].at) == 4


@pytest.mark.parametrize("withhold", ["policy", "never sent"])
def test_withheld_inputs_stop_it_and_say_who_can_clear_that(champion, withhold):
    if withhold == "policy":
        engineer = make_actor(champion.model.team)
        log_policy_change(actor=engineer, model=champion.model, columns={"carrier": "drop"}, reason="Not needed.")

    _, job, made = frozen(champion, each=lambda n: {"inputs": {"distance": 1.0 * n}})
    reconcile_retrainings(now=timezone.now())

    made.refresh_from_db()
    number = 1 if withhold == "policy" else 0
    assert (made.state, made.rule) == (State.STOPPED, "withheld")
    assert f"(log policy {number}): carrier in 400 of 400. An engineer or admin" in made.outcome
    assert job.result["stopped"] == made.outcome
    assert not DatasetVersion.objects.filter(dataset__name=f"recent-{champion.model_id}").exists()
    [alert] = champion.model.alerts.filter(kind="retraining", cleared_at=None)
    assert alert.link == made.path


@pytest.mark.parametrize(
    ("fields", "rule", "words"),
    [
        ({"outcome": lambda n: 2}, "labels", "neither 0 nor 1"),
        ({"maturity_s": 1800}, "parts", "a longer window has some"),
        ({"with_parent": True}, "parent", "not known here"),
    ],
)
def test_rows_that_cannot_be_learnt_from_stop_it_with_the_reason(champion, fields, rule, words):
    _, _, made = frozen(champion, **fields)
    reconcile_retrainings(now=timezone.now())

    made.refresh_from_db()
    assert (made.state, made.rule) == (State.STOPPED, rule)
    assert words in made.outcome
    assert not Job.objects.filter(kind="train").exists()


def test_one_outcome_alone_is_refused_by_the_standing_rules(champion):
    _, _, made = frozen(champion, outcome=lambda n: False)
    reconcile_retrainings(now=timezone.now())

    made.refresh_from_db()
    assert made.state in (State.STOPPED, State.FAILED)
    assert "outcomes" in made.outcome
