"""MLflow's stock client against the real process: runs, models, versions, tags, aliases, search."""

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

from registry import services
from registry.artifacts import ArtifactError
from registry.models import ArtifactState, AuditEvent, ExperimentOwner, ModelVersion, RegisteredModel, Role
from tests.factories import make_actor, make_model, read_files

pytest_plugins = ["tests.mlflow_server"]
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated since 2.9:FutureWarning", "ignore:Hint. Inferred schema")


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "distance": random.normal(size=200),
            "carrier": pd.Categorical(random.choice(["AA", "DL", "UA"], 200), categories=["AA", "DL", "UA"]),
        }
    )
    return frame, (frame["distance"] + (frame["carrier"] == "UA") > 0.4).astype(int)


def log_booster(team, rows, **options):
    """Log a small LightGBM model as a run of the team's own experiment."""
    features, labels = rows
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 4, "verbose": -1}, lightgbm.Dataset(features, labels), num_boost_round=5
    )
    mlflow.set_experiment(f"{team.slug}-experiment")
    with mlflow.start_run() as run:
        signature = infer_signature(features.assign(carrier=features["carrier"].astype(str)), booster.predict(features))
        info = mlflow.lightgbm.log_model(booster, name="model", signature=signature, pip_requirements=[], **options)
    return booster, run, info


def test_run_with_params_metrics_and_artifacts(engineer):
    client = engineer.client
    experiment = client.create_experiment("flights")

    run = client.create_run(experiment, tags={"mlflow.user": "somebody else"})
    client.log_param(run.info.run_id, "depth", 3)
    client.log_metric(run.info.run_id, "auc", 0.8, step=1)
    client.log_metric(run.info.run_id, "auc", 0.9, step=2)
    client.log_text(run.info.run_id, "hello", "notes/a.txt")
    client.set_terminated(run.info.run_id)

    found = client.search_runs([experiment], "metrics.auc > 0.85")[0]
    assert found.data.params == {"depth": "3"}
    assert [m.value for m in client.get_metric_history(run.info.run_id, "auc")] == [0.8, 0.9]
    assert [a.path for a in client.list_artifacts(run.info.run_id, "notes")] == ["notes/a.txt"]
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/a.txt") == "hello"
    assert (found.info.user_id, found.data.tags["mlflow.user"]) == (engineer.user.username,) * 2


def test_experiment_belongs_to_the_team(engineer):
    experiment = engineer.client.create_experiment("flights")
    engineer.client.rename_experiment(experiment, "late flights")

    owner = ExperimentOwner.objects.get(experiment_id=experiment)
    assert (owner.team, owner.name) == (engineer.team, "late flights")


def test_lightgbm_model_is_logged_registered_verified_and_loaded_by_alias(engineer, rows):
    booster, run, _ = log_booster(engineer.team, rows, registered_model_name=f"{engineer.team.slug}-delay")
    name = f"{engineer.team.slug}-delay"
    engineer.client.set_registered_model_alias(name, "candidate", 1)

    loaded = mlflow.lightgbm.load_model(f"models:/{name}@candidate")

    assert np.allclose(loaded.predict(rows[0]), booster.predict(rows[0]))
    found = engineer.client.get_model_version_by_alias(name, "candidate")
    assert (found.version, found.run_id, found.user_id, found.status) == (
        "1", run.info.run_id, engineer.user.username, "READY",
    )  # fmt: skip
    verified = read_files(ModelVersion.objects.get(model__name=name))
    assert (verified.artifact_state, verified.format, verified.refusal) == (ArtifactState.VERIFIED, "lightgbm", "")
    assert verified.signature["inputs"] == [
        {"name": "distance", "type": "double", "required": True},
        {"name": "carrier", "type": "string", "required": True, "categories": ["AA", "DL", "UA"]},
    ]


def test_skops_model_is_logged_registered_and_verified(engineer, rows):
    features, labels = rows[0][["distance"]], rows[1]
    mlflow.set_experiment(f"{engineer.team.slug}-experiment")
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(
            LogisticRegression().fit(features, labels), name="model", serialization_format="skops", pip_requirements=[],
            signature=infer_signature(features, labels),
        )  # fmt: skip

    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", f"{engineer.team.slug}-baseline")

    assert version.version == "1"
    verified = read_files(ModelVersion.objects.get(model__name=version.name))
    assert (verified.artifact_state, verified.format) == (ArtifactState.VERIFIED, "skops")
    assert mlflow.sklearn.load_model(f"models:/{version.name}/1").predict(features).shape == (200,)


