"""The whole product under its supervisor: one model's life by four people, every page, and the two commands' promises."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser import (
    PHONE,
    WIDE,
    accessibility_faults,
    log_in_by_form,
    notice_faults,
    settle,
    sideways_scroll,
)
from tests.moving import (  # noqa: F401  collected here, as are the scenarios
    test_backup_of_the_running_product_restored_elsewhere_serves_the_same_champion,
)
from tests.reading import test_guide_to_ones_own_first_model_leads_to_a_model_that_serves  # noqa: F401
from tests.scenarios import (  # noqa: F401  collected here, first: one process has the product
    rehearsed,
    test_a_bad_candidate_goes_back_by_itself,
    test_a_drifted_model_is_trained_anew_by_itself_and_once,
    test_how_soon_a_bad_candidate_is_gone,
    test_its_quality_recovers_by_what_labels_say,
    test_no_person_moved_a_rollout_and_each_move_has_its_reason,
    test_no_request_failed_because_of_a_switch,
    test_the_good_candidate_reaches_everybody,
    test_too_little_known_waits_for_a_person,
    test_who_met_the_candidate_keeps_it_while_its_share_grows,
)
from tests.stack import answer
from tests.sweep import MODEL, furnish, pages

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PICTURES = Path(__file__).parent.parent / "docs/ui/pages"
ALL_LOOKS = [(theme, size) for theme in ("light", "dark") for size in (WIDE, PHONE)]


@pytest.fixture(scope="module")
def sessions():
    """The cookies of who has logged in by the form, by name."""
    return {}


@pytest.fixture
def sit_down(browser, stack, sessions):
    """Open the product in a browser of one's own, log in by the form the first time, and notice every fault."""

    @contextmanager
    def as_person(name, *, theme="light", size=WIDE):
        context = browser.new_context(
            base_url=stack.web, viewport=size, color_scheme=theme, locale="en-GB", storage_state=sessions.get(name)
        )
        page = context.new_page()
        faults = []
        notice_faults(page, faults)
        page.goto("/")
        if name not in sessions:
            log_in_by_form(page, name, stack.password(name))
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
        sessions[name] = context.storage_state()
        yield page
        context.close()
        assert faults == [], f"{name} met {faults}"

    return as_person


def served_version(stack):
    status, body = stack.infer()
    return int(body["model_version"]) if status == 200 else None


def gateway_follows(stack, number, record_property, what):
    """Wait until the gateway answers with version ``number``; the seconds it took are reported, not asserted."""
    began = time.monotonic()
    stack.until(lambda: served_version(stack) == number, seconds=30, what=f"the gateway to serve v{number}")
    record_property(what, round(time.monotonic() - began, 2))
    print(f"{what}: {time.monotonic() - began:.2f} s")  # noqa: T201  a figure for the reader of the log


@pytest.fixture(scope="module")
def second_version(stack):
    """The number of the better version whose promotion the demo's story leaves to a visitor."""

    def asked():
        _, body = stack.api("viewer", "GET", "/promotions?state=requested")
        found = [p["version"] for p in (body or {"results": []})["results"] if p["model"] == "flight-delay"]
        return found[0] if found else None

    return stack.until(asked, seconds=480, what="the second version to be proposed")


def test_a_third_of_the_pages_is_accessible_and_quiet(stack, sit_down):
    """Comes before what needs the second version, which the story trains meanwhile.

    They are opened wide and light or on a phone and dark, in turns; `make ui` opens each page in every look.
    """
    paths = list(pages(stack).values())[::3]
    for (theme, size), seen in ((("light", WIDE), paths[::2]), (("dark", PHONE), paths[1::2])):
        with sit_down("engineer", theme=theme, size=size) as page:
            assert [fault for path in seen for fault in look_at(page, path)] == [], f"{theme} {size['width']}"


def look_at(page, path):
    """Open a page and wait until it stands; return what axe calls serious there, and whether it is wider than the window."""
    page.goto(path)
    settle(page)
    wider = [f"{sideways_scroll(page)} px too wide"] if sideways_scroll(page) > 0 else []
    return [f"{path}: {fault}" for fault in accessibility_faults(page) + wider]


