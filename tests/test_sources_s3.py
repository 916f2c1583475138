"""Files, tables and judgements on S3, as moto serves it, below the team's prefix alone."""

import boto3
import polars as pl
import pytest

from experiments import services
from experiments.intake.places import s3_options
from experiments.rows.retrieval import parted
from experiments.selectors import load_frame
from registry.errors import InvalidError
from tests import factories
from tests.test_artifacts_s3 import BUCKET, aws  # noqa: F401  a fixture
from tests.test_sources import COLUMNS, ENTITY, as_csv, payments, read, refusal

pytestmark = pytest.mark.django_db


def test_rows_are_read_below_the_teams_prefix(aws, settings, tmp_path):  # noqa: F811
    settings.SOURCES_S3, settings.DATA_ROOT = f"s3://{BUCKET}/rows", tmp_path
    team = factories.make_team("payments")
    engineer = factories.make_actor(team)
    dataset = services.dataset_create(actor=engineer, team=team, name="card-payments")
    client = boto3.client("s3")
    for n in (0, 1):
        client.put_object(Bucket=BUCKET, Key=f"rows/payments/days/{n}.csv", Body=as_csv(payments(300, first=n * 300)))
    client.put_object(Bucket=BUCKET, Key="rows/markets/days/0.csv", Body=as_csv(payments(300)))
    client.put_object(
        Bucket=BUCKET,
        Key="rows/payments/judged/docs.jsonl",
        Body=b'{"_id": "d1", "text": "a"}\n{"_id": "d2", "text": "b"}',
    )
    client.put_object(Bucket=BUCKET, Key="rows/payments/judged/queries.jsonl", Body=b'{"_id": "q1", "text": "which?"}')
    client.put_object(Bucket=BUCKET, Key="rows/payments/judged/qrels.tsv", Body=b"q1\td1\t1\n")
    frame = pl.DataFrame(payments()).with_columns(pl.col("at").str.to_datetime(time_zone="UTC"))
    frame.write_delta(f"s3://{BUCKET}/rows/payments/table", storage_options=s3_options())

    def declared(place, form):
        config = {"on": "s3", "place": place, "format": form}
        return services.source_declare(
            actor=engineer, dataset=dataset, kind="files", config=config, columns=COLUMNS, split=ENTITY
        )

    _, files = read(engineer, declared("days", "csv"))
    _, table = read(engineer, declared("table", "delta"))
    _, judged = read(engineer, declared("judged", "retrieval"))

    assert table == files
    assert [(one["name"], bool(one["etag"])) for one in files.query["files"]] == [("0.csv", True), ("1.csv", True)]
    assert files.rows == 600
    assert parted(load_frame(judged.parquet, judged.digest)).judgements == {"q1": {"d1": 1}}
    assert "no file that ends in" in refusal(engineer, declared("day", "csv"))  # a prefix is no folder
    with pytest.raises(InvalidError, match="no place within"):
        declared("../markets/days", "csv")
