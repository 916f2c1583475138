"""Tags of models and versions, as MLflow's clients set them."""

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.models import ModelTag, ModelVersion, RegisteredModel, Role, VersionTag


@audited()
def model_tag_set(*, actor: Actor, model: RegisteredModel, key: str, value: str) -> ModelTag:
    """Set one tag of a model."""
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    before = model.tags.filter(key=key).values_list("value", flat=True).first()
    tag, _ = ModelTag.objects.update_or_create(model=model, key=key, defaults={"value": value})
    audit(
        action="model.tag", subject=model.path, actor=actor, team=model.team.slug,
        payload={"key": key, "before": before, "after": value},
    )  # fmt: skip
    return tag


@audited()
def model_tag_delete(*, actor: Actor, model: RegisteredModel, key: str) -> None:
    """Remove one tag of a model; removing one that is not there changes nothing."""
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    before = model.tags.filter(key=key).values_list("value", flat=True).first()
    if before is not None:
        model.tags.filter(key=key).delete()
        audit(
            action="model.untag", subject=model.path, actor=actor, team=model.team.slug,
            payload={"key": key, "before": before},
        )  # fmt: skip


@audited()
def version_tag_set(*, actor: Actor, version: ModelVersion, key: str, value: str) -> VersionTag:
    """Set one tag of a version."""
    actor.require(version.model.team, Role.ENGINEER, Role.ADMIN)
    before = version.tags.filter(key=key).values_list("value", flat=True).first()
    tag, _ = VersionTag.objects.update_or_create(version=version, key=key, defaults={"value": value})
    audit(
        action="version.tag", subject=version.path, actor=actor, team=version.model.team.slug,
        payload={"key": key, "before": before, "after": value},
    )  # fmt: skip
    return tag


@audited()
def version_tag_delete(*, actor: Actor, version: ModelVersion, key: str) -> None:
    """Remove one tag of a version; removing one that is not there changes nothing."""
    actor.require(version.model.team, Role.ENGINEER, Role.ADMIN)
    before = version.tags.filter(key=key).values_list("value", flat=True).first()
    if before is not None:
        version.tags.filter(key=key).delete()
        audit(
            action="version.untag", subject=version.path, actor=actor, team=version.model.team.slug,
            payload={"key": key, "before": before},
        )  # fmt: skip
