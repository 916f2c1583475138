"""The smoke part of `make conformance`: an ordinary day's calls, answered as MLflow's own server answers them."""

import pytest

from conformance import scenario
from conformance.clients import own
from conformance.differential import differences, record
from conformance.servers import Address, mlflows_own

pytest_plugins = ["tests.mlflow_server"]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_calls_are_answered_as_mlflows_own_server_answers_them(join):
    sandbox = join(governed=False)
    with sandbox.signed_in():
        ours = record(Address(sandbox.server.url, sandbox.secret), scenario.basics)
        with mlflows_own() as address:
            theirs = record(address, scenario.basics)

    assert len(ours) > 70
    assert [found for found in differences(theirs, ours) if not found.reason] == []


def test_client_of_the_own_release_does_its_daily_work(join):
    sandbox = join(governed=False)

    found = own().check(Address(sandbox.server.url, sandbox.secret))

    assert list(found) == ["register", "search", "tags", "aliases", "stages", "load", "copy", "prompts", "deletes"]
    assert set(found.values()) == {""}
