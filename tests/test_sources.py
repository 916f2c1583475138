"""Rows from outside: uploaded, read from files and tables, and queried above a watermark, each until it is a version."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from deltalake import DeltaTable
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from experiments import services
from experiments.forms.sources import guess_roles
from experiments.intake import database
from experiments.models import Dataset, DatasetSource, DatasetUpload
from experiments.rows.frames import load_frame
from jobs.models import Job
from jobs.states import State
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests import factories
from tests.api import Api

pytestmark = pytest.mark.django_db

SHARES = {"train": 0.7, "validation": 0.15, "held_out": 0.15}
ENTITY = {"kind": "entity", "shares": SHARES, "seed": 7}
ROLES = {"id": "key", "at": "time", "customer": "entity", "amount": "feature", "fraud": "target"}
TYPES = {"id": "string", "at": "datetime", "customer": "string", "amount": "double", "fraud": "long"}
COLUMNS = [{"name": name, "type": TYPES[name], "role": role} for name, role in ROLES.items()]


def payments(count=600, first=0):
    """Rows out of order of time, of 60 customers."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        {
            "id": f"p{n}", "at": (begin + timedelta(minutes=(n * 7919) % 100_003)).isoformat(), "customer": f"c{n * 31 % 60}",
            "amount": round((n * 37 % 1000) / 7, 2), "fraud": int(n * 7 % 13 == 0),
        }
        for n in range(first, first + count)
    ]  # fmt: skip


def as_csv(rows, separator=","):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.fixture(autouse=True)
def roots(settings, tmp_path):
    settings.UPLOAD_ROOT, settings.SOURCES_ROOT = tmp_path / "uploads", tmp_path / "sources"
    settings.DATA_ROOT = tmp_path / "data"


@pytest.fixture
def team():
    return factories.make_team("payments")


@pytest.fixture
def engineer(team):
    return factories.make_actor(team, Role.ENGINEER)


@pytest.fixture
def dataset(engineer, team):
    return services.dataset_create(actor=engineer, team=team, name="card-payments")


@pytest.fixture
def folder(settings, team):
    path = settings.SOURCES_ROOT / team.slug
    path.mkdir(parents=True)
    return path


def declare(engineer, dataset, kind, config, **change):
    return services.source_declare(
        actor=engineer, dataset=dataset, kind=kind, config=config, **{"columns": COLUMNS, "split": ENTITY, **change}
    )


def read(engineer, source):
    """Run a source, and return its job and the version that came of it."""
    services.source_run_start(actor=engineer, source=source)
    (job,) = run = factories.run_jobs("training")
    assert len(run) == 1
    return job, source.dataset.versions.first()


def refusal(engineer, source):
    """Run a source that cannot be read, and return what its job says."""
    services.source_run_start(actor=engineer, source=source)
    with pytest.raises(InvalidError) as refused:
        factories.run_jobs("training")
    return str(refused.value)


def test_a_first_column_of_ids_is_taken_for_the_key():
    columns = [{"name": name, "type": "long"} for name in ("application_id", "income", "branch_id")]

    assert guess_roles(columns) == {"application_id": "key", "income": "feature", "branch_id": "feature"}


def test_an_uploaded_file_becomes_a_version_by_the_pages(client, engineer, dataset):
    client.force_login(engineer.user)
    german = as_csv(payments(), ";").replace(b".", b",")

    sent = client.post(f"{dataset.path}upload/", {"file": SimpleUploadedFile("../pay.csv", german)})
    upload = DatasetUpload.objects.get()
    page = client.get(sent["Location"]).content.decode()

    assert (upload.name, upload.format, upload.size) == ("pay.csv", "csv", len(german))
    assert upload.found["dialect"] == {"encoding": "utf-8", "separator": ";", "decimal": ","}
    assert [c["type"] for c in upload.found["columns"]] == ["string", "datetime", "string", "double", "long"]
    assert "p0 · p1 · p2" in page

    chosen = {f"role_{at}": role for at, role in enumerate(ROLES.values())} | {
        f"type_{at}": kind for at, kind in enumerate(TYPES.values())
    }
    split = {"kind": "entity", "train": 70, "validation": 15, "held_out": 15, "seed": 7}
    dialect = {"encoding": "utf-8", "separator": ";", "decimal": ","}
    answer = client.post(sent["Location"], {**chosen, **split, **dialect, "act": "declare"})
    (job,) = factories.run_jobs("training")
    version = dataset.versions.get()

    assert (answer.status_code, job.state) == (302, State.SUCCEEDED), job.error
    rows = load_frame(version.parquet, version.digest)
    assert rows["at"].is_monotonic_increasing
    assert rows.sort_values("id")["amount"].sum() == pytest.approx(sum(row["amount"] for row in payments()))
    assert (version.rows, version.target_kind, version.split_kind) == (600, "binary", "entity")
    assert version.column_in("entity") == "customer"
    assert version.query["file_digest"] == upload.digest
    assert version.made_from.kind == "upload"
    assert not upload.place.exists()  # it is a version now
    shown = client.get(version.path).content.decode()
    assert "hash of customer, seed 7" in shown
    assert client.get(version.made_from.path).status_code == 200
    assert {"dataset.upload", "source.declare", "source.run"} <= set(
        AuditEvent.objects.values_list("action", flat=True)
    )


