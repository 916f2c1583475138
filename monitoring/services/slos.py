"""Setting, editing and deleting objectives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from monitoring.counting.objectives import count_anew, hold_counts
from monitoring.models import Slo
from monitoring.services.slo_terms import Terms, fields_of, terms_of, told
from monitoring.slo.burn import BASE
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import RegisteredModel, Role
from registry.services import alert_clear

SLO_OWNERS = (Role.ENGINEER, Role.PRODUCT, Role.ADMIN)
# What decides on what is counted: where one of these changes, counting begins anew.
COUNTED_BY = (
    "threshold_us", "column", "column_holds", "max_age_s", "input_slice", "metric", "maturity_s", "min_coverage",
)  # fmt: skip
SPANS_BY = ("budgeting", "slice_s", "slice_target")  # of quality: what each span was judged by


@audited()
def slo_create(*, actor: Actor, model: RegisteredModel, **terms: Unpack[Terms]) -> Slo:
    """Promise a share of good events, or of good time slices, over a window.

    Args:
        terms: see :class:`monitoring.services.slo_terms.Terms`; a kind and an objective at least.

    Raises:
        InvalidError: a value is not acceptable.
        ConflictError: the model has an objective of this name, or this objective, already.
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(model.team, *SLO_OWNERS)
    fields = fields_of(model, terms)
    hold_counts()
    _said_once(model, fields)
    with _named_once(model, fields):
        slo = Slo.objects.create(model=model, created_by=actor.user, **fields)
    slo.refresh_from_db(fields=["counted_since"])
    count_anew(slo)
    audit(
        action="slo.create", subject=model.path, actor=actor, team=model.team.slug,
        payload={"slo": slo.pk, "after": told(slo)},
    )  # fmt: skip
    return slo


@audited()
def slo_edit(*, actor: Actor, slo: Slo, reason: str, **terms: Unpack[Terms]) -> Slo:
    """Change what an objective promises, for a reason; what it promised before stays in the audit trail.

    Where the change decides on what is counted, counting begins anew: from what telemetry kept, or with nothing.

    Args:
        terms: those that change; the others stay.

    Raises:
        InvalidError: a value is not acceptable, the reason is empty, or nothing changes.
        ConflictError: another objective of the model is the same, or has this name.
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(slo.model.team, *SLO_OWNERS)
    if not reason.strip():
        raise InvalidError("Say why the objective changes: a budget is judged by it.", field="reason")
    hold_counts()
    slo = (
        Slo.objects.select_for_update(of=("self",), no_key=True)
        .select_related("model__team", "created_by")
        .get(pk=slo.pk)
    )
    by = COUNTED_BY + (SPANS_BY if slo.kind == Slo.Kind.QUALITY else ())
    before, held = told(slo), {name: getattr(slo, name) for name in by}
    if terms.get("kind", slo.kind) != slo.kind:
        raise InvalidError("The kind stays; set another objective and delete this one.", field="kind")
    fields = fields_of(slo.model, _with(terms_of(slo), terms))
    if all(getattr(slo, name) == value for name, value in fields.items()):
        raise InvalidError("Nothing changes.")
    _said_once(slo.model, fields, but=slo.pk)
    anew = any(fields[name] != value for name, value in held.items())
    with _named_once(slo.model, fields):
        Slo.objects.filter(pk=slo.pk).update(**fields, **({"counted_since": Now()} if anew else {}))
    slo.refresh_from_db()
    if anew:
        count_anew(slo)
    audit(
        action="slo.edit", subject=slo.path, actor=actor, team=slo.model.team.slug,
        payload={"slo": slo.pk, "reason": reason.strip(), "before": before, "after": told(slo), "counted_anew": anew},
    )  # fmt: skip
    return slo


@audited()
def slo_delete(*, actor: Actor, slo: Slo) -> None:
    """Take an objective back with what was counted for it; telemetry stays.

    Raises:
        RoleError: the actor may not set objectives in the model's team.
    """
    actor.require(slo.model.team, *SLO_OWNERS)
    before, pk = told(slo), slo.pk
    slo.delete()
    for name, *_ in BASE:
        alert_clear(model=slo.model, key=alert_key(pk, name), process="monitoring")
    audit(
        action="slo.delete", subject=slo.model.path, actor=actor, team=slo.model.team.slug,
        payload={"slo": pk, "before": before},
    )  # fmt: skip


def alert_key(slo_id: int, rule: str) -> str:
    """Return what tells the alert of one burn rate rule of one objective from others."""
    return f"slo:{slo_id}:{rule}"


def _with(terms: Terms, changed: Terms) -> Terms:
    """Return the terms with what changes; a rolling window takes the calendar's place, and the other way round."""
    if changed.get("calendar"):
        terms["window_days"] = None
    elif changed.get("window_days"):
        terms["calendar"] = ""
    if changed.get("budgeting") == Slo.Budgeting.OCCURRENCES:
        terms["slice_target"] = None
        if terms["kind"] != Slo.Kind.QUALITY:
            terms["slice_s"] = None
    return {**terms, **changed}


def _said_once(model: RegisteredModel, fields: dict[str, object], *, but: int = 0) -> None:
    same = {name: value for name, value in fields.items() if name not in ("name", "description", "objective")}
    if Slo.objects.filter(model=model, **same).exclude(pk=but).exists():
        raise ConflictError(
            f"{model.name} has an objective on the same over the same window. Edit that one, or delete it first."
        )


@contextmanager
def _named_once(model: RegisteredModel, fields: dict[str, object]) -> Iterator[None]:
    """Turn a name that is taken into a refusal."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise ConflictError(
            f"{model.name} has an objective {fields['name']} already. Give this one another name."
        ) from None
