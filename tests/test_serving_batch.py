"""Batch scoring: whole files and tables in, a Delta table out, by what answers single requests too."""

import subprocess
import sys
from typing import Any

import duckdb
import lightgbm
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from distributed import LocalCluster

from serving.batch import __main__ as batch
from serving.batch.reading import BatchError
from serving.contract import SPEC_ERROR, BatchProgress, BatchSpec, Column
from tests.gateways import ROOT, boosted, flights, make_artifact, make_boosted, make_pipeline, pipeline

ROWS = 400


@pytest.fixture
def rows() -> pd.DataFrame:
    frame, _ = flights(ROWS)
    return frame.assign(booking=[f"b-{i}" for i in range(ROWS)])


def make_spec(home, source, *, version=None, **more) -> BatchSpec:
    given: dict[str, Any] = {
        "name": "batch:1", "model": "flight-delay", "task": "classification", "version": version or make_boosted(home),
        "input": str(source), "format": source.suffix.lstrip(".") or "parquet", "output": str(home / "out"),
        "keep": ["booking"], "chunk_rows": 64,
    }  # fmt: skip
    return BatchSpec(**given | more)


def written(home, name, frame):
    path = home / name
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=150)
    else:
        write_deltalake(path, pa.Table.from_pandas(frame.astype({"carrier": str}), preserve_index=False))
    return path


def predictions(spec) -> pd.DataFrame:
    return DeltaTable(spec.output).to_pandas().sort_values("row", ignore_index=True)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows"])
def test_each_format_gives_what_the_model_itself_says(tmp_path, rows, name):
    source = written(tmp_path, name, rows)
    spec = make_spec(tmp_path, source, format={"rows": "delta"}.get(name, source.suffix[1:]))

    done = batch.run(spec)

    found = predictions(spec)
    assert found.row.tolist() == list(range(ROWS))
    assert found.booking.tolist() == rows.booking.tolist()
    np.testing.assert_array_equal(found.probability, boosted().predict(rows.drop(columns="booking")))
    assert done == BatchProgress(ROWS, None if name.endswith("csv") else ROWS, 0 if name == "rows" else None) or (
        done.rows == done.of == ROWS
    )


def test_a_pipeline_scores_a_folder_of_files_in_the_order_of_their_names(tmp_path, rows):
    folder = tmp_path / "rows"
    folder.mkdir()
    rows.iloc[:250].to_parquet(folder / "part-0.parquet")
    rows.iloc[250:].to_parquet(folder / "part-1.parquet")
    spec = make_spec(tmp_path, folder, version=make_pipeline(tmp_path / "artifact"), format="parquet")

    batch.run(spec)

    found = predictions(spec)
    assert found.booking.tolist() == rows.booking.tolist()
    np.testing.assert_allclose(
        found.probability, pipeline().predict_proba(rows.drop(columns="booking"))[:, 1], atol=1e-12
    )


def test_the_table_says_where_it_comes_from_and_others_read_it(tmp_path, rows):
    spec = make_spec(tmp_path, written(tmp_path, "rows.parquet", rows), lineage={"job": "/jobs/7/"})

    batch.run(spec)

    (commit,) = DeltaTable(spec.output).history()
    assert {k: commit[k] for k in ("model", "model_version", "digest", "input", "job")} == {
        "model": "flight-delay", "model_version": "1", "digest": spec.version.digest, "input": spec.input, "job": "/jobs/7/",
    }  # fmt: skip
    assert pl.read_delta(spec.output).height == ROWS
    assert duckdb.read_parquet(f"{spec.output}/*.parquet").count("*").fetchall() == [(ROWS,)]


def test_a_second_attempt_finds_what_the_first_one_finished(tmp_path, rows):
    spec = make_spec(tmp_path, written(tmp_path, "rows.parquet", rows))
    first = batch.run(spec)

    again = batch.run(spec)

    assert again == first == BatchProgress(ROWS, ROWS)
    assert DeltaTable(spec.output).version() == 0


def test_files_of_an_attempt_that_was_killed_before_its_commit_are_cleared_away(tmp_path, rows):
    spec = make_spec(tmp_path, written(tmp_path, "rows.parquet", rows))
    (tmp_path / "out").mkdir()
    pq.write_table(pa.table({"row": [0]}), tmp_path / "out/part-0.parquet")

    batch.run(spec)

    assert len(list((tmp_path / "out").glob("*.parquet"))) == len(DeltaTable(spec.output).file_uris())


