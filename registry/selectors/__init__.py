"""Reads that join tables or build a record."""

from registry.selectors.archive import archived_models, archived_versions
from registry.selectors.checks import Check, checks_of
from registry.selectors.criteria import champion_against, data_set_names, metric_choices, set_changes
from registry.selectors.inbox import OPEN, Item, in_flight, last_decisions, waiting
from registry.selectors.policies import (
    TIERS,
    policies_by_team,
    policies_in_force,
    policy_for,
    policy_of,
    policy_snapshot,
)
from registry.selectors.promotions import (
    Lapse,
    Rule,
    contributor_ids,
    decision_rules,
    gates,
    lapses,
    promotion_binding,
    promotion_checks,
    promotion_waivers,
    quorum_reached,
    spent_budgets,
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
from registry.selectors.saved_views import address_of, saved_views_of
from registry.selectors.signatures import (
    SignatureState,
    bundles_of,
    conversions_of,
    converted_file,
    signature_of,
    signature_record,
)
from registry.selectors.tokens import live_tokens, models_named, token_by_secret, token_digest

__all__ = [
    "OPEN",
    "REVIEWERS",
    "TIERS",
    "Check",
    "Item",
    "Lapse",
    "Question",
    "Rule",
    "SignatureState",
    "address_of",
    "archived_models",
    "archived_versions",
    "bundles_of",
    "champion_against",
    "checks_of",
    "contributor_ids",
    "conversions_of",
    "converted_file",
    "data_set_names",
    "decision_rules",
    "gates",
    "had_part_in",
    "in_flight",
    "lapses",
    "last_decisions",
    "live_tokens",
    "metric_choices",
    "models_named",
    "opinions_of",
    "policies_by_team",
    "policies_in_force",
    "policy_for",
    "policy_of",
    "policy_snapshot",
    "promotion_binding",
    "promotion_checks",
    "promotion_record",
    "promotion_waivers",
    "questions_of",
    "questions_to_answer",
    "quorum_reached",
    "refusals_of",
    "saved_views_of",
    "set_changes",
    "signature_of",
    "signature_record",
    "spent_budgets",
    "to_review",
    "token_by_secret",
    "token_digest",
    "waiting",
]
