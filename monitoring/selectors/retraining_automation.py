"""What full automation of a retraining policy rests on: who wrote it, whose standing approvals hold, and who may give one."""

from dataclasses import dataclass

from django.db.models import BooleanField, F, Func, Value

from monitoring.models import Retraining, RetrainingPolicy
from registry.access import Actor
from registry.models import STANDING_TIER, CriteriaSet, RegisteredModel, Role, StandingApproval
from registry.selectors import Rule, Standing, standings_of


def authors_of(model: RegisteredModel) -> set[int]:
    """Return the ids of who wrote the model's retraining policy, any number of it; PostgreSQL says who. Switching it off writes nothing."""
    rows = RetrainingPolicy.objects.filter(model=model).order_by()
    wrote = Func(Value(model.pk), F("made_by"), function="monitoring_wrote_retraining", output_field=BooleanField())
    return set(rows.alias(wrote=wrote).filter(wrote=True).values_list("made_by", flat=True))


def standings_used(retraining: Retraining) -> list[StandingApproval]:
    """Return the standing approvals by which the promotion of a retraining was approved."""
    if retraining.promotion is None:
        return []
    rows = StandingApproval.objects.filter(approvals__promotion=retraining.promotion)
    return list(rows.select_related("model", "approver").order_by("pk"))


@dataclass(frozen=True)
class Beforehand:
    """How far a policy's full automation has come.

    Attributes:
        standings: newest first.
        rules: what a standing approval by the reader rests on, unmet ones first.
    """

    standings: list[Standing]
    criteria: CriteriaSet | None
    rules: list[Rule]

    @property
    def holding(self) -> list[Standing]:
        """Those that hold."""
        return [one for one in self.standings if one.end is None]

    @property
    def ended(self) -> list[Standing]:
        """The others."""
        return [one for one in self.standings if one.end]

    @property
    def may_give(self) -> bool:
        """Whether the reader may give one now."""
        return all(rule.met for rule in self.rules)


def beforehand(policy: RetrainingPolicy, actor: Actor) -> Beforehand:
    """Return whose standing approvals there are for a policy, and whether the reader may give one."""
    model, team = policy.model, policy.model.team
    criteria = model.criteria_sets.filter(state=CriteriaSet.State.AGREED).first()
    role = actor.role_in(team)
    had_part = actor.user.pk in authors_of(model) or bool(criteria and criteria.drafted_by_id == actor.user.pk)
    rules = [
        Rule(model.risk_tier == STANDING_TIER, f"The model is of tier {model.risk_tier}", "Nobody: people look at each version of tiers 1 and 2."),
        Rule(policy.enabled, "The policy is switched on", f"An engineer of {team.name} switches it on."),
        Rule(criteria is not None, f"Criteria set {criteria.number} is agreed" if criteria else "No criteria are agreed",
             f"Product of {team.name} drafts some, a second person agrees."),
        Rule(role == Role.APPROVER, f"You are approver of {team.name}" if role == Role.APPROVER else "An approver gives it",
             f"An approver of {team.name}."),
        Rule(not had_part, "You neither wrote the policy nor drafted its criteria" if not had_part
             else "You wrote the policy or drafted its criteria", "Another approver."),
    ]  # fmt: skip
    return Beforehand(standings_of(model), criteria, sorted(rules, key=lambda rule: rule.met))
