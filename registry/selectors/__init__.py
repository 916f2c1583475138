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
from registry.selectors.review_pack import promotion_record
from registry.selectors.reviews import (
    REVIEWERS,
    Question,
    had_part_in,
    opinions_of,
    questions_of,
    questions_to_answer,
    refusals_of,
    to_review,
)
from registry.selectors.tokens import token_by_secret, token_digest

__all__ = [
    "REVIEWERS",
    "Check",
    "Item",
    "Question",
    "Rule",
    "checks_of",
    "contributor_ids",
    "decision_rules",
    "had_part_in",
    "in_flight",
    "last_decisions",
    "opinions_of",
    "promotion_binding",
    "promotion_checks",
    "promotion_record",
    "questions_of",
    "questions_to_answer",
    "quorum_reached",
    "refusals_of",
    "to_review",
    "token_by_secret",
    "token_digest",
    "waiting",
]
