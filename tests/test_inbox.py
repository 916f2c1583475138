"""The inbox asks the database the same number of questions however much waits, and says what it said one by one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry import selectors, services
from registry.models import CriterionReview, Role
from registry.selectors.standing import bindings_now
from tests import factories

pytestmark = pytest.mark.django_db
MANY = 50


def make_half_approved(team, approver):
    """A promotion of tier 1, which asks for two approvals, with one of them given."""
    promotion = factories.make_promotion(factories.make_model(team, risk_tier=1))
    factories.approve(promotion, actor=approver)
    promotion.refresh_from_db()
    assert promotion.state == "requested"
    return promotion


def measure_again(promotion):
    """Let every approval of it lapse."""
    services.evidence_record(
        version=promotion.version,
        metric="roc_auc",
        value=0.81,
        ci_low=0.8,
        ci_high=0.82,
        data_digest=f"sha256:{2:064x}",
    )


def queries_of(actor):
    with CaptureQueriesContext(connection) as asked:
        waiting = selectors.waiting(actor)
    return len(asked), waiting


def test_approvers_inbox_asks_as_often_for_fifty_promotions_as_for_one():
    team = factories.make_team()
    approver, product = factories.make_actor(team, Role.APPROVER), factories.make_actor(team, Role.PRODUCT)
    measure_again(make_half_approved(team, approver))
    (one, waiting), (one_of_product, _) = queries_of(approver), queries_of(product)
    assert [item.verb for item in waiting] == ["Look again"]

    for _ in range(MANY - 1):
        measure_again(make_half_approved(team, approver))
    stands = make_half_approved(team, approver)

    (many, waiting), (many_of_product, reviews) = queries_of(approver), queries_of(product)
    assert (many, many_of_product) == (one, one_of_product)
    assert [item.verb for item in waiting] == ["Look again"] * MANY
    assert stands.path not in [item.path for item in waiting]
    assert len(reviews) == MANY + 1


def test_products_inbox_asks_as_often_where_opinions_were_overtaken():
    team = factories.make_team()
    product = factories.make_actor(team, Role.PRODUCT)
    asked = []
    for count in (1, 5):
        for _ in range(count):
            promotion = factories.make_promotion(factories.make_model(team))
            seen = [check.evidence.pk for check in selectors.promotion_checks(promotion)]
            services.review_record(
                actor=product, promotion_id=promotion.pk, criterion=None, verdict="accept", reason="", seen=seen
            )
            assert not selectors.to_review(product)[CriterionReview.objects.count() - 1 :]
            measure_again(promotion)
        queries, waiting = queries_of(product)
        asked.append(queries)
        assert [item.verb for item in waiting] == ["Review"] * CriterionReview.objects.count()

    assert asked[0] == asked[1]


def test_bindings_of_many_are_those_of_each():
    team = factories.make_team()
    model = factories.make_model(team, risk_tier=1)
    champion_rule = {
        "metric": "roc_auc", "direction": "at_least", "threshold": 0, "against_champion": True, "reason": "No worse.",
    }  # fmt: skip
    factories.make_criteria(model, [champion_rule | {"against_champion": False}, champion_rule])
    approver = factories.make_actor(team, Role.APPROVER)
    first = factories.make_promotion(model)
    for actor in (approver, factories.make_actor(team, Role.APPROVER)):
        factories.approve(first, actor=actor)
    second = factories.make_promotion(model)
    services.evidence_record(
        version=second.version, metric="roc_auc", value=0.1, ci_low=0.05, ci_high=0.2, against=first.version
    )
    promotions = [second, make_half_approved(team, approver), factories.make_promotion(auc=0.6)]
    measure_again(promotions[1])

    together = bindings_now(promotions)

    each = {p.pk: selectors.promotion_binding(p, selectors.promotion_checks(p)) for p in promotions}
    assert together == each
    assert len(together[second.pk].evidence) == 2
