"""The page where people hand in labels: a file or lines, each fault with its line, and what was counted."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from playwright.sync_api import expect

from monitoring.models import Label
from registry.models import AuditEvent, Role
from tests.browser import check_page, log_in
from tests.factories import make_model, make_user

PATH = "/models/flight-delay/labels/"
GOOD = "request_id,row,time,value\nr1,0,2026-11-25T12:00:00Z,true\nr2,0,2026-11-25T12:00:00Z,0.5\n"
BAD = f"{GOOD}r3,0,yesterday,true\nr4,-1,2026-11-25T12:00:00Z,true\n"
NDJSON = '{"request_id": "r3", "time": "2026-11-25T12:00:00Z", "value": "late"}\n'


@pytest.fixture
def model(db):
    return make_model(name="flight-delay")


@pytest.fixture
def sent(client, model):
    """Hand in as an engineer: text as a file, or ``lines``."""
    client.force_login(make_user(model.team))

    def send(text="", status=200, **form):
        file = {"file": SimpleUploadedFile("labels.csv", text.encode())} if text else {}
        answer = client.post(PATH, form | file)
        assert answer.status_code == status
        return " ".join(answer.content.decode().split())

    return send


def held():
    return dict(Label.objects.values_list("request_id", "value"))


def test_a_file_is_taken_in_and_counted(sent):
    page = sent(GOOD)

    assert '<div class="fig">2</div><div class="meta">new</div>' in page
    assert held() == {"r1": True, "r2": 0.5}
    event = AuditEvent.objects.get(action="labels.add")
    assert (event.via, event.payload["added"]) == ("session", 2)
    again = sent(GOOD)
    assert '<div class="fig">2</div><div class="meta">known already</div>' in again
    assert "on a page" in again


@pytest.mark.parametrize(
    ("text", "values"),
    [(NDJSON, {"r3": "late"}), (f"\ufeff{NDJSON}", {"r3": "late"}), (f"\ufeff{GOOD}", {"r1": True, "r2": 0.5})],
)
def test_what_the_lines_are_shows_in_their_beginning(sent, text, values):
    sent(text)
    assert held() == values


def test_pasted_lines_are_taken_in(sent):
    sent(lines=NDJSON)
    assert held() == {"r3": "late"}


def test_each_line_that_is_no_label_is_named_and_nothing_taken(sent):
    page = sent(BAD, status=422)

    assert "2 lines are no labels: none was taken" in page
    assert '<span class="d-md-none">Line </span>4</th><td data-l="Field" class="mono">time</td>' in page
    assert "must be a time with its zone" in page
    assert '<span class="d-md-none">Line </span>5</th><td data-l="Field" class="mono">row</td>' in page
    assert "must be a whole number from 0" in page
    assert held() == {}


def test_good_lines_are_taken_where_that_is_wanted(sent):
    page = sent(BAD, on_error="skip")

    assert '<div class="fig">2</div><div class="meta">no label, left out</div>' in page
    assert "yesterday" not in page  # values are not quoted
    assert held() == {"r1": True, "r2": 0.5}


@pytest.mark.parametrize("form", [{}, {"text": GOOD, "lines": NDJSON}, {"lines": " \n"}])
def test_one_of_both_has_to_be_given(sent, form):
    assert "Choose a file or paste lines, one of the two." in sent(status=422, **form)
    assert held() == {}


def test_a_file_without_a_label_says_so(sent):
    assert "There is no label in the body." in sent("request_id,time,value\n", status=422)


def test_viewers_look_alone(client, model):
    client.force_login(make_user(model.team, Role.VIEWER))

    assert "<fieldset disabled>" in client.get(PATH).content.decode()
    assert client.post(PATH, {"lines": NDJSON}).status_code == 403
    assert held() == {}


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_in_a_browser_the_answer_comes_in_place(page, model, live_server, tmp_path, faults):
    log_in(page, make_user(model.team), live_server)
    for name, text in (("good.csv", GOOD), ("bad.csv", BAD)):
        (tmp_path / name).write_text(text)
    page.goto(PATH)
    page.evaluate(
        "() => { window.said = []; new MutationObserver(() => window.said.push(document.querySelector('.upload').textContent.trim()))"
        ".observe(document.querySelector('.upload'), {subtree: true, childList: true}); }"
    )

    page.get_by_label("A file, CSV or NDJSON").set_input_files(tmp_path / "good.csv")
    page.get_by_role("button", name="Take in the labels").click()

    expect(page.get_by_role("heading", name="Taken in")).to_be_visible()
    assert page.evaluate("window.said")[-1] == "Sent; the lines are being read"
    expect(page.locator(".upload")).to_be_hidden()
    expect(page.get_by_role("row", name="on a page")).to_be_visible()
    page.get_by_label("A file, CSV or NDJSON").set_input_files(tmp_path / "bad.csv")
    page.get_by_role("button", name="Take in the labels").click()
    expect(page.get_by_text("2 lines are no labels")).to_be_visible()
    assert any(fault.startswith("422") for fault in faults)
    faults.clear()
    assert held() == {"r1": True, "r2": 0.5}
    check_page(page, PATH, live_server)
