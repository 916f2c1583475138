"""Golden sets: marked by one person, confirmed by another, never trained on, never changed, by SQL neither."""

import pandas as pd
import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from experiments import services
from experiments.models import GoldenMark, TrainingRun
from jobs.models import Job
from registry.errors import ConflictError, FourEyesError, InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests import factories
from tests.data_sets import make_data

pytestmark = pytest.mark.django_db


@pytest.fixture
def version():
    return make_data(factories.make_team(), pd.DataFrame({"x": [float(n % 7) for n in range(120)]}))


@pytest.fixture
def engineer(version):
    return factories.make_actor(version.dataset.team, Role.ENGINEER)


@pytest.fixture
def golden(version, engineer):
    services.golden_mark(actor=engineer, version=version, reason="Cases that the fraud desk judged by hand.")
    second = factories.make_actor(version.dataset.team, Role.PRODUCT)
    services.golden_confirm(actor=second, version=version, now=timezone.now())
    return type(version).objects.get(pk=version.pk)


def trained_on(version, model):
    job = Job.objects.create(kind="train", queue="training", scope=model.team.slug, title="Train", state="succeeded")
    return TrainingRun.objects.create(
        job=job,
        dataset_version=version,
        version=factories.make_version(model),
        pipeline="lightgbm",
        run_id="a" * 32,
        experiment_id="1",
    )


def test_a_second_person_makes_it_golden_and_then_nothing_is_trained_on_it(golden, engineer):
    model = factories.make_model(golden.dataset.team)

    with pytest.raises(ConflictError, match="is golden: it is measured on, and never trained on"):
        services.training_start(actor=engineer, model=model, pipeline="lightgbm", dataset_version=golden)

    assert golden.frozen
    assert not Job.objects.filter(kind="train").exists()
    assert {"dataset.golden_mark", "dataset.golden_confirm"} <= set(AuditEvent.objects.values_list("action", flat=True))
    with pytest.raises(DatabaseError, match="nothing is trained on a golden set"), transaction.atomic():
        trained_on(golden, model)


def test_who_marks_does_not_confirm_and_who_only_looks_does_neither(version, engineer):
    viewer = factories.make_actor(version.dataset.team, Role.VIEWER)

    with pytest.raises(InvalidError, match="what the rows stand for"):
        services.golden_mark(actor=engineer, version=version, reason=" ")
    services.golden_mark(actor=engineer, version=version, reason="Judged by hand.")
    with pytest.raises(FourEyesError):
        services.golden_confirm(actor=engineer, version=version, now=timezone.now())
    with pytest.raises(RoleError):
        services.golden_confirm(actor=viewer, version=version, now=timezone.now())

    version.refresh_from_db()
    assert (version.is_golden, version.frozen) == (False, False)


def test_what_was_trained_on_is_not_golden(version, engineer):
    trained_on(version, factories.make_model(version.dataset.team))

    with pytest.raises(ConflictError, match="was trained on"):
        services.golden_mark(actor=engineer, version=version, reason="Judged by hand.")

    assert not GoldenMark.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE experiments_goldenmark SET reason = 'another'",
        "UPDATE experiments_goldenmark SET confirmed_by_id = NULL, confirmed_at = NULL",
        "DELETE FROM experiments_goldenmark",
        "TRUNCATE experiments_goldenmark",
        "UPDATE experiments_datasetversion SET digest = 'sha256:other'",
        "DELETE FROM experiments_datasetversion",
    ],
)
def test_sql_does_not_undo_it(golden, statement):
    with (
        pytest.raises(DatabaseError, match=r"never changed|never deleted|append-only|permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert GoldenMark.objects.get().confirmed_by is not None


def test_sql_does_not_confirm_alone(version, engineer):
    services.golden_mark(actor=engineer, version=version, reason="Judged by hand.")

    with pytest.raises(DatabaseError, match="by another person"), transaction.atomic():
        GoldenMark.objects.update(confirmed_by=engineer.user, confirmed_at=timezone.now())
    with pytest.raises(DatabaseError, match="a golden set is frozen"), transaction.atomic():
        GoldenMark.objects.update(
            confirmed_by=factories.make_user(version.dataset.team, Role.PRODUCT), confirmed_at=timezone.now()
        )
