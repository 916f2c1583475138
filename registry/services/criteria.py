"""Acceptance criteria: drafted by product, agreed by a second person, never edited afterwards."""

import hashlib
import json
from typing import Any

from django.db.models import Max
from django.db.models.functions import Now

from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, FourEyesError, InvalidError
from registry.models import AcceptanceCriterion, ApiToken, CriteriaSet, RegisteredModel, Role
from registry.services.standing import standing_approvals_void

FIELDS = ("metric", "direction", "threshold", "against_champion", "basis", "data_set", "data_slice", "phase",
          "blocking", "reason")  # fmt: skip


@audited()
def criteria_draft(
    *, actor: Actor, model: RegisteredModel, criteria: list[dict[str, Any]], note: str = "", cases: str = "",
    events: str = "",
) -> CriteriaSet:  # fmt: skip
    """Draft the next numbered criteria set of a model.

    Args:
        criteria: one mapping a criterion with ``metric``, ``direction``, ``threshold`` and ``reason``, and as needed
            ``against_champion``, ``basis``, ``data_set``, ``data_slice``, ``phase``, ``blocking``.
        cases, events: what plain sentences call all that the model looks at, and those it is to find.

    Raises:
        InvalidError: a criterion is incomplete or has an unknown field; names it.
    """
    actor.require(model.team, Role.PRODUCT)
    if not criteria:
        raise InvalidError("A criteria set needs at least one criterion.", field="criteria")
    model = RegisteredModel.objects.hold(model.pk)
    rules = [_criterion(position, fields) for position, fields in enumerate(criteria, start=1)]
    number = (model.criteria_sets.aggregate(top=Max("number"))["top"] or 0) + 1
    drafted = CriteriaSet.objects.create(
        model=model, number=number, digest=criteria_digest(rules), drafted_by=actor.user, note=note,
        cases=cases.strip(), events=events.strip(),
    )  # fmt: skip
    for rule in rules:
        rule.criteria_set = drafted
    AcceptanceCriterion.objects.bulk_create(rules)
    audit(
        action="criteria.draft", subject=f"{model.path}criteria/", actor=actor, team=model.team.slug,
        payload={"set": number, "digest": drafted.digest, "criteria": [_fields(rule) for rule in rules]},
    )  # fmt: skip
    return drafted


@audited()
def criteria_agree(*, actor: Actor, criteria_set_id: int, reason: str = "") -> CriteriaSet:
    """Agree on a drafted set, which then replaces the one agreed before.

    Raises:
        FourEyesError: the actor drafted it.
        ConflictError: it is no draft, or a newer set was drafted since.
    """
    drafted = _to_decide(actor, criteria_set_id)
    drafted.model.criteria_sets.filter(state=CriteriaSet.State.AGREED).update(state=CriteriaSet.State.SUPERSEDED)
    CriteriaSet.objects.filter(pk=drafted.pk).update(
        state=CriteriaSet.State.AGREED, agreed_by=actor.user, agreed_at=Now(), answer=reason.strip()
    )
    drafted.refresh_from_db()
    audit(
        action="criteria.agree", subject=f"{drafted.model.path}criteria/", actor=actor, team=drafted.model.team.slug,
        payload={"set": drafted.number, "digest": drafted.digest, "reason": reason.strip()},
    )  # fmt: skip
    standing_approvals_void(model=drafted.model, why=f"Criteria set {drafted.number} was agreed.", actor=actor)
    return drafted


@audited()
def criteria_decline(*, actor: Actor, criteria_set_id: int, reason: str) -> CriteriaSet:
    """Decline a drafted set, with a reason that its author can act on; the set in force stays.

    Raises:
        FourEyesError: the actor drafted it.
        InvalidError: no reason was given.
        ConflictError: it is no draft, or a newer set was drafted since.
    """
    drafted = _to_decide(actor, criteria_set_id)
    if not reason.strip():
        raise InvalidError("Declining needs a reason that the author can act on.", field="reason")
    CriteriaSet.objects.filter(pk=drafted.pk).update(
        state=CriteriaSet.State.DECLINED, declined_by=actor.user, declined_at=Now(), answer=reason.strip()
    )
    drafted.refresh_from_db()
    audit(
        action="criteria.decline", subject=f"{drafted.model.path}criteria/", actor=actor, team=drafted.model.team.slug,
        payload={"set": drafted.number, "digest": drafted.digest, "reason": reason.strip()},
    )  # fmt: skip
    return drafted


def _to_decide(actor: Actor, criteria_set_id: int) -> CriteriaSet:
    """Return a draft that ``actor`` may decide on, with its model locked."""
    drafted = CriteriaSet.objects.select_related("model__team").get(pk=criteria_set_id)
    actor.require(drafted.model.team, Role.PRODUCT, Role.APPROVER, scope=ApiToken.Scope.DECIDE)
    if drafted.drafted_by_id == actor.user.pk:
        raise FourEyesError(
            "Who drafted criteria cannot decide on them.",
            unmet=[{"rule": "a second person agrees", "who": "another product member or approver of the team"}],
        )
    RegisteredModel.objects.hold(drafted.model_id)
    drafted.refresh_from_db()
    if drafted.state != CriteriaSet.State.DRAFT:
        raise ConflictError(f"Set {drafted.number} is already {drafted.state}.")
    if drafted.model.criteria_sets.filter(number__gt=drafted.number).exists():
        raise ConflictError(f"Set {drafted.number} was replaced by a newer draft; decide on that one.")
    return drafted


def criteria_digest(rules: list[AcceptanceCriterion]) -> str:
    """Return ``sha256:…`` over the rules, in order."""
    text = json.dumps([_fields(rule) for rule in rules], sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _fields(rule: AcceptanceCriterion) -> dict[str, Any]:
    return {field: getattr(rule, field) for field in FIELDS}


def _criterion(position: int, fields: dict[str, Any]) -> AcceptanceCriterion:
    where = f"criteria/{position - 1}"
    if unknown := fields.keys() - set(FIELDS):
        raise InvalidError(f"Criterion {position} has an unknown field {min(unknown)}.", field=where)
    for name in ("metric", "direction", "threshold", "reason"):
        if fields.get(name) in (None, ""):
            raise InvalidError(f"Criterion {position} lacks {name}.", field=f"{where}/{name}")
    rule = AcceptanceCriterion(position=position, **fields)
    for name, allowed in (("direction", rule.Direction), ("basis", rule.Basis), ("phase", rule.Phase)):
        if getattr(rule, name) not in allowed.values:
            raise InvalidError(
                f"Criterion {position}: {name} must be one of {', '.join(allowed.values)}.", field=f"{where}/{name}"
            )
    if isinstance(rule.threshold, bool) or not isinstance(rule.threshold, int | float):
        raise InvalidError(f"Criterion {position}: threshold must be a number.", field=f"{where}/threshold")
    return rule
