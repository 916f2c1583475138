"""The registry's API: what a program can read and do with a token."""

import pytest

from registry import services
from registry.models import Alias, AuditEvent, CriteriaSet, RegisteredModel, Role, VersionTag
from tests import factories
from tests.api import problem
from tests.documented import DocumentedApi as Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team()


@pytest.fixture
def engineer(team):
    return Api(team)


RULE = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "Ranks flights well enough."}


def test_model_is_registered_listed_read_and_changed(engineer, team):
    made = engineer.post("models", {"name": "flight-delay", "task": "classification", "purpose": "Rebooking."})

    assert made.status_code == 201
    assert made.json() | {"created_at": 0, "updated_at": 0} == {
        "name": "flight-delay", "team": team.slug, "task": "classification", "risk_tier": 2, "purpose": "Rebooking.",
        "description": "", "revalidate_by": None, "revalidate_why": "", "revalidation_triggers": ["drift"], "retired_at": None, "aliases": {}, "created_by": engineer.user.username,
        "created_at": 0, "updated_at": 0, "path": "/models/flight-delay/",
    }  # fmt: skip
    changed = engineer.patch("models/flight-delay", {"purpose": "Offers.", "revalidate_by": "2027-01-31"})
    assert (changed.json()["purpose"], changed.json()["revalidate_by"]) == ("Offers.", "2027-01-31")
    assert engineer.get("models/flight-delay").json() == changed.json()
    assert engineer.get("models").json()["results"] == [changed.json()]
    events = AuditEvent.objects.filter(subject="/models/flight-delay/").order_by("seq")
    assert [(e.action, e.via) for e in events] == [
        ("model.create", f"token:{engineer.token.prefix}"),
        ("model.update", f"token:{engineer.token.prefix}"),
    ]


def test_models_are_filtered_ordered_and_paged(engineer, team):
    for name, task in [("a", "ranking"), ("b", "classification"), ("c", "ranking")]:
        factories.make_model(team, name=name, task=task, purpose=f"for {name}")

    def names(**query):
        return [model["name"] for model in engineer.get("models", **query).json()["results"]]

    assert names() == ["a", "b", "c"]
    assert names(ordering="-name", task="ranking") == ["c", "a"]
    assert names(search="FOR B") == ["b"]
    assert names(team="another") == []
    first = engineer.get("models", page_size=2).json()
    assert [model["name"] for model in first["results"]] == ["a", "b"]
    assert first["previous"] is None
    rest = engineer.client.get(first["next"]).json()
    assert [model["name"] for model in rest["results"]] == ["c"]
    assert rest["next"] is None


def test_list_of_models_takes_the_same_number_of_queries_however_long(engineer, team, django_assert_max_num_queries):
    for _ in range(3):
        factories.make_champion(factories.make_model(team))

    with django_assert_max_num_queries(6):
        assert len(engineer.get("models").json()["results"]) == 3


def test_version_is_registered_with_everything_and_read_back(engineer, team):
    factories.make_model(team, name="flight-delay")
    helper = factories.make_user(team)

    made = engineer.post(
        "models/flight-delay/versions",
        {
            "source": "runs:/abc/model", "run_id": "abc", "run_link": "https://runs.example/abc", "description": "First.",
            "tags": {"stage": "candidate"}, "data_digest": f"sha256:{1:064x}", "contributors": [helper.username],
        },
    )  # fmt: skip

    assert made.status_code == 201
    version = made.json()
    assert (version["number"], version["artifact_state"], version["is_servable"]) == (1, "unread", False)
    assert version["tags"] == {"stage": "candidate"}
    assert set(version["contributors"]) == {helper.username, engineer.user.username}
    assert engineer.get("models/flight-delay/versions/1").json() == version
    listed = engineer.get("models/flight-delay/versions").json()["results"]
    assert listed == [{name: value for name, value in version.items() if name not in ("manifest", "reading")}]


def test_contributor_outside_the_team_is_refused(engineer, team):
    model = factories.make_model(team)
    stranger = factories.make_user(factories.make_team())

    document = problem(
        engineer.post(f"models/{model.name}/versions", {"source": "runs:/a/m", "contributors": [stranger.username]}),
        400,
    )

    assert document["errors"][0]["pointer"] == "/contributors"
    assert not model.versions.exists()


def test_reading_the_files_of_a_version_settles_its_state(engineer, team):
    version = factories.make_version(factories.make_model(team), servable=False)

    problem(engineer.post(f"models/{version.model.name}/versions/1/verify"), 422)

    version.refresh_from_db()
    assert (version.artifact_state, version.refusal) == ("refused", f"{team.name} has no run abc in MLflow.")


