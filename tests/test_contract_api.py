"""Data contracts over the API: made, read, refused by field, proposed, checked, and what live inputs are held to."""

import pandas as pd
import pytest

from experiments.models import ContractCheck, DataContract, Dataset
from registry.models import AuditEvent, Role
from registry.services import reference_record
from tests.api import problem
from tests.data_sets import make_data, make_trained_champion
from tests.documented import DocumentedApi as Api
from tests.factories import make_model, make_team, run_jobs
from tests.test_monitoring_contracts import INPUTS, NEVER_MISSING, REFERENCE, TRAINED

pytestmark = pytest.mark.django_db
RANGE = {"kind": "range", "column": "distance", "max": 150.0, "reason": "Beyond it nothing is known."}
YAML = (
    "rules:\n- kind: range\n  column: distance\n  max: 180\n  severity: advisory\n  reason: Longer flights are sold.\n"
)


def named(version, name):
    Dataset.objects.filter(pk=version.dataset_id).update(name=name)
    version.dataset.refresh_from_db()
    return version


@pytest.fixture
def data():
    return named(make_data(make_team(), pd.DataFrame(TRAINED)), "flights")


@pytest.fixture
def api(data):
    return Api(data.dataset.team)


def test_contracts_are_numbered_and_read_as_document_and_yaml(data, api):
    first = api.post("datasets/flights/contracts", {"document": {"rules": [RANGE]}, "reason": "Start."})
    second = api.post("datasets/flights/contracts", {"yaml": YAML, "reason": "Longer flights are sold."})

    assert (first.status_code, second.status_code) == (201, 201)
    said = second.json()
    assert (said["number"], said["reason"], said["made_by"], said["reference"]) == (
        2, "Longer flights are sold.", api.user.username, None,
    )  # fmt: skip
    [rule] = said["document"]["rules"]
    assert (rule["kind"], rule["max"], rule["severity"]) == ("range", 180, "advisory")
    assert [row["number"] for row in api.get("datasets/flights/contracts").json()["results"]] == [2, 1]
    former = api.get("datasets/flights/contracts/1").json()
    assert former["document"]["rules"][0]["max"] == 150.0
    again = api.post("datasets/flights/contracts", {"yaml": former["yaml"], "reason": "Back."}).json()
    assert (again["number"], again["document"]) == (3, former["document"])  # what is exported is what was said
    assert AuditEvent.objects.filter(action="contract.change").count() == 3


