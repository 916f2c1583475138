"""Where a webhook may point, when it is saved and at the socket through which it is sent."""

import socket
from ipaddress import ip_address
from threading import Event, Thread

import pytest

from registry.errors import InvalidError
from registry.webhooks import addresses, request
from registry.webhooks.addresses import Target, check_url, is_reachable, parse_url
from registry.webhooks.request import post
from tests.webhooks import receiving

PUBLIC = "93.184.216.34"
FORBIDDEN = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",  # noqa: S104
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:100.64.0.1", "::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:db8::1",
]  # fmt: skip


def resolving(monkeypatch, **names):
    """Let names lead where the test says, each to one address or to several in turn; others lead nowhere."""
    real = socket.getaddrinfo

    def lookup(host, port, *args, **kwargs):
        known = names.get(host.replace(".", "_"))
        if known is None:
            if addresses._literal(host):
                return real(host, port, *args, **kwargs)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = known.pop(0) if isinstance(known, list) else known
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_address_that_is_not_public_is_refused(address):  # T18
    host = f"[{address}]" if ":" in address else address

    assert not is_reachable(ip_address(address))
    with pytest.raises(InvalidError, match="non-public IP address"):
        check_url(f"https://{host}/hook")


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_address_is_accepted(address):
    assert is_reachable(ip_address(address))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1."])
def test_disguised_number_is_refused(host):
    with pytest.raises(InvalidError, match="not a canonical IP address"):
        check_url(f"https://{host}/hook")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "cannot be empty"),
        ("   ", "cannot be empty or just whitespace"),
        ("ftp://example.com", "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https."),
        ("http://example.com/hook", "Invalid webhook URL scheme: 'http'"),
        ("file:///etc/passwd", "Invalid webhook URL scheme"),
        ("http://[invalid", "Invalid webhook URL"),
        ("https:///hook", "must include a hostname"),
        ("https://user:pass@example.com/", "no user name or password"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com:70000/", "Port out of range"),
        ("https://exa mple.com/", "none of them a space"),
        ("https://example.com/\r\nX-Evil: 1", "none of them a space"),
        ("https://example.com\\@127.0.0.1/", "none of them a space"),
        ("https://a..b/", "Invalid webhook URL"),
        (f"https://example.com/{'x' * 500}", "up to 500 characters"),
    ],
)
def test_url_of_another_form_is_refused_and_says_why(url, why):
    with pytest.raises(InvalidError) as refused:
        parse_url(url)

    assert why in str(refused.value)
    assert refused.value.field == "url"


def test_url_is_taken_apart():
    assert parse_url("https://Example.com/a/b?c=1#d") == Target(True, "example.com", 443, "/a/b?c=1")
    assert parse_url("https://example.com/ü/%C3%BC?q=ä").path == "/%C3%BC/%C3%BC?q=%C3%A4"
    assert parse_url("https://bücher.example:8443") == Target(True, "xn--bcher-kva.example", 8443, "/")


def test_name_that_leads_inside_is_refused_and_one_that_leads_nowhere_is_let_through(monkeypatch):
    resolving(monkeypatch, inside_example="10.1.2.3", outside_example=PUBLIC)

    with pytest.raises(InvalidError, match=r"'inside.example' is 10\.1\.2\.3"):
        check_url("https://inside.example/hook")

    check_url("https://outside.example/hook")
    check_url("https://nobody-knows.example/hook")


def test_resolver_that_hangs_does_not_hold_up_the_request(monkeypatch):
    hung = Event()
    monkeypatch.setattr(addresses, "RESOLVE_S", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: hung.wait(10))

    check_url("https://slow.example/hook")

    hung.set()


def test_setting_allows_names_and_networks_also_without_tls(settings):
    settings.WEBHOOK_ALLOWED_HOSTS = ["hooks.internal", "10.20.0.0/16", "::1"]

    for url in ("http://hooks.internal/", "https://HOOKS.internal:8443/", "http://10.20.3.4/", "http://[::1]:80/"):
        check_url(url)
    for url in ("https://10.21.0.1/", "http://other.internal/", "https://127.0.0.1/"):
        with pytest.raises(InvalidError):
            check_url(url)


def test_name_within_an_allowed_network_is_reached(settings, monkeypatch):
    settings.WEBHOOK_ALLOWED_HOSTS = ["10.20.0.0/16"]
    resolving(monkeypatch, inside_example="10.20.1.1", other_example="10.30.1.1")

    check_url("https://inside.example/")
    with pytest.raises(InvalidError):
        check_url("https://other.example/")