def test_evidence_is_listed_latest_first_and_filtered(engineer, team):
    version = factories.make_version(factories.make_model(team))
    for metric, value in [("roc_auc", 0.8), ("brier", 0.05)]:
        services.evidence_record(version=version, metric=metric, value=value, detail={"method": "bootstrap"})
    path = f"models/{version.model.name}/versions/1/evidence"

    assert [e["metric"] for e in engineer.get(path).json()["results"]] == ["brier", "roc_auc"]
    (found,) = engineer.get(path, metric="roc_auc").json()["results"]
    assert (found["value"], found["artifact_digest"]) == (0.8, version.artifact_digest)
    assert found["detail"] == {"method": "bootstrap"}


def test_free_alias_is_set_read_and_removed(engineer, team):
    version = factories.make_version(factories.make_model(team))
    path = f"models/{version.model.name}/aliases/staging"

    assert engineer.put(path, {"version": 1}).json() | {"set_at": 0} == {
        "model": version.model.name, "version": 1, "name": "staging", "guarded": False, "promotion": None,
        "rollback": None, "set_by": engineer.user.username, "set_at": 0,
    }  # fmt: skip
    assert engineer.get(path).json()["version"] == 1
    assert engineer.delete(path).status_code == 204
    assert engineer.delete(path).status_code == 204
    problem(engineer.get(path), 404)


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_guarded_alias_names_who_can_move_it(engineer, team, verb):
    champion = factories.make_champion(factories.make_model(team))
    other = factories.make_version(champion.model)
    path = f"models/{champion.model.name}/aliases/champion"

    answer = engineer.put(path, {"version": other.number}) if verb == "put" else engineer.delete(path)

    document = problem(answer, 403)
    assert document["type"] == "urn:problem:guarded-alias"
    assert document["unmet"][0]["rule"] == "an approved promotion"
    assert Alias.objects.get(model=champion.model).version == champion


@pytest.mark.parametrize(("alias", "version"), [("a b", 1), ("x" * 101, 1), ("ok", 99), ("ok", 10**30)])
def test_alias_with_a_bad_name_or_no_such_version_is_refused(engineer, team, alias, version):
    model = factories.make_version(factories.make_model(team)).model

    problem(engineer.put(f"models/{model.name}/aliases/{alias}", {"version": version}), 400)

    assert not model.aliases.exists()


def test_criteria_are_drafted_by_product_and_agreed_by_another(engineer, team):
    model = factories.make_model(team)
    product, approver = Api(team, Role.PRODUCT), Api(team, Role.APPROVER)

    drafted = product.post(f"models/{model.name}/criteria", {"criteria": [RULE], "note": "First set."})

    assert drafted.status_code == 201
    draft = drafted.json()
    assert (draft["number"], draft["state"], draft["drafted_by"]) == (1, "draft", product.user.username)
    assert draft["criteria"][0]["threshold"] == 0.7
    problem(product.post(f"criteria/{draft['id']}/agree"), 403)
    agreed = approver.post(f"criteria/{draft['id']}/agree").json()
    assert (agreed["state"], agreed["agreed_by"]) == ("agreed", approver.user.username)
    assert engineer.get(f"models/{model.name}/criteria", state="agreed").json()["results"] == [agreed]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"threshold": None}, "/criteria/0/threshold"),
        ({"direction": "up"}, "/criteria/0/direction"),
        ({"metric": {"a": 1}}, "/criteria/0/metric"),
        ({"colour": "red"}, "/criteria/0/colour"),
    ],
)
def test_bad_criterion_is_named_by_pointer(team, change, pointer):
    model = factories.make_model(team)

    document = problem(
        Api(team, Role.PRODUCT).post(f"models/{model.name}/criteria", {"criteria": [RULE | change]}), 400
    )

    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert not CriteriaSet.objects.exists()