def test_copied_version_has_the_files_of_its_original(engineer, rows):
    _, _, info = log_booster(engineer.team, rows, registered_model_name=f"{engineer.team.slug}-a")

    copy = engineer.client.copy_model_version(f"models:/{engineer.team.slug}-a/1", f"{engineer.team.slug}-b")

    original, copied = (read_files(ModelVersion.objects.get(model__name=f"{engineer.team.slug}-{x}")) for x in "ab")
    assert (copy.source, copied.artifact_digest) == (f"models:/{engineer.team.slug}-a/1", original.artifact_digest)
    assert copied.logged_model_id == info.model_id


def test_run_author_counts_as_contributor(engineer, join):
    with join(engineer.team).signed_in() as other:
        run = other.create_run(other.create_experiment(f"{engineer.team.slug}-shared"))
    with engineer.signed_in():
        model = make_model(engineer.team)
        engineer.client.create_model_version(model.name, f"runs:/{run.info.run_id}/model", run.info.run_id)

    names = set(model.versions.get().contributors.values_list("username", flat=True))
    assert names == {run.info.user_id, engineer.user.username}
    assert run.info.user_id != engineer.user.username


@pytest.fixture
def model(engineer):
    """A model with three versions, by the client."""
    name = f"{engineer.team.slug}-model"
    run = engineer.client.create_run(engineer.client.create_experiment(f"{engineer.team.slug}-runs"))
    engineer.client.create_registered_model(name, tags={"team": "eu"}, description="late flights")
    for number in range(3):
        engineer.client.create_model_version(
            name, f"runs:/{run.info.run_id}/model-{number}", run.info.run_id, tags={"seed": str(number)}
        )
    return name


def test_model_and_version_read_back(engineer, model):
    engineer.client.update_model_version(model, 2, "trained on June")
    engineer.client.set_model_version_tag(model, 2, "checked", "yes")
    engineer.client.set_registered_model_tag(model, "owner", "ana")
    engineer.client.set_registered_model_alias(model, "shadow", 2)
    engineer.client.delete_registered_model_tag(model, "team")
    engineer.client.delete_model_version_tag(model, 2, "seed")

    found, version = engineer.client.get_registered_model(model), engineer.client.get_model_version(model, 2)
    assert (found.description, found.tags, found.aliases) == ("late flights", {"owner": "ana"}, {"shadow": "2"})
    assert [v.version for v in found.latest_versions] == ["3"]
    assert (version.description, version.tags, version.aliases) == ("trained on June", {"checked": "yes"}, ["shadow"])
    actions = list(AuditEvent.objects.filter(team=engineer.team.slug).order_by("-seq").values_list("action", "via")[:2])
    assert actions == [
        ("version.untag", f"token:{engineer.token.prefix}"),
        ("model.untag", f"token:{engineer.token.prefix}"),
    ]


def test_stages_are_labels(join):
    sandbox = join(governed=False)
    with sandbox.signed_in() as client:
        name = client.create_registered_model(f"{sandbox.team.slug}-m").name
        for _ in range(2):
            run = client.create_run(client.create_experiment(f"{sandbox.team.slug}-{_}"))
            client.create_model_version(name, f"runs:/{run.info.run_id}/m", run.info.run_id)
        client.transition_model_version_stage(name, 1, "production")
        client.transition_model_version_stage(name, 2, "Production", archive_existing_versions=True)

        stages = {int(v.version): v.current_stage for v in client.search_model_versions(f"name='{name}'")}
        assert stages == {1: "Archived", 2: "Production"}
        assert [v.version for v in client.get_latest_versions(name, ["Production"])] == ["2"]


def test_deleted_version_and_model_are_gone_for_clients_and_kept_as_records(engineer, model):
    engineer.client.set_registered_model_alias(model, "shadow", 1)
    engineer.client.delete_model_version(model, 1)

    with pytest.raises(MlflowException, match="not found") as error:
        engineer.client.get_model_version(model, 1)
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert engineer.client.get_registered_model(model).aliases == {}

    engineer.client.delete_registered_model(model)

    assert engineer.client.search_registered_models(f"name='{model}'") == []
    assert RegisteredModel.objects.get(name=model).versions.count() == 3
    engineer.client.create_registered_model(model)
    assert engineer.client.search_model_versions(f"name='{model}'") == []


def test_renamed_model_keeps_its_versions(engineer, model):
    engineer.client.rename_registered_model(model, f"{model}-new")

    assert [v.version for v in engineer.client.get_latest_versions(f"{model}-new")] == ["3"]
    with pytest.raises(MlflowException, match="not found"):
        engineer.client.get_registered_model(model)


