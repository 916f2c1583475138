"""What any release of MLflow's client must be able to do; run by an interpreter that may know nothing of this repository.

Prints one JSON object: the name of each check, and what was wrong with it, empty where nothing was. It speaks to the
server that ``MLFLOW_TRACKING_URI`` names, and leaves nothing behind but runs.
"""

import json
import sys
import traceback
import uuid
import warnings
from collections.abc import Callable

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

NAME = f"checked-{uuid.uuid4().hex[:8]}"


class Doubled(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow has no types
    """The smallest model there is."""

    def predict(self, context: object, model_input: pd.DataFrame, params: object = None) -> pd.Series:
        """Return twice the input."""
        return model_input["x"] * 2


def refused(code: str, call: Callable[..., object], *arguments: object) -> None:
    """Make sure that a call is refused with ``code``."""
    try:
        call(*arguments)
    except MlflowException as error:
        found = error.error_code
    else:
        found = "no refusal"
    assert found == code, f"{found} instead of {code}"


def register(client: MlflowClient) -> None:
    """Log a model, register it twice."""
    mlflow.set_experiment(NAME)
    for _ in range(2):
        with mlflow.start_run():
            mlflow.log_param("depth", 3)
            mlflow.log_metric("auc", 0.8)
            mlflow.pyfunc.log_model(
                name="model",
                python_model=Doubled(),
                pip_requirements=[],
                registered_model_name=NAME,
                input_example=pd.DataFrame({"x": [1.0]}),
            )
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, NAME)
    assert [int(v.version) for v in client.search_model_versions(f"name='{NAME}'")] == [2, 1]


def search(client: MlflowClient) -> None:
    """Find it by name, tag and run, page by page."""
    assert [m.name for m in client.search_registered_models(f"name LIKE '{NAME[:-1]}%'")] == [NAME]
    page = client.search_model_versions(f"name='{NAME}'", max_results=1, order_by=["version_number"])
    rest = client.search_model_versions(
        f"name='{NAME}'", max_results=1, order_by=["version_number"], page_token=page.token
    )
    assert [int(v.version) for v in [*page, *rest]] == [1, 2]
    assert page[0].user_id
    assert [v.version for v in client.search_model_versions(f"run_id='{page[0].run_id}'")] == [page[0].version]
    refused("INVALID_PARAMETER_VALUE", client.search_registered_models, "size = 3")


def tags(client: MlflowClient) -> None:
    """Set and remove tags and descriptions."""
    client.set_registered_model_tag(NAME, "team", "eu")
    client.set_model_version_tag(NAME, "1", "seed", "7")
    client.update_model_version(NAME, "1", "the first")
    assert client.get_registered_model(NAME).tags == {"team": "eu"}
    version = client.get_model_version(NAME, "1")
    assert (version.tags, version.description) == ({"seed": "7"}, "the first")
    client.delete_registered_model_tag(NAME, "team")
    client.delete_model_version_tag(NAME, "1", "seed")
    assert client.get_registered_model(NAME).tags == {}


def aliases(client: MlflowClient) -> None:
    """Point an alias at a version, and move it."""
    client.set_registered_model_alias(NAME, "champion", "1")
    client.set_registered_model_alias(NAME, "champion", "2")
    assert client.get_model_version_by_alias(NAME, "champion").version == "2"
    refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, NAME, "latest", "1")


def stages(client: MlflowClient) -> None:
    """Move a version to a stage, and ask for the latest of each."""
    client.transition_model_version_stage(NAME, "1", "Staging")
    latest = client.get_latest_versions(NAME, ["Staging"])
    assert [(v.version, v.current_stage) for v in latest] == [("1", "Staging")]


def load(client: MlflowClient) -> None:
    """Load what the alias names and predict."""
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    assert list(loaded.predict(pd.DataFrame({"x": [2.0]}))) == [4.0]


def copy(client: MlflowClient) -> None:
    """Copy a version to another model."""
    copied = client.copy_model_version(f"models:/{NAME}@champion", f"{NAME}-copy")
    assert (copied.version, copied.source) == ("1", f"models:/{NAME}/2")
    assert list(mlflow.pyfunc.load_model(f"models:/{NAME}-copy/1").predict(pd.DataFrame({"x": [2.0]}))) == [4.0]


def prompts(client: MlflowClient) -> None:
    """Register a prompt twice, alias it and load it."""
    client.register_prompt(f"{NAME}-prompt", "Hello {{name}}")
    client.register_prompt(f"{NAME}-prompt", "Good day {{name}}")
    client.set_prompt_alias(f"{NAME}-prompt", "best", 2)
    assert client.load_prompt(f"prompts:/{NAME}-prompt@best").format(name="Ana") == "Good day Ana"
    assert [p.name for p in client.search_prompts(f"name = '{NAME}-prompt'")] == [f"{NAME}-prompt"]
    assert client.search_registered_models(f"name = '{NAME}-prompt'") == []


def deletes(client: MlflowClient) -> None:
    """Delete versions and models; a number is never given again."""
    client.delete_model_version(NAME, "2")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, NAME, "2")
    for name in (NAME, f"{NAME}-copy"):
        client.delete_registered_model(name)
    for number in ("1", "2"):
        client.delete_prompt_version(f"{NAME}-prompt", number)
    client.delete_prompt(f"{NAME}-prompt")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, NAME)


def main() -> None:
    """Run the checks in their order; a later one needs what an earlier one made."""
    warnings.simplefilter("ignore")
    client, wrong = MlflowClient(), {}
    for check in (register, search, tags, aliases, stages, load, copy, prompts, deletes):
        try:
            check(client)
            wrong[check.__name__] = ""
        except Exception:
            wrong[check.__name__] = traceback.format_exc(limit=-2)
    sys.stdout.write(f"\n{json.dumps(wrong)}\n")


if __name__ == "__main__":
    main()
