"""Labels: late, repeated and corrected; one, or many lines of which each fault is named; each once in the lake."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from deltalake import DeltaTable
from django.conf import settings
from django.utils import timezone

from monitoring.labelling import labels as shipping
from monitoring.labelling.lines import LONGEST_LINE, Label, Wrong, read_csv, read_label, read_ndjson
from monitoring.models import Label as LabelRow
from monitoring.predictions import lake
from monitoring.services import labels as services
from monitoring.shipping import ship
from registry.models import AuditEvent, Role
from tests.api import Api, problem
from tests.factories import make_model, make_record, make_segment, make_version

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TIME = "2026-11-25T12:00:00Z"


@pytest.fixture
def model(db):
    return make_model(name="flight-delay")


@pytest.fixture
def api(model):
    return Api(model.team)


def send(api, body, kind="application/x-ndjson", query=""):
    return api.client.post(f"/api/v1/models/flight-delay/labels{query}", body, content_type=kind)


def line(request_id="r1", value="true", time=TIME, **more):
    extra = "".join(f', "{name}": {text}' for name, text in more.items())
    return f'{{"request_id": "{request_id}", "time": "{time}", "value": {value}{extra}}}'


def held():
    return list(LabelRow.objects.order_by("request_id", "row", "time").values_list("request_id", "row", "value"))


# --- lines


def test_lines_are_read_and_numbered():
    lines = [f"{line('a', '1.5', row=3)}\n".encode(), b"\n", f"{line('b', chr(34) + 'late' + chr(34))}".encode()]

    assert list(read_ndjson(lines)) == [(1, Label("a", NOON, 1.5, 3)), (3, Label("b", NOON, "late"))]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("no JSON", ""),
        ("[1]", ""),
        ('{"request_id": "a", "value": 1}', ""),
        (line(value="null"), "value"),
        (line(value="1e999"), "value"),
        (line(value='""'), "value"),
        (line(value=r'"\u0000"'), "value"),
        (line(value='"' + "x" * 201 + '"'), "value"),
        (line(request_id=""), "request_id"),
        (line(request_id="x" * 129), "request_id"),
        (line(request_id="é"), "request_id"),
        (line(row="-1"), "row"),
        (line(row="1.5"), "row"),
        (line(row="true"), "row"),
        (line(time="2026-11-25T12:00:00"), "time"),
        (line(time="yesterday"), "time"),
        (line(odd="1"), ""),
    ],
)
def test_what_is_wrong_with_a_line_is_named(text, field):
    found = read_label(text.encode())

    assert isinstance(found, Wrong)
    assert (found.field, bool(found.what)) == (field, True)


def test_lines_of_no_end_are_not_read_into_memory():
    assert list(read_ndjson([b"x" * (LONGEST_LINE + 1)])) == [(1, Wrong("", f"is longer than {LONGEST_LINE} bytes"))]


def test_csv_reads_numbers_truth_and_text():
    text = f'\ufeffvalue,request_id,time,row\r\n1.5,a,{TIME},3\r\ntrue,b,{TIME},0\r\n"late, very",c,{TIME},x\r\n1,d\r\n'

    found = list(read_csv(text.encode().splitlines(keepends=True)))

    assert found[:2] == [(2, Label("a", NOON, 1.5, 3)), (3, Label("b", NOON, True))]
    assert [(n, wrong.field) for n, wrong in found[2:]] == [(4, "row"), (5, "")]


@pytest.mark.parametrize("head", ["request_id,time", "request_id,time,value,odd", "request_id,time,value,value"])
def test_csv_of_other_columns_is_refused_whole(head):
    [(number, wrong)] = read_csv([f"{head}\n".encode(), b"a,b,c\n"])

    assert (number, wrong.field) == (1, "")
    assert "must name the columns" in wrong.what


# --- the API


def test_a_label_is_taken_once_however_often_it_is_sent(model, api):
    body = {"request_id": "r1", "time": TIME, "value": 0.5}

    assert api.post("models/flight-delay/labels", body).json() == {
        "added": 1, "repeated": 0, "refused": 0, "faults": [],
    }  # fmt: skip
    assert api.post("models/flight-delay/labels", body).json()["repeated"] == 1
    assert held() == [("r1", 0, 0.5)]
    assert AuditEvent.objects.filter(action="labels.add").count() == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"request_id": "r1", "time": TIME, "value": None}, "/value"),
        ({"request_id": "r1", "time": "2999-01-01T00:00:00Z", "value": 1}, "/time"),
        ({"request_id": "r1", "value": 1}, "/label"),
    ],
)
def test_a_wrong_label_names_its_field(model, api, body, pointer):
    answer = api.post("models/flight-delay/labels", body)

    assert [error["pointer"] for error in problem(answer, 400)["errors"]] == [pointer]
    assert held() == []


def test_corrections_keep_their_history_and_the_newest_time_counts(model, api):
    for value, hours in ((True, 0), (False, 2), (True, 1)):
        time = (NOON + timedelta(hours=hours)).isoformat()
        api.post("models/flight-delay/labels", {"request_id": "r1", "time": time, "value": value})
        shipping.ship_labels()  # some in the lake alone, some in both
    api.post("models/flight-delay/labels", {"request_id": "r1", "row": 1, "time": TIME, "value": 7})
    LabelRow.objects.filter(value=True).delete()

    found = api.get("models/flight-delay/labels", request_id="r1").json()

    assert [(o["row"], o["time"][11:13], o["value"], o["is_newest"]) for o in found] == [
        (0, "14", False, True), (0, "13", True, False), (0, "12", True, False), (1, "12", 7, True),
    ]  # fmt: skip
    assert {o["given_by"] for o in found} == {api.user.username}


def test_many_lines_are_all_taken_or_none_and_each_fault_is_named(model, api):
    body = "\n".join([line("a"), line("b", "null"), line("c"), "{"])

    answer = problem(send(api, body), 400)

    assert [error["pointer"] for error in answer["errors"]] == ["/lines/2/value", "/lines/4/line"]
    assert held() == []
    assert not AuditEvent.objects.filter(action="labels.add").exists()


def test_good_lines_are_taken_beside_bad_ones_where_that_is_asked_for(model, api):
    body = "\n".join([line("a"), line("b", "null"), line("a"), line("c")])

    answer = send(api, body, query="?on_error=skip")

    assert answer.status_code == 200
    told = answer.json()
    assert (told["added"], told["repeated"], told["refused"]) == (2, 1, 1)
    assert [(error["line"], error["field"]) for error in told["faults"]] == [(2, "value")]
    assert held() == [("a", 0, True), ("c", 0, True)]


def test_a_fault_in_a_late_chunk_takes_back_the_early_ones(model, api, monkeypatch):
    monkeypatch.setattr(services, "CHUNK", 2)

    problem(send(api, "\n".join([line("a"), line("b"), line("c"), "{"])), 400)

    assert held() == []


def test_csv_is_taken(model, api):
    answer = send(api, f"request_id,time,value\na,{TIME},1\nb,{TIME},late\n", "text/csv")

    assert answer.json()["added"] == 2
    assert held() == [("a", 0, 1), ("b", 0, "late")]


def test_too_many_lines_no_line_and_another_type_are_refused(model, api, monkeypatch):
    monkeypatch.setattr(services, "MOST_LINES", 2)

    assert "more than 2 lines" in problem(send(api, "\n".join([line("a"), line("b"), line("c")])), 400)["detail"]
    assert "no label" in problem(send(api, "\n\n"), 400)["detail"]
    problem(send(api, "<xml/>", "application/xml"), 415)
    problem(send(api, line(), query="?odd=1"), 400)
    assert held() == []


def test_viewers_and_other_teams_give_no_labels(model):
    problem(send(Api(model.team, Role.VIEWER), line()), 403)
    problem(send(Api(make_model().team), line()), 404)
    assert held() == []


# --- the lake


def in_lake():
    table = lake.open_table(shipping.TABLE)
    return sorted(table.to_pyarrow_table(columns=["request_id"])["request_id"].to_pylist()) if table else []


def test_labels_reach_the_lake_once(model, api):
    send(api, "\n".join([line("a"), line("b", "2")]))
    assert shipping.ship_labels() == 2
    assert shipping.ship_labels() == 0
    send(api, line("c", '"late"'))
    assert shipping.ship_labels() == 1

    rows = lake.open_table(shipping.TABLE).to_pyarrow_table().sort_by("request_id").to_pylist()
    assert [(row["request_id"], row["value"], row["number"]) for row in rows] == [
        ("a", "true", 1.0), ("b", "2.0", 2.0), ("c", '"late"', None),
    ]  # fmt: skip
    assert rows[0]["model_id"] == model.pk
    assert rows[0]["time"] == NOON


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_shipper_that_dies_beside_its_commit_is_followed_by_one_that_writes_each_label_once(
    model, api, monkeypatch, dies
):
    write = lake.write

    def dying(*args):
        if dies == "after":
            write(*args)
        raise KeyboardInterrupt

    send(api, line("a"))
    monkeypatch.setattr(lake, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        shipping.ship_labels()
    monkeypatch.undo()
    send(api, line("b"))

    shipping.ship_labels()

    assert in_lake() == ["a", "b"]


def test_labels_stay_here_until_they_are_in_the_lake_and_a_week_old(model, api):
    send(api, line("a"))
    later = timezone.now() + timedelta(days=8)
    shipping.purge_labels(now=later)
    assert held() == [("a", 0, True)]
    shipping.ship_labels()
    shipping.purge_labels(now=timezone.now())
    assert held() == [("a", 0, True)]
    shipping.purge_labels(now=later)
    assert held() == []

    send(api, line("a"))  # a repeat after that: it comes again, and still counts once
    shipping.ship_labels()
    assert len(api.get("models/flight-delay/labels", request_id="a").json()) == 1


def test_predictions_and_labels_join_as_the_documentation_says(model, api):
    version = make_version(model)
    records = [
        make_record(version, request_id=name, outputs={"probability": p}) for name, p in (("a", 0.9), ("b", 0.1))
    ]
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, records)
    ship()
    send(api, "\n".join([line("a", "0"), line("a", "1", "2026-11-25T13:00:00Z"), line("b", "0"), line("zzz", "1")]))
    shipping.ship_labels()
    text = (settings.BASE_DIR / "docs/monitoring.md").read_text()
    query = text.split("```sql\n")[1].split("```")[0]

    connection = duckdb.connect()
    for name in ("predictions", "labels"):
        connection.register(name, DeltaTable(str(lake.table_path(name))).to_pyarrow_dataset())
    found = connection.sql(query).fetchall()

    assert sorted(found) == [("a", 0, 0.9, 1.0), ("b", 0, 0.1, 0.0)]
