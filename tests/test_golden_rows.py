"""Rows of golden sets: which rows are measured on, and that none of them is learned from, when rows are read in and when a model is trained."""

import numpy as np
import polars as pl
import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from experiments import services
from experiments.contracts.sources import rows_of
from experiments.handlers.evaluating import _Rows
from experiments.models import ContractCheck, Evaluation, GoldenMark
from experiments.rows.golden import GoldenRows, golden_in_training
from experiments.services.contracts import ContractBrokenError
from jobs.states import State
from registry.errors import ConflictError, InvalidError
from registry.models import Role
from tests import factories
from tests.test_sources import COLUMNS, SHARES, as_csv, payments

TYPES = {"id": "string", "amount": "double", "kind": "string", "fraud": "long", "split": "string"}
ROLES = {"id": "key", "amount": "feature", "kind": "feature", "fraud": "target", "split": "split"}
DECLARED = [{"name": name, "type": kind, "role": ROLES[name], "meaning": ""} for name, kind in TYPES.items()]
PLACED = {name: {"column": "split"} for name in ("train", "validation", "held_out")}


def frame_of(count, *, seed, first=0, split="train", coarse=False):
    rng = np.random.default_rng(seed)
    amount = rng.integers(0, 8, count).astype(float) if coarse else rng.normal(size=count)
    return pl.DataFrame({
        "id": [f"p{first + n}" for n in range(count)], "amount": amount, "kind": rng.choice(["a", "b"], count),
        "fraud": rng.integers(0, 2, count), "split": [split] * count,
    })  # fmt: skip


def golden_of(frame, **change):
    values = {
        "name": "golden v1", "rows": rows_of(frame.to_arrow()), "measured": None, "key": "id", "key_holds": True,
        "features": ("amount", "kind"), "columns": TYPES,
    }  # fmt: skip
    return GoldenRows(**values | change)


def looked(frame, golden):
    found = golden_in_training(
        rows_of(frame.to_arrow()), columns=DECLARED, splits=PLACED, time_column="", golden=[golden]
    )
    return found[0] if found else None


def test_a_golden_row_is_known_again_by_its_key_and_by_its_features():
    golden, fresh = frame_of(200, seed=1), frame_of(5000, seed=2, first=1000)
    copies = golden.head(7)
    renamed, relabelled = copies.with_columns(id="new-" + pl.col("id")), copies.with_columns(amount=pl.lit(0.5))

    assert looked(fresh, golden_of(golden)).passed
    for rows, told in (
        (renamed, "7 by all 2 features"),
        (relabelled, "7 by id"),
        (copies, "7 by id; 7 by all 2 features"),
    ):
        found = looked(pl.concat([fresh, rows]), golden_of(golden))
        assert (found.passed, found.severity, found.measured) == (False, "blocking", 7 / 200)
        assert found.detail == f"7 of 200 golden rows are among the rows to learn from or to tune by: {told}"
        assert found.sample == ["p0", "p1", "p2", "p3", "p4"]
    for split, passed in (("validation", False), ("held_out", True)):
        assert looked(pl.concat([fresh, copies.with_columns(split=pl.lit(split))]), golden_of(golden)).passed is passed


def test_what_is_no_golden_row_is_let_pass():
    golden = frame_of(200, seed=1, split="held_out")
    held = (pl.col("split") == "held_out", "split")
    part = pl.concat([golden, frame_of(100, seed=3, first=500)])

    assert looked(part, golden_of(part, measured=held)) is not None
    assert looked(frame_of(100, seed=3, first=500), golden_of(part, measured=held)).passed  # not measured on
    others = golden_of(golden, features=("height",), columns={"id": "string", "height": "double"}, key_holds=False)
    assert (
        looked(golden.with_columns(split=pl.lit("train")), others) is None
    )  # rows of another kind that are numbered alike
    numbered = golden_of(golden, key="", features=("amount",), columns={"amount": "long"})
    assert looked(golden, numbered) is None


def test_coarse_rows_agree_by_chance_and_that_is_noted_until_it_is_more():
    golden, fresh = frame_of(400, seed=1, coarse=True), frame_of(30, seed=2, first=1000, coarse=True)

    for seed in range(2, 12):
        by_chance = looked(frame_of(30, seed=seed, first=1000, coarse=True), golden_of(golden))
        assert (by_chance.passed, by_chance.severity) == (False, "advisory"), seed
    assert "of which chance explains about" in by_chance.detail
    learned_by_key = looked(pl.concat([fresh, golden.head(1)]), golden_of(golden))
    assert learned_by_key.severity == "blocking"


