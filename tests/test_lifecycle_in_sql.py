"""What PostgreSQL refuses to whoever has the application's password: raw psycopg2, no Django between."""

from contextlib import contextmanager
from datetime import timedelta

import psycopg2
import pytest
from django.db import connection
from django.utils import timezone
from psycopg2 import errors

from registry import services
from registry.models import Approval, Membership, PromotionPolicy, RegisteredModel, Role, Team, Waiver
from tests import factories

pytestmark = pytest.mark.django_db


@contextmanager
def refused(words):
    with pytest.raises((errors.InsufficientPrivilege, errors.CheckViolation, errors.IntegrityError), match=words):
        yield


@pytest.fixture
def run():
    """Execute as a thief of the application's password would; what is refused leaves the transaction usable."""

    def execute(statement, *values):
        with connection.connection.cursor() as cursor:  # psycopg2's own: Django has no part in it
            cursor.execute("SAVEPOINT thief")
            try:
                cursor.execute(statement, values)
                row = cursor.fetchone() if cursor.description else None
            except psycopg2.Error:
                cursor.execute("ROLLBACK TO SAVEPOINT thief")
                raise
            cursor.execute("RELEASE SAVEPOINT thief")
            return row

    connection.ensure_connection()
    return execute


@pytest.fixture
def promotion():
    return factories.make_promotion(auc=0.6)


ASK = (
    "INSERT INTO registry_waiver (promotion_id, rule, criterion_id, reason, link, document, expires_at, state,"
    " asked_by_id, asked_at, note, revoke_reason, decided_by_id) VALUES (%s, 'criterion', %s, 'sql', '', 'sql',"
    " now() + interval '9 days', %s, %s, now(), '', '', %s) RETURNING id"
)
GRANT = "UPDATE registry_waiver SET state = 'granted', decided_by_id = %s, decided_at = now() WHERE id = %s"
APPROVE = (
    "INSERT INTO registry_approval (promotion_id, approver_id, role, decision, reason, binding, binding_digest,"
    " decided_at) VALUES (%s, %s, 'approver', 'approve', 'sql', %s, 'sha256:x', now())"
)


def asked_by_service(promotion):
    return services.waiver_ask(
        actor=factories.make_actor(promotion.model.team), promotion_id=promotion.pk, criterion=1, reason="Few.",
        document="Minutes.", expires_at=timezone.now() + timedelta(days=9),
    )  # fmt: skip


def test_thief_is_the_application_role(run):
    assert run("SELECT current_user") == ("controlplane_app",)


def test_author_does_not_become_an_approver_by_leaving_the_contributors(run, promotion):
    helper = factories.make_user(promotion.model.team, Role.APPROVER)
    promotion.version.contributors.add(helper)

    for statement in (
        "DELETE FROM registry_modelversion_contributors WHERE user_id = %s",
        "UPDATE registry_modelversion_contributors SET user_id = 1 WHERE user_id = %s",
    ):
        with refused("permission denied"):
            run(statement, helper.pk)
    with refused("cannot approve"):
        run(APPROVE, promotion.pk, helper.pk, "{}")


def test_waiver_is_not_born_granted_nor_granted_alone(run, promotion):
    criterion = promotion.criteria_set.criteria.get().pk
    asker = factories.make_user(promotion.model.team)
    approver = factories.make_user(promotion.model.team, Role.APPROVER)

    with refused("is asked for while"):
        run(ASK, promotion.pk, criterion, "granted", asker.pk, approver.pk)
    with refused("engineer or product"):
        run(ASK, promotion.pk, criterion, "asked", approver.pk, None)
    other = factories.make_criteria(factories.make_model(promotion.model.team)).criteria.get().pk
    with refused("judged by"):
        run(ASK, promotion.pk, other, "asked", asker.pk, None)
    (pk,) = run(ASK, promotion.pk, criterion, "asked", asker.pk, None)
    for person in (asker, promotion.requested_by, promotion.version.created_by, promotion.criteria_set.drafted_by):
        Membership.objects.filter(user=person).update(role=Role.APPROVER)
        with refused("cannot grant|decided_by_another"):
            run(GRANT, person.pk, pk)
    with refused("only an approver"):
        run(GRANT, factories.make_user(promotion.model.team, Role.ADMIN).pk, pk)

    assert Waiver.objects.get().state == "asked"


