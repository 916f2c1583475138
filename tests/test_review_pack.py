"""The review pack: what stands in it, that two of the same state are equal, its forms, and who took it along."""

import hashlib
import json
import sys
from io import BytesIO

import pandas as pd
import pytest
from django.utils import timezone
from pypdf import PdfReader

from controlplane.review_pack import printing, review_pack
from experiments.models import Evaluation, TrainingRun
from jobs.models import Job
from monitoring.services import slo_create
from registry import selectors, services
from registry.models import AuditEvent, RegisteredModel, Role
from registry.review_pack import canonical, digest_of, sealed
from tests import factories
from tests.api import Api, problem
from tests.data_sets import make_data

pytestmark = pytest.mark.django_db

HOSTILE = '<svg onload=alert(1)><img src="file:///etc/passwd"><link rel=stylesheet href="http://127.0.0.1:1/x.css">'


@pytest.fixture
def promotion():
    model = factories.make_model(name="flight-delay", purpose=HOSTILE)
    factories.make_champion(model)
    promotion = factories.make_promotion(model)
    product = factories.make_actor(model.team, Role.PRODUCT)
    slo_create(actor=product, model=model, kind="availability", objective="0.999", window_days=28)
    services.review_record(
        actor=product, promotion_id=promotion.pk, criterion=promotion.criteria_set.criteria.get(), verdict="refuse",
        reason=HOSTILE, seen=[check.evidence.pk for check in selectors.promotion_checks(promotion)],
    )  # fmt: skip
    return promotion