def test_the_same_by_token(dataset, team):
    api = Api(team)
    base = f"datasets/{dataset.name}"
    frame = pl.DataFrame(payments()).with_columns(pl.col("at").str.to_datetime(time_zone="UTC"), pl.col("fraud") == 1)
    body = io.BytesIO()
    frame.write_parquet(body)

    sent = api.client.post(
        f"/api/v1/{base}/uploads?filename=pay.parquet", body.getvalue(), content_type="application/octet-stream"
    )
    assert sent.status_code == 201, sent.content
    assert [c["type"] for c in sent.json()["found"]["columns"]] == ["string", "datetime", "string", "double", "boolean"]

    columns = [{**c, "type": "boolean"} if c["name"] == "fraud" else c for c in COLUMNS]
    config = {"upload": sent.json()["id"]}
    looked = api.post(f"{base}/previews", {"kind": "upload", "config": config})
    made = api.post(f"{base}/sources", {"kind": "upload", "config": config, "columns": columns, "split": ENTITY})
    one = f"{base}/sources/{made.json()['id']}"
    started = api.post(f"{one}/runs")
    (job,) = factories.run_jobs("training")

    assert (looked.status_code, made.status_code, started.status_code, job.state) == (200, 201, 202, State.SUCCEEDED), (
        job.error
    )
    version = dataset.versions.get()
    assert load_frame(version.parquet, version.digest)["fraud"].sum() == sum(row["fraud"] for row in payments())
    assert api.client.delete(f"/api/v1/{one}").status_code == 204
    assert (api.post(f"{one}/runs").status_code, Job.objects.count()) == (409, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"a,b\n", "no rows below the line"),
        (b"a,b\n1,2\n1,2,3\n", "Line 3 has 3 cells, and line 1 names 2 columns"),
        (b"a,a\n1,2\n", "Line 1 names a more than once"),
        (b"\x00\x01\x02", "no text file"),
        (b"PAR1 and then nothing", "cannot be read as Parquet"),
        (b"x" * 5000, "larger than 4,096 bytes"),
    ],
)
def test_a_file_that_is_none_is_refused_and_not_kept(engineer, dataset, settings, content, words):
    settings.SOURCE_MAX_BYTES = 4096

    with pytest.raises(InvalidError, match=words):
        services.upload_receive(actor=engineer, dataset=dataset, name="x.csv", chunks=iter([content]))

    assert list(settings.UPLOAD_ROOT.iterdir()) == []
    assert not DatasetUpload.objects.exists()


def test_a_value_that_does_not_fit_stops_the_job_and_is_named(engineer, dataset):
    rows = payments()
    rows[10]["customer"] = "two\nlines"
    rows[500]["amount"] = "twelve"
    upload = services.upload_receive(actor=engineer, dataset=dataset, name="pay.csv", chunks=[as_csv(rows)])
    assert upload.found["columns"][3]["type"] == "string"

    told = refusal(engineer, declare(engineer, dataset, "upload", {"upload": upload.pk}))

    assert told.startswith("Line 503, column amount: 'twelve' is no number")  # the names and a line break come before
    assert not dataset.versions.exists()
    assert upload.place.exists()  # to be read again as it should be