@pytest.fixture(autouse=True)
def roots(settings, tmp_path):
    settings.UPLOAD_ROOT, settings.DATA_ROOT = tmp_path / "uploads", tmp_path / "data"


@pytest.fixture
def team(db):
    return factories.make_team("payments")


@pytest.fixture
def engineer(team):
    return factories.make_actor(team, Role.ENGINEER)


def read_in(engineer, team, name, rows, shares=SHARES):
    """Upload rows into a data set of their own, and return the job that reads them and the version."""
    dataset = services.dataset_create(actor=engineer, team=team, name=name)
    upload = services.upload_receive(actor=engineer, dataset=dataset, name="pay.csv", chunks=[as_csv(rows)])
    source = services.source_declare(
        actor=engineer, dataset=dataset, kind="upload", config={"upload": upload.pk}, columns=COLUMNS,
        split={"kind": "entity", "shares": shares, "seed": 7},
    )  # fmt: skip
    services.source_run_start(actor=engineer, source=source)
    (job,) = factories.run_jobs("training")
    return job, dataset.versions.get()


def make_golden(engineer, version, **change):
    services.golden_mark(actor=engineer, version=version, reason="Judged by hand.", **change)
    second = factories.make_actor(version.dataset.team, Role.PRODUCT)
    services.golden_confirm(actor=second, version=version, now=timezone.now())
    return type(version).objects.get(pk=version.pk)


def test_golden_rows_are_refused_where_rows_are_read_in_and_where_a_model_is_trained(engineer, team):
    _, golden = read_in(engineer, team, "judged", payments(120), {"held_out": 1.0})
    _, before = read_in(engineer, team, "copied", payments(600))  # holds all of them, and is there before the mark
    golden = make_golden(engineer, golden)

    with pytest.raises(ContractBrokenError) as refused:
        read_in(engineer, team, "again", payments(599))
    report = ContractCheck.objects.get(dataset__name="again")
    [told] = [one for one in report.failures if one["kind"] == "golden_rows"]
    assert (report.version, told["rule"], told["severity"]) == (None, "golden_rows:judged v1", "blocking")
    assert "nothing of the golden set judged v1 is learned from" in str(refused.value)
    assert "put them into a split that nothing is learned from" in told["reason"]
    assert len(told["sample"]) == 5

    job, clean = read_in(engineer, team, "clean", payments(480, first=120))
    assert (job.state, clean.failed_checks) == (State.SUCCEEDED, [])

    model = factories.make_model(team)
    services.training_start(actor=engineer, model=model, pipeline="lightgbm", dataset_version=before)
    with pytest.raises(ConflictError, match=r"Nothing is trained on copied v1.*judged v1.*such as p") as stopped:
        factories.run_jobs("training")
    assert stopped.value.unmet[0]["who"] == "an engineer, by a version without these rows"
    assert not model.versions.exists()


def test_a_golden_set_says_which_of_its_rows_are_measured_on(engineer, team):
    shares = {"train": 0.6, "exam": 0.4}
    _, version = read_in(engineer, team, "judged", payments(300), shares)
    model = factories.make_champion(factories.make_model(team))

    with pytest.raises(InvalidError, match=r"holds out no rows.*mark this one as golden"):
        services.evaluation_start(actor=engineer, version=model, dataset_version=version)
    with pytest.raises(InvalidError, match="no split other; choose one of exam, train, or all rows"):
        services.golden_mark(actor=engineer, version=version, reason="Judged.", split="other")
    with pytest.raises(DatabaseError, match="names a split of its version"), transaction.atomic():
        GoldenMark.objects.create(version=version, reason="x", marked_by=engineer.user, split="other")

    part = make_golden(engineer, version, split="exam")
    _, whole = read_in(engineer, team, "all-of-it", payments(300, first=300), shares)
    whole = make_golden(engineer, whole)
    assert (part.measured_split, whole.measured_split) == ("exam", "")
    services.evaluation_start(actor=engineer, version=model, dataset_version=part)
    assert Evaluation.objects.get().suite.endswith("+golden")

    for data, count in ((part, part.splits["exam"]["rows"]), (whole, 300)):
        rows = _Rows(data, pl.read_parquet(data.parquet).to_pandas())
        assert len(rows.held_out) == count
    with pytest.raises(DatabaseError, match="is never changed"), transaction.atomic():
        GoldenMark.objects.filter(version=part).update(split="")