def test_name_that_leads_to_loopback_by_now_is_refused_before_a_word_is_said(monkeypatch):  # T20
    with receiving() as receiver:
        resolving(monkeypatch, moves_example=[PUBLIC, "127.0.0.1"])
        check_url("https://moves.example/hook")

        answer = post(Target(False, "moves.example", receiver.server.server_port, "/hook"), b"{}", {})

    assert (answer.ok, answer.status) == (False, None)
    assert answer.error == "The name leads to an address that is not public."
    assert receiver.came == []


def test_peer_of_the_connected_socket_is_what_counts(monkeypatch):  # T20
    """Even where the look-up said otherwise: here it is made to lie about the place that is connected to."""
    with receiving() as receiver:
        place = (socket.AF_INET, ("127.0.0.1", receiver.server.server_port))
        monkeypatch.setattr(request, "places_of", lambda host, port: [place])

        answer = post(Target(False, "lies.example", 80, "/hook"), b"{}", {})

    assert answer.error == "The name leads to an address that is not public."
    assert receiver.came == []


def test_refusal_tells_nothing_of_what_listens_inside(monkeypatch):
    resolving(monkeypatch, inside_example="127.0.0.1")
    with receiving() as receiver:
        listens = post(Target(False, "inside.example", receiver.server.server_port, "/"), b"{}", {})
    silent = post(Target(False, "inside.example", receiver.server.server_port, "/"), b"{}", {})

    assert listens == silent


def test_redirect_is_not_followed(settings):  # T19
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with receiving() as elsewhere, receiving() as receiver:
        receiver.status, receiver.headers = 302, {"Location": elsewhere.url}

        answer = post(parse_url(receiver.url), b"{}", {})

    assert (answer.ok, answer.status) == (False, 302)
    assert "redirects are not followed" in answer.error
    assert len(receiver.came) == 1
    assert elsewhere.came == []


def test_receiver_gets_the_request_as_a_receiver_expects_it(settings):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with receiving() as receiver:
        answer = post(parse_url(f"{receiver.url}?a=1"), b'{"n": 1}', {"Content-Type": "application/json"})

    [(path, headers, body)] = receiver.came
    assert answer.ok
    assert (path, body) == ("/hooks?a=1", b'{"n": 1}')
    assert headers["host"] == f"127.0.0.1:{receiver.server.server_port}"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("control-plane")


@pytest.mark.parametrize(
    ("status", "headers", "final", "wait"),
    [(500, {}, False, 0), (429, {"Retry-After": "120"}, False, 120), (503, {"Retry-After": "soon"}, False, 0), (410, {}, True, 0)],
)  # fmt: skip
def test_answer_is_read_by_its_status_and_headers_alone(settings, status, headers, final, wait):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with receiving() as receiver:
        receiver.status, receiver.headers, receiver.body = status, headers, b"internal secret"
        answer = post(parse_url(receiver.url), b"{}", {})

    assert (answer.ok, answer.status, answer.final, answer.wait_s) == (False, status, final, wait)
    assert "internal secret" not in repr(answer)


def answering(monkeypatch, talk):
    """Start a receiver that does ``talk(connection)`` with the first connection, and return its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection, listener:
            talk(connection)

    Thread(target=serve, daemon=True).start()
    return Target(False, "127.0.0.1", listener.getsockname()[1], "/")


def test_receiver_that_trickles_is_cut_off(settings, monkeypatch):
    """Each byte comes in time for the socket's own timeout, and the answer never ends."""
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr(request, "WHOLE_S", 0.5)
    sent = []

    def trickle(connection):
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(500):
                connection.sendall(b"x")
                sent.append(1)
                Event().wait(0.05)
        except OSError:
            pass

    answer = post(answering(monkeypatch, trickle), b"{}", {})

    assert (answer.ok, answer.status) == (False, None)
    assert answer.error.startswith("No answer within")
    assert len(sent) < 500


def test_answer_without_an_end_is_not_read(settings, monkeypatch):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    taken = []

    def flood(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while len(taken) < 10_000:
                connection.sendall(b"x" * 65536)
                taken.append(1)
        except OSError:
            pass

    answer = post(answering(monkeypatch, flood), b"{}", {})

    assert answer.status == 200
    assert len(taken) < 10_000


@pytest.mark.parametrize(
    "said", [b"not http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b""]
)
def test_answer_that_is_no_http_is_a_failure(settings, monkeypatch, said):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]

    def talk(connection):
        connection.recv(65536)
        connection.sendall(said)

    answer = post(answering(monkeypatch, talk), b"{}", {})

    assert (answer.ok, answer.status) == (False, None)
    assert answer.error


def test_certificate_that_nobody_vouches_for_is_refused(settings):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with receiving() as receiver:
        answer = post(Target(True, "127.0.0.1", receiver.server.server_port, "/"), b"{}", {})

    assert answer.error.startswith("TLS failed")
    assert receiver.came == []
