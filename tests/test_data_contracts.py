"""Contracts of data sets: numbered, changed by the team with a reason, run by jobs, fixed in SQL."""

from contextlib import contextmanager
from datetime import timedelta

import pandas as pd
import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from experiments.builders.catalogue import BUILDERS, Builder
from experiments.contracts.document import Contract, read_contract
from experiments.models import ContractCheck, ContractDraft, DataContract
from experiments.services import (
    contract_change,
    contract_check_start,
    contract_draft_drop,
    contract_draft_save,
    contract_propose_start,
    dataset_build_start,
)
from jobs.states import State
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.data_sets import make_data
from tests.factories import make_actor, make_team, make_user, run_jobs

pytestmark = pytest.mark.django_db

RANGE = {"kind": "range", "column": "x", "max": 3, "reason": "For tests."}


def doc(*rules):
    return {"rules": list(rules)}


@pytest.fixture
def data():
    return make_data(make_team(), pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0] * 12}))


@pytest.fixture
def engineer(data):
    return make_actor(data.dataset.team)


def test_each_change_is_the_next_number_with_its_reason_in_the_trail(data, engineer):
    first = contract_change(
        actor=engineer, dataset=data.dataset, document=doc(RANGE), reason=" Start. ", reference=data
    )
    second = contract_change(
        actor=engineer, dataset=data.dataset, document=doc(RANGE | {"max": 5}), reason="Four is common."
    )

    assert [(c.number, c.reason, c.reference) for c in data.dataset.contracts.all()] == [
        (2, "Four is common.", None), (1, "Start.", data),
    ]  # fmt: skip
    assert data.dataset.contract_in_force() == second
    assert first.contract == read_contract(doc(RANGE))
    event = AuditEvent.objects.filter(action="contract.change").latest("seq")
    assert event.payload == {
        "number": 2, "reason": "Four is common.", "rules": 1, "added": [], "changed": ["range:x"], "removed": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("document", "reason", "error", "field"),
    [
        (doc(RANGE), "  ", InvalidError, "reason"),
        (doc(RANGE | {"max": "far"}), "Why.", InvalidError, "contract/rules[0].max"),
        (doc(RANGE, RANGE), "Why.", InvalidError, "contract/rules[1]"),
        (doc(), "Why.", ConflictError, None),
    ],
)
def test_what_is_not_sound_is_refused_by_field(data, engineer, document, reason, error, field):
    with pytest.raises(error) as refused:
        contract_change(actor=engineer, dataset=data.dataset, document=document, reason=reason)

    assert getattr(refused.value, "field", None) == field
    assert not DataContract.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRODUCT, Role.APPROVER])
def test_others_neither_propose_nor_change_nor_check(data, role):
    actor = make_actor(data.dataset.team, role)

    for attempt in (
        lambda: contract_change(actor=actor, dataset=data.dataset, document=doc(RANGE), reason="Why."),
        lambda: contract_draft_save(actor=actor, dataset=data.dataset, contract=Contract()),
        lambda: contract_draft_drop(actor=actor, dataset=data.dataset),
        lambda: contract_propose_start(actor=actor, version=data),
        lambda: contract_check_start(actor=actor, version=data),
    ):
        with pytest.raises(RoleError):
            attempt()

    assert not DataContract.objects.exists()
    assert not ContractDraft.objects.exists()


def test_a_proposal_is_a_draft_until_a_person_accepts_it(data, engineer):
    contract_propose_start(actor=engineer, version=data)
    (job,) = run_jobs("training")

    draft = ContractDraft.objects.get()
    assert job.result == {"rules": len(draft.contract.rules), "draft": f"{data.dataset.path}contract/edit/"}
    assert (draft.reference, draft.changed_by) == (data, engineer.user)
    assert "range:x" in [rule.key for rule in draft.contract.rules]
    assert data.dataset.contract_in_force() is None

    contract_change(
        actor=engineer, dataset=data.dataset, document=draft.document, reason="Looks right.", reference=data
    )

    assert not ContractDraft.objects.exists()
    assert data.dataset.contract_in_force().document == draft.document


def test_a_version_is_held_to_a_contract_on_demand_and_the_result_is_kept(data, engineer):
    contract = contract_change(actor=engineer, dataset=data.dataset, document=doc(RANGE), reason="Start.")
    contract_change(actor=engineer, dataset=data.dataset, document=doc(RANGE | {"max": 9}), reason="Wider.")

    contract_check_start(actor=engineer, version=data)
    contract_check_start(actor=engineer, version=data, contract=contract)
    held, _ = run_jobs("training")

    now, before = ContractCheck.objects.order_by("pk")
    assert held.result["report"] == now.path
    assert (now.contract.number, now.broken, now.job, now.version) == (2, 0, held, data)
    assert (before.contract, before.broken) == (contract, 1)
    assert before.failures[0] | {"reason": ""} == {
        "rule": "range:x", "kind": "range", "column": "x", "name": "x is at most 3", "severity": "blocking", "passed": False,
        "measured": 0.25, "limit": 0.0, "detail": "12 of 48 values, 25%", "reason": "",
        "sample": ["row-3", "row-7", "row-11", "row-15", "row-19"],
    }  # fmt: skip
    assert AuditEvent.objects.filter(action="contract.check", payload__broken=["range:x"]).count() == 1


