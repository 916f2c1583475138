"""Challengers beside champions, and estimates before labels are there: on the running tables."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
from django.utils import timezone

from experiments.builders.catalogue import Builder, describe
from experiments.rows.frames import save_frame
from experiments.services import dataset_create, dataset_version_add
from jobs.states import State
from monitoring.models import QualityPairs, QualityReference, QualityWindow, Span, TelemetryHour
from monitoring.quality.metrics import LEAST
from monitoring.selectors.quality import estimated_series
from monitoring.services import quality_policy_change, quality_references_start
from registry.models import AuditEvent, ModelVersion
from registry.services import version_create
from tests.factories import make_actor, make_model, make_team, make_version, run_jobs
from tests.quality import AT, DAY, HOUR, NOW, count, many, predict, tell
from tests.trials import shipped

pytestmark = pytest.mark.django_db


def estimates(version, metric, span=HOUR):
    return estimated_series(version.model, metric=metric, since=AT - DAY, until=AT + 2 * DAY, span=span, now=NOW)


def test_shadow_copies_are_compared_on_the_same_predictions():
    champion = make_version(make_model(name="flight-delay"))
    challenger = make_version(champion.model)
    answers = [predict(champion, 0.25 + 0.5 * (n % 3 == 0), after=n, shadows=(2,)) for n in range(60)]
    copies = [
        predict(challenger, 0.2 + 0.6 * (n % 2), after=n, arm="shadow", request_id=a.request_id)
        for n, a in enumerate(answers[:50])
    ]
    shipped(*answers, *copies)
    for n, answer in enumerate(answers[:45]):
        tell(champion, answer, bool(n % 2))
    count()

    hour, day = QualityPairs.objects.order_by("span")

    assert (hour.champion, hour.challenger, hour.labelled, hour.started_at) == (champion, challenger, 45, AT)
    wrong = sum((n % 3 == 0) != (n % 2) for n in range(45))
    assert hour.sums["only_challenger"] == wrong
    assert hour.measured["accuracy"][0] == pytest.approx(wrong / 45)
    assert hour.measured["average_precision"][1] > 0
    assert (day.span, day.labelled, day.measured) == (Span.DAY, 45, hour.measured)

    tell(champion, answers[46], True)
    count()
    assert [p.labelled for p in QualityPairs.objects.order_by("span")] == [46, 46]


def test_without_a_reference_nothing_is_estimated():
    version = make_version(make_model(name="flight-delay"))
    many(version, [(0.5, None)] * LEAST)
    count()

    (point,) = estimates(version, "average_precision")

    assert (point.value, point.reason, point.estimated) == (None, "no reference to estimate from", True)


def fitted(team, settings, frame, *, task, objective):
    """A version that learned from the first half of some rows, and its data set version."""
    features = [name for name in frame if name != "target"]
    at = pd.date_range("2026-01-01", periods=len(frame), freq="h", tz="UTC").astype("datetime64[us, UTC]")
    rows = frame.assign(at=at, name=[f"row-{n}" for n in range(len(frame))])
    middle = f"{at[len(frame) // 2]:%Y-%m-%d}"
    builder = Builder(
        name="small", title="", params=object, build=lambda _: rows, features=dict.fromkeys(features, "for tests"),
        target="target", target_meaning="", time_column="at", key="name", source="made up",
        splits={"train": ("2026-01-01", middle), "held_out": (middle, "2030-01-01")},
    )  # fmt: skip
    actor = make_actor(team)
    dataset = dataset_create(actor=actor, team=team, name=f"small-{task}")
    data = dataset_version_add(
        actor=actor,
        dataset=dataset,
        description=describe(builder, rows, save_frame(rows, settings.DATA_ROOT), now=timezone.now()),
    )
    learned = frame.iloc[: len(frame) // 2]
    booster = lightgbm.train(
        {"objective": objective, "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": 1},
        lightgbm.Dataset(learned[features], learned["target"]), 30,
    )  # fmt: skip
    model = make_model(team, actor=actor, name=f"{task}-model", task=task)
    version = version_create(actor=actor, model=model, source="runs:/abc/model", data_digest=data.digest)
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_state="verified", artifact_digest=data.digest, format="lightgbm",
        signature={"inputs": [{"name": name, "type": "double"} for name in features]},
    )  # fmt: skip
    TelemetryHour.objects.create(version=version, arm="champion", started_at=timezone.now(), rows=5)
    version.refresh_from_db()
    return version, data, booster


def learn(version, booster, monkeypatch):
    """Run the job that fits the reference; the version's files are not what is tested."""
    names = [column["name"] for column in version.signature["inputs"]]
    monkeypatch.setattr("monitoring.quality.fitting.predict", lambda _, rows: booster.predict(rows[names]))
    (job,) = quality_references_start(now=timezone.now())
    (done,) = run_jobs("evaluation")
    assert (done.pk, done.state) == (job.pk, State.SUCCEEDED)
    return QualityReference.objects.get(version=version)


