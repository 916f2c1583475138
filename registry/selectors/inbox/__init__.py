"""What waits for a person, what the person has in flight, and what was decided last."""

from registry.access import Actor
from registry.models import Role
from registry.selectors.inbox import decisions, upkeep
from registry.selectors.inbox.asked import OPEN, in_flight, last_decisions
from registry.selectors.inbox.items import Item
from registry.selectors.policies import policies_by_team

__all__ = ["OPEN", "Item", "in_flight", "last_decisions", "waiting"]


def waiting(actor: Actor) -> list[Item]:
    """Return what asks for a decision of ``actor``, oldest first; then the warnings that nobody has taken on, likewise."""
    teams = list(actor.teams())
    roles = dict(actor.user.memberships.filter(team__in=teams).values_list("team_id", "role"))
    held = policies_by_team(teams)
    # product decides at the end of its questions, which are asked below
    deciding = [key for key, p in held.items() if roles[key[0]] in p.required and roles[key[0]] != Role.PRODUCT]
    items = [
        *decisions.approvals(actor, deciding), *decisions.product_reviews(actor), *decisions.questions(actor),
        *decisions.agreements(actor, roles), *decisions.waivers(actor, roles), *upkeep.rollbacks(actor, roles),
        *upkeep.retirements(actor, roles), *upkeep.revalidations(actor, roles), *upkeep.standing(actor), *upkeep.alerts(actor, roles),
        *upkeep.webhooks(roles),
    ]  # fmt: skip
    return sorted(items, key=lambda item: (item.can_wait, item.since))
