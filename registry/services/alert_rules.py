"""Rules of the installation and of a team for alerts: changed with a reason, and on the trail."""

from collections.abc import Mapping
from typing import Any

from registry.access import Actor
from registry.alerting import rules
from registry.alerting.kinds import KINDS, Kind
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AlertRule, Membership, RegisteredModel, Role, Team
from registry.selectors.alert_rules import rule_book
from registry.selectors.alerts import keeps_installation

MANAGERS = (Role.ENGINEER, Role.APPROVER, Role.ADMIN)


@audited()
def alert_rule_change(
    *, actor: Actor, team: Team | None, kind: str, changes: Mapping[str, Any], reason: str, model: RegisteredModel | None = None
) -> AlertRule:  # fmt: skip
    """Change what holds for one kind of alerts, of a team's models, of one of them or of all teams; what is left out stays.

    Args:
        team: None: the installation's rule, which an admin of any team sets. It holds where a team has no own, and switches no kind of
            the teams off.

    Raises:
        InvalidError: an unknown kind or field, a value that is not acceptable, or no reason; names the field.
        RoleError: the actor may not change rules there.
        ConflictError: nothing would change.
    """
    known = _checked(actor, team, kind, reason, model)
    try:
        wanted = rules.checked(changes, fixed=known.fixed)
    except rules.RuleError as error:
        raise InvalidError(str(error), field=error.field) from None
    if team is None and not wanted.get("enabled", True) and not known.of_installation:
        raise InvalidError("A team switches a kind off for itself; the installation does not.", field="enabled")
    _check_owner(team, wanted.get("owner", ""))
    book = rule_book([team.pk] if team else [], kind)
    before = book.of(kind, team.pk if team else None, model.pk if model else None)
    above = book.of(kind, team.pk, None) if team and model else book.of(kind, None, None) if team else known.rule
    after = rules.changed(before, wanted)
    if after == before:
        raise ConflictError("This is what holds already.")
    kept = {name: value for name, value in rules.as_json(after).items() if value != getattr(above, name)}
    rule, _ = AlertRule.objects.update_or_create(
        team=team,
        model=model,
        kind=kind,
        defaults={"changes": kept, "reason": reason.strip(), "changed_by": actor.user},
    )
    old, new = rules.as_json(before), rules.as_json(after)
    differing = [name for name in rules.NAMES if old[name] != new[name]]
    audit(
        action="alert_rule.change", subject="/alerts/rules/", actor=actor, team=team.slug if team else "",
        payload={"kind": kind, "model": model.name if model else "", "reason": reason.strip(),
                 "before": {name: old[name] for name in differing}, "after": {name: new[name] for name in differing}},
    )  # fmt: skip
    return rule


@audited()
def alert_rule_reset(
    *, actor: Actor, team: Team | None, kind: str, reason: str, model: RegisteredModel | None = None
) -> None:  # fmt: skip
    """Give up what was changed of one kind's rule: the one above it holds again.

    Raises:
        ConflictError: nothing was changed here.
    """
    _checked(actor, team, kind, reason, model)
    rule = AlertRule.objects.filter(team=team, model=model, kind=kind).first()
    if rule is None:
        raise ConflictError("Nothing was changed here.")
    rule.delete()
    audit(
        action="alert_rule.reset", subject="/alerts/rules/", actor=actor, team=team.slug if team else "",
        payload={"kind": kind, "model": model.name if model else "", "before": rule.changes, "reason": reason.strip()},
    )  # fmt: skip


def _checked(actor: Actor, team: Team | None, kind: str, reason: str, model: RegisteredModel | None) -> Kind:
    if team:
        actor.require(team, *MANAGERS)
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)  # two changes at once come one after the other
    elif not keeps_installation(actor):
        raise RoleError(
            "The installation's rules are changed by an admin.",
            unmet=[{"rule": "the role admin in a team", "who": "an admin of any team"}],
        )
    if kind not in KINDS:
        raise InvalidError(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.", field="kind")
    if team and KINDS[kind].of_installation:
        raise InvalidError(
            f"{KINDS[kind].words} is about no team, so its rule is the installation's: an admin changes it there.",
            field="kind",
        )
    if model and (team is None or model.team_id != team.pk):
        raise InvalidError(f"{model.name} is no model of {team.name if team else 'no team'}.", field="model")
    if not reason.strip():
        raise InvalidError("A change of a rule needs a reason, which stays with it.", field="reason")
    return KINDS[kind]


def _check_owner(team: Team | None, owner: str) -> None:
    kind, _, who = owner.partition(":")
    if kind == "role" and who not in Role.values:
        raise InvalidError(f"owner: role is one of {', '.join(Role.values)}.", field="owner")
    if kind != "person":
        return
    if team is None:
        raise InvalidError("owner: of the installation's rules it is a role; a person is of a team.", field="owner")
    if not Membership.objects.filter(team=team, user__username=who, user__is_active=True).exists():
        raise InvalidError(f"owner: {who} is no member of {team.name}.", field="owner")
