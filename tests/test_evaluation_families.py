"""Versions of each task become evidence through the job that measures them: as served, once, and paired with the champion."""

import json

import lightgbm
import msgspec
import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from experiments.builders.catalogue import Builder, describe
from experiments.models import Evaluation, EvaluationPlan
from experiments.rows.frames import save_frame
from experiments.services import (
    dataset_create,
    dataset_version_add,
    evaluation_plan_change,
    evaluation_start,
)
from jobs.states import State
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Evidence
from registry.selectors import checks_of
from registry.services import criteria_draft
from serving.contract import Quantiles
from tests.artifacts import LIGHTGBM, logged_version, mlmodel
from tests.factories import approve, make_actor, make_model, make_promotion, make_team, make_token, read_files, run_jobs

pytestmark = pytest.mark.django_db
HELD_OUT = "2026-03-01"


@pytest.fixture
def engineer(settings, tmp_path):
    settings.DATA_ROOT = tmp_path / "datasets"
    return make_actor(make_team())


def kept(engineer, frame, features, *, kind, roles=None):
    """Keep daily rows with a target ``y``; those from March on are held out."""
    frame = frame.assign(key=[f"r{i}" for i in range(len(frame))])
    builder = Builder(
        name="b", title="", params=object, build=lambda _: frame, features=dict.fromkeys(features, "for tests"), target="y",
        target_meaning="", target_kind=kind, time_column="at", key="key", source="made up", roles=roles or {},
        splits={"train": ("2026-01-01", HELD_OUT), "held_out": (HELD_OUT, "2027-01-01")},
    )  # fmt: skip
    dataset = dataset_create(actor=engineer, team=engineer.teams()[0], name=f"rows-{engineer.user.pk}")
    description = describe(builder, frame, save_frame(frame, settings.DATA_ROOT), now=timezone.now())
    return dataset_version_add(actor=engineer, dataset=dataset, description=description)