def test_files_and_tables_are_read_below_the_teams_folder_alone(engineer, dataset, folder, tmp_path):
    days = folder / "days"
    days.mkdir()
    (days / "1.csv").write_bytes(as_csv(payments(300)))
    (days / "2.csv").write_bytes(as_csv(payments(300, first=300)))
    frame = pl.DataFrame(payments()).with_columns(pl.col("at").str.to_datetime(time_zone="UTC"))
    frame.write_delta(str(folder / "table"))
    (tmp_path / "secret.csv").write_bytes(as_csv(payments()))
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (days.parent / "linked").mkdir()
    (days.parent / "linked" / "a.csv").symlink_to(tmp_path / "secret.csv")

    _, first = read(engineer, declare(engineer, dataset, "files", {"on": "local", "place": "days", "format": "csv"}))
    _, second = read(
        engineer, declare(engineer, dataset, "files", {"on": "local", "place": "table", "format": "delta"})
    )

    assert second == first  # the same rows, so the same digest and the same version
    assert [file["name"] for file in first.query["files"]] == ["1.csv", "2.csv"]
    for place in ("../other/x.csv", "/etc/passwd", "days/../../x", "a%2e%2e/x", "x\x00"):
        with pytest.raises(InvalidError, match="no place within"):
            declare(engineer, dataset, "files", {"on": "local", "place": place, "format": "csv"})
    for place in ("link.csv", "linked", "nothing.csv"):
        told = refusal(engineer, declare(engineer, dataset, "files", {"on": "local", "place": place, "format": "csv"}))
        assert "no file within" in told or "There is no" in told
    assert dataset.versions.count() == 1


@pytest.mark.parametrize("elsewhere", ["../../../other/{}", "{root}/other/{}", "file://{root}/other/{}"])
def test_a_tables_log_that_names_a_file_elsewhere_is_refused(engineer, dataset, folder, tmp_path, elsewhere):
    frame = pl.DataFrame(payments(10))
    frame.write_delta(str(tmp_path / "other"))
    frame.write_delta(str(folder / "table"))
    log = folder / "table" / "_delta_log" / "00000000000000000000.json"
    own, foreign = (DeltaTable(str(path)).file_uris()[0] for path in (folder / "table", tmp_path / "other"))
    log.write_text(
        log.read_text().replace(own.rpartition("/")[2], elsewhere.format(foreign.rpartition("/")[2], root=tmp_path))
    )

    told = refusal(engineer, declare(engineer, dataset, "files", {"on": "local", "place": "table", "format": "delta"}))

    assert "outside of the table" in told or "The table cannot be read" in told
    assert not dataset.versions.exists()


@pytest.fixture
def warehouse(settings, team, transactional_db):
    """Rows in the tests' own database, in a table that the application may write, and the connection that reads it."""
    one = connection.settings_dict
    url = f"postgresql://{one['USER']}:{one['PASSWORD']}@{one['HOST']}:{one['PORT']}/{one['NAME']}"
    settings.DATA_CONNECTIONS = {
        "warehouse": {"url": url, "teams": [team.slug]},
        "other": {"url": url, "teams": ["markets"]},
    }
    owner = factories.make_user(team)

    def add(count, first=0):
        rows = [
            Dataset(team=team, name=f"p{n}", description=f"c{n % 60}", last_number=n * 7 % 13, created_by=owner)
            for n in range(first, first + count)
        ]
        return Dataset.objects.bulk_create(rows)[-1].pk

    return add


QUERY = {
    "connection": "warehouse", "watermark": "n", "start": "0",
    "query": "SELECT name AS id, created_at AS at, description AS customer, (id % 7)::float AS amount, (last_number = 0)::int AS fraud, "
    "id AS n FROM experiments_dataset WHERE id > :watermark AND name LIKE 'p%'",
}  # fmt: skip


