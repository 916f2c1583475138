"""Pages of data contracts and data quality, at the volume of 300 columns."""

import re

import numpy as np
import pandas as pd
import pytest
from django.urls import reverse

from experiments.contracts.document import contract_document
from experiments.contracts.proposing import propose
from experiments.contracts.sources import rows_in
from experiments.contracts.text import contract_from_yaml
from experiments.models import ContractDraft
from experiments.services import contract_change, contract_check_start, contract_draft_save
from monitoring.services import live_checks_make
from registry.models import Role
from registry.services import reference_record
from tests.browser import check_page, log_in, settle
from tests.data_sets import make_data, make_trained_champion
from tests.factories import make_actor, make_model, make_team, run_jobs
from tests.test_monitoring_contracts import INPUTS, NEVER_MISSING, REFERENCE, TRAINED, predicted

pytestmark = pytest.mark.django_db
RANGE = {"kind": "range", "column": "distance", "max": 150, "reason": "Beyond it nothing is known."}


@pytest.fixture
def data():
    return make_data(make_team(), pd.DataFrame(TRAINED))


@pytest.fixture
def engineer(data, client):
    actor = make_actor(data.dataset.team)
    client.force_login(actor.user)
    return actor


def draft_of(dataset, actor, *rules):
    contract = contract_from_yaml(f"rules: {list(rules)}".replace("True", "true"))
    return contract_draft_save(actor=actor, dataset=dataset, contract=contract)


def test_a_contract_is_shown_with_what_each_number_changed(data, engineer, client):
    for most, why in ((150, "First."), (190, "Longer flights are sold.")):
        contract_change(actor=engineer, dataset=data.dataset, document={"rules": [RANGE | {"max": most}]}, reason=why)

    shown = client.get(f"{data.dataset.path}contract/").content.decode()
    former = client.get(f"{data.dataset.path}contract/?number=1").content.decode()

    assert "distance is at most 190" in shown
    assert "Longer flights are sold." in shown
    assert re.search(r"<del>150(\.0)?</del>\s*<ins>190", shown)
    assert "Replaced" in former
    assert client.get(f"{data.dataset.path}contract/?number=3").status_code == 404


def test_yaml_is_saved_as_a_draft_and_a_fault_is_named_by_line(data, engineer, client):
    edit = f"{data.dataset.path}contract/edit/?as=yaml"
    bad = client.post(
        edit, {"action": "text", "text": "rules:\r\n- kind: nulls\r\n  column: a\r\n  max_share: 7\r\n  reason: x\r\n"}
    )

    assert bad.status_code == 422
    assert "Line 4, rules[0].max_share:" in bad.content.decode()
    assert not ContractDraft.objects.exists()

    good = client.post(edit, {"action": "text", "text": "rules:\n- {kind: nulls, column: distance, reason: x}\n"})

    assert good.status_code == 302
    assert [rule.key for rule in ContractDraft.objects.get().contract.rules] == ["nulls:distance"]


def test_a_rule_is_added_changed_and_removed_by_forms(data, engineer, client):
    edit = f"{data.dataset.path}contract/edit/"
    rule = {"action": "rule", "kind": "categories", "rule": "", "column": "carrier", "max_new_share": "0.01", "severity": "advisory",
            "values": "AA\r\nUA\r\n", "reason": "Known ones."}  # fmt: skip
    client.post(edit, rule)
    changed = client.post(edit, rule | {"rule": "categories:carrier", "values": "AA\r\nUA\r\nDL"})

    assert changed.status_code == 302
    held = ContractDraft.objects.get().contract.rules
    assert [(r.key, r.values, r.severity) for r in held] == [("categories:carrier", ["AA", "UA", "DL"], "advisory")]

    twice = client.post(edit, rule)
    beyond = client.post(edit, rule | {"rule": "categories:carrier", "max_new_share": "2"})
    assert (twice.status_code, beyond.status_code) == (422, 422)
    assert "is there already" in twice.content.decode()
    assert "Expected `float` &lt;= 1.0" in beyond.content.decode()

    client.post(edit, {"action": "remove", "rule": "categories:carrier"})
    assert ContractDraft.objects.get().contract.rules == []


