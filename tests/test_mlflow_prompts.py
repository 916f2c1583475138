"""MLflow's prompts, by its stock client: kept beside models, and never taken for one."""

import json

import mlflow
import pytest
from django.test import Client
from mlflow.exceptions import MlflowException

from registry import services
from registry.errors import InvalidError
from registry.models import PROMPT_TAG, AuditEvent, RegisteredModel
from tests.factories import make_actor, make_model

pytest_plugins = ["tests.mlflow_server"]


@pytest.fixture
def prompt(engineer):
    name = f"{engineer.team.slug}-greeting"
    mlflow.genai.register_prompt(name, "Hello {{name}}", commit_message="first")
    mlflow.genai.register_prompt(name, "Good day {{name}}", commit_message="politer", tags={"tone": "formal"})
    return name


def test_prompt_is_registered_aliased_and_loaded(engineer, prompt):
    mlflow.genai.set_prompt_alias(prompt, "best", 2)

    loaded = mlflow.genai.load_prompt(f"prompts:/{prompt}@best")

    assert loaded.format(name="Ana") == "Good day Ana"
    assert (loaded.version, loaded.commit_message, loaded.tags, loaded.user_id) == (
        2, "politer", {"tone": "formal"}, engineer.user.username,
    )  # fmt: skip
    assert [p.name for p in mlflow.genai.search_prompts(f"name = '{prompt}'")] == [prompt]
    assert [v.version for v in engineer.client.search_prompt_versions(prompt)] == [2, 1]


def test_prompt_is_linked_to_a_run(engineer, prompt):
    run = engineer.client.create_run(engineer.client.create_experiment("prompted"))

    engineer.client.link_prompt_version_to_run(run.info.run_id, f"prompts:/{prompt}/1")

    linked = json.loads(engineer.client.get_run(run.info.run_id).data.tags["mlflow.linkedPrompts"])
    assert linked == [{"name": prompt, "version": "1"}]


def test_searches_of_models_leave_prompts_out(engineer, prompt):
    engineer.client.create_registered_model(f"{engineer.team.slug}-model")

    assert [m.name for m in engineer.client.search_registered_models()] == [f"{engineer.team.slug}-model"]
    assert engineer.client.search_model_versions() == []
    found = engineer.client.search_registered_models(f"tags.`{PROMPT_TAG}` = 'true'")
    assert [m.name for m in found] == [prompt]


@pytest.mark.parametrize("kind", ["model", "prompt"])
def test_names_are_shared_with_models(engineer, prompt, kind):
    engineer.client.create_registered_model(f"{engineer.team.slug}-model")
    tried = {
        "model": lambda: engineer.client.create_registered_model(prompt),
        "prompt": lambda: mlflow.genai.register_prompt(f"{engineer.team.slug}-model", "Hello"),
    }

    with pytest.raises(MlflowException, match="same name"):
        tried[kind]()


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["true", "TRUE"])
def test_model_does_not_become_a_prompt(value):
    model = make_model()

    with pytest.raises(InvalidError, match="was registered as a model"):
        services.model_tag_set(actor=make_actor(model.team), model=model, key=PROMPT_TAG, value=value)

    assert not model.tags.exists()
    assert not AuditEvent.objects.filter(action="model.tag").exists()


@pytest.mark.django_db
def test_prompt_does_not_become_a_model():
    prompt = make_model(tags={PROMPT_TAG: "true"})

    with pytest.raises(InvalidError, match="was registered as a prompt"):
        services.model_tag_delete(actor=make_actor(prompt.team), model=prompt, key=PROMPT_TAG)

    assert prompt in RegisteredModel.objects.prompts()
    assert prompt not in RegisteredModel.objects.live()


CHAT = '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi {{name}}"}]'


@pytest.mark.django_db
def test_pages_show_prompts_and_their_versions_beside_models():
    prompt = make_model(name="greeting", tags={PROMPT_TAG: "true"})
    actor = make_actor(prompt.team)
    for tags in (
        {"mlflow.prompt.text": "Hello <b>{{name}}</b>", "tone": "warm"},
        {"mlflow.prompt.text": CHAT, "_mlflow_prompt_type": "chat"},
    ):
        services.version_create(actor=actor, model=prompt, source="prompt-template", tags={PROMPT_TAG: "true"} | tags)
    client = Client()
    client.force_login(actor.user)

    listed, newest, first = (
        client.get(path).content.decode()
        for path in ("/prompts/", "/prompts/greeting/", "/prompts/greeting/?version=1")
    )

    assert 'href="/prompts/greeting/"' in listed
    assert "Be brief." in newest
    assert "Hi {{name}}" in newest
    assert "Hello &lt;b&gt;{{name}}&lt;/b&gt;" in first
    assert "warm" in first
    assert "greeting" not in client.get("/models/").content.decode()
    assert client.get("/models/greeting/").status_code == 404
    assert client.get("/prompts/greeting/?version=9").status_code == 404
