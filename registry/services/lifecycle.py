"""What may still be changed of models and versions that are not governed yet: names, stages, and putting them away."""

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, GuardedAliasError
from registry.models import Evidence, ModelVersion, Promotion, RegisteredModel, Role, Rollback
from registry.sources import check_name

ARCHIVED = "Archived"
LIVE_STAGE = "Production"


@audited()
def model_rename(*, actor: Actor, model: RegisteredModel, name: str) -> RegisteredModel:
    """Give a model another name.

    Raises:
        InvalidError: a model may not be called so.
        ConflictError: the name is taken, or callers reach a champion by the present one.
    """
    model = RegisteredModel.objects.hold(model.pk)
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    check_name(name)
    if model.promotions.exists():
        raise ConflictError(f"{model.name} has promotions, and its name is how callers and the audit trail know it.")
    before, model.name = model.name, name
    try:
        with transaction.atomic():
            model.save(update_fields=["name", "updated_at"])
            model.versions.filter(archived_at=None).update(updated_at=Now())  # MLflow's clients see it as theirs, too
    except IntegrityError:
        raise ConflictError(f"A model named {name} exists. Choose another name.") from None
    audit(
        action="model.rename", subject=model.path, actor=actor, team=model.team.slug,
        payload={"before": before, "after": name},
    )  # fmt: skip
    return model


@audited()
def model_archive(*, actor: Actor, model: RegisteredModel) -> None:
    """Put a model away: its name becomes free, its record remains, and an admin may restore it for thirty days.

    Raises:
        ConflictError: something governed refers to it; says what.
    """
    model = RegisteredModel.objects.hold(model.pk)
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    held = _held(Q(model=model), Q(version__model=model))
    if any(model.team.guards(name) for name in model.aliases.values_list("name", flat=True)):
        held.append("a guarded alias")
    if model.retirements.exists():
        held.append("a retirement")
    if held:
        raise ConflictError(f"{model.name} has {' and '.join(held)}, so it is kept. Retire it instead.")
    model.archived_at, model.archived_by = Now(), actor.user
    model.save(update_fields=["archived_at", "archived_by", "updated_at"])
    audit(action="model.archive", subject=model.path, actor=actor, team=model.team.slug)


@audited()
def version_describe(*, actor: Actor, version: ModelVersion, description: str) -> ModelVersion:
    """Change what is said about a version."""
    actor.require(version.model.team, Role.ENGINEER, Role.ADMIN)
    before, version.description = version.description, description
    version.save(update_fields=["description", "updated_at"])
    audit(
        action="version.describe", subject=version.path, actor=actor, team=version.model.team.slug,
        payload={"before": before, "after": description},
    )  # fmt: skip
    return version


@audited()
def version_stage(*, actor: Actor, version: ModelVersion, stage: str, archive_others: bool = False) -> ModelVersion:
    """Move a version to one of MLflow's stages, a label for its clients that decides nothing here.

    Args:
        archive_others: move the versions that hold the stage now to Archived.

    Raises:
        GuardedAliasError: the stage would tell clients that the version is live, which a promotion alone decides.
    """
    model = RegisteredModel.objects.hold(version.model_id)
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    if stage == LIVE_STAGE and model.team.guards("champion"):
        raise GuardedAliasError(
            f"{model.team.name} decides by promotion what is live, so the stage {LIVE_STAGE} is not set by hand. "
            f"Request a promotion at {model.path}."
        )
    if archive_others:
        model.versions.filter(stage=stage).exclude(pk=version.pk).update(stage=ARCHIVED, updated_at=Now())
    before, version.stage = version.stage, stage
    version.save(update_fields=["stage", "updated_at"])
    model.save(update_fields=["updated_at"])
    audit(
        action="version.stage", subject=version.path, actor=actor, team=model.team.slug,
        payload={"before": before, "after": stage},
    )  # fmt: skip
    return version


@audited()
def version_archive(*, actor: Actor, version: ModelVersion) -> None:
    """Put a version away with its free aliases; its number is never given again, an admin may restore it for thirty days.

    Raises:
        ConflictError: something governed refers to it; says what.
    """
    model = RegisteredModel.objects.hold(version.model_id)
    actor.require(model.team, Role.ENGINEER, Role.ADMIN)
    held = _held(Q(version=version) | Q(replaces=version), Q(version=version) | Q(against=version))
    if Rollback.objects.filter(Q(from_version=version) | Q(to_version=version)).exists():
        held.append("rollbacks")
    aliases = list(version.aliases.values_list("name", flat=True))
    if version.retirements.exists():
        held.append("a retirement")
    held += [f"the guarded alias {name}" for name in aliases if model.team.guards(name)]
    if held:
        raise ConflictError(f"v{version.number} has {' and '.join(held)}, so it is kept.")
    version.aliases.all().delete()
    version.archived_at, version.archived_by = Now(), actor.user
    version.save(update_fields=["archived_at", "archived_by", "updated_at"])
    model.save(update_fields=["updated_at"])
    audit(
        action="version.archive", subject=version.path, actor=actor, team=model.team.slug,
        payload={"aliases": aliases},
    )  # fmt: skip


def _held(promotions: Q, evidence: Q) -> list[str]:
    """Return in words what governed rows refer to the object."""
    found = []
    if Promotion.objects.filter(promotions).exists():
        found.append("promotions")
    if Evidence.objects.filter(evidence).exists():
        found.append("evidence")
    return found