@pytest.mark.parametrize(
    "change",
    [
        "expires_at = now() + interval '9 years'",
        "reason = 'another'",
        "criterion_id = NULL",
        "decided_by_id = asked_by_id",
        "state = 'asked'",
        "note = 'never said'",
    ],
)
def test_granted_waiver_is_never_changed(run, promotion, change):
    waiver = asked_by_service(promotion)
    approver = factories.make_actor(promotion.model.team, Role.APPROVER)
    services.waiver_grant(actor=approver, waiver_id=waiver.pk, note="Bounded.")

    with refused("never changed|cannot become|decided_by_another|names_its_rule"):
        run("UPDATE registry_waiver SET " + change)  # noqa: S608  one of the parameters above
    with refused("permission denied"):
        run("DELETE FROM registry_waiver")


def test_approval_on_a_waiver_that_does_not_hold_reaches_no_quorum(run, promotion):
    waiver = asked_by_service(promotion)
    approver = factories.make_user(promotion.model.team, Role.APPROVER)
    binding = (
        f'{{"artifact": "{promotion.version.artifact_digest}", "criteria": "{promotion.criteria_set.digest}",'
        f' "evidence": [], "waivers": [{waiver.pk}]}}'
    )
    run(APPROVE, promotion.pk, approver.pk, binding)

    with refused("lacks approvals"):
        run("UPDATE registry_promotion SET state = 'approved' WHERE id = %s", promotion.pk)


def test_policies_are_neither_weakened_nor_rewritten(run):
    team = factories.make_team()
    admin = factories.make_user(team, Role.ADMIN)
    insert = (
        "INSERT INTO registry_promotionpolicy (team_id, risk_tier, number, required, rollback_review_hours,"
        " max_waiver_days, revalidation_days, block_overdue, reason, changed_by_id, changed_at)"
        " VALUES (%s, 1, %s, %s, 24, 30, 180, true, 'sql', %s, now())"
    )

    with refused("owner of the schema alone"):
        run(insert, None, 2, '{"approver": 1}', None)
    with refused("next number"):
        run(insert, team.pk, 7, '{"approver": 2}', admin.pk)
    with refused("one approver at least"):
        run(insert, team.pk, 1, '{"approver": 0}', admin.pk)
    with refused("only an admin"):
        run(insert, team.pk, 1, '{"approver": 2}', factories.make_user(team, Role.APPROVER).pk)
    for statement in ("UPDATE registry_promotionpolicy SET required = '{}'", "DELETE FROM registry_promotionpolicy"):
        with refused("permission denied"):
            run(statement)

    assert PromotionPolicy.objects.count() == 4


def test_teams_weaker_policy_does_not_lower_the_quorum(run):
    model = factories.make_model(risk_tier=1)
    promotion = factories.make_promotion(model)
    admin = factories.make_user(model.team, Role.ADMIN)
    run(
        "INSERT INTO registry_promotionpolicy (team_id, risk_tier, number, required, rollback_review_hours,"
        " max_waiver_days, revalidation_days, block_overdue, reason, changed_by_id, changed_at)"
        " VALUES (%s, 1, 1, '{\"approver\": 1}', 24, 30, 180, true, 'sql', %s, now())",
        model.team_id, admin.pk,
    )  # fmt: skip
    factories.approve(promotion)

    with refused("lacks approvals"):
        run("UPDATE registry_promotion SET state = 'approved' WHERE id = %s", promotion.pk)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE registry_team SET governed = false", "stays governed"),
        ("UPDATE registry_registeredmodel SET team_id = (SELECT max(id) FROM registry_team)", "stays with its team"),
        ("UPDATE registry_registeredmodel SET risk_tier = 3", "while a promotion is open"),
        ("UPDATE registry_registeredmodel SET revalidate_by = '2099-01-01'", "comes from a re-validation"),
        ("UPDATE registry_registeredmodel SET retired_at = now()", "by its approval alone"),
        ("UPDATE registry_modelversion SET retired_at = now()", "by its approval alone"),
        ("UPDATE registry_criteriaset SET state = 'draft'", "agreed criteria are fixed"),
        ("UPDATE registry_criteriaset SET agreed_by_id = drafted_by_id", "fixed|cannot agree"),
        ("UPDATE registry_evidence SET value = 1", "permission denied"),
        ("DELETE FROM registry_evidence", "permission denied"),
        ("UPDATE registry_comment SET body = 'never said'", "permission denied"),
        ("DELETE FROM registry_revalidation", "permission denied"),
        ("UPDATE registry_approval SET binding = '{}'", "permission denied"),
        ("UPDATE registry_promotion SET requested_by_id = requested_by_id + 1", "cannot be changed"),
        ("UPDATE registry_auditevent SET payload = '{}'", "permission denied"),
        ("TRUNCATE registry_waiver", "permission denied"),
    ],
)
def test_nothing_that_an_approval_rests_on_is_turned_round(run, statement, words):
    promotion = factories.make_promotion(factories.make_model(risk_tier=2))
    services.promotion_comment(
        actor=factories.make_actor(promotion.model.team), promotion_id=promotion.pk, body="Why now?"
    )
    factories.make_team(governed=False)

    with refused(words):
        run(statement)

    assert not Team.objects.exclude(governed=True).filter(models__isnull=False).exists()