def test_a_draft_is_tried_on_a_version_before_it_is_accepted(data, engineer, client):
    draft_of(data.dataset, engineer, RANGE)

    tried = client.post(f"{data.dataset.path}contract/try/", {"version": 1}).content.decode()

    assert "Would stop" in tried
    assert "distance is at most 150" in tried
    assert "49 of 100 values, 49%" in tried


def test_a_draft_is_accepted_as_it_was_seen_and_with_a_reason(data, engineer, client):
    edit = f"{data.dataset.path}contract/edit/"
    draft = draft_of(data.dataset, engineer, RANGE)
    seen = draft.changed_at.isoformat()
    assert client.post(edit, {"action": "accept", "seen": seen, "reason": " "}).status_code == 400
    draft_of(data.dataset, engineer, RANGE | {"max": 160})
    stale = client.post(edit, {"action": "accept", "seen": seen, "reason": "Good."})
    assert stale.status_code == 409
    assert "changed the draft since you looked" in stale.content.decode()
    assert data.dataset.contract_in_force() is None

    now = ContractDraft.objects.get().changed_at.isoformat()
    accepted = client.post(edit, {"action": "accept", "seen": now, "reason": "Good."})

    assert accepted["Location"] == f"{data.dataset.path}contract/"
    assert data.dataset.contract_in_force().reason == "Good."


def test_a_version_page_shows_failures_first_and_says_where_a_newer_contract_holds(data, engineer, client):
    contract_change(actor=engineer, dataset=data.dataset, document={"rules": [RANGE]}, reason="First.")
    assert "Contract 1 is in force by now" in client.get(data.path).content.decode()
    assert client.post(f"{data.dataset.path}contract/check/", {"version": 1}).status_code == 302
    run_jobs("training")

    page = client.get(data.path).content.decode()

    assert page.index("distance is at most 150") < page.index("Splits")
    assert "row-51" in page
    assert "is in force by now" not in page
    report = client.get(data.contract_checks.get().path).content.decode()
    assert "49 of 100 values, 49%" in report
    assert "no two rows have the same name" in report


def test_others_see_and_change_nothing(data, client):
    viewer = make_actor(data.dataset.team, Role.VIEWER)
    client.force_login(viewer.user)

    assert client.get(f"{data.dataset.path}contract/").status_code == 200
    assert client.get(f"{data.dataset.path}contract/edit/").status_code == 403
    for action in ("propose", "check", "try"):
        assert client.post(f"{data.dataset.path}contract/{action}/", {"version": 1}).status_code == 403


