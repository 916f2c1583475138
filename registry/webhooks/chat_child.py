"""Sends one message through apprise: ``python -m registry.webhooks.chat_child``, its order as JSON on standard input.

Whatever library speaks here, its sockets connect to public addresses and to what ``WEBHOOK_ALLOWED_HOSTS`` names, and to nothing
else; names are checked when they are resolved and once more when the socket connects. Redirects are not followed.
"""

import ipaddress
import json
import os
import socket
import sys
from typing import Any

from django.conf import settings


class Guard:
    """Checks where sockets go."""

    def __init__(self) -> None:
        self.vouched: set[str] = set()
        self.refused = False

    def install(self) -> None:
        """Put this before every connection that Python makes in this process."""
        from registry.webhooks.addresses import is_reachable, is_vouched_for

        resolve, connect, guard = socket.getaddrinfo, socket.socket.connect, self

        def checked(ip: str) -> None:
            if ip not in guard.vouched and not is_reachable(ipaddress.ip_address(ip.partition("%")[0])):
                guard.refused = True
                raise OSError("not a public address")

        def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
            found = resolve(host, *args, **kwargs)
            places = {str(place[0]) for *_, place in found}
            if host and is_vouched_for(host.decode() if isinstance(host, bytes) else str(host)):
                guard.vouched |= places
            for ip in places:
                checked(ip)
            return found

        class GuardedSocket(socket.socket):
            def connect(self, address: Any) -> None:
                if self.family not in (socket.AF_INET, socket.AF_INET6):
                    raise OSError("only the network is spoken to")
                checked(socket.gethostbyname(address[0]) if not _is_ip(address[0]) else address[0])
                connect(self, address)

            def connect_ex(self, address: Any) -> int:
                self.connect(address)
                return 0

        socket.getaddrinfo = getaddrinfo
        socket.socket = GuardedSocket  # type: ignore[misc]


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def main() -> None:
    """Send, and print how it went; nothing of what the receiver said but its status."""
    order = json.load(sys.stdin)
    settings.configure(WEBHOOK_ALLOWED_HOSTS=order["allowed"])
    if order["ca"]:
        os.environ["REQUESTS_CA_BUNDLE"] = order["ca"]
    guard = Guard()
    guard.install()
    import apprise
    import requests

    statuses: list[int] = []
    send = requests.Session.send

    def noted(self: Any, request: Any, **kwargs: Any) -> Any:
        self.trust_env = False
        answer = send(self, request, **kwargs | {"allow_redirects": False})
        statuses.append(answer.status_code)
        return answer

    requests.Session.send = noted  # type: ignore[method-assign]
    chat = apprise.Apprise()
    ok = bool(chat.add(order["url"])) and bool(
        chat.notify(title=order["title"], body=order["body"], notify_type=order["type"], body_format="text")
    )
    status = statuses[-1] if statuses else None
    error = "" if ok else f"It answered {status}." if status else "No connection."
    if guard.refused and not ok:
        error = "The name leads to an address that is not public."
    sys.stdout.write(json.dumps({"ok": ok, "status": status, "error": error}))


if __name__ == "__main__":
    main()
