"""The calls that are compared: what clients do every day, and each way of asking wrongly that MLflow has an answer for."""

from typing import Any

from conformance.recorder import Recorder

NAMES = [
    "",
    " ",
    "a/b",
    "a:b",
    ".",
    "..",
    "a/../b",
    "x" * 256,
    "x" * 257,
    "two words",
    "ünïcode-模型",
    "a.b_c-d",
    "a\x00b",
]
ALIASES = ["latest", "LATEST", "v1", "V22", "", "two words", "a.b", "x" * 255, "x" * 256, "v1x", "_", "ü"]
TAG_KEYS = ["", "a/b", "a:b", "a b", "../a", "/a", "a;b", "x" * 250, "x" * 251, "ü", "a.b-c_d"]
VERSIONS = ["1", 1, "01", "one", "", 0, -1, 99, "1.0", " 1 "]
SOURCES = [
    "", "model", "some/path", "/etc/passwd", "file:///etc/passwd", "s3://bucket/model", "dbfs:/model", "runs:/RUN/model",
    "runs:/other/model", "runs://host/RUN/model", "runs:/RUN/../model", "models:/m/1", "models:/m/99", "models:/none/1",
    "models:/m@a", "models:/m/latest", "models:/m-0123456789abcdef0123456789abcdef", "mlflow-artifacts:/x/y", "http://host/model",
    "../model", "runs:/RUN/%2e%2e/model", "runs:/RUN/a#b",
]  # fmt: skip
MODEL_FILTERS = [
    "name = 'm'", "name != 'm'", "name LIKE 'm%'", "name ILIKE 'M%'", "name LIKE '%'", "name IN ('m', 'n')", "name NOT IN ('m')",
    "name > 'm'", "name = m", "name == 'm'", 'name = "m"', "name = 'm' AND name LIKE '%m'", "name = 'm' OR name = 'n'",
    "`name` = 'm'", "attribute.name = 'm'", "attributes.name = 'm'", "NAME = 'm'", "name = 'm' and name = 'm'", "size = 3",
    "tags.team = 'eu'", "tag.team = 'eu'", "tags.team != 'eu'", "tags.team LIKE 'e%'", "tags.team ILIKE 'E%'",
    "tags.team = 'eu' AND tags.kind = 'toy'", "tags.`team` = 'eu'", 'tags."team" = \'eu\'', "tags.team IN ('eu')",
    "tags.team > 'a'", "tags.none = 'x'", "tags.none != 'x'", "tags.team = eu", "name", "name =", "= 'm'", "AND", "name = 'm' AND",
    "name LIKE '_'", "name LIKE 'm\\_'", "name = ''", "name = 'm''n'", "tags.team = ''", "tags.empty = ''", "params.a = '1'",
    "tags.`mlflow.prompt.is_prompt` = 'true'", "tags.`mlflow.prompt.is_prompt` != 'true'",
    "tags.`mlflow.prompt.is_prompt` = 'false'", "tags.`mlflow.prompt.is_prompt` != 'false'",
    "tags.`mlflow.prompt.is_prompt` = 'true' AND name LIKE '%e%'", "last_updated_timestamp > 0", "name = 3", "name IN 'm'",
    "name IN ()", "name IN ('m'", "name=m OR 1=1", "name = 'm'; DROP TABLE x",
]  # fmt: skip
VERSION_FILTERS = [
    "name = 'm'", "name != 'm'", "name LIKE 'm%'", "name ILIKE 'M%'", "name IN ('m', 'n')", "name > 'm'", "name NOT IN ('m')",
    "version_number = 2", "version_number != 2", "version_number > 1", "version_number >= 2", "version_number < 2",
    "version_number <= 1", "version_number = '2'", "version_number = 1.5", "version_number = 'two'", "version_number LIKE '1'",
    "version_number IN (1, 2)", "version = 1", "run_id = 'RUN'", "run_id != 'RUN'", "run_id IN ('RUN', 'x')", "run_id LIKE 'RUN'",
    "run_id LIKE '%-%'", "run_id = ''", "run_id NOT IN ('RUN')", "source_path = 'runs:/RUN/b'", "source_path LIKE '%/b'", "source_path IN ('x')",
    "source = 'runs:/RUN/b'", "tags.stage = 'eu'", "tags.seed = '1'", "tags.seed != '1'", "tags.seed LIKE '_'",
    "tags.seed ILIKE '%1'", "tags.none != 'x'", "tags.seed = '1' AND name = 'm'", "tags.seed = '1' AND tags.note = 'x'",
    "tags.seed > 1", "tags.seed IN ('1')", "current_stage = 'None'", "aliases = 'a'", "user_id = 'x'", "creation_timestamp > 0",
    "tags.`mlflow.prompt.is_prompt` = 'true'", "tags.`mlflow.prompt.is_prompt` != 'true'", "name = 'm' OR run_id = 'x'",
    "name = 'greeting'", "run_id = 'RUN' AND version_number > 1 AND tags.seed = '2'", "garbage",
]  # fmt: skip
MODEL_ORDERS = [
    ["name"], ["name ASC"], ["name DESC"], ["name desc"], ["timestamp"], ["timestamp DESC"], ["last_updated_timestamp DESC"],
    ["last_updated_timestamp DESC", "name DESC"], ["creation_timestamp"], ["name", "name DESC"],
    ["timestamp", "last_updated_timestamp"], ["size"], ["name UP"], [""], ["name DESC, timestamp"], ["`name` DESC"], ["tags.team"],
]  # fmt: skip
VERSION_ORDERS = [
    ["name"], ["name DESC"], ["version_number"], ["version_number DESC"], ["creation_timestamp"], ["creation_timestamp DESC"],
    ["last_updated_timestamp"], ["last_updated_timestamp DESC", "version_number"], ["run_id"], ["source_path"], ["version"],
    ["name", "name"], ["size"], ["version_number UP"], [""],
]  # fmt: skip
SIZES = [0, -1, 1, 2, 1000, 1001, 200_000, 200_001]


