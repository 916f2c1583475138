"""What every page's frame shows: where one can go, who one is, and how one likes to see it."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from registry.access import actor_of

# Section → (URL name, label, second key after `g`).
NAVIGATION = {
    "Decide": [("inbox", "Inbox", "i"), ("promotions", "Promotions", "p"), ("rollouts", "Rollouts", "u")],
    "Watch": [
        ("slos", "SLOs", "s"),
        ("drift", "Drift", "d"),
        ("data_quality", "Data quality", "y"),
        ("retrainings", "Retraining", "x"),
        ("alerts", "Alerts", "l"),
        ("gateways", "Gateways", "w"),
    ],
    "Build": [("models", "Models", "m"), ("runs", "Runs", "r"), ("datasets", "Data sets", "t"), ("jobs", "Jobs", "j")],
    "Prove": [("predictions", "Predictions", "o"), ("audit", "Audit", "a")],
    "": [("api_docs", "API docs", "h"), ("settings", "Settings", "e")],
}
if settings.DEPLOYMENT == "demo":
    NAVIGATION["Watch"].append(("scenarios", "Scenarios", "n"))
THEMES = ("light", "dark", "auto")
ZONES = ("utc", "local")


def navigation(path: str = "") -> list[dict[str, Any]]:
    """Return the sections of the menu with the entry that ``path`` lies under marked as current."""
    return [{"title": title, "entries": [_entry(*row, path) for row in rows]} for title, rows in NAVIGATION.items()]


def _entry(name: str, label: str, key: str, path: str) -> dict[str, Any]:
    url = reverse(name)
    current = path == url if url == "/" else path.startswith(url)
    return {"name": name, "label": label, "key": key, "url": url, "current": current}


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the frame's variables; what costs a query is read only by a page that prints it."""
    theme, zone = request.COOKIES.get("theme", ""), request.COOKIES.get("zone", "")
    user = getattr(request, "user", None)
    context: dict[str, Any] = {
        "theme": theme if theme in THEMES else "auto",
        "zone": zone if zone in ZONES else "utc",
        "deployment": settings.DEPLOYMENT.capitalize(),
        "signed_in": bool(user and user.is_authenticated),
    }
    if context["signed_in"]:
        context |= {
            "navigation": navigation(request.path),
            "memberships": actor_of(request).user.memberships.select_related("team").order_by("team__name"),
        }
    return context
