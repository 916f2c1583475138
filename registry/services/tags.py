"""Tags of models and versions, as MLflow's clients set them."""

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import InvalidError
from registry.models import PROMPT_TAG, ModelTag, ModelVersion, RegisteredModel, Role, VersionTag
from registry.services.models import is_prompt


@audited()
def model_tag_set(*, actor: Actor, model: RegisteredModel, key: str, value: str) -> ModelTag:
    """Set one tag of a model.

    Raises:
        InvalidError: it would make a prompt of a model, or a model of a prompt.
    """
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    _refuse_other_kind(model, key, value)
    before = model.tags.filter(key=key).values_list("value", flat=True).first()
    tag, _ = ModelTag.objects.update_or_create(model=model, key=key, defaults={"value": value})
    audit(
        action="model.tag", subject=model.path, actor=actor, team=model.team.slug,
        payload={"key": key, "before": before, "after": value},
    )  # fmt: skip
    return tag


@audited()
def model_tag_delete(*, actor: Actor, model: RegisteredModel, key: str) -> None:
    """Remove one tag of a model; removing one that is not there changes nothing.

    Raises:
        InvalidError: it would make a model of a prompt.
    """
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    _refuse_other_kind(model, key, "")
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


def _refuse_other_kind(model: RegisteredModel, key: str, value: str) -> None:
    if key == PROMPT_TAG and is_prompt({key: value}) != model.is_prompt:
        raise InvalidError(
            f"{model.name} was registered as a {'prompt' if model.is_prompt else 'model'} and stays one; register another "
            "under a name of its own.",
            field="key",
        )
