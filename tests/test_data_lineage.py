"""The lineage of a data set version: from its source to every run, version and promotion, bounded where there are hundreds."""

import pandas as pd
import pytest
from django.urls import reverse

from experiments.drawing.boxes import NARROW, Node, drawn_across, drawn_down
from experiments.lineage.rows import data_lineage, drawn_of, uses_shown
from experiments.models import DatasetSource, DatasetVersion, Evaluation, TrainingRun
from jobs.models import Job
from registry.models import ModelVersion, Role
from tests import factories
from tests.api import Api
from tests.data_sets import make_data

TRUNK = [[Node("Source", "s")], [Node("Parent", "p")], [Node("Data", "d")]]
BRANCHES = [[Node("Run", f"r{n}"), Node("Version", f"v{n}"), Node("Promotion", f"p{n}")] for n in range(4)]


def test_each_branch_keeps_its_row_and_joins_the_trunk_once():
    across, down = drawn_across(TRUNK, BRANCHES), drawn_down(TRUNK, BRANCHES)

    for drawing in (across, down):
        for n, one in enumerate(drawing.boxes):
            assert 0 <= one.x <= one.x + one.width <= drawing.width + 1e-9
            assert 0 <= one.y <= one.y + one.height <= drawing.height
            for other in drawing.boxes[n + 1 :]:
                apart = one.x + one.width <= other.x or other.x + other.width <= one.x
                assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y
        assert len(drawing.paths) == 2 + 4 + 4 * 2  # along the trunk, to each branch, along each branch
        rows = [{box.y for box in drawing.boxes if box.node in branch} for branch in BRANCHES]
        assert all(len(row) == 1 for row in rows)
    assert down.width == NARROW


@pytest.fixture
def team(db):
    return factories.make_team("travel")


@pytest.fixture
def data(team):
    return make_data(team, pd.DataFrame({"distance": [float(n) for n in range(48)]}))


def job_of(team, kind="train"):
    return Job.objects.create(kind=kind, queue="training", scope=team.slug, title=kind, state="succeeded")


def trained(model, data):
    version = factories.make_version(model)
    TrainingRun.objects.create(
        job=job_of(model.team),
        dataset_version=data,
        version=version,
        pipeline="lightgbm",
        run_id="a" * 32,
        experiment_id="1",
    )
    return version


def follow(version, number):
    """Add a version that follows another one."""
    values = {
        name: getattr(version, name)
        for name in (
            "dataset",
            "file",
            "rows",
            "columns",
            "time_column",
            "split_policy",
            "target",
            "key",
            "splits",
            "profile",
            "checks",
            "created_by",
        )
    }
    return DatasetVersion.objects.create(**values, number=number, digest=f"sha256:{number:064x}", parent=version)


