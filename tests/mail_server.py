"""A small SMTP server on the loopback address: takes mails, refuses them when told to."""

import email
from contextlib import contextmanager
from email.policy import default
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

LONGEST_LINE = 10_000
MOST_BYTES = 1_000_000


class MailServer:
    """Keeps what came as (recipients, mail); ``refuses`` is the answer to RCPT while it is not empty."""

    def __init__(self):
        self.came, self.refuses = [], ""
        keeper = self

        class Handler(StreamRequestHandler):
            timeout = 30

            def say(self, line):
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self):
                self.say("220 test")
                recipients = []
                while line := self.rfile.readline(LONGEST_LINE):
                    verb = line.strip().upper()
                    if verb.startswith((b"EHLO", b"HELO")):
                        self.say("250 test")
                    elif verb.startswith(b"RCPT") and keeper.refuses:
                        self.say(keeper.refuses)
                    elif verb.startswith(b"RCPT"):
                        recipients.append(line.decode().partition("<")[2].partition(">")[0])
                        self.say("250 ok")
                    elif verb == b"DATA":
                        self.say("354 go on")
                        keeper.came.append((recipients, email.message_from_bytes(self._data(), policy=default)))
                        self.say("250 taken")
                    elif verb == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def _data(self):
                data = b""
                while len(data) < MOST_BYTES and (line := self.rfile.readline(LONGEST_LINE)) not in (b".\r\n", b""):
                    data += line[1:] if line.startswith(b"..") else line
                return data

        self.server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True


@contextmanager
def serving_mail(settings):
    """Run a mail server that the product's settings point to."""
    server = MailServer()
    Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.server.server_address
    settings.EMAIL_USE_TLS = False
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
