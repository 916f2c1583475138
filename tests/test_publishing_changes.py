"""Which routes are composed anew, and when: those of models of which a change was told."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring.models import LogPolicy
from rollouts.models import RoutingTable
from rollouts.routes import compose
from rollouts.routing import routing_publish
from serving.contract import Arm, read_table
from tests.factories import make_model, make_team, make_user
from tests.test_routing import NOW, make_served, published, set_alias, table_path

pytestmark = pytest.mark.django_db


@pytest.fixture
def model():
    return make_model(make_team("sandbox", governed=False), name="flight-delay")


def test_every_table_that_routes_are_read_from_tells_when_it_changes(model):
    set_alias(make_served(model))

    with CaptureQueriesContext(connection) as asked:
        compose()
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'routing_due'")
        telling = {table for (table,) in cursor.fetchall()}

    read = {table for query in asked for table in re.findall(r'(?:FROM|JOIN) "(\w+)"', query["sql"])}
    assert len(read) > 5
    assert read - telling == {"registry_aliasmove"}  # which nobody writes but the trigger of registry_alias


def test_routes_are_composed_after_a_change_and_else_every_ten_minutes(model):
    set_alias(make_served(model))
    published()

    def tables_read(now):
        with CaptureQueriesContext(connection) as asked:
            routing_publish(now=now)
        return {table for query in asked for table in re.findall(r'FROM "(\w+)"', query["sql"])}

    assert "registry_alias" not in tables_read(NOW)
    assert "registry_alias" in tables_read(NOW + timedelta(minutes=10))
    LogPolicy.objects.create(model=model, number=1, columns={"amount": "hash"}, changed_by=make_user(model.team))
    assert "registry_alias" in tables_read(NOW + timedelta(minutes=10))
    assert read_table(table_path()).routes[0].sensitive == {"amount": "hash"}
    assert "registry_alias" not in tables_read(NOW + timedelta(minutes=10))


def test_one_models_change_leaves_the_routes_of_others_as_they_were(model):
    other = make_model(model.team, name="a-name-before")
    set_alias(make_served(model))
    set_alias(make_served(other))
    before = published()
    set_alias(make_served(other, trees=2))

    after = published()

    assert [route.model for route in after.routes] == ["a-name-before", "flight-delay"]
    assert after.routes[1] == before.routes[1]
    assert after.routes[0].arms == [Arm("champion", 2, 10_000)]
    assert RoutingTable.objects.first().reason == "a-name-before: v1 → v2"


@pytest.mark.django_db(transaction=True)
def test_a_change_whose_table_could_not_be_recorded_is_composed_the_next_time(model, monkeypatch):
    set_alias(make_served(model))
    published()
    set_alias(make_served(model, trees=2))
    monkeypatch.setattr("rollouts.routing.contract.check_table", lambda table: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        routing_publish(now=NOW)
    monkeypatch.undo()

    assert published().routes[0].arms == [Arm("champion", 2, 10_000)]
