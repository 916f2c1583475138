"""Retraining policies, and labelled predictions for them to learn from."""

from datetime import timedelta

from django.utils import timezone

from experiments.models import Dataset, DatasetVersion, Evaluation, TrainingRun
from experiments.services import dataset_create
from jobs.models import Job
from jobs.services import job_create
from monitoring.labelling import labels
from monitoring.models import Label, Retraining
from monitoring.services import retraining_approve_beforehand, retraining_ask, retraining_policy_save
from monitoring.services.retraining.looking import observe, retraining_look
from monitoring.services.retraining.moving import retraining_move
from registry.models import Role
from registry.services import evidence_record, version_create
from tests.factories import make_actor, make_criteria, make_model, make_record
from tests.trials import shipped

INPUTS = [{"name": "distance", "type": "double"}, {"name": "carrier", "type": "string"}]


def document(*conditions, **fields):
    """Return a policy that begins once 100 labels are new, or once one of ``conditions`` holds."""
    when = {"kind": "any", "conditions": list(conditions) or [{"kind": "labels", "labels": 100}]}
    return {"when": when, "pipeline": "lightgbm", "dataset": "recent", "min_labels": 100, **fields}


def make_policy(model=None, *conditions, actor=None, **fields):
    """Save a policy, in the name of an engineer; the data set of its rows is made beside it."""
    model = model or make_model(risk_tier=3)
    actor = actor or make_actor(model.team)
    name = fields.setdefault("dataset", f"recent-{model.pk}")
    if not model.team.datasets.filter(name=name).exists():
        dataset_create(actor=actor, team=model.team, name=name)
    rules = {"maturity_s": 60, "cooldown_s": 3600, **fields}
    return retraining_policy_save(
        actor=actor, model=model, document=document(*conditions, **rules), reason="Summer's rows grow old."
    )


def make_retraining(model, *, actor):
    """A retraining that a person asked for, held for want of labels."""
    if not model.retraining_policies.exists():
        make_policy(model, actor=actor)
    return retraining_ask(actor=actor, model=model, reason="A strike changed the schedules.", now=timezone.now())


def look(policy, *, now=None):
    """Look at a model's conditions once; returns the job of a retraining that started."""
    now = now or timezone.now()
    return retraining_look(seen=observe(policy, now=now), now=now)


def labelled(version, count, *, minutes=60, each=lambda n: {}, outcome=lambda n: n % 3 == 0, by=None):
    """Ship predictions of the last hour, evenly spread, and what became of them."""
    now = timezone.now()
    by = by or make_actor(version.model.team).user
    records = [
        make_record(version, at=(now - timedelta(minutes=minutes * (count - n) / count)).timestamp() - 90, **each(n))
        for n in range(count)
    ]
    shipped(*records)
    Label.objects.bulk_create(
        Label(
            model=version.model, request_id=record.request_id, row=record.row, time=now, value=outcome(n),
            given_by=by, received_at=now,
        )
        for n, record in enumerate(records)
    )  # fmt: skip
    labels.ship_labels()
    return records


def make_standing(model, *, actor=None, days=30):
    """A standing approval of what the model's policy makes; one that promotes is saved where there is none."""
    policy = model.retraining_policies.first()
    if policy is None or policy.rules.automation != "champion":
        policy = make_policy(model, automation="champion")
    if not model.criteria_sets.filter(state="agreed").exists():
        make_criteria(model)
    return retraining_approve_beforehand(
        actor=actor or make_actor(model.team, Role.APPROVER), model=model, policy=policy.number, days=days,
        reason="Ten retrainings were right.",
    )  # fmt: skip


def ended(job, state="succeeded", **fields):
    Job.objects.filter(pk=job.pk).update(state=state, **fields)
    return Job.objects.get(pk=job.pk)


def frozen_rows(policy):
    dataset = Dataset.objects.get(name=policy.rules.dataset)
    now = timezone.now()
    return DatasetVersion.objects.create(
        dataset=dataset, number=1, digest=f"sha256:{9:064x}", file="x.parquet", rows=400, columns=[], time_column="at",
        target="late", key="k", starts_at=now, ends_at=now, splits={"held_out": ["2026-01-01", "2026-02-01"]}, profile={}, checks=[], source="here",
        created_by=policy.made_by,
    )  # fmt: skip


def trained(model, made=None, **fields):
    """A retraining whose version is trained, as its jobs leave it behind; one that a person asked for, unless it is given."""
    policy = made.policy if made else make_policy(model, **fields)
    made = made or retraining_ask(actor=make_actor(model.team), model=model, reason="Now.", now=timezone.now())
    job = job_create(kind="train", scope=model.team.slug, title="Train", created_by=policy.made_by)
    data = frozen_rows(policy)
    version = version_create(
        actor=make_actor(model.team), model=model, source="runs:/x/model", run_id="x", contributors=[policy.made_by]
    )
    type(version).objects.filter(pk=version.pk).update(
        artifact_state="verified", artifact_digest=f"sha256:{77:064x}", format="lightgbm"
    )
    TrainingRun.objects.create(
        job=ended(job), dataset_version=data, version=version, pipeline="lightgbm", run_id="x", experiment_id="1"
    )
    for state, changes in (
        ("freezing", {"started_at": made.started_at or timezone.now()}),
        ("training", {"job": job, "dataset_version": data}),
    ):
        Retraining.objects.filter(pk=made.pk).update(state=state, **changes)
    version.refresh_from_db()
    return made, version, data


def measured(model, *, low, high, auc=0.8, champion=None, made=None, metric="average_precision", **fields):
    """The same, measured: better than the champion by ``low`` to ``high``."""
    made, version, data = trained(model, made, metric=metric, **fields)
    champion = champion or model.aliases.get(name="champion").version
    job = job_create(kind="evaluate", scope=model.team.slug, title="Evaluate")
    Evaluation.objects.create(version=version, dataset_version=data, suite="s", against=champion, job=job)
    evidence_record(
        version=version, job=job, metric=metric, value=(low + high) / 2, ci_low=low, ci_high=high, against=champion,
        sample_size=100, data_digest=data.digest, detail={"champion_value": 0.3},
    )  # fmt: skip
    evidence_record(version=version, job=job, metric="roc_auc", value=auc, ci_low=auc - 0.02, ci_high=auc + 0.02)
    ended(job)
    return made, version


def moved(made, times=2):
    for _ in range(times):
        retraining_move(retraining_id=made.pk, now=timezone.now())
    made.refresh_from_db()
    return made
