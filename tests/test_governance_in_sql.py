"""What PostgreSQL itself refuses to the application's role, whatever code asks."""

from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, transaction
from psycopg2.sql import SQL, Identifier

from registry.models import Alias, AuditEvent, Promotion, Role
from registry.selectors import contributor_ids
from tests import factories

pytestmark = pytest.mark.django_db


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@contextmanager
def refused(words):
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        yield


def insert_approval(promotion, user, role="approver"):
    sql(
        "INSERT INTO registry_approval (promotion_id, approver_id, role, decision, reason, binding, binding_digest,"
        " decided_at) VALUES (%s, %s, %s, 'approve', 'sql', jsonb_build_object('artifact', %s::text, 'criteria',"
        " %s::text, 'evidence', '[]'::jsonb), 'sha256:x', now())",
        promotion.pk, user.pk, role, promotion.version.artifact_digest, promotion.criteria_set.digest,
    )  # fmt: skip


def test_tests_run_as_the_application_role():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("controlplane_app",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE registry_auditevent SET action = 'x'",
        "DELETE FROM registry_auditevent",
        "TRUNCATE registry_auditevent",
        "UPDATE registry_audithead SET seq = 0",
        "ALTER TABLE registry_auditevent DISABLE TRIGGER ALL",
        "DROP TABLE registry_auditevent",
        "UPDATE registry_approval SET reason = 'x'",
        "DELETE FROM registry_approval",
        "UPDATE registry_evidence SET value = 1",
        "INSERT INTO registry_aliasmove (model_id, name, at) VALUES (1, 'champion', now())",
        "DELETE FROM registry_promotion",
        "TRUNCATE registry_alias",
    ],
)
def test_history_is_closed_to_the_application_role(statement):
    factories.make_champion()
    events = AuditEvent.objects.count()

    with refused("permission denied|must be owner|append-only|kept"):
        sql(statement)

    assert AuditEvent.objects.count() == events


def test_audit_chain_sets_sequence_and_hash_whatever_the_insert_says():
    factories.make_model()
    head = AuditEvent.objects.latest("seq")

    sql(
        "INSERT INTO registry_auditevent (seq, at, actor, via, team, action, subject, payload, prev_hash, hash)"
        " VALUES (1, '2001-01-01', 'x', 'x', '', 'x', 'x', '{}', '', '')"
    )

    event = AuditEvent.objects.latest("seq")
    assert event.seq == head.seq + 1
    assert bytes(event.prev_hash) == bytes(head.hash)
    assert len(bytes(event.hash)) == 32
    assert event.at.year > 2001


def test_author_cannot_approve_by_sql():
    promotion = factories.make_promotion()
    author = promotion.version.created_by
    author.memberships.update(role=Role.APPROVER)

    with refused("cannot approve"):
        insert_approval(promotion, author)


def test_engineer_cannot_approve_by_sql():
    promotion = factories.make_promotion()

    with refused("only a member with the role"):
        insert_approval(promotion, factories.make_user(promotion.model.team), role="approver")


def test_promotion_cannot_be_declared_approved_by_sql():
    promotion = factories.make_promotion()

    with refused("lacks approvals"):
        sql("UPDATE registry_promotion SET state = 'approved' WHERE id = %s", promotion.pk)

    assert Promotion.objects.get(pk=promotion.pk).state == "requested"


def test_promotion_cannot_skip_a_state_or_change_what_it_asks_for():
    promotion = factories.make_promotion()
    other = factories.make_version(promotion.model)

    with refused("cannot become"):
        sql("UPDATE registry_promotion SET state = 'completed' WHERE id = %s", promotion.pk)
    with refused("cannot be changed"):
        sql("UPDATE registry_promotion SET version_id = %s WHERE id = %s", other.pk, promotion.pk)


@pytest.mark.parametrize("with_promotion", [True, False])
def test_champion_does_not_move_by_sql(with_promotion):
    champion = factories.make_champion()
    promotion = factories.make_promotion(champion.model)

    with refused("guarded"):
        sql(
            "UPDATE registry_alias SET version_id = %s, promotion_id = %s WHERE model_id = %s",
            promotion.version_id, promotion.pk if with_promotion else None, champion.model_id,
        )  # fmt: skip
    with refused("guarded"):
        sql("DELETE FROM registry_alias WHERE model_id = %s", champion.model_id)

    assert Alias.objects.get(model=champion.model).version == champion


