"""Putting models and versions away, and bringing them back: by service, API, page and MLflow's client."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.utils import ProgrammingError
from django.test import Client
from django.utils import timezone

from registry import services
from registry.errors import ConflictError, RoleError
from registry.models import AuditEvent, ModelVersion, RegisteredModel, Role
from tests.api import Api, problem
from tests.factories import make_actor, make_model, make_promotion, make_team, make_user, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def archived():
    """A model with two versions and an alias, put away."""
    model = make_model(name="late-flights", tags={"kind": "toy"})
    make_version(model)
    services.alias_set(actor=make_actor(model.team), model=model, name="shadow", version=make_version(model))
    services.model_archive(actor=make_actor(model.team), model=model)
    model.refresh_from_db()
    return model


def admin_of(model):
    return make_actor(model.team, Role.ADMIN)


def test_model_comes_back_with_versions_tags_and_aliases(archived):
    restored = services.model_restore(actor=admin_of(archived), model_id=archived.pk)

    assert (restored.archived_at, restored.archived_by) == (None, None)
    assert [v.number for v in restored.versions.filter(archived_at=None)] == [2, 1]
    assert restored.aliases.get().version.number == 2
    assert restored.tags.get().value == "toy"
    event = AuditEvent.objects.get(action="model.restore")
    assert (event.subject, event.payload["after"]) == ("/models/late-flights/", "late-flights")


def test_model_whose_name_was_taken_comes_back_under_another(archived):
    make_model(name=archived.name)

    with pytest.raises(ConflictError, match="under another name") as refused:
        services.model_restore(actor=admin_of(archived), model_id=archived.pk)
    assert refused.value.unmet[0]["rule"] == "a name other than late-flights"
    archived.refresh_from_db()
    assert archived.archived_at
    assert not AuditEvent.objects.filter(action="model.restore").exists()

    assert (
        services.model_restore(actor=admin_of(archived), model_id=archived.pk, name="later-flights").versions.count()
        == 2
    )


def test_version_comes_back_under_its_number():
    model = make_model()
    version = make_version(model)
    services.version_archive(actor=make_actor(model.team), version=version)
    assert make_version(model).number == 2

    restored = services.version_restore(actor=admin_of(model), version_id=version.pk)

    assert (restored.number, restored.archived_at, restored.archived_by) == (1, None, None)
    assert AuditEvent.objects.get(action="version.restore").subject == version.path


def test_version_of_an_archived_model_waits_for_the_model():
    model = make_model()
    version = make_version(model)
    services.version_archive(actor=make_actor(model.team), version=version)
    services.model_archive(actor=make_actor(model.team), model=model)

    with pytest.raises(ConflictError, match="archived itself"):
        services.version_restore(actor=admin_of(model), version_id=version.pk)


@pytest.mark.parametrize(("days", "restorable"), [(29, True), (31, False)])
def test_thirty_days_and_no_longer(archived, days, restorable):
    RegisteredModel.objects.filter(pk=archived.pk).update(archived_at=timezone.now() - timedelta(days=days))

    if restorable:
        assert services.model_restore(actor=admin_of(archived), model_id=archived.pk).archived_at is None
    else:
        with pytest.raises(ConflictError, match="could be restored for 30 days"):
            services.model_restore(actor=admin_of(archived), model_id=archived.pk)


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
def test_only_an_admin_restores(archived, role):
    with pytest.raises(RoleError, match="needs the role admin"):
        services.model_restore(actor=make_actor(archived.team, role), model_id=archived.pk)


def test_what_is_governed_is_not_archived():
    promotion = make_promotion()

    for archive in (
        lambda: services.model_archive(actor=make_actor(promotion.model.team), model=promotion.model),
        lambda: services.version_archive(actor=make_actor(promotion.model.team), version=promotion.version),
    ):
        with pytest.raises(ConflictError, match="promotions and evidence"):
            archive()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [("last_number = 0", "never given again"), ("is_prompt = true", "does not become a prompt")],
)
def test_numbers_and_kinds_are_settled_in_sql(change, refusal):
    version = make_version(make_model())

    with pytest.raises(ProgrammingError, match=refusal), connection.cursor() as cursor:
        cursor.execute(f"UPDATE registry_registeredmodel SET {change} WHERE id = {version.model_id}")  # noqa: S608


def test_archive_by_the_api():
    team = make_team()
    engineer, admin = Api(team, Role.ENGINEER), Api(team, Role.ADMIN)
    model = make_model(team, name="api-model")
    version = make_version(model)

    assert engineer.delete(f"models/api-model/versions/{version.number}").status_code == 204
    assert engineer.get("models/api-model/versions/1").status_code == 404
    [listed] = admin.get("archive/versions").json()["results"]
    assert (listed["model"], listed["number"], listed["archived_by"]) == ("api-model", 1, engineer.user.username)
    assert problem(engineer.post(f"archive/versions/{version.pk}/restore"), 403)["type"] == "urn:problem:role"
    assert admin.post(f"archive/versions/{version.pk}/restore").status_code == 200

    assert engineer.delete("models/api-model").status_code == 204
    [listed] = admin.get("archive/models").json()["results"]
    assert (listed["name"], listed["is_prompt"]) == ("api-model", False)
    make_model(team, name="api-model")
    assert admin.post(f"archive/models/{model.pk}/restore", {}).status_code == 409
    assert admin.post(f"archive/models/{model.pk}/restore", {"name": "a;b"}).status_code == 400
    assert admin.post(f"archive/models/{model.pk}/restore", {"name": "api-model-2"}).json()["name"] == "api-model-2"


def test_archive_by_the_pages(archived):
    client = Client()
    client.force_login(make_user(archived.team, Role.ADMIN))
    assert b"late-flights" in client.get("/archive/").content

    answer = client.post(f"/archive/models/{archived.pk}/restore/", {"name": "late-flights"})
    assert answer["Location"] == "/models/late-flights/"
    assert b"Nothing is archived" in client.get("/archive/").content

    assert client.post("/models/late-flights/versions/1/archive/")["Location"] == "/models/late-flights/"
    assert client.get("/models/late-flights/versions/1/").status_code == 404
    page = client.get("/archive/?tab=versions").content.decode()
    assert f"/archive/versions/{ModelVersion.objects.get(number=1).pk}/restore/" in page

    assert client.post("/models/late-flights/archive/")["Location"] == "/archive/"
    assert client.get("/models/late-flights/").status_code == 404


def test_viewer_reads_the_archive_and_sees_who_restores(archived):
    client = Client()
    client.force_login(make_user(archived.team, Role.VIEWER))

    page = client.get("/archive/").content.decode()

    assert f"an admin of {archived.team.name}" in page
    assert "Restore…" not in page


def test_model_that_asks_to_retire_is_not_archived():
    model = make_model()
    version = make_version(model)
    services.retirement_request(
        actor=make_actor(model.team), model=model, version=None, reason="Nobody calls it any more."
    )

    with pytest.raises(ConflictError, match="a retirement"):
        services.model_archive(actor=make_actor(model.team), model=model)
    services.version_archive(actor=make_actor(model.team), version=version)
