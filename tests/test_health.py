"""`/health/`: what a load balancer may know without logging in."""

import pytest
from django.db import DatabaseError, connection

from controlplane.embedded import free_port


@pytest.mark.django_db
def test_health_is_open_and_says_that_all_answers(client):
    answer = client.get("/health/")

    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "broker": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_broker_that_is_away_is_named_without_its_password(client, settings):
    settings.CELERY_BROKER_URL = f"redis://:hidden@127.0.0.1:{free_port()}/0"

    answer = client.get("/health/")

    assert (answer.status_code, answer.json()) == (503, {"database": "ok", "broker": "does not answer"})


@pytest.mark.django_db
def test_a_database_that_is_away_is_named(client):
    def away(*_):
        raise DatabaseError

    with connection.execute_wrapper(away):
        answer = client.get("/health/")

    assert (answer.status_code, answer.json()["database"]) == (503, "does not answer")


def test_health_only_answers(client):
    assert client.post("/health/").status_code == 405
