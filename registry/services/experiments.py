"""Experiments live in MLflow; here is kept which team owns each."""

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.models import ExperimentOwner, Role, Team


@audited()
def experiment_record(*, actor: Actor, team: Team, experiment_id: str, name: str) -> ExperimentOwner:
    """Record that ``team`` owns an experiment, or its new name."""
    actor.require(team, Role.ENGINEER, Role.ADMIN)
    before = ExperimentOwner.objects.filter(experiment_id=experiment_id).values_list("name", flat=True).first()
    owner, _ = ExperimentOwner.objects.update_or_create(experiment_id=experiment_id, team=team, defaults={"name": name})
    audit(
        action="experiment.record", subject="/runs/", actor=actor, team=team.slug,
        payload={"experiment": experiment_id, "before": before, "after": name},
    )  # fmt: skip
    return owner
