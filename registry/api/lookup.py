"""Objects by their address, among those that the asker may see; anything else is not found."""

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404

from registry.access import Actor
from registry.models import (
    Alias,
    CriteriaSet,
    ModelVersion,
    Promotion,
    RegisteredModel,
    Retirement,
    Revalidation,
    Rollback,
    Waiver,
)


def models_of(actor: Actor) -> QuerySet[RegisteredModel]:
    """Return the live models of the actor's teams, with what the API shows of each."""
    aliases = Prefetch("aliases", Alias.objects.select_related("version"))
    live = RegisteredModel.objects.live().filter(team__in=actor.teams())
    return live.select_related("team", "created_by").prefetch_related(aliases)


def find_model(actor: Actor, name: str) -> RegisteredModel:
    """Return one live model, or 404."""
    return get_object_or_404(models_of(actor), name=name)


def versions_of(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """Return the versions of a model that are not archived, with what the API shows of each."""
    return (
        model.versions.filter(archived_at__isnull=True)
        .select_related("model__team", "created_by")
        .prefetch_related("contributors", "aliases", "tags")
    )


def find_version(actor: Actor, name: str, number: int) -> ModelVersion:
    """Return one version, or 404."""
    return get_object_or_404(versions_of(find_model(actor, name)), number=number)


def promotions_of(actor: Actor) -> QuerySet[Promotion]:
    """Return the promotions of the actor's teams."""
    return Promotion.objects.filter(model__team__in=actor.teams()).select_related(
        "model__team", "version", "replaces", "criteria_set", "requested_by"
    )


def find_promotion(actor: Actor, pk: int) -> Promotion:
    """Return one promotion, or 404."""
    return get_object_or_404(promotions_of(actor), pk=pk)


def criteria_of(actor: Actor) -> QuerySet[CriteriaSet]:
    """Return the criteria sets of the actor's teams."""
    sets = CriteriaSet.objects.filter(model__team__in=actor.teams())
    return sets.select_related("model__team", "drafted_by", "agreed_by", "declined_by").prefetch_related("criteria")


def rollbacks_of(actor: Actor) -> QuerySet[Rollback]:
    """Return the rollbacks of the actor's teams."""
    return Rollback.objects.filter(model__team__in=actor.teams()).select_related(
        "model__team", "from_version", "to_version", "requested_by", "reviewed_by"
    )


def waivers_of(actor: Actor) -> QuerySet[Waiver]:
    """Return the waivers of the actor's teams."""
    rows = Waiver.objects.filter(promotion__model__team__in=actor.teams())
    return rows.select_related("promotion", "criterion", "asked_by", "decided_by", "revoked_by")


def retirements_of(actor: Actor) -> QuerySet[Retirement]:
    """Return the retirements of the actor's teams."""
    rows = Retirement.objects.filter(model__team__in=actor.teams())
    return rows.select_related("model__team", "version", "requested_by", "decided_by")


def revalidations_of(model: RegisteredModel) -> QuerySet[Revalidation]:
    """Return the re-validations of a model."""
    return model.revalidations.select_related("model", "version", "done_by")
