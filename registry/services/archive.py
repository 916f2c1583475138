"""Bringing back what was put away: by an admin, for thirty days."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError
from registry.models import ModelVersion, RegisteredModel, Role
from registry.sources import check_name

RESTORABLE = timedelta(days=30)


@audited()
def model_restore(*, actor: Actor, model_id: int, name: str = "") -> RegisteredModel:
    """Bring an archived model back with its versions, tags and free aliases.

    Args:
        name: what to call it from now on; empty for the name that it had.

    Raises:
        InvalidError: a model may not be called so.
        ConflictError: it is not archived, was so for too long, or its name was taken meanwhile.
    """
    model = RegisteredModel.objects.hold(model_id)
    actor.require(model.team, Role.ADMIN)
    archived_at = _restorable(model.archived_at, model.name)
    before, model.name = model.name, check_name(name or model.name)
    model.archived_at = model.archived_by = None
    try:
        with transaction.atomic():
            model.save(update_fields=["name", "archived_at", "archived_by", "updated_at"])
    except IntegrityError:
        raise ConflictError(
            f"A model named {model.name} exists by now. Restore this one under another name.",
            unmet=[{"rule": f"a name other than {model.name}", "who": "you: say it with the restore"}],
        ) from None
    audit(
        action="model.restore", subject=model.path, actor=actor, team=model.team.slug,
        payload={"archived_at": archived_at.isoformat(), "before": before, "after": model.name},
    )  # fmt: skip
    return model


@audited()
def version_restore(*, actor: Actor, version_id: int) -> ModelVersion:
    """Bring an archived version back under its number; aliases that it had may point elsewhere by now and stay.

    Raises:
        ConflictError: it is not archived, was so for too long, or its model is archived as well.
    """
    RegisteredModel.objects.hold(ModelVersion.objects.values_list("model_id", flat=True).get(pk=version_id))
    version = ModelVersion.objects.select_related("model__team").get(pk=version_id)
    actor.require(version.model.team, Role.ADMIN)
    archived_at = _restorable(version.archived_at, str(version))
    if version.model.archived_at:
        raise ConflictError(
            f"{version.model.name} is archived itself.",
            unmet=[{"rule": "the model is restored first", "who": f"an admin of {version.model.team.name}"}],
        )
    version.archived_at = version.archived_by = None
    version.save(update_fields=["archived_at", "archived_by", "updated_at"])
    version.model.save(update_fields=["updated_at"])
    audit(
        action="version.restore", subject=version.path, actor=actor, team=version.model.team.slug,
        payload={"archived_at": archived_at.isoformat()},
    )  # fmt: skip
    return version


def _restorable(archived_at: datetime | None, what: str) -> datetime:
    if archived_at is None:
        raise ConflictError(f"{what} is not archived.")
    if archived_at + RESTORABLE < timezone.now():
        raise ConflictError(
            f"{what} was archived on {archived_at:%d %b %Y}, and could be restored for {RESTORABLE.days} days. "
            "Its record stays; register it anew to use it."
        )
    return archived_at
