"""OpenSLO documents: out and in again without loss, foreign ones where they can be meant, and faults by line and field."""

from decimal import Decimal

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from monitoring import services
from monitoring.models import Slo
from monitoring.services import EDGES_MS, WINDOW_DAYS
from monitoring.slo.openslo import from_yaml, to_yaml
from monitoring.slo.openslo_text import TextError
from registry.errors import InvalidError
from registry.models import AuditEvent, Role
from tests.api import Api, problem
from tests.factories import make_actor, make_model, make_team

FOREIGN = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: flight-delay}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: fast-answers}
spec:
  thresholdMetric:
    metricSource: {type: Prometheus, spec: {query: http_request_duration_ms}}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: answers-in-time
  labels: {team: travel}
spec:
  description: Response time of the flight desk
  service: flight-delay
  indicatorRef: fast-answers
  timeWindow:
    - duration: 4w
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - op: lte
      value: 200
      targetPercent: 99.5
"""
plain = {
    "description": st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20),
    "metric": st.just(""),
}
windows = st.one_of(
    st.fixed_dictionaries({"window_days": st.sampled_from(WINDOW_DAYS), "calendar": st.just("")}),
    st.fixed_dictionaries({"window_days": st.none(), "calendar": st.sampled_from(Slo.Unit.values)}),
)
slices = st.fixed_dictionaries(
    {
        "budgeting": st.just("timeslices"),
        "slice_s": st.sampled_from([300, 900, 3600, 86_400]),
        "slice_target": st.floats(0.01, 1),
    }
)
events = st.just({"budgeting": "occurrences", "slice_s": None, "slice_target": None})
BLANK = dict.fromkeys(["threshold_ms", "maturity_s", "min_coverage", "max_age_s"]) | {
    "column": "",
    "column_holds": "",
    "metric": "",
}


def own(kind):
    return {
        "availability": st.just({}),
        "latency": st.fixed_dictionaries({"threshold_ms": st.sampled_from(EDGES_MS)}),
        "freshness": st.fixed_dictionaries({
            "column": st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=9),
            "column_holds": st.sampled_from(Slo.Holds.values), "max_age_s": st.integers(1, 10**8),
        }),
        "cost": st.fixed_dictionaries({"slice_target": st.floats(0.001, 1e6)}),
        "quality": st.fixed_dictionaries({
            "metric": st.sampled_from(["accuracy", "brier_score"]), "maturity_s": st.integers(0, 10**6),
            "min_coverage": st.floats(0.01, 1), "slice_s": st.sampled_from([3600, 86_400]),
        }),
    }[kind]  # fmt: skip


@st.composite
def terms(draw):
    kind = draw(st.sampled_from(Slo.Kind.values))
    said = {
        **BLANK, **draw(st.fixed_dictionaries(plain)), **draw(windows), **draw(slices if kind == "cost" else st.one_of(slices, events)),
        "kind": kind, "name": draw(st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)),
        "objective": draw(st.integers(1, 99_999)) / 100_000, "time_zone": draw(st.sampled_from(["UTC", "Europe/Berlin"])),
        "input_slice": draw(st.dictionaries(st.sampled_from(["origin", "a=b, c"]), st.text("JFK \"'é:", max_size=4), max_size=2)),
    }  # fmt: skip
    return said | draw(own(kind))


def meant(said):
    usual = {"input_slice": {}, "description": "", "time_zone": "UTC"}
    return {k: v for k, v in said.items() if v not in (None, "") and v != usual.get(k, object())}


@examples(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(several=st.lists(terms(), min_size=1, max_size=3))
def test_what_is_exported_and_read_again_is_the_same(several):
    read, notes = from_yaml(to_yaml([("flight-delay", said, said["metric"] == "accuracy") for said in several]))

    assert [meant(one.terms) for one in read] == [meant(said) for said in several]
    assert {one.model for one in read} == {"flight-delay"}
    assert notes == []


def test_document_has_the_standards_fields_and_says_the_rest_in_annotations():
    said = {**BLANK, "kind": "latency", "name": "fast", "description": "Fast.", "objective": "0.99", "window_days": None,
            "calendar": "month", "time_zone": "Europe/Berlin", "budgeting": "timeslices", "slice_s": 300, "slice_target": 0.95,
            "threshold_ms": 50.0, "input_slice": {"origin": "JFK"}}  # fmt: skip

    [document] = yaml.safe_load_all(to_yaml([("flight-delay", said, True)]))

    assert document["metadata"]["annotations"] == {
        "control-plane/kind": "latency", "control-plane/input-slice": '{"origin": "JFK"}',
    }  # fmt: skip
    assert document["spec"]["timeWindow"] == [
        {
            "duration": "1M",
            "isRolling": False,
            "calendar": {"startTime": "2024-01-01 00:00:00", "timeZone": "Europe/Berlin"},
        }
    ]
    assert document["spec"]["objectives"] == [
        {"op": "lte", "value": 50.0, "target": 0.99, "timeSliceTarget": 0.95, "timeSliceWindow": "5m"}
    ]


@pytest.mark.parametrize(
    ("before", "after", "line", "field", "message"),
    [
        ("openslo/v1\nkind: SLO", "openslo/v2\nkind: SLO", 12, "apiVersion", "must be openslo/v1"),
        ("kind: SLO", "kind: Slow", 13, "kind", "must be SLO, SLI or one of"),
        ("  name: answers-in-time\n", "", 14, "metadata.name", "a text"),
        ("  service: flight-delay\n", "", 17, "spec.service", "a text"),
        ("indicatorRef: fast-answers", "indicatorRef: others", 20, "spec.indicatorRef", "no SLI named others"),
        ("duration: 4w", "duration: a month", 22, "spec.timeWindow[0].duration", "a duration such as"),
        ("duration: 4w", "duration: 36h", 22, "spec.timeWindow[0].duration", "whole days"),
        ("isRolling: true", "isRolling: false", 22, "spec.timeWindow[0].duration", "of the calendar"),
        ("Occurrences", "RatioTimeslices", 24, "spec.budgetingMethod", "Occurrences, Timeslices"),
        ("op: lte", "op: gt", 26, "spec.objectives[0].op", "must be one of lte"),
        ("value: 200", "value: fast", 27, "spec.objectives[0].value", "a number"),
        ("targetPercent: 99.5", "target: high", 28, "spec.objectives[0].target", "a number"),
        ("    - op: lte", "    - op: lte\n    - op: lte", 25, "spec.objectives", "exactly one objective"),
        ("Response time", "Taste", 20, "spec.indicatorRef", "control-plane/kind"),
        ("labels: {team: travel}", "annotations: {control-plane/kind: speed}", 16, "metadata.annotations.control-plane/kind", "latency"),
        ("labels: {team: travel}", "name: again", 16, "metadata.name", "given twice"),
        ("kind: SLO", "kind: [SLO", 14, "document", "no YAML"),
        ("description: Response time", "description: &a Response time", 18, "spec.description", ""),
    ],
)  # fmt: skip
def test_faults_name_the_line_and_the_field(before, after, line, field, message):
    text = FOREIGN.replace(before, after, 1).replace(
        "http_request_duration_ms", "x" if after == "Taste" else "http_request_duration_ms"
    )
    if after == "Taste":
        text = text.replace("fast-answers", "the-answers").replace("answers-in-time", "answers")
    if "&a" in after:
        from_yaml(text)  # an anchor alone is harmless; what refers to it is refused
        text = text.replace("service: flight-delay", "service: *a")
        line, field, message = 19, "spec.service", "anchors and aliases"

    with pytest.raises(TextError) as refused:
        from_yaml(text)

    [fault] = refused.value.faults
    assert (fault.line, fault.field) == (line, field)
    assert message in fault.message


@pytest.mark.parametrize(
    ("text", "message"), [("", "no document of kind SLO"), ("- a", "fields such as"), ("x" * 200_001, "at most")]
)
def test_text_without_documents_is_refused(text, message):
    with pytest.raises(TextError, match=message):
        from_yaml(text)


@pytest.mark.django_db
def test_foreign_document_is_taken_as_what_it_surely_means_and_says_what_it_left_out():
    model = make_model(name="flight-delay")

    done = services.slos_import(actor=make_actor(model.team), text=FOREIGN)

    [slo] = done.created
    assert (slo.kind, slo.threshold_ms, slo.window_days, slo.objective) == ("latency", 200.0, 28, Decimal("0.995"))
    assert [note.partition(":")[0] for note in done.notes] == ["line 1", "line 16", "line 20"]


@pytest.mark.django_db
def test_import_takes_all_or_nothing_and_points_at_what_the_model_refuses():
    model = make_model(name="flight-delay")
    _, _, slo = FOREIGN.split("---\n")
    text = FOREIGN + "---\n" + slo.replace("answers-in-time", "second").replace("value: 200", "value: 210")

    with pytest.raises(services.ImportRefusedError) as refused:
        services.slos_import(actor=make_actor(model.team), text=text)

    [fault] = refused.value.faults
    assert (fault.line, fault.field) == (45, "spec.objectives[0].value")
    assert "threshold_ms must be one of" in fault.message
    assert not Slo.objects.exists()
    assert not AuditEvent.objects.filter(action="slo.create").exists()


@pytest.mark.django_db
def test_objectives_go_out_and_come_back_equal_by_the_api(django_assert_max_num_queries):
    model = make_model(name="flight-delay")
    product = make_actor(model.team, Role.PRODUCT)
    for said in (
        {"kind": "availability", "objective": "0.999", "calendar": "quarter", "time_zone": "Asia/Kolkata"},
        {"kind": "quality", "objective": "0.9", "metric": "brier_score", "slice_target": 0.1},
        {
            "kind": "freshness",
            "objective": "0.95",
            "column": "seen",
            "column_holds": "age",
            "max_age_s": 60,
            "input_slice": {"a": "b"},
        },
        {"kind": "cost", "objective": "0.9", "slice_s": 300, "slice_target": 0.25},
    ):
        services.slo_create(actor=product, model=model, **said)
    api, other = Api(model.team, Role.PRODUCT), make_model(model.team, name="other")
    before = [services.terms_of(slo) for slo in model.slos.order_by("name")]
    text = api.get("slos/openslo", model="flight-delay").content.decode()

    again = api.post("slos/openslo", {"text": text}).json()
    copied = api.post("slos/openslo", {"text": text, "model": "other"}).json()

    assert (len(again["same"]), again["created"], len(copied["created"])) == (4, [], 4)
    assert [services.terms_of(slo) for slo in other.slos.order_by("name")] == before
    changed = text.replace("target: 0.999", "target: 0.99")
    assert "Give a reason" in problem(api.post("slos/openslo", {"text": changed}), 400)["detail"]
    assert len(api.post("slos/openslo", {"text": changed, "reason": "Agreed."}).json()["changed"]) == 1
    problem(Api(model.team, Role.APPROVER).post("slos/openslo", {"text": text, "reason": "x"}), 403)
    problem(Api(make_team()).get("slos/openslo", model="flight-delay"), 404)
    assert Api(make_team()).get("slos/openslo").content == b""


@pytest.mark.django_db
def test_other_teams_models_are_unknown_services():
    make_model(name="flight-delay")

    with pytest.raises(InvalidError, match=r"line 19, spec.service: None of your teams has a model flight-delay"):
        services.slos_import(actor=make_actor(make_team()), text=FOREIGN)

    assert not Slo.objects.exists()


@pytest.mark.django_db
def test_page_imports_and_shows_faults_beside_their_lines(client):
    model = make_model(name="flight-delay")
    client.force_login(make_actor(model.team).user)

    faulty = client.post("/slos/import/", {"text": FOREIGN.replace("value: 200", "value: 210"), "reason": ""})
    client.post("/slos/import/", {"text": FOREIGN, "reason": ""})

    assert faulty.status_code == 422
    assert "spec.objectives[0].value" in faulty.content.decode()
    assert Slo.objects.get().name == "answers-in-time"
    assert "answers-in-time" in client.get("/slos/openslo.yaml?model=flight-delay").content.decode()