def test_criteria_are_born_as_a_draft_and_agreed_by_who_may(run):
    model = factories.make_model()
    drafted = factories.make_criteria(model, agreed=False)
    engineer = factories.make_user(model.team)

    with refused("start as a draft"):
        run(
            "INSERT INTO registry_criteriaset (model_id, number, state, digest, drafted_by_id, drafted_at, agreed_by_id,"
            " note, cases, events) VALUES (%s, 9, 'agreed', 'sha256:x', %s, now(), %s, '', '', '')",
            model.pk, drafted.drafted_by_id, engineer.pk,
        )  # fmt: skip
    with refused("agrees on criteria"):
        run("UPDATE registry_criteriaset SET state = 'agreed', agreed_by_id = %s", engineer.pk)


def test_rollback_is_reviewed_once_by_another_approver(run):
    first = factories.make_champion()
    factories.make_champion(first.model)
    done = services.rollback(
        actor=factories.make_actor(first.model.team), model=first.model, to_version=first, reason="Errors rose."
    )
    Membership.objects.filter(user=done.requested_by).update(role=Role.APPROVER)
    review = "UPDATE registry_rollback SET reviewed_by_id = %s, reviewed_at = now()"

    with refused("another approver|reviewed_by_another"):
        run(review, done.requested_by_id)
    with refused("another approver"):
        run(review, factories.make_user(first.model.team, Role.ADMIN).pk)
    with refused("never changed"):
        run("UPDATE registry_rollback SET review_due_at = now() + interval '1 year'")


def test_retirement_and_revalidation_take_a_second_person(run):
    champion = factories.make_champion()
    factories.make_champion(champion.model)
    asked = services.retirement_request(
        actor=factories.make_actor(champion.model.team), model=champion.model, version=champion, reason="Replaced."
    )
    Membership.objects.filter(user=asked.requested_by).update(role=Role.APPROVER)
    decide = "UPDATE registry_retirement SET state = 'approved', decided_by_id = %s, decided_at = now()"

    with refused("another person|decided_by_another"):
        run(decide, asked.requested_by_id)
    with refused("another person"):
        run(decide, factories.make_user(champion.model.team, Role.ADMIN).pk)
    serving = champion.model.aliases.get().version
    Membership.objects.filter(user=serving.created_by).update(role=Role.APPROVER)
    renew = (
        "INSERT INTO registry_revalidation (model_id, note, link, document, next_due, done_by_id, done_at)"
        " VALUES (%s, 'sql', '', 'sql', current_date + %s, %s, now())"
    )
    with refused("contributed to the champion"):
        run(renew, champion.model_id, 1, serving.created_by_id)
    with refused("what the policy allows"):
        run(renew, champion.model_id, 9999, factories.make_user(champion.model.team, Role.APPROVER).pk)

    assert not RegisteredModel.objects.filter(retired_at__isnull=False).exists()
    assert not Approval.objects.filter(reason="sql").exists()


def test_retired_version_takes_no_guarded_alias(run):
    first = factories.make_champion()
    factories.make_champion(first.model)
    asked = services.retirement_request(
        actor=factories.make_actor(first.model.team), model=first.model, version=first, reason="Replaced."
    )
    services.retirement_approve(
        actor=factories.make_actor(first.model.team, Role.APPROVER), retirement_id=asked.pk, note="Agreed."
    )
    engineer = factories.make_user(first.model.team)

    (pk,) = run(
        "INSERT INTO registry_rollback (model_id, alias, from_version_id, to_version_id, reason, requested_by_id,"
        " requested_at, review_due_at, review_note) SELECT model_id, 'champion', version_id, %s, 'sql', %s, now(),"
        " now(), '' FROM registry_alias RETURNING id",
        first.pk, engineer.pk,
    )  # fmt: skip
    with refused("retired"):
        run("UPDATE registry_alias SET version_id = %s, promotion_id = NULL, rollback_id = %s", first.pk, pk)
    with refused("retired"):
        run(
            "INSERT INTO registry_promotion (model_id, version_id, alias, criteria_set_id, state, description, policy,"
            " requested_by_id, requested_at) SELECT model_id, %s, 'champion', criteria_set_id, 'requested', '', '{}', %s,"
            " now() FROM registry_promotion LIMIT 1",
            first.pk, engineer.pk,
        )  # fmt: skip