def test_one_models_whole_life_by_four_people(stack, second_version, sit_down, record_property):
    with sit_down("approver") as page:
        page.get_by_role("link", name=f"flight-delay v{second_version} to champion").click()
        expect(page.get_by_role("heading", name="Ready for your decision")).to_be_visible()
        page.get_by_label("Reason, kept with the decision").fill("Better on later months, interval and all.")
        page.get_by_role("button", name="Approve", exact=True).click()
        expect(page.get_by_text("the gateway follows within seconds")).to_be_visible()
    gateway_follows(stack, second_version, record_property, "promotion to gateway, s")

    with sit_down("engineer") as page:
        page.goto(MODEL)
        settle(page)  # panels above would move it from under the pointer
        page.get_by_text("Go back to a former champion").click()
        page.get_by_label("Reason, kept with the rollback").fill("Support sees odd warnings since the switch.")
        page.get_by_role("button", name="Roll back now").click()
        expect(page.get_by_text("v1 is champion again")).to_be_visible()
    gateway_follows(stack, 1, record_property, "rollback to gateway, s")

    with sit_down("approver") as page:
        page.get_by_role("link", name="Rollback of flight-delay to v1").click()
        page.get_by_label("Your note").fill("Right to go back first and ask later.")
        page.get_by_role("button", name="Mark as reviewed").click()
        expect(page.get_by_text("The rollback is reviewed.")).to_be_visible()

    with sit_down("product", size=PHONE) as page:
        page.goto(f"{MODEL}criteria/")
        page.get_by_role("link", name="Draft the next set").click()
        page.get_by_label("What changed, and why").fill("As before, reviewed for the winter.")
        page.get_by_role("button", name="Save the draft").click()
        expect(page.get_by_text("You drafted it; another product member or an approver")).to_be_visible()

    with sit_down("approver", theme="dark", size=PHONE) as page:
        page.get_by_role("link", name="Criteria set 2 for flight-delay").click()
        page.get_by_role("button", name="Agree: put set 2 in force").click()
        expect(page.get_by_text("Set 2 is in force.")).to_be_visible()

    with sit_down("engineer") as page:
        page.goto(MODEL)
        page.get_by_role("link", name="Train a version").click()
        page.get_by_role("link", name="Logistic regression").click()
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=240_000)
        page.get_by_role("link", name=f"{MODEL}versions/3/").click()
        page.get_by_label("What the deciders should know").fill("The plain model again, as a fallback.")
        page.get_by_role("button", name="Request promotion to champion").click()
        expect(page.get_by_role("button", name="Withdraw the request")).to_be_visible()
        promotion = page.url.removeprefix(stack.web)
        assert page.get_by_role("button", name="Approve", exact=True).count() == 0

    number = promotion.strip("/").split("/")[-1]
    refused, problem = stack.api("engineer", "POST", f"/promotions/{number}/approve", {"reason": "Mine.", "seen": "x"})
    assert (refused, problem["type"]) == (403, "urn:problem:role")

    with sit_down("approver") as page:
        page.goto(promotion)
        page.get_by_label("Reason, kept with the decision").fill("Not better than what serves.")
        page.get_by_role("button", name="Reject", exact=True).click()
        expect(page.get_by_text("The promotion is rejected")).to_be_visible()

    with sit_down("viewer") as page:
        page.goto("/audit/?action=promotion.")
        for action in ("promotion.request", "promotion.approve", "promotion.complete", "promotion.reject"):
            expect(page.get_by_role("cell", name=action).first).to_be_visible()


def test_the_same_life_by_tokens(stack, second_version, record_property):
    """Rollback forth and back through the API: from v1 to the second version and to v1 again."""
    status, body = stack.api(
        "approver", "POST", "/models/flight-delay/rollback", {"to_version": second_version, "reason": "Looked into it."}
    )
    assert status in (200, 201), body
    gateway_follows(stack, second_version, record_property, "API rollback to gateway, s")
    assert stack.api("viewer", "POST", "/models/flight-delay/rollback", {"to_version": 1, "reason": "x"})[0] == 403
    status, body = stack.api(
        "approver", "POST", "/models/flight-delay/rollback", {"to_version": 1, "reason": "And back, to be exact."}
    )
    assert status in (200, 201), body
    gateway_follows(stack, 1, record_property, "API rollback back to gateway, s")