REFUSALS = [
    ("create_registered_model", ["MODEL"], "RESOURCE_ALREADY_EXISTS"),
    ("create_registered_model", ["a;b"], "INVALID_PARAMETER_VALUE"),
    ("get_registered_model", ["missing"], "RESOURCE_DOES_NOT_EXIST"),
    ("get_model_version", ["MODEL", 99], "RESOURCE_DOES_NOT_EXIST"),
    ("get_model_version_by_alias", ["MODEL", "nobody"], "INVALID_PARAMETER_VALUE"),
    ("set_registered_model_alias", ["MODEL", "latest", 1], "INVALID_PARAMETER_VALUE"),
    ("search_registered_models", ["size = 3"], "INVALID_PARAMETER_VALUE"),
    ("search_registered_models", ["", 10, ["name", "name DESC"]], "INVALID_PARAMETER_VALUE"),
    ("search_model_versions", ["name > 'a'"], "INVALID_PARAMETER_VALUE"),
    ("search_model_versions", ["name == 'a'"], "INVALID_PARAMETER_VALUE"),
    ("search_model_versions", ["name = 'a\x00'"], "INVALID_PARAMETER_VALUE"),
    ("search_model_versions", ["", 10, None, "bm9uZQ=="], "INVALID_PARAMETER_VALUE"),
]


def test_refusals_carry_mlflows_codes(engineer, model):
    answered = []
    for method, arguments, _ in REFUSALS:
        with pytest.raises(MlflowException) as error:
            getattr(engineer.client, method)(*[model if argument == "MODEL" else argument for argument in arguments])
        answered.append((method, arguments, error.value.error_code))

    assert answered == REFUSALS


FILTERS = {
    "version_number >= 2": [3, 2],
    "version_number != 2": [3, 1],
    "tags.seed = '1'": [2],
    "tags.seed != '1'": [3, 1],
    "tags.seed LIKE '_'": [3, 2, 1],
    "tags.`seed` ILIKE '%2' AND version_number < 4": [3],
    "tags.absent != 'x'": [],
    "source_path LIKE '%model-0'": [1],
    "run_id IN ('none', 'nothing')": [],
    "run_id != 'none'": [3, 2, 1],
}


def test_version_filters(engineer, model):
    found = {text: engineer.client.search_model_versions(f"name = '{model}' AND {text}") for text in FILTERS}

    assert {text: [int(v.version) for v in versions] for text, versions in found.items()} == FILTERS


def test_pages_follow_each_other_in_any_order(engineer):
    names = [f"{engineer.team.slug}-{letter}" for letter in "edcba"]
    for name in names:
        engineer.client.create_registered_model(name)

    for order in (["name DESC"], ["last_updated_timestamp ASC"], ["timestamp DESC", "name ASC"]):
        found, token = [], None
        while True:
            page = engineer.client.search_registered_models(max_results=2, order_by=order, page_token=token)
            found += [m.name for m in page]
            token = page.token
            if not token:
                break
        assert found == (names if "DESC" not in order[0] or order == ["name DESC"] else names[::-1])


def test_model_filters(engineer, model):
    def search(text):
        return [m.name for m in engineer.client.search_registered_models(text)]

    assert search(f"name LIKE '{engineer.team.slug}-%'") == [model]
    assert search(f"name ILIKE '{engineer.team.slug.upper()}-MODEL'") == [model]
    assert search("tags.team = 'eu'") == [model]
    assert search("tags.team = 'us'") == []
    assert search(f"name != '{model}'") == []
    assert search(f"name IN ('{model}')") == [model]


def test_reading_the_files_changes_nothing_that_clients_compare(engineer, model):
    before = engineer.client.get_model_version(model, 1)
    version = ModelVersion.objects.get(model__name=model, number=1)
    services.version_settle(version_id=version.pk, outcome=ArtifactError("no files"))

    assert engineer.client.get_model_version(model, 1) == before
    version.refresh_from_db()
    assert version.artifact_state == ArtifactState.REFUSED


def test_clients_lose_what_is_archived_and_find_it_again(join):
    member = join()
    name = f"{member.team.slug}-lost"
    with member.signed_in() as client:
        client.create_registered_model(name)
        client.create_prompt(f"{name}-prompt")
        client.delete_registered_model(name)
        client.delete_prompt(f"{name}-prompt")
        with pytest.raises(MlflowException, match="not found"):
            client.get_registered_model(name)

        for model in RegisteredModel.objects.filter(team=member.team):
            services.model_restore(actor=make_actor(model.team, Role.ADMIN), model_id=model.pk)

        assert [m.name for m in client.search_registered_models()] == [name]
        assert client.get_prompt(f"{name}-prompt") is not None