def everything(do: Recorder) -> None:
    """Make all the calls."""
    run = do.create_run(do.create_experiment("conformance"))
    run_id = run.info.run_id if run else ""
    models(do)
    versions(do, run_id)
    aliases(do)
    searches(do, run_id)
    copies(do)
    prompts(do, run_id)
    endings(do)


def basics(do: Recorder) -> None:
    """Make the calls of an ordinary day; few enough for every test run."""
    run = do.create_run(do.create_experiment("basics"))
    run_id = run.info.run_id if run else ""
    do.create_registered_model("m", {"team": "eu", "n": 1}, "about m")
    do.create_registered_model("m")
    for number in (1, 2, 3):
        do.create_model_version("m", f"runs:/{run_id}/{number}", run_id, {"seed": str(number)})
    do.set_registered_model_alias("m", "a", 2)
    do.transition_model_version_stage("m", 1, "Staging")
    do.update_model_version("m", 2, "about two")
    for text in ("name = 'm'", "version_number >= 2", "tags.seed != '1'", "size = 3"):
        do.search_model_versions(text)
    _pages(do, do.search_model_versions, max_results=2, order_by=["version_number"])
    do.copy_model_version("models:/m@a", "n")
    prompts(do, run_id)
    endings(do)


def models(do: Recorder) -> None:
    """Registered models, their names and tags."""
    do.search_registered_models()
    do.create_registered_model("m", {"team": "eu", "kind": "toy", "empty": "", "n": 12345}, "about m")
    do.create_registered_model("n")
    do.create_registered_model("m")
    do.get_registered_model("m")
    do.update_registered_model("m", "more about m")
    do.get_registered_model("m")
    do.update_registered_model("m", "")
    do.update_registered_model("m", None)
    do.update_registered_model("none", "x")
    for name in NAMES:
        do.create_registered_model(name)
        do.get_registered_model(name)
        do.delete_registered_model(name)
        do.rename_registered_model("n", name)
        do.rename_registered_model(name, "n")
    do.rename_registered_model("n", "m")
    do.rename_registered_model("n", "n")
    do.rename_registered_model("none", "o")
    for key in TAG_KEYS:
        do.set_registered_model_tag("m", key, "x")
        do.delete_registered_model_tag("m", key)
        do.create_registered_model("tagged", {key: "x"})
    do.set_registered_model_tag("m", "long", "x" * 100_000)
    do.set_registered_model_tag("m", "longer", "x" * 100_001)
    do.delete_registered_model_tag("m", "long")
    do.set_registered_model_tag("m", "none", None)
    do.set_registered_model_tag("m", "team", "us")
    do.set_registered_model_tag("none", "team", "us")
    do.get_registered_model("m")
    do.set_registered_model_tag("m", "team", "eu")
    do.delete_registered_model_tag("none", "team")
    do.get_registered_model("none")


