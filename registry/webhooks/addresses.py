"""Where a webhook may point: the public internet over TLS, and what the setting ``WEBHOOK_ALLOWED_HOSTS`` adds.

The address of a name can change between two looks, so what is checked here when a webhook is saved is checked again for
the very socket that a delivery goes through (`registry.webhooks.request`).
"""

import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLateError
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings

from registry.errors import InvalidError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 500
RESOLVE_S = 3.0
PATH_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what stands for itself in a path, or was quoted before
DEFAULT_PORTS = {"https": 443, "http": 80}
# IPv6 networks that carry an IPv4 address: the last 32 bits (NAT64, IPv4-mapped and -compatible) or those behind 2002:.
_LAST_32_BITS = [ipaddress.IPv6Network(n) for n in ("64:ff9b::/96", "::ffff:0:0/96", "::/96")]
# Not public, whatever Python's tables say: NAT64 prefixes of one's own (RFC 8215) and the former site-local addresses.
_LOCAL = [ipaddress.IPv6Network(n) for n in ("64:ff9b:1::/48", "fec0::/10")]
_resolver = ThreadPoolExecutor(4, thread_name_prefix="resolve")  # getaddrinfo knows no timeout


@dataclass(frozen=True)
class Target:
    """Where a request goes."""

    tls: bool
    host: str
    port: int
    path: str


class ForbiddenAddressError(Exception):
    """A name leads to an address that webhooks must not reach."""


@lru_cache
def _allowed(entries: tuple[str, ...]) -> tuple[frozenset[str], tuple[Network, ...]]:
    names, networks = set(), []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError:
            names.add(entry.lower().rstrip("."))
    return frozenset(names), tuple(networks)


def is_vouched_for(host: str) -> bool:
    """Tell whether ``WEBHOOK_ALLOWED_HOSTS`` holds the name, or a network around the literal address."""
    names, networks = _allowed(tuple(settings.WEBHOOK_ALLOWED_HOSTS))
    literal = _literal(host)
    return host.lower().rstrip(".") in names or (literal is not None and any(literal in net for net in networks))


def is_reachable(address: Address) -> bool:
    """Tell whether webhooks may go to ``address``: public, or within an allowed network.

    An IPv6 address that carries an IPv4 one is judged by that one as well, since a gateway would lead there.
    """
    _, networks = _allowed(tuple(settings.WEBHOOK_ALLOWED_HOSTS))
    both = (address, _carried(address))
    if any(one in network for network in networks for one in both):
        return True
    return all(one.is_global and not one.is_multicast and not any(one in local for local in _LOCAL) for one in both)


def parse_url(url: str) -> Target:
    """Return where ``url`` points, if its form is acceptable; nothing is looked up.

    Raises:
        InvalidError: it is no https address, or one with a password, a strange port or a disguised number.
    """
    if not url.strip():
        raise _refusal(f"Webhook URL cannot be empty or just whitespace: {url!r}")
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url or "\\" in url:
        raise _refusal(f"Invalid webhook URL {url!r}: up to {LONGEST_URL} characters, none of them a space.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        host = host if ":" in host else host.encode("idna").decode()
    except ValueError as error:
        raise _refusal(f"Invalid webhook URL {url!r}: {error}") from None
    schemes = ["https", "http"] if is_vouched_for(host) else ["https"]
    if parts.scheme not in schemes:
        raise _refusal(f"Invalid webhook URL scheme: {parts.scheme!r}. Allowed schemes are: {', '.join(schemes)}.")
    if not host:
        raise _refusal(f"Webhook URL must include a hostname: {url!r}")
    if parts.username is not None or parts.password is not None:
        raise _refusal("A webhook URL holds no user name or password; the secret signs what is sent.")
    if port == 0:
        raise _refusal(f"Invalid webhook URL {url!r}: port 0 reaches nothing.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port or DEFAULT_PORTS[parts.scheme], quote(path, safe=PATH_SAFE))


def check_url(url: str) -> None:
    """Refuse a URL that can be seen to lead where webhooks must not go.

    A name that cannot be resolved now is let through: it is resolved for each delivery, and checked there.

    Raises:
        InvalidError: says what is wrong with it.
    """
    target = parse_url(url)
    if is_vouched_for(target.host):
        return
    if (literal := _literal(target.host)) is not None:
        found = [literal]
    elif _is_disguised(target.host):
        raise _refusal(f"Webhook URL host {target.host!r} is not a canonical IP address.")
    else:
        found = _resolved(target.host)
    for address in found:
        if not is_reachable(address):
            raise _refusal(
                f"Webhook URL must not lead to a non-public IP address; {target.host!r} is {address}. "
                "A platform engineer can allow it in WEBHOOK_ALLOWED_HOSTS."
            )


def places_of(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """Return each place that a name leads to, as the family and address of a socket.

    Raises:
        ForbiddenAddressError: one of them must not be reached; then none is, so that no answer tells what is there.
        OSError: the name leads nowhere.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not is_vouched_for(host):
        for *_, place in found:
            check_peer(str(place[0]))
    return [(family, place) for family, *_, place in found]


def check_peer(ip: str) -> None:
    """Refuse an address that webhooks must not reach.

    Raises:
        ForbiddenAddressError: says so, without telling which address it is.
    """
    if not is_reachable(ipaddress.ip_address(ip)):
        raise ForbiddenAddressError("The name leads to an address that is not public.")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_disguised(host: str) -> bool:
    """Tell whether the system would read a name as a number: ``127.1``, ``0x7f000001``, ``0177.0.0.1``."""
    try:
        socket.inet_aton(host.rstrip("."))
    except OSError:
        return False
    return True


def _resolved(host: str) -> list[Address]:
    try:
        found = _resolver.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM).result(RESOLVE_S)
    except (OSError, UnicodeError, TooLateError):
        return []
    return [ipaddress.ip_address(place[0]) for *_, place in found]


def _carried(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _LAST_32_BITS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    return address


def _refusal(message: str) -> InvalidError:
    return InvalidError(message, field="url")