def make_wide(width):
    """A data set of so many columns whose proposed contract was changed, a check that found something, and a draft."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame({f"amount_{n:03}": random.normal(n, 5, 400).round(2) for n in range(width)})
    for n in range(10):
        frame[f"channel_{n}"] = random.choice(["web", "branch", "phone", "partner"], 400)
    team = make_team("payments")
    data = make_data(team, frame)
    actor = make_actor(team)
    contract = propose(rows_in(data.parquet), name="v1", columns=data.columns, now=data.created_at)
    document = contract_document(contract)
    first = contract_change(
        actor=actor, dataset=data.dataset, document=document, reason="Read off the first quarter.", reference=data
    )
    for rule in document["rules"]:
        if rule.get("column") in ("amount_003", "channel_2") and rule["kind"] in ("range", "categories"):
            rule |= {"max": 4.5} if rule["kind"] == "range" else {"values": ["web", "branch"], "severity": "blocking"}
    contract_change(
        actor=actor, dataset=data.dataset, document=document, reason="Amounts beyond 4.50 are refunds since March."
    )
    contract_check_start(actor=actor, version=data)
    run_jobs("training")
    contract_draft_save(actor=actor, dataset=data.dataset, contract=first.contract)
    return data


@pytest.fixture
def live():
    model = make_model(make_team("travel"), name="flight-delay")
    data = make_data(model.team, pd.DataFrame(TRAINED))
    version = make_trained_champion(model, data.digest, INPUTS)
    reference_record(version=version, source="training", rows=100, columns=REFERENCE)
    rules = [
        {"reason": "For tests.", **rule}
        for rule in (
            NEVER_MISSING, {"kind": "range", "column": "distance", "min": 90, "severity": "advisory"},
            {"kind": "categories", "column": "carrier", "values": ["AA", "UA"]}, {"kind": "live_freshness", "max_age_minutes": 60},
        )
    ]  # fmt: skip
    contract_change(actor=make_actor(model.team), dataset=data.dataset, document={"rules": rules}, reason="First.")
    return version


def looked_at(version):
    from django.utils import timezone

    now = timezone.now()
    predicted(version, missing=7, rows=120, at=now)
    live_checks_make(now=now)


def test_a_models_page_shows_how_its_inputs_stand(live, client):
    looked_at(live)
    client.force_login(make_actor(live.model.team).user)

    whole = client.get(f"{live.model.path}data-quality/").content.decode()
    panel = client.get(f"{live.model.path}data-quality-panel/").content.decode()
    listed = client.get("/data-quality/").content.decode()

    assert "7 of 120, 5.83%" in whole
    assert whole.index("distance is missing") < whole.index("carrier is one of")
    assert "1 rule broken" in panel
    assert "distance is missing in at most 1%, but it was 7 of 120" in listed
    assert reverse("model_data_quality", args=["flight-delay"]) in listed


def test_a_list_of_many_asks_no_more_questions(live, client, django_assert_max_num_queries):
    looked_at(live)
    actor = make_actor(live.model.team)
    client.force_login(actor.user)
    for _ in range(6):
        make_data(live.model.team, pd.DataFrame(TRAINED))

    with django_assert_max_num_queries(16):
        client.get("/data-quality/?of=datasets")


def test_the_list_of_models_goes_on_by_pages_the_worst_first(live, client, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr("monitoring.views.contracts.MODELS", 2)
    looked_at(live)
    others = [
        make_trained_champion(make_model(live.model.team, name=f"a-{n}"), live.data_digest, INPUTS) for n in range(3)
    ]
    make_trained_champion(make_model(name="b"), live.data_digest, INPUTS)  # of a team that has no such rows
    client.force_login(make_actor(live.model.team).user)

    with django_assert_max_num_queries(16):
        first = client.get("/data-quality/").context
    then = client.get("/data-quality/", {"cursor": first["page"].next}).context

    names = [[row.subject.version.model.name for row in shown["models"]] for shown in (first, then)]
    assert names == [["flight-delay", "a-0"], [others[1].model.name, "a-2"]]
    assert then["page"].next is None


def test_300_columns_are_shown_without_more_questions(client, django_assert_max_num_queries):
    data = make_wide(290)
    client.force_login(make_actor(data.dataset.team).user)
    report = data.contract_checks.get()

    for path in (f"{data.dataset.path}contract/", f"{data.dataset.path}contract/edit/", report.path, data.path):
        with django_assert_max_num_queries(30):
            assert client.get(path).status_code == 200
    assert (report.broken, report.noted, report.held) == (1, 1, 1212)
    contract = f"{data.dataset.path}contract/"
    seen, cursor = [], "0"
    while cursor:
        shown = client.get(contract, {"cursor": cursor}).context
        seen, cursor = seen + [group.column for group in shown["groups"]], shown["page"].next
    assert len(shown["groups"]) <= 50
    assert len(seen) == len(set(seen)) > 290
    assert client.get(contract, {"cursor": "50"}).context["page"].previous == "0"
    assert [client.get(contract, {"cursor": wrong}).status_code for wrong in ("-1", "9999", "x")] == [404, 404, 404]


@pytest.mark.django_db(transaction=True)
def test_every_page_holds_in_both_widths_and_themes(live, page, live_server):
    looked_at(live)
    data = make_wide(4)
    log_in(page, make_actor(data.dataset.team).user, live_server)
    for path in (
        f"{data.dataset.path}contract/", f"{data.dataset.path}contract/edit/?rule=range:amount_003",
        f"{data.dataset.path}contract/edit/?as=yaml", data.contract_checks.get().path, data.path, "/data-quality/",
    ):  # fmt: skip
        check_page(page, path, live_server)
    page.goto(f"{data.dataset.path}contract/edit/")
    page.get_by_role("button", name="Try").click()
    page.get_by_text("Would hold").wait_for()
    settle(page)
    log_in(page, make_actor(live.model.team).user, live_server)
    check_page(page, f"{live.model.path}data-quality/", live_server)
