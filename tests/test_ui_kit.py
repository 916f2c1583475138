"""The component kit: what each piece prints, and how the pieces look and behave in a browser."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from playwright.sync_api import expect

from controlplane import formats
from controlplane.context import NAVIGATION
from registry.errors import FourEyesError
from registry.models import Role
from tests.browser import PHONE, WIDE, check_page, log_in, set_theme
from tests.factories import make_model, make_promotion, make_team, make_user, make_version

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PICTURES = Path(__file__).parent.parent / "docs/ui"
HOSTILE = '"><svg onload=alert(1)>'


def show(source, **context):
    context.setdefault("request", RequestFactory().get("/"))
    return Template(source).render(Context(context))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, formats.NOTHING),
        (0, "0"),
        (7, "7"),
        (41208, "41,208"),
        (99_999, "99,999"),
        (123_456, "123 k"),
        (1_234_567, "1.23 M"),
    ],
)
def test_compact(value, text):
    assert formats.compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, formats.NOTHING), (float("nan"), formats.NOTHING), (0.0, "0"), (0.72, "0.720"), (49.57, "49.6"), (1234.4, "1,234"), (52, "52"),
        (-0.008, "\N{MINUS SIGN}0.00800"), (9.999, "10.00"), (1.5e-7, "1.50e-07"),
    ],
)  # fmt: skip
def test_metric_has_three_significant_digits(value, text):
    assert formats.metric(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1992715299129486, "0.19927"),
        (1018.1, "1018.1"),
        (239, "239"),
        ("AA", "AA"),
        (None, "missing"),
        (float("nan"), "missing"),
        (True, "True"),
    ],
)
def test_inputs_and_outputs_are_read_at_a_glance(value, text):
    assert formats.value(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, formats.NOTHING), (0.0, "0"), (0.0104, "+0.010"), (-0.008, "\N{MINUS SIGN}0.008"), (4.2, "+4.20"),
        (0.00012, "+0.000120"),
    ],
)  # fmt: skip
def test_signed(value, text):
    assert formats.signed(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, formats.NOTHING),
        (0, "0%"),
        (0.00042, "0.042%"),
        (0.712, "71.2%"),
        (1, "100%"),
        (0.99953, "99.953%"),
        (0.999, "99.9%"),
    ],
)
def test_percent_never_rounds_up_to_all(share, text):
    assert formats.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, formats.NOTHING), (0, "0 s"), (0.0038, "3.8 ms"), (0.21, "210 ms"), (4.25, "4.2 s"), (45, "45 s"), (60, "1 min"),
        (135, "2 min 15 s"), (3599.9, "1 h"), (13440, "3 h 44 min"), (timedelta(days=2, hours=3), "2 d 3 h"),
    ],
)  # fmt: skip
def test_duration(seconds, text):
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(None, formats.NOTHING), (812, "812 B"), (1_434_567, "1.43 MB"), (5e12, "5 TB")]
)
def test_size(count, text):
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("away", "text"),
    [
        (timedelta(seconds=3), "3 s ago"), (timedelta(minutes=59), "59 min ago"), (timedelta(days=2), "2 d ago"),
        (timedelta(minutes=-38), "in 38 min"), (timedelta(days=45), "11 Oct 2026"),
    ],
)  # fmt: skip
def test_since(away, text):
    assert formats.since(NOW - away, NOW) == text


@pytest.mark.parametrize(
    "source",
    [
        "{% status state x %}", "{% status_lead state x %}", "{% icon x x %}", "{% digest x %}", "{% copyable x %}", "{% brief x %}",
        "{% snippet x %}", "{% empty x x snippet=x action=x href=x %}", "{% bar 0.5 x x %}", "{% copy_button x %}",
        '{% confirm name=x title=x action=x button=x word=x %}{{ x }}{% endconfirm %}',
    ],
)  # fmt: skip
def test_component_prints_hostile_text_as_text(source):
    printed = show(source, x=HOSTILE, state="pass")

    assert "<svg onload" not in printed
    assert "&lt;svg onload" in printed


def test_snippet_may_hold_quotation_marks():
    printed = show("""{% snippet 'load("models:/<name>@champion")' %}""")

    assert 'data-copy="load(&quot;models:/&lt;name&gt;@champion&quot;)"' in printed
    assert '<code tabindex="0">load(&quot;models:/&lt;name&gt;@champion&quot;)</code>' in printed


def test_status_of_an_unknown_state_is_not_taken_for_a_pass():
    assert "st-skipped" in show('{% status "surprise" "Surprise" %}')


def test_digest_is_short_and_copied_whole():
    whole = "sha256:" + "9f3c1ab2" * 8

    printed = show("{% digest value %}", value=whole)

    assert ">sha256:9f3c1ab2<" in printed
    assert f'data-copy="{whole}"' in printed


def test_brief_value_stays_short_and_its_whole_in_reach():
    digest, text = (
        "sha256:" + "9f3c1ab2" * 8,
        "Errors rose within ten minutes of the switch, and the engineer on call saw time-outs.",
    )

    assert f'data-copy="{digest}"' in show("{% brief value %}", value=digest)
    assert show("{% brief value %}", value=12) == "12"
    long = show("{% brief value %}", value=text)
    assert "<summary><span>Errors rose within ten minutes of the switch, and the engineer on…</span>" in long
    assert f"</summary>{text}</details>" in long


def test_time_carries_its_instant_in_utc():
    printed = show("{% at moment %}", moment=datetime(2026, 11, 25, 12, 30, tzinfo=UTC))

    assert 'datetime="2026-11-25T12:30:00Z"' in printed
    assert ">2026-11-25 12:30:00 UTC<" in printed


@pytest.mark.parametrize(("share", "width"), [(None, "0.0"), (-1, "0.0"), (0.62, "62.0"), (7, "100.0")])
def test_bar_stays_within_its_track(share, width):
    assert f'width="{width}%"' in show("{% bar share %}", share=share)


@pytest.fixture
def person():
    return make_user(make_team("flight-ops"), Role.APPROVER, "approver")


@pytest.mark.django_db
def test_frame_marks_where_one_is(client, person):
    client.force_login(person)

    frame = client.get("/models/").context

    entries = {entry["name"]: entry for section in frame["navigation"] for entry in section["entries"]}
    assert set(entries) == {name for rows in NAVIGATION.values() for name, *_ in rows}
    assert [name for name, entry in entries.items() if entry["current"]] == ["models"]


@pytest.mark.django_db
def test_mark_beside_inbox_counts_what_waits(client, person):
    client.force_login(person)
    nothing = client.get("/inbox/count/").content.decode()
    make_promotion(make_model(make_team("flight-ops"), name="flight-delay"))

    assert nothing.strip() == ""
    assert 'aria-label="1 waiting">1<' in client.get("/inbox/count/").content.decode()
    assert 'hx-get="/inbox/count/"' in client.get("/models/").content.decode()


@pytest.mark.django_db
def test_first_paint_is_in_the_chosen_theme(client, person):
    client.force_login(person)
    client.cookies["theme"], client.cookies["zone"] = "dark", "local"

    printed = client.get("/models/").content.decode()

    assert 'data-bs-theme="dark" data-theme="dark" data-zone="local"' in printed


@pytest.mark.django_db
def test_search_finds_what_the_persons_teams_own(client, person):
    ours, theirs = make_team("flight-ops"), make_team("claims")
    version = make_version(make_model(ours, name="flight-delay"))
    make_version(make_model(theirs, name="flight-claims"))
    client.force_login(person)

    groups = client.get("/search/", {"q": "flight v1"}).context["groups"]
    named = client.get("/search/", {"q": "flight"}).context["groups"]

    assert [hit.url for hit in groups["Versions"]] == [version.path]
    assert [hit.label for hit in named["Models"]] == ["flight-delay"]


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "%", "'; --", "9" * 40, "v1", "²", "\x00"])
def test_search_takes_any_words(client, person, query):
    client.force_login(person)

    assert client.get("/search/", {"q": query}).status_code == 200


@pytest.mark.django_db
def test_unknown_address_is_a_page_for_people_and_a_problem_for_programs(client, person):
    client.force_login(person)

    page, problem = client.get("/nothing/"), client.get("/api/v1/nothing/")

    assert (page.status_code, problem.status_code) == (404, 404)
    assert "belongs to a team you are not in" in page.content.decode()
    assert problem["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_fault_of_ours_is_a_page_too(client, person, monkeypatch):
    client.force_login(person)
    client.raise_request_exception = False
    monkeypatch.setattr("controlplane.views.search", lambda actor, query: 1 / 0)

    answer = client.get("/search/")

    assert answer.status_code == 500
    assert "Something failed on our side" in answer.content.decode()


@pytest.mark.django_db
def test_content_security_policy_is_strict(client, person):
    client.force_login(person)

    policy = client.get("/kit/")["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "style-src 'self';" in policy + ";"


@pytest.fixture
def shown(page, person, live_server):
    """A browser that is logged in."""
    log_in(page, person, live_server)
    return page


def picture(target, name):
    """Renew a picture of the documentation, if asked to."""
    if os.environ.get("UPDATE_DOCS"):
        PICTURES.mkdir(exist_ok=True)
        target.screenshot(path=PICTURES / f"{name}.png")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_kit_is_accessible_and_fits_in_both_themes_and_widths(shown, live_server):
    check_page(shown, "/kit/", live_server)


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_each_component_has_a_picture_in_the_documentation(shown, live_server):
    page = shown
    described = (PICTURES.parent / "ui.md").read_text()
    set_theme(page, "light", live_server)
    page.goto("/kit/")

    for specimen in page.locator(".specimen").all():
        name = specimen.get_attribute("id")
        picture(specimen, name)
        assert f"ui/{name}.png" in described
        assert (PICTURES / f"{name}.png").exists()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_palette_opens_by_key_and_leads_to_a_model(shown):
    make_promotion(make_model(make_team("flight-ops"), name="flight-delay"))
    page = shown
    page.goto("/kit/")

    page.keyboard.press("/")
    page.keyboard.type("flight")
    page.get_by_role("option", name="flight-delay Flight-ops").wait_for()
    picture(page.locator("#palette"), "palette")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_role("option", selected=True).get_by_text("flight-delay", exact=True).wait_for()
    page.keyboard.press("Enter")

    page.wait_for_url("**/models/flight-delay/")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_keys_move_between_pages_and_rows(shown):
    page = shown
    page.goto("/kit/")

    page.keyboard.press("?")
    picture(page.locator("#keys"), "keys")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "Rollback of claims-triage to v8"
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == "calm-finch-212"
    page.keyboard.press("g")
    page.keyboard.press("m")

    page.wait_for_url("**/models/")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_destructive_action_waits_for_its_word(shown):
    page = shown
    page.goto("/kit/")
    page.get_by_role("button", name="Roll back…").click()
    dialog = page.get_by_role("dialog", name="Roll back flight-delay to v14")
    go = dialog.get_by_role("button", name="Roll back", exact=True)

    dialog.get_by_label("Type flight-delay to confirm").fill("flight")
    assert go.get_attribute("aria-disabled") == "true"
    picture(dialog, "confirm-open")
    dialog.get_by_label("Type flight-delay to confirm").fill("flight-delay")
    assert go.get_attribute("aria-disabled") == "false"
    page.keyboard.press("Escape")

    assert not dialog.is_visible()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_copy_button_copies_the_whole_digest(shown):
    page = shown
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/kit/")

    page.locator("#ids .copy").first.click()
    page.get_by_text("Copied", exact=True).wait_for(state="attached")

    assert page.evaluate("navigator.clipboard.readText()").startswith("sha256:9f3c1ab240d1e7c6")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_times_follow_the_chosen_zone_and_it_is_remembered(shown):
    page = shown
    page.goto("/kit/")
    exact = page.locator("#ids time[data-time=at]")
    assert exact.text_content().endswith("UTC")

    page.get_by_role("button", name="Local", exact=True).click()
    assert exact.text_content().endswith("GMT+9")
    page.reload()

    assert exact.text_content().endswith("GMT+9")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_theme_follows_the_system_until_one_is_chosen(shown):
    page = shown
    page.emulate_media(color_scheme="dark")
    page.goto("/kit/")
    theme = "document.documentElement.dataset.bsTheme"
    assert page.evaluate(theme) == "dark"

    page.get_by_role("button", name="Light", exact=True).click()
    assert page.evaluate(theme) == "light"
    page.reload()

    assert page.evaluate(theme) == "light"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_refusal_of_a_piece_of_a_page_is_a_message(shown, faults, monkeypatch):
    def refuse(actor, query):
        raise FourEyesError("Not you.", unmet=[{"rule": "A second person", "who": "any approver"}])

    monkeypatch.setattr("controlplane.views.search", refuse)
    page = shown
    page.goto("/kit/")

    page.keyboard.press("/")
    page.keyboard.press("Escape")

    message = page.locator("#messages .toast-line")
    message.get_by_text("A second person: any approver").wait_for()
    message.get_by_role("button", name="Dismiss").click()
    assert message.count() == 0
    assert any("403" in fault for fault in faults)
    faults.clear()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_dark_page_is_printed_on_white_paper(shown, live_server):
    page = shown
    set_theme(page, "dark", live_server)
    page.goto("/kit/")
    page.emulate_media(media="print")

    expect(page.locator("body")).to_have_css("color", "rgb(25, 28, 34)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    assert not page.get_by_role("navigation", name="Main").is_visible()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_live_piece_warns_when_no_answer_comes(shown):
    page = shown
    page.clock.install(time=NOW)
    page.goto("/kit/")
    mark = page.locator("#live [data-live]")
    page.clock.pause_at(NOW + timedelta(minutes=10))
    mark.evaluate("mark => { mark.dataset.live = ''; }")  # as a fresh answer brings it
    page.clock.run_for(1000)

    page.clock.run_for(3000)
    assert mark.text_content() == "updated 3 s ago"
    page.clock.run_for(14_000)

    assert mark.text_content() == "no answer for 17 s, still trying"
    assert "stale" in mark.get_attribute("class")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_phone_has_menu_search_and_account(shown):
    page = shown
    page.set_viewport_size(PHONE)
    page.goto("/kit/")

    page.get_by_role("button", name="approver: account and settings").click()
    page.get_by_role("button", name="Log out").wait_for()
    picture(page, "account-phone")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Audit").wait_for()
    picture(page, "menu-phone")
    page.get_by_role("link", name="Models").click()

    page.wait_for_url("**/models/")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_frame_has_pictures_in_both_themes(shown, live_server):
    make_promotion(make_model(make_team("flight-ops"), name="flight-delay", risk_tier=1))
    for theme in ("light", "dark"):
        set_theme(shown, theme, live_server)
        shown.set_viewport_size(WIDE)
        shown.goto("/")
        shown.get_by_role("link", name="flight-delay v1 to champion").wait_for()
        picture(shown, f"frame-{theme}")


@pytest.mark.parametrize("name", ["metric", "signed", "percent", "compact", "duration", "bytes"])
def test_a_number_that_the_page_does_not_have_is_a_dash(name):
    assert Template(f"{{{{ measured.value|{name} }}}}").render(Context({"measured": None})) == formats.NOTHING