def test_it_leads_from_the_source_to_the_champion(client, team, data):
    source = DatasetSource.objects.create(
        dataset=data.dataset, kind="postgres", columns=[], split={}, created_by=data.created_by,
        config={"connection": "warehouse", "query": "SELECT 1", "watermark": "n", "start": 0},
    )  # fmt: skip
    query = {"connection": "warehouse", "above": 600, "up_to": 650, "new_rows": 50}
    latest = follow(follow(follow(data, 2), 3), 4)
    DatasetVersion.objects.filter(pk=latest.pk).update(made_from=source, query=query)
    latest.refresh_from_db()
    model = factories.make_model(team, name="flight-delay")
    version = trained(model, latest)
    promotion = factories.approve(factories.make_promotion(model, version=version))
    other = factories.make_version(factories.make_model(team, name="later"))
    Evaluation.objects.create(version=other, dataset_version=latest, suite="x", job=job_of(team, "evaluate"))
    follow(latest, 5)

    trunk, branches = drawn_of(data_lineage(latest), list(uses_shown(latest).order_by("-id")))
    assert [(node.kind, node.title, node.note) for [node] in trunk] == [
        ("Source", "query of warehouse", "up to 650"), ("Earlier", "2 versions", "that these follow"),
        ("Parent", f"{data.dataset} v3", f"sha256:{3:064x}"[:15]), ("Data", f"{data.dataset} v4", f"sha256:{4:064x}"[:15]),
    ]  # fmt: skip
    measured, made = branches
    assert [node.kind for node in measured] == ["Measured", "Version"]
    assert [(node.kind, node.href) for node in made] == [
        ("Run", reverse("job", args=[version.training_run.job_id])), ("Version", version.path), ("Promotion", promotion.path)
    ]  # fmt: skip
    assert made[2].note == "is champion"

    told = Api(team, Role.VIEWER).get(f"datasets/{data.dataset.name}/versions/4/lineage").json()
    assert (told["origin"]["title"], told["query"]) == ("query of warehouse", query)
    assert ([one["number"] for one in told["ancestors"]], [one["number"] for one in told["children"]]) == (
        [3, 2, 1],
        [5],
    )
    assert (told["use_count"], told["model_count"]) == (2, 2)
    [mine] = [one for one in told["models"] if one["model"] == "flight-delay"]
    assert mine == {
        "model": "flight-delay", "path": model.path, "versions": 1, "trained": 1, "registered": 0, "measured": 0, "promotions": 1,
        "champion": version.number,
    }  # fmt: skip
    [measured, made] = Api(team).client.get(told["uses"]).json()["results"]
    assert (measured["model"], measured["ways"], measured["job"]) == ("later", ["measured"], None)
    assert (made["ways"], made["aliases"], made["promotions"][0]["id"]) == (["trained"], ["champion"], promotion.pk)

    client.force_login(factories.make_user(team, Role.VIEWER))
    page = client.get(latest.path).content.decode()
    for link in (source.path, promotion.path, version.path, reverse("job", args=[version.training_run.job_id])):
        assert f'href="{link}"' in page
    assert "follows" in page.lower()


def test_hundreds_of_uses_are_drawn_by_model_and_listed_by_page(client, team, data, django_assert_max_num_queries):
    models = [factories.make_model(team, name=f"model-{n}") for n in range(6)]
    first = [trained(model, data) for model in models]
    factories.approve(factories.make_promotion(models[0], version=first[0]))

    ModelVersion.objects.bulk_create([
        ModelVersion(
            model=models[0], number=1000 + n, source="runs:/abc/model", data_digest=data.digest, created_by=first[0].created_by
        )
        for n in range(200)
    ])  # fmt: skip

    with django_assert_max_num_queries(14):
        _, branches = drawn_of(found := data_lineage(data), [])
    assert [[node.title for node in branch] for branch in branches[:1]] == [["1 run", "model-0", "1 promotion"]]
    assert (len(branches), branches[-1][0].title) == (5, "2 more")
    assert (found.models[0].versions, found.models[0].registered, found.models[0].champion) == (
        201,
        200,
        first[0].number,
    )
    client.force_login(factories.make_user(team, Role.VIEWER))
    with django_assert_max_num_queries(60):
        page = client.get(data.path).content.decode()
    assert page.count('data-l="Serves as"') == 25
    only = client.get(f"{data.path}?model=model-3").content.decode()
    assert only.count('data-l="Serves as"') == 1
    rows = Api(team).get(f"datasets/{data.dataset.name}/versions/1/uses", model="model-3").json()["results"]
    assert [row["model"] for row in rows] == ["model-3"]


def test_evidence_leads_to_the_rows_that_it_names(client, team, data):
    client.force_login(factories.make_user(team, Role.VIEWER))

    def led(**named):
        return client.get(reverse("dataset_of"), named).headers["Location"]

    assert led(name=data.dataset.name, digest=data.digest) == data.path
    assert led(name=data.dataset.name, digest="sha256:other") == data.dataset.path
    assert led(name="not here", digest=data.digest) == "/datasets/?q=not+here"
    client.force_login(factories.make_user(factories.make_team(), Role.VIEWER))
    assert led(name=data.dataset.name, digest=data.digest) == f"/datasets/?q={data.dataset.name}"