@pytest.mark.parametrize(
    ("body", "status", "pointer", "words"),
    [
        ({"document": {"rules": [RANGE]}}, 400, "/reason", "required"),
        ({"document": {"rules": [RANGE]}, "reason": " "}, 400, "/reason", ""),
        ({"reason": "Why."}, 400, "/document", "document or as yaml"),
        ({"document": {"rules": [RANGE]}, "yaml": YAML, "reason": "Why."}, 400, "/document", "not as both"),
        ({"document": {"rules": [RANGE | {"max": "far"}]}, "reason": "Why."}, 400, "/contract/rules[0].max", ""),
        (
            {"document": {"rules": [RANGE | {"kind": "guess"}]}, "reason": "Why."},
            400,
            "/contract/rules[0].kind",
            "guess",
        ),
        ({"document": {"rules": [RANGE, RANGE]}, "reason": "Why."}, 400, "/contract/rules[1]", ""),
        ({"document": {"rules": [RANGE | {"reason": ""}]}, "reason": "Why."}, 400, "/contract/rules[0].reason", ""),
        ({"document": {"rules": "all"}, "reason": "Why."}, 400, "/contract/rules", ""),
        ({"yaml": YAML.replace("180", "far"), "reason": "Why."}, 400, "/yaml", "line 4"),
        ({"yaml": "rules: [", "reason": "Why."}, 400, "/yaml", "line"),
        ({"document": {"rules": [RANGE]}, "reason": "Why.", "colour": 1}, 400, "/colour", ""),
    ],
)
def test_what_is_not_sound_is_refused_by_field_and_nothing_is_made(data, api, body, status, pointer, words):
    told = problem(api.post("datasets/flights/contracts", body), status)

    [error] = told["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert not DataContract.objects.exists()


def test_the_same_again_is_a_conflict_and_roles_and_teams_are_held(data, api):
    body = {"document": {"rules": [RANGE]}, "reason": "Start."}
    api.post("datasets/flights/contracts", body)

    problem(api.post("datasets/flights/contracts", body), 409)
    for role in (Role.VIEWER, Role.PRODUCT, Role.APPROVER):
        assert problem(Api(data.dataset.team, role).post("datasets/flights/contracts", body), 403)["unmet"]
    problem(Api(make_team()).get("datasets/flights/contracts"), 404)
    problem(api.get("datasets/flights/contracts/2"), 404)
    assert DataContract.objects.count() == 1


def test_a_draft_is_proposed_by_a_job_and_put_in_force_by_a_person(data, api):
    assert api.get("datasets/flights/contract-draft").json()["document"] == {"rules": []}

    queued = api.post("datasets/flights/versions/1/contract-proposals")
    assert (queued.status_code, queued.json()["kind"]) == (202, "contract_propose")
    run_jobs("training")

    draft = api.get("datasets/flights/contract-draft").json()
    assert (draft["reference"], draft["changed_by"]) == (1, api.user.username)
    assert "distance" in {rule.get("column") for rule in draft["document"]["rules"]}
    assert api.get("datasets/flights/contracts").json()["results"] == []  # nothing is held to it yet
    made = api.post("datasets/flights/contracts", {"document": draft["document"], "reason": "Looks right."}).json()
    assert made["document"] == draft["document"]
    assert api.get("datasets/flights/contract-draft").json()["document"] == {"rules": []}


def test_a_version_is_checked_and_the_report_names_rows_by_key(data, api):
    for most in (150.0, 500.0):
        api.post(
            "datasets/flights/contracts", {"document": {"rules": [RANGE | {"max": most}]}, "reason": f"Up to {most}."}
        )
    told = problem(api.post("datasets/flights/versions/1/checks", {"contract": 9}), 400)
    assert (told["errors"][0]["pointer"], told["errors"][0]["detail"]) == ("/contract", "flights has no contract 9.")

    assert api.post("datasets/flights/versions/1/checks").status_code == 202
    assert api.post("datasets/flights/versions/1/checks", {"contract": 1}).status_code == 202
    run_jobs("training")

    listed = api.get("datasets/flights/versions/1/checks").json()["results"]
    assert [(row["contract"], row["broken"], row["version"]) for row in listed] == [(1, 1, 1), (2, 0, 1)]
    assert "results" not in listed[0]
    report = api.get(f"datasets/flights/checks/{listed[0]['id']}").json()
    [broken] = [result for result in report["results"] if not result["passed"]]
    assert (broken["rule"], broken["measured"], len(broken["sample"])) == ("range:distance", 0.49, 5)
    assert broken["reason"] == "Beyond it nothing is known."
    problem(Api(make_team()).get(f"datasets/flights/checks/{listed[0]['id']}"), 404)
    assert ContractCheck.objects.count() == 2


def test_live_inputs_are_held_to_the_contract_of_the_training_rows_or_a_chosen_one(data, api):
    model = make_model(data.dataset.team, name="flight-delay")
    assert api.get("models/flight-delay/data-quality").json()["dataset"] is None
    version = make_trained_champion(model, data.digest, INPUTS)
    reference_record(version=version, source="training", rows=100, columns=REFERENCE)
    rules = [
        {"reason": "For tests.", **NEVER_MISSING},
        {"kind": "live_rows", "min_per_hour": 5, "reason": "Callers ask."},
    ]
    api.post("datasets/flights/contracts", {"document": {"rules": rules}, "reason": "Start."})

    told = api.get("models/flight-delay/data-quality").json()
    assert (told["dataset"], told["contract"], told["chosen"], told["state"]) == ("flights", 1, False, "no_data")
    assert {row["rule"]: row["state"] for row in told["results"]} == {
        "nulls:distance": "no_data",
        "live_rows": "no_data",
    }

    other = named(make_data(data.dataset.team, pd.DataFrame({"x": [1.0] * 40})), "others")
    api.post("datasets/others/contracts", {"document": {"rules": [rules[1]]}, "reason": "Start."})
    chosen = api.put("models/flight-delay/data-quality", {"dataset": other.dataset.name}).json()
    assert (chosen["dataset"], chosen["chosen"], len(chosen["results"])) == ("others", True, 1)
    refused = problem(api.put("models/flight-delay/data-quality", {"dataset": "nothing"}), 400)
    assert refused["errors"][0]["pointer"] == "/dataset"
    assert api.put("models/flight-delay/data-quality", {"dataset": None}).json()["dataset"] == "flights"
    problem(Api(data.dataset.team, Role.VIEWER).put("models/flight-delay/data-quality", {"dataset": None}), 403)
