"""The bill of materials of a version is CycloneDX 1.6, and says what the registry knows."""

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from registry.models import VersionReading
from registry.selectors.bom import bom_of, bom_text
from registry.services import evidence_record
from tests import factories
from tests.api import Api, problem
from tests.artifacts import logged_version, mlmodel

pytestmark = pytest.mark.django_db
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
DECLARED = "lightgbm==4.7.0\nNumPy>=2,<3\nlightgbm==4.7.0\ngit+https://elsewhere/x.git\npandas\nüñí ¤==1\n"


@pytest.fixture
def team():
    return factories.make_team()


@pytest.fixture
def version(team):
    model = factories.make_model(team, purpose="Warns travellers of late flights.", risk_tier=1)
    files = {"MLmodel": mlmodel(metadata={"license": "apache-2.0"}), "requirements.txt": DECLARED,
             "python_env.yaml": "python: 3.11.9\n"}  # fmt: skip
    digest = f"sha256:{'d' * 64}"
    return factories.read_files(logged_version(team, files, model=model, data_digest=digest, run_id="run1"))


def test_bill_of_materials_says_what_is_known_of_a_version(version):
    evidence_record(version=version, metric="roc_auc", value=0.8, ci_low=0.7, ci_high=0.9, data_slice="origin=JFK")

    bom = bom_of(version)

    assert VALIDATOR.validate_str(json.dumps(bom)) is None
    model = bom["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", version.model.name, "1")
    assert model["hashes"] == [{"alg": "SHA-256", "content": version.artifact_digest.removeprefix("sha256:")}]
    assert {file["name"]: file["hashes"][0]["content"] for file in model["components"]} == {
        file["path"]: file["sha256"] for file in version.manifest
    }
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    card = model["modelCard"]
    assert card["modelParameters"]["task"] == "classification"
    assert card["modelParameters"]["modelArchitecture"] == "LightGBM text"
    assert card["modelParameters"]["inputs"][0] == {"format": "carrier: string"}
    assert card["considerations"] == {
        "users": [version.model.team.name],
        "useCases": ["Warns travellers of late flights."],
    }
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "Area under the ROC curve (Offline evaluation)", "value": "0.8", "slice": "origin=JFK",
         "confidenceInterval": {"lowerBound": "0.7", "upperBound": "0.9"}}
    ]  # fmt: skip
    assert {"name": "controlplane:mlflow_run", "value": "run1"} in model["properties"]
    parts = {part["bom-ref"]: part for part in bom["components"]}
    assert list(parts) == [
        "platform:python", "pkg:pypi/lightgbm@4.7.0", "pkg:pypi/numpy", "text:git+https://elsewhere/x.git",
        "pkg:pypi/pandas", "text:üñí ¤==1", "data:training",
    ]  # fmt: skip
    assert parts["data:training"]["hashes"][0]["content"] == "d" * 64
    assert bom["dependencies"][0] == {"ref": "model", "dependsOn": list(parts)}


def test_same_facts_give_the_same_text(version):
    before = bom_text(version)

    assert bom_text(version) == before
    evidence_record(version=version, metric="roc_auc", value=0.8)
    assert json.loads(bom_text(version))["serialNumber"] != json.loads(before)["serialNumber"]


def test_signature_is_no_metric(version):
    factories.approve(factories.make_promotion(version.model, version=version))

    metrics = bom_of(version)["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]

    assert [metric["type"] for metric in metrics] == ["Area under the ROC curve (Offline evaluation)"]


@pytest.mark.parametrize("servable", [True, False])
def test_version_of_which_little_is_known_has_one_too(team, servable):
    version = factories.make_version(factories.make_model(team), servable=servable)

    assert VALIDATOR.validate_str(bom_text(version)) is None


def test_unknown_licence_and_odd_declarations_stay_valid(team):
    version = factories.make_version(factories.make_model(team))
    VersionReading.objects.create(
        version=version, licence="Ours, all of it", dependencies={"packages": [DECLARED, "", "a" * 200, "x ; y"]}
    )

    assert VALIDATOR.validate_str(bom_text(version)) is None


def test_bill_of_materials_is_downloaded(version, team):
    answer = Api(team).get(f"models/{version.model.name}/versions/1/bom")

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/vnd.cyclonedx+json; version=1.6")
    assert answer["Content-Disposition"] == f'attachment; filename="{version.model.name}-v1.cdx.json"'
    assert answer.content.decode() == bom_text(version)
    problem(Api(factories.make_team()).get(f"models/{version.model.name}/versions/1/bom"), 404)
