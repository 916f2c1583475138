"""What makes the protocol fast: few queries, however many rows, and answers written once."""

import json

import pytest
from mlflow.entities import Metric
from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.protos import model_registry_pb2, service_pb2
from mlflow.utils.proto_json_utils import message_to_json

from registry import services
from registry.mlflow.answers import answer_json
from registry.mlflow.caller import Caller, set_caller
from registry.mlflow.store import RegistryStore
from registry.models import VersionTag
from registry.selectors import token_by_secret
from tests.factories import make_actor, make_model, make_team, make_token, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    team = make_team()
    set_caller(Caller(make_actor(team), team))
    return team


def _fill(team, models):
    for _ in range(models):
        model = make_model(team, tags={"domain": "travel", "owner": "search"})
        for number in range(3):
            version = make_version(model)
            VersionTag.objects.create(version=version, key="data", value=f"day-{number}")
        services.alias_set(actor=make_actor(team), model=model, name="candidate", version=version)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.search_registered_models("tags.domain = 'travel'", 100),
        lambda store: store.search_registered_models(None, 100, ["timestamp DESC"]),
        lambda store: store.search_model_versions("tags.data = 'day-2'", 100),
        lambda store: store.search_model_versions("run_id = 'abc'", 100),
    ],
    ids=["models by tag", "models by change", "versions by tag", "versions by run"],
)
def test_a_page_takes_two_queries_however_many_rows_it_has(team, django_assert_num_queries, ask):
    store = RegistryStore("")
    _fill(team, 2)
    with django_assert_num_queries(2):
        few = ask(store)
    _fill(team, 5)

    with django_assert_num_queries(2):
        many = ask(store)

    assert len(many) == 3.5 * len(few) > 0


def test_one_model_and_one_version_take_one_query(team, django_assert_num_queries):
    store = RegistryStore("")
    _fill(team, 1)
    name = store.search_registered_models(None, 1)[0].name

    with django_assert_num_queries(1):
        model = store.get_registered_model(name)
    with django_assert_num_queries(1):
        version = store.get_model_version_by_alias(name, "candidate")
    with django_assert_num_queries(1):
        same = store.get_model_version(name, 3)

    assert model.tags == {"domain": "travel", "owner": "search"}
    assert model.aliases == {"candidate": 3}
    assert [v.version for v in model.latest_versions] == [3]
    assert (version.version, version.tags, version.aliases) == (3, {"data": "day-2"}, ["candidate"])
    assert dict(same) == dict(version)


def test_archived_version_is_in_no_answer(team):
    store = RegistryStore("")
    _fill(team, 1)
    name = store.search_registered_models(None, 1)[0].name
    store.delete_model_version(name, 3)

    model = store.get_registered_model(name)

    assert [v.version for v in model.latest_versions] == [2]
    assert [v.version for v in store.search_model_versions(f"name = '{name}'", 10)] == [2, 1]


def test_values_longer_than_a_page_of_an_index_are_kept_and_found(team):
    store = RegistryStore("")
    _fill(team, 1)
    name, value = store.search_registered_models(None, 1)[0].name, "long " * 900

    store.set_registered_model_tag(name, RegisteredModelTag("note", value))

    assert [m.name for m in store.search_registered_models(f"tags.note = '{value}'", 10)] == [name]


def test_token_is_found_with_all_that_a_request_asks_for(django_assert_num_queries):
    token, secret = make_token(make_team(), scopes=("read",))

    with django_assert_num_queries(1):
        found = token_by_secret(secret)
        told = (found.user, found.team, found.scopes, found.role, found.expires_at)

    assert told == (token.user, token.team, ["read"], "engineer", None)


def _messages():
    version = model_registry_pb2.ModelVersion(name="m", version="3", creation_timestamp=1_795_608_000_123)
    version.status = model_registry_pb2.READY
    version.aliases.extend(["a", "b"])
    version.tags.add(key="k", value="ü\n\"'</script>")
    page = model_registry_pb2.SearchModelVersions.Response(model_versions=[version], next_page_token="t")
    run = service_pb2.GetRun.Response()
    run.run.data.metrics.append(Metric("auc", 0.5, 1, 2).to_proto())
    run.run.info.status = service_pb2.FINISHED
    trace = service_pb2.TraceInfoV3(trace_id="t")
    trace.request_time.FromMilliseconds(1_795_608_000_123)
    trace.tags["a"] = "b"
    empty = model_registry_pb2.SearchRegisteredModels.Response()
    return {"nothing": empty, "version": version, "page": page, "run": run, "trace": trace}


@pytest.mark.parametrize("message", _messages().values(), ids=_messages().keys())
@pytest.mark.parametrize("numbers", [True, False])
def test_answer_says_what_mlflow_would_say(message, numbers):
    written = answer_json(message, convert_int64_to_number=numbers)

    assert json.loads(written) == json.loads(message_to_json(message, convert_int64_to_number=numbers))
