"""A real receiver of webhooks on the loopback address, and what it takes to have things sent to it."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from jobs.delivery import deliver_due
from jobs.models import OutboxMessage
from registry import services
from tests import factories


class Receiver:
    """Answers each POST as it was told to, and keeps what came: (path, headers in lower case, body)."""

    def __init__(self):
        self.came, self.status, self.headers, self.body = [], 204, {}, b""
        self.answers = Event()  # cleared, it lets callers wait
        self.answers.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                receiver.answers.wait(30)
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(receiver.body)

            def do_GET(self):
                receiver.came.append((self.path, {}, b""))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"


@contextmanager
def receiving():
    receiver = Receiver()
    Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()


def make_webhook(team=None, *, url="https://hooks.example.com/in", events=("*",), actor=None, **fields):
    """Make a webhook of a team, and return it with its secret."""
    team = team or factories.make_team()
    actor = actor or factories.make_actor(team)
    name = fields.pop("name", "chat")
    return services.webhook_create(actor=actor, team=team, name=name, url=url, events=list(events), **fields)


def send_all():
    """Send what waits in the outbox, as the relay does."""
    return deliver_due()


def sent_to(webhook):
    return OutboxMessage.objects.filter(kind="webhook", destination=str(webhook.pk))
