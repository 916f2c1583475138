"""Connections of DATA_CONNECTIONS: their form, and that teams that are not named neither see nor use one."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from controlplane.data_connections import data_connections
from experiments import services
from experiments.models import DatasetSource
from registry.errors import InvalidError
from registry.models import Role
from tests import factories
from tests.api import Api, problem
from tests.test_sources import COLUMNS, ENTITY, QUERY

URL = "postgresql://reader:h1dden@127.0.0.1:1/none"
SOUND = {"warehouse": {"url": URL, "teams": ["payments"]}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "is no object of the form"),
        ({"warehouse": URL}, "warehouse has to have url and teams"),
        ({"warehouse": {"url": URL}}, "warehouse has to have url and teams"),
        ({"warehouse": SOUND["warehouse"] | {"team": "x"}}, "and nothing else"),
        ({"warehouse": {"url": URL.replace("postgresql", "mysql"), "teams": ["x"]}}, "url of warehouse does not begin"),
        ({"warehouse": {"url": URL, "teams": "payments"}}, "teams of warehouse is no list"),
        ({"warehouse": {"url": URL, "teams": []}}, "teams of warehouse is no list"),
    ],
)
def test_what_is_not_of_the_form_is_named_without_its_address(given, words):
    with pytest.raises(ImproperlyConfigured, match=words) as refused:
        data_connections(given, lambda name, value: value)

    assert "h1dden" not in str(refused.value)
    assert data_connections(SOUND, lambda name, value: value) == SOUND


@pytest.mark.django_db
def test_a_team_that_is_not_named_neither_sees_nor_uses_it(client, settings):
    settings.DATA_CONNECTIONS = SOUND
    payments, markets = factories.make_team("payments"), factories.make_team("markets")
    told = {}
    for team in (payments, markets):
        engineer = factories.make_actor(team, Role.ENGINEER)
        data = services.dataset_create(actor=engineer, team=team, name=f"of-{team.slug}")
        client.force_login(engineer.user)
        told[team.slug] = client.get(f"{data.path}sources/new/query/").content.decode()
        body = {"kind": "postgres", "config": QUERY, "columns": COLUMNS, "split": ENTITY}
        made = Api(team).post(f"datasets/{data.name}/sources", body)
        if team == payments:
            assert made.status_code == 201, made.content
            assert "h1dden" not in made.content.decode()
        else:  # as if there were none of the name
            refused = problem(made, 400)
            nowhere = Api(team).post(
                f"datasets/{data.name}/sources", body | {"config": QUERY | {"connection": "nowhere"}}
            )
            assert refused["detail"].replace("warehouse", "nowhere") == problem(nowhere, 400)["detail"]

    assert ("warehouse" in told["payments"], "warehouse" in told["markets"]) == (True, False)
    assert "No connection for your team" in told["markets"]
    source = DatasetSource.objects.get()
    settings.DATA_CONNECTIONS = {"warehouse": SOUND["warehouse"] | {"teams": ["markets"]}}
    services.source_run_start(actor=factories.make_actor(payments), source=source)
    with pytest.raises(
        InvalidError, match="no connection warehouse"
    ):  # who lost it reads no further, by the clock neither
        factories.run_jobs("training")