def versions(do: Recorder, run_id: str) -> None:
    """Versions, their sources, stages and tags."""
    for number, artifact in enumerate("aabb"):
        do.create_model_version("m", f"runs:/{run_id}/{artifact}", run_id, {"seed": str(number)}, description=artifact)
    do.get_registered_model("m")
    for number, source in enumerate(SOURCES):
        do.create_registered_model(f"source-{number}")
        do.create_model_version(f"source-{number}", source.replace("RUN", run_id), run_id)
        do.get_model_version_download_uri(f"source-{number}", 1)
        do.delete_registered_model(f"source-{number}")
    do.create_model_version("n", "runs:/x/model")
    do.create_model_version("n", f"runs:/{run_id}/model", run_id, run_link="http://127.0.0.1/run")
    do.create_model_version("none", f"runs:/{run_id}/model", run_id)
    do.create_model_version("n", f"runs:/{run_id}/model", run_id, tags={"a/../b": "1"})
    do.create_model_version("n", f"runs:/{run_id}/model", run_id, tags={"long": "x" * 100_001})
    for version in VERSIONS:
        do.get_model_version("m", version)
        do.update_model_version("m", version, "x")
        do.set_model_version_tag("m", version, "note", "x")
        do.transition_model_version_stage("m", version, "None")
        do.get_model_version_download_uri("m", version)
    do.get_model_version("none", 1)
    do.update_model_version("m", 1, None)
    do.get_model_version("m", 1)
    for key in TAG_KEYS:
        do.set_model_version_tag("m", "1", key, "x")
        do.delete_model_version_tag("m", "1", key)
    do.set_model_version_tag("m", "2", "long", "x" * 100_001)
    do.set_model_version_tag("m", "2", "none", None)
    do.set_model_version_tag("m", "99", "note", "x")
    do.set_model_version_tag("none", "1", "note", "x")
    do.delete_model_version_tag("m", "2", "absent")
    do.get_model_version("m", 2)
    do.get_registered_model("m")
    for stage in ("Staging", "staging", "PRODUCTION", "Archived", "None", "none", "Live", ""):
        do.transition_model_version_stage("m", 3, stage)
        do.transition_model_version_stage("m", 4, stage, archive_existing_versions=True)
        do.get_registered_model("m")
        do.get_latest_versions("m", [stage])
    do.get_latest_versions("m")
    do.get_latest_versions("m", [])
    do.get_latest_versions("none")
    do.transition_model_version_stage("m", 3, "Staging")
    do.transition_model_version_stage("m", 99, "Staging", archive_existing_versions=True)
    do.get_latest_versions("m", ["Staging", "None"])


def aliases(do: Recorder) -> None:
    """Aliases: set, moved, asked for, removed."""
    for alias in ALIASES:
        do.set_registered_model_alias("m", alias, "1")
        do.get_model_version_by_alias("m", alias)
        do.delete_registered_model_alias("m", alias)
    do.set_registered_model_alias("m", "a", "1")
    do.set_registered_model_alias("m", "b", "1")
    do.set_registered_model_alias("m", "a", 2)
    do.set_registered_model_alias("m", "a", 99)
    do.set_registered_model_alias("none", "a", 1)
    do.get_registered_model("m")
    do.get_model_version("m", 1)
    do.get_model_version_by_alias("m", "a")
    do.get_model_version_by_alias("m", "absent")
    do.get_model_version_by_alias("none", "a")
    do.get_model_version_by_alias("none", "latest")
    do.delete_registered_model_alias("m", "absent")
    do.delete_registered_model_alias("none", "a")
    do.get_latest_versions("m")


def searches(do: Recorder, run_id: str) -> None:
    """Filters, orders and pages."""
    do.create_registered_model("greeting", {"mlflow.prompt.is_prompt": "true"})
    for text in MODEL_FILTERS:
        do.search_registered_models(text)
    for text in VERSION_FILTERS:
        do.search_model_versions(text.replace("RUN", run_id))
    for order in MODEL_ORDERS:
        do.search_registered_models(order_by=order)
    for order in VERSION_ORDERS:
        do.search_model_versions(order_by=order)
    for size in SIZES:
        do.search_registered_models(max_results=size)
        do.search_model_versions(max_results=size)
    for token in ("garbage", "", "bm9uZQ=="):
        do.search_registered_models(page_token=token)
        do.search_model_versions(page_token=token)
    for size in (1, 2, 3):
        _pages(do, do.search_registered_models, max_results=size)
        _pages(do, do.search_registered_models, max_results=size, order_by=["timestamp DESC"])
        _pages(do, do.search_model_versions, max_results=size)
        _pages(do, do.search_model_versions, max_results=size, order_by=["name DESC", "version_number"])
    do.delete_registered_model("greeting")