def test_a_query_adds_what_is_above_the_watermark(engineer, dataset, warehouse):
    reached = warehouse(600)
    source = declare(engineer, dataset, "postgres", QUERY)

    first_job, first = read(engineer, source)
    nothing, same = read(engineer, source)
    further = warehouse(50, first=600)
    _, second = read(engineer, source)

    assert first_job.state == State.SUCCEEDED, first_job.error
    assert (first.rows, first.query["up_to"], first.query["new_rows"]) == (600, reached, 600)
    assert (nothing.state, same) == (State.SUCCEEDED, first)
    assert (second.rows, second.query["up_to"], second.query["above"], second.query["new_rows"]) == (
        650,
        further,
        reached,
        50,
    )
    assert (second.parent, second.number) == (first, 2)
    old, new = (load_frame(v.parquet, v.digest).set_index("id").sort_index() for v in (first, second))
    assert new.loc[old.index, "split"].tolist() == old["split"].tolist()  # no row changes sides
    told = json.dumps(
        [source.config, first.query, first.source, list(AuditEvent.objects.values_list("payload", flat=True))],
        default=str,
    )
    assert "postgresql://" not in told

    for change, field, words in REFUSED:
        with pytest.raises(InvalidError, match=words) as refused:
            read(engineer, declare(engineer, dataset, "postgres", QUERY | change))
        assert refused.value.field == field, change
    assert Dataset.objects.filter(name__startswith="p").count() == 650


REFUSED = [
    ({"query": "DELETE FROM experiments_dataset WHERE id > :watermark"}, "query", "one SELECT"),
    (
        {"query": "SELECT 1 WHERE 1 > :watermark) AS a; DELETE FROM experiments_dataset; SELECT * FROM (SELECT 1"},
        "query",
        "one statement",
    ),
    (
        {"query": "WITH d AS (DELETE FROM experiments_dataset RETURNING id AS n) SELECT * FROM d WHERE n > :watermark"},
        "query",
        "refuses the query",
    ),
    (
        {"query": "SELECT nextval('experiments_dataset_id_seq') AS n WHERE 1 > :watermark"},
        "query",
        "read-only transaction",
    ),
    ({"query": "SELECT * FROM experiments_dataset"}, "query", "above :watermark"),
    ({"watermark": "nothing"}, "query", "nothing"),
    ({"connection": "other"}, "connection", "no connection other"),
    ({"start": ""}, "start", "first run begins"),
]


def test_a_statement_ends_in_time(warehouse, settings, team):
    query = database.checked(database.Query("SELECT pg_sleep(20)::text AS id, 1 AS n WHERE 1 > :watermark", "n", 0))
    with (
        pytest.raises(InvalidError, match="longer than it may"),
        database.reading(settings.DATA_CONNECTIONS["warehouse"]["url"], timeout_s=0.2) as opened,
    ):
        database.found_in(opened, query)


def test_a_schedule_starts_a_source_once_a_turn(engineer, dataset, folder):
    source = declare(
        engineer,
        dataset,
        "files",
        {"on": "local", "place": "x.csv", "format": "csv"},
        cron="0 3 * * *",
        time_zone="Europe/Berlin",
    )
    DatasetSource.objects.filter(pk=source.pk).update(created_at=datetime(2026, 6, 1, tzinfo=UTC))
    before, after = datetime(2026, 6, 1, 0, 59, tzinfo=UTC), datetime(2026, 6, 1, 1, 0, tzinfo=UTC)

    assert [len(services.sources_due(now=at)) for at in (before, after, after + timedelta(minutes=1))] == [0, 1, 0]

    job = Job.objects.get()
    assert (job.kind, job.created_by) == ("dataset_ingest", engineer.user)
    with pytest.raises(ConflictError, match="is reading this source"):
        services.source_run_start(actor=engineer, source=source)
    for cron in ("* * * * *", "nonsense", "61 * * * *"):
        with pytest.raises(InvalidError):
            declare(engineer, dataset, "files", {"on": "local", "place": "x.csv", "format": "csv"}, cron=cron)


def test_who_is_no_engineer_declares_and_uploads_nothing(team, dataset):
    viewer = factories.make_actor(team, Role.VIEWER)

    with pytest.raises(RoleError):
        declare(viewer, dataset, "files", {"on": "local", "place": "x.csv", "format": "csv"})
    with pytest.raises(RoleError):
        services.upload_receive(actor=viewer, dataset=dataset, name="x", chunks=[b"a\n1\n"])
    assert not DatasetSource.objects.exists()


def test_uploads_that_waited_too_long_are_deleted(engineer, dataset):
    upload = services.upload_receive(actor=engineer, dataset=dataset, name="pay.csv", chunks=[as_csv(payments(5))])

    assert services.uploads_forget(now=timezone.now() + timedelta(days=6)) == 0
    assert services.uploads_forget(now=timezone.now() + timedelta(days=8)) == 1
    assert not upload.place.exists()