def test_a_table_of_something_else_is_left_alone(tmp_path, rows):
    spec = make_spec(tmp_path, written(tmp_path, "rows.parquet", rows))
    write_deltalake(spec.output, pa.table({"other": [1]}))

    with pytest.raises(BatchError, match="is a table already"):
        batch.run(spec)

    assert DeltaTable(spec.output).to_pyarrow_table().column_names == ["other"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda rows: rows.drop(columns=["hour", "wet"]), "rows.parquet lacks the columns hour, wet; it has carrier"),
        (lambda rows: rows.drop(columns="booking"), "rows.parquet lacks the columns booking"),
        (lambda rows: rows.assign(carrier="??"), r"column carrier, row 0: '\?\?' is none of its 3 categories"),
        (
            lambda rows: rows.assign(hour=np.where(rows.index == 130, 3.5, rows.hour)),
            r"column hour, row 2: 3.5 .* \(rows are counted from row 128 of the input\)",
        ),
        (lambda rows: rows.assign(wet=None), "column wet, row 0: a value is required"),
    ],
)
def test_what_the_model_does_not_take_is_named_and_nothing_is_written(tmp_path, rows, spoil, why):
    spec = make_spec(tmp_path, written(tmp_path, "rows.parquet", spoil(rows)))

    with pytest.raises(BatchError, match=why):
        batch.run(spec)

    assert not (tmp_path / "out").exists()


def test_a_column_that_the_model_can_do_without_may_lack(tmp_path, rows):
    spec = make_spec(tmp_path, written(tmp_path, "rows.parquet", rows.drop(columns="distance")))

    batch.run(spec)

    expected = boosted().predict(rows.drop(columns="booking").assign(distance=np.nan))
    np.testing.assert_array_equal(predictions(spec).probability, expected)


def test_a_cell_of_csv_that_is_no_number_is_named(tmp_path, rows):
    path = written(tmp_path, "rows.csv", rows)
    path.write_text(path.read_text().replace(",17,", ",noon,", 1))

    with pytest.raises(BatchError, match="CSV conversion error to int64: invalid value 'noon'"):
        batch.run(make_spec(tmp_path, path))


def test_a_forecast_is_a_row_a_step(tmp_path):
    random = np.random.default_rng(3)
    lags = pd.DataFrame(random.normal(size=(300, 2)), columns=["lag_1", "lag_2"])
    learned = lightgbm.train(
        {"verbose": -1, "num_threads": 1}, lightgbm.Dataset(lags, lags.lag_1 + 0.5 * lags.lag_2), 5
    )
    columns = [Column("lag_1", "double"), Column("lag_2", "double")]
    version = make_artifact(tmp_path / "v1", "model.lgb", learned.model_to_string().encode(), columns=columns)
    source = written(tmp_path, "rows.parquet", lags.head(50).assign(booking="b"))
    spec = make_spec(
        tmp_path, source, version=version, task="forecasting", chunk_rows=20, keep=[],
        horizon=3,
    )  # fmt: skip

    assert batch.run(spec) == BatchProgress(50, 50) == batch.run(spec)

    found = DeltaTable(spec.output).to_pandas().sort_values(["row", "step"], ignore_index=True)
    assert found.step.tolist() == [1, 2, 3] * 50
    one = learned.predict(lags.head(50))
    two = learned.predict(pd.DataFrame({"lag_1": one, "lag_2": lags.lag_1.head(50)}))
    np.testing.assert_array_equal(found.forecast[found.step == 1], one)
    np.testing.assert_array_equal(found.forecast[found.step == 2], two)


@pytest.mark.parametrize(("name", "what"), [("none.parquet", "no such file"), ("text.parquet", "is not parquet")])
def test_an_input_that_is_none_is_refused(tmp_path, rows, name, what):
    (tmp_path / "text.parquet").write_text("no parquet")

    with pytest.raises(BatchError, match=what):
        batch.run(make_spec(tmp_path, tmp_path / name))


def test_the_command_tells_how_far_it_is_and_why_it_stops(tmp_path, rows):
    spec = make_spec(tmp_path, written(tmp_path, "rows.parquet", rows))
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(spec))
    command = [sys.executable, "-m", "serving.batch", str(tmp_path / "spec.json")]

    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    (tmp_path / "v1/model.lgb").write_text("tree\nchanged")
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(spec, output=str(tmp_path / "2"))))
    refused = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    told = [msgspec.json.decode(line, type=BatchProgress) for line in done.stdout.splitlines()]
    assert [progress.rows for progress in told] == [64, 128, 192, 256, 320, 384, 400, 400]
    assert {progress.of for progress in told} == {ROWS}
    assert refused.returncode == SPEC_ERROR
    assert "model.lgb has changed" in refused.stderr


def test_a_cluster_of_processes_writes_the_same(tmp_path, rows):
    source = written(tmp_path, "rows.parquet", rows)
    alone = make_spec(tmp_path, source)
    batch.run(alone)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        spec = msgspec.structs.replace(alone, scheduler=cluster.scheduler_address, output=str(tmp_path / "cluster"))

        batch.run(spec)

    pd.testing.assert_frame_equal(predictions(spec), predictions(alone))
    with pytest.raises(BatchError, match="no Dask scheduler answers"):
        batch.run(msgspec.structs.replace(spec, output=str(tmp_path / "none"), scheduler="tcp://127.0.0.1:9"))