@pytest.mark.skipif(not os.environ.get("UPDATE_DOCS"), reason="`make ui` takes them")
@pytest.mark.usefixtures("rehearsed")
def test_pictures_of_every_page(stack, second_version, sit_down):
    """Comes after the model's life and the scenarios, so that there is something to see."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    furnish(stack)
    found, faults = pages(stack, second_version), []
    for theme, size in ALL_LOOKS:
        with sit_down("engineer", theme=theme, size=size) as page:
            for name, path in found.items():
                faults += [f"{theme} {size['width']} {fault}" for fault in look_at(page, path)]
                page.screenshot(path=PICTURES / f"{name}-{size['width']}-{theme}.png")
    assert faults == []


def test_every_process_answers(stack):
    described = stack.description

    assert answer(f"{described['web']}/health/") == (200, {"database": "ok", "broker": "ok"})
    assert answer(f"{described['gateway']}/v2/health/ready")[0] == 200
    assert psutil.Process(process_named(stack, "mlflow_server").pid).is_running()


def test_the_description_for_scripts_is_complete_and_private(stack):
    described = stack.description

    assert sorted(described) == ["callers", "gateway", "mlflow", "models", "users", "web"]
    assert list(described["users"]) == ["engineer", "product", "approver", "admin", "viewer", "sandbox"]
    assert {tuple(user) for user in described["users"].values()} == {("password", "token")}
    assert (stack.var / "demo.json").stat().st_mode & 0o777 == 0o600
    assert stack.infer()[1]["outputs"][0]["shape"] == [1]


@pytest.mark.parametrize("person", ["engineer", "product", "approver", "admin", "viewer", "sandbox"])
def test_everybody_gets_in_by_token_and_sees_their_team_alone(stack, person):
    status, _ = stack.api(person, "GET", "/models/flight-delay")

    assert status == (404 if person == "sandbox" else 200)


def test_a_second_start_says_that_it_runs(stack):
    again = stack.supervisor("demo")

    assert again.returncode == 0
    assert again.stdout.count("\n") == 1
    assert f"The demo runs: web {stack.web}" in again.stdout


def test_no_process_holds_the_schema_owners_password(stack):
    password = (stack.var / "postgres/controlplane_owner.secret").read_text()

    holders = [p.cmdline() for p in stack.processes() if password in " ".join([*p.environ().values(), *p.cmdline()])]

    assert len(stack.processes()) >= 8
    assert holders == []


def test_a_process_that_is_killed_comes_back(stack):
    before = process_named(stack, "serving.gateway").pid

    os.kill(before, signal.SIGKILL)

    stack.until(lambda: stack.infer()[0] == 200, seconds=60, what="the gateway to come back")
    assert process_named(stack, "serving.gateway").pid != before
    assert "gateway ended (signal SIGKILL); it starts again in" in stack.log()


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_keeps_the_data(stack):
    supervisor = psutil.Process(process_named(stack, "serving.gateway").ppid())
    supervisor.kill()
    supervisor.wait()
    stack.until(
        lambda: not stack.processes(), seconds=30,
        what=lambda: f"the processes to follow their supervisor; left: {stack.processes()}",
    )  # fmt: skip

    began = time.monotonic()
    started = stack.supervisor("demo", "--detach")
    seconds = time.monotonic() - began

    assert "The first model is at " in started.stdout
    assert stack.api("viewer", "GET", "/models/flight-delay")[0] == 200
    assert stack.until(lambda: stack.infer()[0] == 200, seconds=20, what="the champion to serve again")
    assert seconds < 120  # a quiet machine needs a tenth of it


def process_named(stack, part):
    [process] = [p for p in stack.processes() if part in " ".join(p.cmdline())]
    return process