def test_promotion_is_requested_looked_at_and_approved(engineer, team):
    factories.make_criteria(factories.make_model(team, name="flight-delay"))
    version = factories.make_version(RegisteredModel.objects.get())
    services.evidence_record(version=version, metric="roc_auc", value=0.8)
    approver = Api(team, Role.APPROVER)

    asked = engineer.post("promotions", {"model": "flight-delay", "version": 1, "description": "Better in winter."})

    assert asked.status_code == 201
    pk = asked.json()["id"]
    shown = approver.get(f"promotions/{pk}")
    assert shown["ETag"] == f'"{shown.json()["binding"]}"'
    (check,) = shown.json()["checks"]
    assert (check["status"], check["blocks"], check["evidence"]["value"]) == ("passed", False, 0.8)
    assert all(rule["met"] for rule in shown.json()["rules"])
    assert [item["path"] for item in approver.get("inbox").json()["waiting"]] == [f"/promotions/{pk}/"]

    done = approver.post(f"promotions/{pk}/approve", {"reason": "Checked.", "seen": shown.json()["binding"]})

    assert done.status_code == 200
    assert done.json()["state"] == "completed"
    assert [(a["approver"], a["decision"]) for a in done.json()["approvals"]] == [(approver.user.username, "approve")]
    assert engineer.get("models/flight-delay/aliases/champion").json()["promotion"] == pk
    assert engineer.get("inbox").json()["last_decisions"][0]["id"] == pk


def test_approval_may_name_what_was_seen_by_if_match(team):
    promotion = factories.make_promotion(factories.make_model(team))
    approver = Api(team, Role.APPROVER)
    etag = approver.get(f"promotions/{promotion.pk}")["ETag"]

    done = approver.post(f"promotions/{promotion.pk}/approve", {"reason": "Checked."}, If_Match=etag)

    assert done.json()["state"] == "completed"


def test_seen_in_the_body_goes_before_if_match(team):
    promotion = factories.make_promotion(factories.make_model(team))
    approver = Api(team, Role.APPROVER)
    body = {"reason": "Checked.", "seen": factories.seen(promotion)}

    assert approver.post(f"promotions/{promotion.pk}/approve", body, If_Match='"old"').status_code == 200


@pytest.mark.parametrize("headers", [{}, {"If_Match": "*"}, {"If_Match": ""}])
def test_approval_of_nothing_in_particular_is_refused(team, headers):
    promotion = factories.make_promotion(factories.make_model(team))

    answer = Api(team, Role.APPROVER).post(f"promotions/{promotion.pk}/approve", {"reason": "Checked."}, **headers)

    assert "binding" in problem(answer, 428)["detail"]
    assert not promotion.approvals.exists()


def test_rejection_withdrawal_and_comment(engineer, team):
    model = factories.make_model(team)
    factories.make_criteria(model)
    factories.make_version(model)
    approver = Api(team, Role.APPROVER)
    first = engineer.post("promotions", {"model": model.name, "version": 1}).json()["id"]

    comment = approver.post(f"promotions/{first}/comments", {"body": "Why not later?"})
    assert (comment.status_code, comment.json()["author"]) == (201, approver.user.username)
    problem(approver.post(f"promotions/{first}/comments", {"body": " "}), 400)
    assert approver.post(f"promotions/{first}/reject", {"reason": "Too early."}).json()["state"] == "rejected"
    second = engineer.post("promotions", {"model": model.name, "version": 1}).json()["id"]
    assert engineer.post(f"promotions/{second}/withdraw").json()["state"] == "withdrawn"

    listed = engineer.get("promotions", model=model.name).json()["results"]
    assert [(p["id"], p["state"]) for p in listed] == [(second, "withdrawn"), (first, "rejected")]
    assert [p["id"] for p in engineer.get("promotions", state="rejected").json()["results"]] == [first]


def test_rollback_and_its_review(engineer, team):
    model = factories.make_model(team)
    factories.make_champion(model)
    factories.make_champion(model)

    done = engineer.post(f"models/{model.name}/rollback", {"to_version": 1, "reason": "Errors rose."})

    assert done.status_code == 201
    assert (done.json()["from_version"], done.json()["to_version"]) == (2, 1)
    assert engineer.get(f"models/{model.name}").json()["aliases"] == {"champion": 1}
    approver = Api(team, Role.APPROVER)
    assert [r["id"] for r in approver.get("rollbacks", reviewed="false").json()["results"]] == [done.json()["id"]]
    reviewed = approver.post(f"rollbacks/{done.json()['id']}/review", {"note": "Right call."}).json()
    assert reviewed["reviewed_by"] == approver.user.username
    assert approver.get("rollbacks", reviewed="false").json()["results"] == []


def test_version_tags_of_any_kind_are_kept_as_text(engineer, team):
    model = factories.make_model(team)

    problem(engineer.post(f"models/{model.name}/versions", {"source": "runs:/a/m", "tags": {"k\x00": "v"}}), 400)
    problem(engineer.post(f"models/{model.name}/versions", {"source": "runs:/a/m", "tags": {"k": {"a": 1}}}), 400)

    assert not VersionTag.objects.exists()