def boosted(frame, names, objective, *, params=None, **more):
    """Return the files of a booster, and the booster."""
    rows = lightgbm.Dataset(frame[names], frame["y"], **more)
    settings = {"objective": objective, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    booster = lightgbm.train(settings, rows, num_boost_round=15)
    signature = {
        "inputs": json.dumps([{"name": name, "type": "double", "required": False} for name in names]),
        "outputs": "[]", "params": json.dumps(params) if params else None,
    }  # fmt: skip
    return {"MLmodel": mlmodel(LIGHTGBM, signature=signature), "model.lgb": booster.model_to_string()}, booster


def measured(engineer, version, data):
    evaluation_start(actor=engineer, version=version, dataset_version=data)
    (job,) = run_jobs("evaluation")
    assert job.state == State.SUCCEEDED
    return job


def days(count):
    return pd.date_range("2026-01-01", periods=count, freq="D", tz="UTC").astype("datetime64[us, UTC]")


@pytest.fixture
def ranking(engineer):
    """A ranking model, its data, and a way to register versions."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"at": days(120).repeat(10), "x": random.normal(size=1200), "z": random.normal(size=1200)})
    frame["q"] = frame["at"].dt.strftime("%j")
    frame["y"] = (frame["x"] + random.normal(0, 0.5, 1200) > 0.6).astype("int64") + (frame["x"] > 1.5).astype("int64")
    data = kept(engineer, frame, ["x", "z"], kind="grade", roles={"q": ("query", "a day")})
    model = make_model(engineer.teams()[0], actor=engineer, task="ranking")
    learn = frame[frame["at"] < HELD_OUT]

    def version(*names):
        files, _ = boosted(learn, list(names), "lambdarank", group=[10] * (len(learn) // 10))
        model.refresh_from_db()
        return read_files(logged_version(model.team, files, model=model, actor=engineer))

    return model, data, version


def test_a_ranking_is_measured_once_and_against_each_champion(engineer, ranking, client):
    model, data, version = ranking
    first, second, third = version("z"), version("x"), version("x", "z")

    measured(engineer, first, data)
    champion = approve(make_promotion(model, version=first)).version
    measured(engineer, second, data)

    whole = Evidence.objects.filter(version=second, against=None, data_slice="")
    found = {evidence.metric: evidence for evidence in whole}
    assert {"ndcg_at_10", "ndcg_exp_at_10", "mean_reciprocal_rank", "mean_average_precision", "recall_at_10"} <= set(
        found
    )
    assert found["ndcg_at_10"].suite == "ranking-1"
    assert found["ndcg_at_10"].sample_size == 61 - found["ndcg_at_10"].detail["nothing_to_find"]
    against = Evidence.objects.get(version=second, against=champion, metric="ndcg_at_10")
    assert against.ci_low > 0

    # The page says it in the words of its task, with where it is worst, and people's names for metrics.
    client.force_login(engineer.user)
    panel = client.get(f"{second.path}training-panel/").content.decode()
    assert "nDCG at 10 on held-out rows is" in panel
    assert f"nDCG at 10 is +{against.value:.3f}" in panel
    assert "Rows it is most wrong about" in panel
    assert "nDCG, exponential gain, at 10" in client.get(f"{second.path}?tab=evidence").content.decode()

    # Another champion: what the version reaches alone is known, and is not recorded again.
    approve(make_promotion(model, version=third))
    job = measured(engineer, second, data)
    assert whole.count() == len(found)
    assert set(Evidence.objects.filter(job=job).values_list("against__number", flat=True)) == {third.number}
    with transaction.atomic(), pytest.raises(DatabaseError, match="evidence_once_per_suite"):
        Evidence.objects.create(
            version=second, metric="ndcg_at_10", value=1, data_digest=data.digest, suite="ranking-1", artifact_digest=""
        )


def test_what_rests_on_too_little_decides_no_criterion(engineer, ranking):
    model, data, version = ranking
    one = version("x")
    evaluation_plan_change(
        actor=engineer, model=model, document={"least_positives": 100}, reason="Fewer days say little."
    )
    rule = {
        "metric": "ndcg_at_10", "direction": "at_least", "threshold": 0.1, "basis": "value", "reason": "Good order sells.",
        "phase": "before_approval", "blocking": True,
    }  # fmt: skip
    criteria = criteria_draft(actor=make_actor(model.team, role="product"), model=model, criteria=[rule])

    measured(engineer, one, data)

    (check,) = checks_of(one, criteria)
    assert (check.status, check.blocks) == ("not_measured", True)
    assert check.why.endswith("queries, and 100 are the least that decide")
    assert check.evidence.suite == "ranking-1+plan-1"


def test_a_forecast_is_measured_as_it_is_served(engineer, client):
    at, random, rows = days(90), np.random.default_rng(2), []
    for line in "abcdefghijkl":
        values = 50 + 10 * np.sin(np.arange(92) * 2 * np.pi / 7) + random.normal(0, 1, 92)
        rows.append(
            pd.DataFrame({"at": at, "line": line, "y": values[2:], "lag_1": values[1:-1], "lag_2": values[:-2]})
        )
    frame = pd.concat(rows).sort_values(["at", "line"], ignore_index=True)
    data = kept(engineer, frame, ["lag_1", "lag_2"], kind="number", roles={"line": ("series", "a line")})
    model = make_model(engineer.teams()[0], actor=engineer, task="forecasting")
    params = [{"name": "horizon", "type": "integer", "default": 3, "shape": None}]
    files, booster = boosted(frame[frame["at"] < HELD_OUT], ["lag_1", "lag_2"], "regression", params=params)
    spread = Quantiles([0.1, 0.9], [[-2.0, 2.0], [-3.0, 3.0]], lags=2, power=0.0, least=1.0, usual=1.0)
    files["quantiles.json"] = msgspec.json.encode(spread)
    version = read_files(logged_version(model.team, files, model=model, actor=engineer))
    evaluation_plan_change(actor=engineer, model=model, document={"season": 7}, reason="Weeks repeat.")

    measured(engineer, version, data)

    errors = []
    for _, one in frame[frame["at"] >= HELD_OUT].groupby("line"):
        newest, before = one["lag_1"].to_numpy(), one["lag_2"].to_numpy()
        for step in range(3):
            newest, before = booster.predict(np.column_stack([newest, before])), newest  # its answer is the next lag
            errors.append(np.abs(newest[: len(one) - step] - one["y"].to_numpy()[step:]))
    found = {e.metric: e for e in Evidence.objects.filter(version=version, data_slice="")}
    assert found["mean_absolute_error"].value == pytest.approx(np.concatenate(errors).mean())
    assert found["mase"].detail["season"] == 7
    assert {"smape", "wape", "root_mean_squared_error", "forecast_bias"} <= set(found)
    steps = Evidence.objects.filter(version=version, metric="mase", data_slice__startswith="horizon=")
    assert [e.data_slice for e in steps.order_by("id")] == ["horizon=1", "horizon=2", "horizon=3"]
    within = np.concatenate([error <= 2 + step for step, error in enumerate(errors_by_step(errors, 2))])
    assert found["coverage_80pct"].value == pytest.approx(within.mean())  # of the two steps that have quantiles
    assert 4.0 < found["width_80pct"].value < 6.0
    level = Evidence.objects.get(version=version, metric="pinball_loss", data_slice="level=0.1")
    assert (level.value > 0, found["crps"].detail["definition"][:5]) == (True, "twice")
    client.force_login(engineer.user)
    panel = client.get(f"{version.path}training-panel/").content.decode()
    assert "MASE on held-out rows is" in panel
    assert "Steps ahead" in panel
    assert "The band should hold 80 of 100" in panel
    chosen = client.get(f"{version.path}training-panel/?series=c").content.decode()
    assert (chosen.count("<figcaption><span>c<"), chosen.count('class="band"')) == (1, 1)


def errors_by_step(errors, steps):
    """Return the misses of each of the first ``steps``, of series that were added one after the other, three steps each."""
    return [np.concatenate(errors[step::3]) for step in range(steps)]


def test_numbers_are_measured_and_data_that_do_not_fit_are_refused(engineer):
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"at": days(120).repeat(5), "x": random.normal(size=600)})
    frame["y"] = 3 * frame["x"] + random.normal(size=600)
    data = kept(engineer, frame, ["x"], kind="number")
    team = engineer.teams()[0]
    files, booster = boosted(frame[frame["at"] < HELD_OUT], ["x"], "regression")
    model = make_model(team, actor=engineer, task="regression")
    version = read_files(logged_version(team, files, model=model, actor=engineer))

    measured(engineer, version, data)

    held_out = frame[frame["at"] >= HELD_OUT]
    found = {e.metric: e for e in Evidence.objects.filter(version=version, data_slice="")}
    error = booster.predict(held_out[["x"]]) - held_out["y"]
    assert found["root_mean_squared_error"].value == pytest.approx(np.sqrt((error**2).mean()))
    assert found["r_squared"].ci_high > found["r_squared"].value > 0.5

    for task, said in (("classification", "yes or no"), ("forecasting", "role series")):
        other = make_model(team, actor=engineer, task=task)
        unfit = read_files(logged_version(team, files, model=other, actor=engineer))
        with pytest.raises(InvalidError, match=said):
            evaluation_start(actor=engineer, version=unfit, dataset_version=data)
    evaluation_plan_change(actor=engineer, model=model, document={"groups": ["sex"]}, reason="Alike for all.")
    with pytest.raises(InvalidError, match="names sex, which"):
        evaluation_start(actor=engineer, version=version, dataset_version=data)
    assert Evaluation.objects.count() == 1


def test_a_plan_is_numbered_reasoned_and_an_engineers(engineer, client):
    model = make_model(engineer.teams()[0], actor=engineer)
    costs = {"false_negative": "amount", "false_positive": 12}
    token = {"Authorization": f"Bearer {make_token(model.team)[1]}"}
    address, asked = f"/api/v1/models/{model.name}/evaluation-plan", {"plan": {"season": 0}, "reason": "Weeks repeat."}

    usual = client.get(address, headers=token).json()
    refused = client.post(address, asked, content_type="application/json", headers=token)
    asked = {"plan": {"costs": costs}, "reason": "As finance says."}
    made = client.post(address, asked, content_type="application/json", headers=token)

    assert (usual["number"], usual["plan"], refused.status_code, made.status_code) == (0, {}, 400, 201)
    assert "season is a whole number" in str(refused.json())
    plan = EvaluationPlan.objects.get()
    assert client.get(address, headers=token).json()["plan"] == plan.document

    assert (plan.number, plan.plan.costs.false_positive) == (1, 12.0)
    assert AuditEvent.objects.get(action="evaluation_plan.change").payload["after"] == plan.document
    with pytest.raises(ConflictError, match="already"):
        evaluation_plan_change(actor=engineer, model=model, document={"costs": costs}, reason="Again.")
    with pytest.raises(InvalidError, match="Say why"):
        evaluation_plan_change(actor=engineer, model=model, document={}, reason=" ")
    with pytest.raises(InvalidError, match="season") as refused:
        evaluation_plan_change(actor=engineer, model=model, document={"season": "week"}, reason="Weeks repeat.")
    assert refused.value.field == "season"
    viewer = make_actor(model.team, role="viewer")
    with pytest.raises(RoleError):
        evaluation_plan_change(actor=viewer, model=model, document={"season": 7}, reason="Weeks repeat.")
    assert EvaluationPlan.objects.count() == 1

    # The database holds the same rules, whoever writes.
    for broken, said in (
        ({"number": 3}, "next number, 2"), ({"reason": " "}, "says why"), ({"made_by": viewer.user}, "only an engineer"),
    ):  # fmt: skip
        row = {"model": model, "number": 2, "document": {}, "reason": "x", "made_by": engineer.user} | broken
        with transaction.atomic(), pytest.raises(DatabaseError, match=said):
            EvaluationPlan.objects.create(**row)
    with transaction.atomic(), pytest.raises(DatabaseError):
        EvaluationPlan.objects.update(document={"season": 2})
