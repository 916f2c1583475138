"""A real browser for tests: Debian's Chromium, a page that notices faults, accessibility checks, and a quick log-in."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client

# Playwright keeps an event loop in the test's thread, which Django would take for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

WIDE = {"width": 1440, "height": 1000}
PHONE = {"width": 390, "height": 844}
THEMES = ("light", "dark")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return browser_type_launch_args | {
        "executable_path": os.environ.get("CHROMIUM", "/usr/bin/chromium"),
        "args": ["--headless", "--no-sandbox", "--disable-background-networking", "--font-render-hinting=none"],
    }


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args, live_server):
    # A zone far from UTC shows at once where a page mixes the two up.
    return browser_context_args | {
        "base_url": live_server.url, "viewport": WIDE, "locale": "en-GB", "timezone_id": "Asia/Tokyo",
    }  # fmt: skip


@pytest.fixture
def faults():
    """What the browser complained of; a test that provokes a fault asserts on it and clears it."""
    return []


@pytest.fixture
def page(page, faults):
    """A page whose test fails where the console showed an error or a request failed."""
    notice_faults(page, faults)
    yield page
    assert not faults


def notice_faults(page, faults):
    """Append to ``faults`` each error of the console or of a script, and each request that fails, as they come."""
    page.on("console", lambda message: _note_error(message, faults))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: _note_failure(request, faults))
    page.on("response", lambda answer: faults.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)


def _note_error(message, faults):
    cut_off = message.text.startswith(("htmx:sendAbort", "htmx:afterRequest"))  # a poll that the next page cut off
    if message.type == "error" and not cut_off:
        faults.append(message.text)


def _note_failure(request, faults):
    if request.failure != "net::ERR_ABORTED":
        faults.append(f"{request.failure} {request.url}")


def log_in(page, user, live_server):
    """Give the browser a session of ``user`` without the detour over the form."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])


def log_in_by_form(page, username, password):
    """Fill in the log-in page that the browser stands on."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def set_theme(page, theme, live_server):
    """Choose light or dark as the switch in the top bar does, for the pages to come."""
    page.context.add_cookies([{"name": "theme", "value": theme, "url": live_server.url}])


def settle(page):
    """Wait until no piece of the page is still being fetched or put in its place."""
    page.wait_for_selector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added", state="detached")


def accessibility_faults(page):
    """Return what axe calls serious or critical on the page as it stands."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def sideways_scroll(page):
    """Return by how many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def check_page(page, path, live_server):
    """Open ``path`` in both themes and widths; nothing serious for axe, nothing wider than the window."""
    for theme in THEMES:
        set_theme(page, theme, live_server)
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            page.goto(path)
            assert accessibility_faults(page) == [], f"{path} {theme} {size['width']}"
            assert sideways_scroll(page) <= 0, f"{path} {theme} {size['width']}"