def test_rollback_by_sql_reaches_former_champions_alone():
    champion = factories.make_champion()
    other = factories.make_version(champion.model)
    sql(
        "INSERT INTO registry_rollback (model_id, alias, from_version_id, to_version_id, reason, requested_by_id,"
        " requested_at, review_due_at, review_note) VALUES (%s, 'champion', %s, %s, 'sql', %s, now(), now(), '')",
        champion.model_id, champion.pk, other.pk, champion.created_by_id,
    )  # fmt: skip

    with refused("guarded"):
        sql(
            "UPDATE registry_alias SET version_id = %s, promotion_id = NULL, rollback_id = lastval()"
            " WHERE model_id = %s",
            other.pk, champion.model_id,
        )  # fmt: skip


def test_files_and_author_of_a_version_are_immutable():
    version = factories.make_version(factories.make_model())

    with refused("immutable"):
        sql("UPDATE registry_modelversion SET artifact_digest = 'sha256:00' WHERE id = %s", version.pk)
    with refused("immutable"):
        sql("UPDATE registry_modelversion SET created_by_id = 1 WHERE id = %s", version.pk)


def test_agreed_criteria_are_fixed():
    criteria = factories.make_criteria(factories.make_model())

    with refused("agreed criteria are fixed"):
        sql("UPDATE registry_acceptancecriterion SET threshold = 0 WHERE criteria_set_id = %s", criteria.pk)
    with refused("agreed criteria are fixed"):
        sql("UPDATE registry_criteriaset SET state = 'draft' WHERE id = %s", criteria.pk)


def test_ungoverned_team_moves_its_aliases_freely():
    team = factories.make_team(governed=False)
    version = factories.make_version(factories.make_model(team))

    Alias.objects.create(model=version.model, name="champion", version=version, set_by=version.created_by)

    assert version.aliases.get().name == "champion"


def test_one_function_says_who_had_a_part():
    promotion = factories.make_promotion()
    version, criteria = promotion.version, promotion.criteria_set
    version.contributors.add(helper := factories.make_user(promotion.model.team))
    stranger = factories.make_user(promotion.model.team)
    people = {
        "author": version.created_by, "helper": helper, "requester": promotion.requested_by,
        "drafter": criteria.drafted_by, "who agreed": criteria.agreed_by, "stranger": stranger,
    }  # fmt: skip

    def who(function, of):
        with connection.cursor() as cursor:
            asked = SQL("SELECT id FROM auth_user WHERE {}(%s, id) AND id = ANY (%s)").format(Identifier(function))
            cursor.execute(asked, [of, [user.pk for user in people.values()]])
            found = {pk for (pk,) in cursor.fetchall()}
        return {name for name, user in people.items() if user.pk in found}

    assert who("registry_made_version", version.pk) == {"author", "helper"}
    assert who("registry_made_or_requested", promotion.pk) == {"author", "helper", "requester"}
    assert who("registry_is_contributor", promotion.pk) == {"author", "helper", "requester", "drafter"}
    assert contributor_ids(promotion) == {people[name].pk for name in ("author", "helper", "requester", "drafter")}


@pytest.mark.parametrize("part", ["author", "helper", "requester"])
def test_who_made_or_requested_does_not_review_by_sql(part):
    promotion = factories.make_promotion()
    promotion.version.contributors.add(helper := factories.make_user(promotion.model.team))
    person = {"author": promotion.version.created_by, "helper": helper, "requester": promotion.requested_by}[part]
    person.memberships.update(role=Role.PRODUCT)
    insert = (
        "INSERT INTO registry_criterionreview (promotion_id, reviewer_id, role, verdict, reason, evidence, at)"
        " VALUES (%s, %s, 'product', 'accept', 'sql', '[]', now())"
    )

    with refused("does not review it"):
        sql(insert, promotion.pk, person.pk)
    sql(insert, promotion.pk, factories.make_user(promotion.model.team, Role.PRODUCT).pk)