@pytest.fixture
def built(data, engineer, monkeypatch):
    """A builder of the next rows of the data set, of which the last x is to be chosen."""
    at = pd.date_range("2026-03-01", periods=8, freq="D", tz="UTC").astype("datetime64[us, UTC]")

    def build(last):
        frame = pd.DataFrame(
            {"x": [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, last], "late": [0, 1] * 4, "at": at, "name": list("abcdefgh")}
        )
        builder = Builder(
            name="flights", title="", params=BUILDERS["flights"].params, build=lambda _: frame, features={"x": ""}, target="late",
            target_meaning="", time_column="at", key="name", source="made up",
            splits={"train": ("2026-03-01", "2026-03-05"), "held_out": ("2026-03-05", "2026-04-01")},
        )  # fmt: skip
        monkeypatch.setitem(BUILDERS, "flights", builder)
        dataset_build_start(actor=engineer, dataset=data.dataset, builder="flights", params={})

    return build


def test_a_build_that_breaks_a_blocking_rule_fails_and_its_report_is_kept(data, engineer, built):
    contract_change(actor=engineer, dataset=data.dataset, document=doc(RANGE), reason="Start.")
    built(4.0)

    with pytest.raises(
        ConflictError, match=r"break 1 blocking rule of .*x is at most 3: 1 of 8 values, 12.5%. Report: /datasets/"
    ):
        run_jobs("training")

    report = ContractCheck.objects.get()
    assert (report.version, report.occasion, report.broken, report.failures[0]["sample"]) == (None, "build", 1, ["h"])
    assert report.job.state == State.RUNNING  # the worker settles it from the child's end
    assert list(data.dataset.versions.all()) == [data]


def test_a_build_that_holds_names_what_was_noted(data, engineer, built):
    contract_change(
        actor=engineer, dataset=data.dataset, document=doc(RANGE | {"severity": "advisory"}), reason="Start."
    )
    built(4.0)

    (job,) = run_jobs("training")

    version = data.dataset.versions.get(number=2)
    assert (version.failed_checks, version.noted_checks) == (
        [],
        ["x is at most 3", "no held-out row repeats a training row"],
    )
    assert job.result["checks"] == version.contract_checks.get().path


def test_checks_of_before_there_were_contracts_are_read_as_blocking(data):
    data.checks = [{"name": "Each row has a label", "passed": False, "detail": "3 rows"}]

    assert (data.failed_checks, data.noted_checks) == (["Each row has a label"], [])


@contextmanager
def refused(words):
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        yield


@pytest.mark.parametrize(
    ("number", "reason", "role", "words"),
    [
        (1, "By SQL.", Role.ENGINEER, "adding its next number, 2"),
        (3, "By SQL.", Role.ENGINEER, "adding its next number, 2"),
        (2, " ", Role.ENGINEER, "says why"),
        (2, "By SQL.", Role.APPROVER, "only an engineer or admin"),
        (2, "By SQL.", None, "only an engineer or admin"),
    ],
)
def test_sql_holds_to_the_same_rules(data, engineer, number, reason, role, words):
    contract_change(actor=engineer, dataset=data.dataset, document=doc(RANGE), reason="Start.")
    person = make_user(data.dataset.team if role else make_team(), role or Role.ENGINEER)

    with refused(words):
        DataContract.objects.create(dataset=data.dataset, number=number, document=doc(), reason=reason, made_by=person)


def test_the_database_says_when_a_contract_was_made(data, engineer):
    long_ago = timezone.now() - timedelta(days=365)
    made = DataContract.objects.create(
        dataset=data.dataset, number=1, document=doc(), reason="x", made_by=engineer.user, made_at=long_ago
    )

    made.refresh_from_db()
    assert made.made_at > long_ago + timedelta(days=364)


@pytest.mark.parametrize("table", ["experiments_datacontract", "experiments_contractcheck"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE", "ALTER TABLE {} DISABLE TRIGGER ALL"],
)
def test_numbered_contracts_and_what_was_found_never_change_by_sql(data, engineer, table, statement):
    contract_change(actor=engineer, dataset=data.dataset, document=doc(RANGE), reason="Start.")
    contract_check_start(actor=engineer, version=data)
    run_jobs("training")

    with refused(r"permission denied|must be owner|append-only"), connection.cursor() as cursor:
        cursor.execute(statement.format(table))

    assert (DataContract.objects.count(), ContractCheck.objects.count()) == (1, 1)