def copies(do: Recorder) -> None:
    """Copies within a model, to another, to a new one, and of a copy."""
    do.set_model_version_tag("m", 1, "kept", "yes")
    for source in (
        "models:/m/1",
        "models:/m@a",
        "models:/copied/1",
        "models:/m/99",
        "models:/none/1",
        "runs:/x/y",
        "m",
    ):
        do.copy_model_version(source, "copied")
    do.copy_model_version("models:/m/1", "m")
    do.copy_model_version("models:/m/1", "a/b")
    do.get_registered_model("copied")
    for version in (1, 2, 3):
        do.get_model_version("copied", version)
        do.get_model_version_download_uri("copied", version)


def prompts(do: Recorder, run_id: str) -> None:
    """Prompts: registered models that searches of models leave out."""
    do.register_prompt("greeting", "Hello {{name}}", "first", {"tone": "warm"})
    do.register_prompt("greeting", [{"role": "user", "content": "Hi {{name}}"}], "second")
    do.register_prompt("m", "Hello")
    do.register_prompt("no such/name", "Hello")
    do.register_prompt("long", "x" * 100_001)
    do.create_registered_model("greeting")
    do.create_registered_model("greeting", {"mlflow.prompt.is_prompt": "true"})
    do.create_model_version("greeting", f"runs:/{run_id}/model", run_id)
    do.get_registered_model("greeting")
    do.get_model_version("greeting", 1)
    do.search_registered_models()
    do.search_model_versions("name = 'greeting'")
    do.search_prompts()
    do.search_prompts("name = 'greeting'")
    do.search_prompts("tags.tone = 'warm'", max_results=1)
    do.load_prompt("prompts:/greeting/1")
    do.load_prompt("prompts:/greeting/99")
    do.load_prompt("prompts:/absent/1", allow_missing=True)
    do.load_prompt("greeting")
    do.load_prompt("prompts:/greeting@best")
    do.set_prompt_alias("greeting", "best", 2)
    do.load_prompt("prompts:/greeting@best")
    do.set_prompt_version_tag("greeting", 1, "checked", "yes")
    do.set_prompt_tag("greeting", "owner", "ana")
    do.get_prompt("greeting")
    do.get_prompt_version("greeting", 1)
    do.delete_prompt_tag("greeting", "owner")
    do.delete_prompt_version_tag("greeting", 1, "checked")
    do.search_prompt_versions("greeting")
    do.link_prompt_version_to_run(run_id, "prompts:/greeting/1")
    do.list_logged_prompts(run_id)
    do.get_prompt("m")
    do.copy_model_version("models:/greeting/1", "prompted")
    do.delete_prompt_alias("greeting", "best")
    do.delete_prompt_version("greeting", "1")
    do.load_prompt("prompts:/greeting/1")
    do.delete_prompt("greeting")
    do.delete_prompt_version("greeting", "2")
    do.delete_prompt("greeting")
    do.search_prompts()


def endings(do: Recorder) -> None:
    """Deleting, and what is left."""
    do.set_registered_model_alias("m", "a", 2)
    do.delete_model_version("m", 2)
    do.delete_model_version("m", 2)
    do.delete_model_version("m", 99)
    do.delete_model_version("none", 1)
    do.get_model_version("m", 2)
    do.get_model_version_by_alias("m", "a")
    do.set_registered_model_alias("m", "a", 2)
    do.transition_model_version_stage("m", 2, "Staging")
    do.get_registered_model("m")
    do.search_model_versions("name = 'm'")
    do.rename_registered_model("m", "renamed")
    do.get_registered_model("renamed")
    do.search_model_versions("name = 'renamed'")
    do.delete_registered_model("renamed")
    do.get_registered_model("renamed")
    do.search_model_versions("name = 'renamed'")
    do.create_registered_model("renamed")
    do.get_registered_model("renamed")


def _pages(do: Recorder, search: Any, **asked: Any) -> None:
    page = search(**asked)
    for _ in range(30):
        if not (page and page.token):
            break
        page = do.make(f"next page of {asked}", search, page_token=page.token, **asked)
        do.recorded.pop(-2)  # the same call, written down with its token
