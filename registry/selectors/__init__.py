"""Reads that join tables or build a record."""

from registry.selectors.inbox import Item, in_flight, last_decisions, waiting
from registry.selectors.promotions import (
    Check,
    Rule,
    checks_of,
    contributor_ids,
    decision_rules,
    promotion_binding,
    promotion_checks,
    quorum_reached,
)
from registry.selectors.tokens import token_by_secret, token_digest

__all__ = [
    "Check",
    "Item",
    "Rule",
    "checks_of",
    "contributor_ids",
    "decision_rules",
    "in_flight",
    "last_decisions",
    "promotion_binding",
    "promotion_checks",
    "quorum_reached",
    "token_by_secret",
    "token_digest",
    "waiting",
]
