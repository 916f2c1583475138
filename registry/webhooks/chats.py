"""Chats and pagers: which of apprise's addresses are acceptable, and sending by a child process that reaches nothing else.

An address such as ``slack://…`` holds its own secret, so it is sealed where it is kept and leaves this module as a place alone.
"""

import json
import os
import subprocess
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from jobs.senders import Answer
from registry.children import run_child
from registry.errors import InvalidError
from registry.webhooks.addresses import check_url

LONGEST = 1000
WHOLE_S = 20.0
# Schemes that speak to a host which the address names; the others know the one service that they speak to.
OWN_HOST = {
    "json": "http", "jsons": "https", "mmost": "http", "mmosts": "https", "rocket": "http", "rockets": "https",
    "workflow": "https", "workflows": "https", "matrix": "http", "matrixs": "https", "ntfy": "http", "ntfys": "https",
    "gotify": "http", "gotifys": "https",
}  # fmt: skip
FORBIDDEN = (
    "template",
    "verify",
    "mode",
)  # would read a file of this host, trust any certificate, or choose another host


def check_chat(url: str) -> str:
    """Return where an address of apprise leads, without its secret.

    Raises:
        InvalidError: it is no address of an allowed scheme, or leads where this server must not go.
    """
    url = url.strip()
    if not url or len(url) > LONGEST or not url.isprintable() or " " in url:
        raise _refusal(f"The address has 1 to {LONGEST} characters, none of them a space.")
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in settings.ALERT_CHAT_SCHEMES:
        known = ", ".join(settings.ALERT_CHAT_SCHEMES)
        raise _refusal(f"Addresses begin with one of these schemes: {known}. For others, make a webhook.")
    if named := sorted(set(parse_qs(parts.query, keep_blank_values=True)) & set(FORBIDDEN)):
        raise _refusal(f"{named[0]} is not allowed in the address.")
    import apprise

    chat = apprise.Apprise.instantiate(url)
    if chat is None:
        raise _refusal(f"This is no complete address of {scheme}; see the documentation of apprise for its form.")
    service = str(chat.service_name)
    if scheme not in OWN_HOST:
        return service
    host, port = str(chat.host), getattr(chat, "port", None)
    shown = f"[{host}]" if ":" in host else host
    check_url(f"{OWN_HOST[scheme]}://{shown}{f':{port}' if port else ''}/")
    return f"{service} at {host}"[:100]


def send_chat(url: str, *, title: str, body: str, severe: bool) -> Answer:
    """Send a message by a child process whose sockets reach what webhooks may reach, and which knows nothing of ours."""
    given: dict[str, Any] = {
        "url": url, "title": title, "body": body, "type": "failure" if severe else "warning",
        "allowed": settings.WEBHOOK_ALLOWED_HOSTS, "ca": os.environ.get("SSL_CERT_FILE", ""),
    }  # fmt: skip
    try:
        done = run_child("registry.webhooks.chat_child", given=json.dumps(given).encode(), seconds=WHOLE_S)
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Answer(ok=False, error=f"No answer within {WHOLE_S:.0f} seconds.")
    except ValueError:
        return Answer(ok=False, error="The sending process ended without an answer.")
    return Answer(ok=bool(told["ok"]), status=told["status"], error=str(told["error"]))


def _refusal(message: str) -> InvalidError:
    return InvalidError(message, field="url")
