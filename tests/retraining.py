"""Retraining policies, and labelled predictions for them to learn from."""

from datetime import timedelta

from django.utils import timezone

from experiments.services import dataset_create
from monitoring import labels
from monitoring.models import Label
from monitoring.services import retraining_ask, retraining_policy_save
from monitoring.services.retraining.looking import observe, retraining_look
from tests.factories import make_actor, make_model, make_record
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