@pytest.fixture
def classified(team, settings):
    random = np.random.default_rng(5)
    x = random.normal(size=2976)
    target = (random.random(2976) < 1 / (1 + np.exp(-1.5 * x))).astype(int)
    return fitted(team, settings, pd.DataFrame({"x": x, "target": target}), task="classification", objective="binary")


@pytest.fixture
def team():
    return make_team()


def test_probabilities_are_estimated_once_a_version_has_its_reference(classified, monkeypatch):
    version, data, booster = classified
    random = np.random.default_rng(6)
    x = random.normal(0.5, 1, 800)
    scores = booster.predict(x[:, None])
    happened = random.random(800) < 1 / (1 + np.exp(-1.5 * x))
    made = many(version, [(float(score), None) for score in scores])
    count()

    reference = learn(version, booster, monkeypatch)

    assert (reference.data, reference.rows, reference.refusal) == (data, 1488, "")
    assert AuditEvent.objects.filter(action="quality_reference.create", subject=version.path).exists()
    (before,) = estimates(version, "roc_auc")
    assert (before.labelled, before.estimated, before.good) == (0, True, None)
    for record, label in zip(made, happened, strict=True):
        tell(version, record, bool(label))
    count()
    measured = QualityWindow.objects.get(span=Span.HOUR).measured["roc_auc"][0]
    (after,) = estimates(version, "roc_auc")
    assert after.value == before.value
    assert before.low <= measured <= before.high


def test_a_reference_is_learned_once(classified, monkeypatch):
    version, _, booster = classified
    learn(version, booster, monkeypatch)

    assert quality_references_start(now=timezone.now() + HOUR) == []


def test_two_looks_in_one_turn_queue_one_job(classified):
    now = timezone.now()

    assert [len(quality_references_start(now=now)) for _ in range(2)] == [1, 0]


def test_numbers_are_estimated_by_what_their_errors_depended_on(team, settings, monkeypatch):
    random = np.random.default_rng(7)
    size = random.uniform(1, 10, 3000)
    frame = pd.DataFrame({"size": size, "target": 5 * size + random.normal(0, size)})
    version, _, booster = fitted(team, settings, frame, task="regression", objective="regression")
    quality_policy_change(actor=make_actor(version.model.team), model=version.model, min_coverage=0.1, now=NOW)
    learn(version, booster, monkeypatch)
    asked = random.uniform(7, 10, 400)  # larger than usual: errors are too
    values = booster.predict(asked[:, None])
    shipped(
        *[
            predict(version, outputs={"y": float(y)}, inputs={"size": float(s)})
            for s, y in zip(asked, values, strict=True)
        ]
    )

    count()

    (point,) = estimates(version, "mean_absolute_error")
    truth = np.abs(5 * asked + random.normal(0, asked) - values).mean()
    usual = QualityReference.objects.get(version=version).measured["mean_absolute_error"][0]
    assert point.value == pytest.approx(truth, rel=0.15)
    assert point.low > usual


def test_who_answers_without_known_rows_gets_no_reference(team):
    version = make_version(make_model(team))
    TelemetryHour.objects.create(version=version, arm="champion", started_at=timezone.now(), rows=5)

    assert quality_references_start(now=timezone.now()) == []