def test_digest_covers_everything_but_itself():
    document = sealed({"b": [1, 2.5, None], "a": {"ä": "x"}})

    assert document["schema"] == "review-pack/1"
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert document["sha256"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert digest_of(document | {"a": {}}) != document["sha256"]
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


def test_pack_says_what_was_decided_on_what_by_whom(promotion):
    approver = factories.make_actor(promotion.model.team, Role.APPROVER)
    factories.approve(promotion, actor=approver)
    promotion.refresh_from_db()

    pack = review_pack(promotion)

    assert pack["scope"]["state"] == "completed"
    assert pack["scope"]["version"]["artifact_digest"] == promotion.version.artifact_digest
    [check] = pack["criteria"]["checks"]
    assert (check["status"], check["value"], check["interval"]) == ("passed", 0.8, [0.78, 0.8200000000000001])
    assert check["evidence"] == pack["evidence"][0]["id"]
    [approval] = pack["approvals"]
    assert (approval["by"], approval["stands"]) == (approver.user.username, True)
    assert approval["binding_digest"] == pack["hashes"]["binding"]
    assert pack["product_review"][0]["reason"] == HOSTILE
    assert [o["objective"] for o in pack["monitoring_plan"]["objectives"]] == ["0.99900"]
    actions = ["promotion.request", "promotion.review", "promotion.approve", "promotion.complete"]
    assert [event["action"] for event in pack["audit_events"]] == actions
    last = AuditEvent.objects.get(subject=promotion.path, action="promotion.complete")
    assert pack["hashes"]["audit_head"] == {"seq": last.seq, "hash": last.hash_hex}
    assert "Everything was measured" not in str(pack["limitations"])


def test_what_is_measured_after_the_decision_does_not_change_the_pack(promotion):
    factories.approve(promotion)
    promotion.refresh_from_db()
    before = review_pack(promotion)

    services.evidence_record(version=promotion.version, metric="roc_auc", value=0.6, data_digest="sha256:later")

    assert canonical(review_pack(promotion)) == canonical(before)


def test_limitations_name_what_is_not_met_and_not_measured(promotion):
    model = promotion.model
    services.promotion_withdraw(actor=factories.Actor(promotion.requested_by, "session"), promotion_id=promotion.pk)
    factories.make_criteria(
        model,
        [
            {"metric": "roc_auc", "direction": "at_least", "threshold": 0.9, "reason": "x"},
            {"metric": "brier_score", "direction": "at_most", "threshold": 0.1, "reason": "x", "blocking": False},
        ],
    )
    other = services.promotion_request(actor=factories.make_actor(model.team), version=promotion.version)

    said = review_pack(other)["limitations"]

    assert "C1 Area under the ROC curve: not met. At least 90 of 100 pairs ordered rightly." in said
    assert "C2 Brier score: not measured. At most 10 penalty points of 100." in said


def test_data_and_lineage_of_a_trained_version(promotion):
    data = make_data(promotion.model.team, pd.DataFrame({"distance": [float(n) for n in range(48)]}))
    jobs = [
        Job.objects.create(kind="train", queue="training", scope=promotion.model.team.slug, title="Train", subject="/")
        for _ in range(2)
    ]
    TrainingRun.objects.create(
        job=jobs[0], dataset_version=data, version=promotion.version, pipeline="lightgbm", params={"leaves": 31}, run_id="abc",
        experiment_id="1",
    )  # fmt: skip
    Evaluation.objects.create(version=promotion.version, dataset_version=data, suite="s", job=jobs[1])

    pack = review_pack(promotion)["data"]

    assert [(d["name"], d["digest"], d["splits"]) for d in pack["data_sets"]] == [(str(data), data.digest, data.splits)]
    assert pack["training"]["params"] == {"leaves": 31}
    assert [e["data"] for e in pack["evaluations"]] == [str(data)]


def make_evaluation(promotion, data, suite, *, ended=None):
    """An evaluation that has begun, and ended at the given instant if any."""
    scope = promotion.model.team.slug
    job = Job.objects.create(
        kind="evaluate", queue="evaluation", scope=scope, title="Evaluate", subject="/", finished_at=ended
    )
    return Evaluation.objects.create(version=promotion.version, dataset_version=data, suite=suite, job=job)


def test_evaluations_that_ended_after_the_decision_stand_apart_in_every_form(promotion):
    data = make_data(promotion.model.team, pd.DataFrame({"distance": [float(n) for n in range(48)]}))
    other = make_data(promotion.model.team, pd.DataFrame({"distance": [float(n) for n in range(47)]}))
    make_evaluation(promotion, data, "held-out", ended=timezone.now())
    make_evaluation(promotion, data, "under-way")
    assert [e["suite"] for e in review_pack(promotion)["data"]["evaluations"]] == ["held-out", "under-way"]
    factories.approve(promotion)
    promotion.refresh_from_db()
    make_evaluation(promotion, other, "months-later", ended=timezone.now())

    pack = review_pack(promotion)

    assert canonical(review_pack(promotion)) == canonical(pack)
    assert [e["suite"] for e in pack["data"]["evaluations"]] == ["held-out"]
    assert [e["suite"] for e in pack["data"]["later_evaluations"]] == ["under-way", "months-later"]
    assert [d["name"] for d in pack["data"]["data_sets"]] == [str(data)]
    pdf = "".join(page.extract_text() for page in PdfReader(BytesIO(printing.pdf_of(pack))).pages)
    for text in (printing.html_of(pack), pdf):
        before, _, after = text.partition("Later evaluations")
        assert "held-out" in before
        assert "months-later" not in before
        assert "under-way" in after
        assert "months-later" in after


# --- files ---------------------------------------------------------------------------------------------------------


def test_json_twice_is_the_same_to_the_last_byte_and_each_export_is_on_the_trail(promotion):
    approver = Api(promotion.model.team, Role.APPROVER)

    first, second = (approver.get(f"promotions/{promotion.pk}/review-pack") for _ in range(2))

    assert first["Content-Type"] == "application/json"
    assert first.content == second.content
    pack = json.loads(first.content)
    assert canonical(pack) == first.content
    assert pack["sha256"] == digest_of(pack) == first["ETag"].strip('"')
    events = AuditEvent.objects.filter(action="promotion.export", subject=promotion.path)
    assert [(e.actor, e.payload) for e in events] == [
        (approver.user.username, {"form": "json", "sha256": pack["sha256"]})
    ] * 2


def test_pdf_has_the_digest_on_each_page_and_carries_the_json(promotion):
    pack = review_pack(promotion)

    pdf = printing.pdf_of(pack)

    reader = PdfReader(BytesIO(pdf))
    assert len(reader.pages) > 1
    for number, page in enumerate(reader.pages, start=1):
        text = page.extract_text()
        assert pack["sha256"] in text.replace("\n", "")
        assert f"page {number} of {len(reader.pages)}" in text
        assert f"promotion {promotion.pk}" in text
    assert reader.attachments["review-pack.json"] == [canonical(pack)]
    assert reader.metadata["/Keywords"] == pack["sha256"]
    assert "<svg onload=alert(1)>" in "".join(page.extract_text() for page in reader.pages)  # as text
    assert pdf == printing.pdf_of(pack)


def test_marks_on_paper_have_the_colour_of_their_state(promotion):
    html = printing.html_of(review_pack(promotion))

    assert '<span class="pk-mark pk-pass"><svg color="#0072b2" ' in html
    assert html.count("pk-mark pk-") == html.count('"><svg color="#')


def test_drawing_fetches_nothing_whatever_stands_in_the_texts(promotion, monkeypatch):
    asked = []
    monkeypatch.setattr(printing.FetchError, "__init__", lambda self, message: asked.append(message))

    printing.pdf_of(review_pack(promotion))

    assert asked == []
    html = printing.html_of(review_pack(promotion))
    assert "&lt;svg onload=alert(1)&gt;" in html
    assert "<svg onload" not in html
    assert "<script" not in html


def test_document_that_names_other_files_gets_none_of_them(monkeypatch, promotion):
    asked = []
    monkeypatch.setattr(printing.FetchError, "__init__", lambda self, message: asked.append(message))
    page = '<link rel="stylesheet" href="/x.css"><img src="file:///etc/passwd"><img src="http://127.0.0.1:1/">'
    monkeypatch.setattr(printing, "html_of", lambda pack: page)

    printing.pdf_of(review_pack(promotion))

    assert len(asked) == 3
    assert all(message.startswith("refused: ") for message in asked)


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("?format=pdf", "application/json", "application/pdf"), ("", "application/pdf", "application/pdf"),
        ("", "text/html,application/xhtml+xml", "text/html; charset=utf-8"), ("", "*/*", "application/json"),
    ],
)  # fmt: skip
def test_form_is_chosen_by_parameter_before_header(promotion, query, accept, media):
    approver = Api(promotion.model.team, Role.APPROVER)

    answer = approver.client.get(f"/api/v1/promotions/{promotion.pk}/review-pack{query}", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer["Content-Type"] == media


def test_other_forms_are_refused_and_leave_no_trace(promotion):
    viewer = Api(promotion.model.team, Role.VIEWER)
    path = f"/api/v1/promotions/{promotion.pk}/review-pack"

    problem(viewer.client.get(f"{path}?format=docx"), 400)
    problem(viewer.client.get(path, headers={"Accept": "image/png"}), 406)

    assert not AuditEvent.objects.filter(action="promotion.export").exists()


def test_server_without_pango_says_what_to_install_and_still_gives_json(promotion, monkeypatch, client):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    for name in [name for name in sys.modules if name.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    approver = Api(promotion.model.team, Role.APPROVER)

    refused = problem(approver.get(f"promotions/{promotion.pk}/review-pack", format="pdf"), 503)

    assert refused["type"] == "urn:problem:pdf-unavailable"
    assert "libpango-1.0-0" in refused["unmet"][0]["who"]
    assert approver.get(f"promotions/{promotion.pk}/review-pack").status_code == 200
    client.force_login(approver.user)
    page = client.get(f"{promotion.path}review-pack/?format=pdf")
    assert page.status_code == 503
    assert "HTML and JSON work without" in page.content.decode()


def test_pack_of_what_was_rolled_back_says_so_in_words(promotion, client):
    champion = promotion.replaces
    factories.approve(promotion)
    actor = factories.make_actor(promotion.model.team)
    services.rollback(actor=actor, model=promotion.model, to_version=champion, reason="Errors rose.")
    due = RegisteredModel.objects.get(pk=promotion.model_id).revalidate_by
    client.force_login(actor.user)

    page = client.get(f"{promotion.path}review-pack/").content.decode()

    assert "Rolled back</span>" in page
    assert f"<dd>{due.day} {due:%b %Y}</dd>" in page


def test_page_shows_the_pack_and_offers_its_files(promotion, client):
    client.force_login(factories.make_user(promotion.model.team, Role.VIEWER))

    page = client.get(f"{promotion.path}review-pack/").content.decode()

    assert review_pack(promotion)["sha256"] in page
    assert "&lt;svg onload=alert(1)&gt;" in page
    assert "<svg onload" not in page
    assert 'href="?format=pdf"' in page
    assert not AuditEvent.objects.filter(action="promotion.export").exists()
