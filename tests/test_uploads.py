"""Files that people send, at the border of what is taken: by form and by token, with real requests, and what is on disk meanwhile."""

import hashlib
import http.client
import json
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from experiments import services
from experiments.intake.incoming import Incoming, TooLargeError
from experiments.models import DatasetUpload
from registry.models import IdempotencyKey, Role
from tests import factories
from tests.api import Api, problem

pytestmark = pytest.mark.django_db

HEAD = b"id,amount,fraud\n"
MOST = 4_000


def rows_of(size):
    """A CSV of exactly ``size`` bytes."""
    whole, rest = divmod(size - len(HEAD), 10)
    return HEAD + b"aaaaa,1,0\n" * (whole - 1) + b"a" * (5 + rest) + b",1,0\n"


@pytest.fixture(autouse=True)
def place(settings, tmp_path):
    settings.UPLOAD_ROOT, settings.SOURCE_MAX_BYTES = tmp_path / "uploads", MOST
    return settings.UPLOAD_ROOT


@pytest.fixture
def team():
    return factories.make_team("payments")


@pytest.fixture
def engineer(team):
    return factories.make_actor(team, Role.ENGINEER)


@pytest.fixture
def dataset(engineer, team):
    return services.dataset_create(actor=engineer, team=team, name="card-payments")


def on_disk(place):
    return [path.stat().st_size for path in place.glob("*")]


def test_a_file_is_never_written_beyond_what_may_be(tmp_path):
    with Incoming(tmp_path, 10) as incoming:
        incoming.write(b"x" * 10)
        assert incoming.digest == f"sha256:{hashlib.sha256(b'x' * 10).hexdigest()}"
        with pytest.raises(TooLargeError):
            incoming.write(b"y")
        incoming.close()
        assert incoming.path.read_bytes() == b"x" * 10

    assert on_disk(tmp_path) == []


def test_a_form_takes_what_is_at_the_limit_and_names_it_beyond(engineer, dataset, place, monkeypatch):
    client = Client()
    client.force_login(engineer.user)
    path = f"{dataset.path}upload/"
    seen = []
    write = Incoming.write
    monkeypatch.setattr(Incoming, "write", lambda self, piece: (seen.append(len(piece)), write(self, piece))[1])

    over = client.post(path, {"file": SimpleUploadedFile("pay.csv", rows_of(MOST + 1))})
    far_over = client.post(path, {"file": SimpleUploadedFile("pay.csv", rows_of(MOST + 100_000))})
    assert (len(seen), on_disk(place)) == (1, [])  # the second was not even begun
    at = client.post(path, {"file": SimpleUploadedFile("pay.csv", rows_of(MOST))})

    for answer in (over, far_over):
        told = answer.content.decode()
        assert answer.status_code == 413
        assert "larger than 4,000 bytes, the most that one upload may hold. Send it as Parquet" in told
    assert at.status_code == 302, at.content
    upload = DatasetUpload.objects.get()
    assert (upload.name, upload.size, upload.place.read_bytes()) == ("pay.csv", MOST, rows_of(MOST))


def test_a_form_without_its_token_or_file_leaves_nothing(engineer, dataset, place):
    client = Client(enforce_csrf_checks=True)
    client.force_login(engineer.user)
    client.cookies["csrftoken"] = "a" * 32
    path = f"{dataset.path}upload/"

    assert client.post(path, {"file": SimpleUploadedFile("pay.csv", rows_of(200))}).status_code == 403
    for form, words in (({}, "required"), ({"file": SimpleUploadedFile("x", b"\x00\x01")}, "no text file")):
        answer = client.post(path, {"csrfmiddlewaretoken": "a" * 32, **form})
        assert (answer.status_code, words in answer.content.decode()) == (422, True), answer.content
    taken = client.post(path, {"csrfmiddlewaretoken": "a" * 32, "other": SimpleUploadedFile("no", b"no"),
                               "file": SimpleUploadedFile("pay.csv", rows_of(200))})  # fmt: skip

    assert (taken.status_code, on_disk(place)) == (302, [200])
    viewer = factories.make_user(dataset.team, Role.VIEWER)
    client.force_login(viewer)
    assert client.post(path, {"file": SimpleUploadedFile("pay.csv", rows_of(200))}).status_code == 403
    assert on_disk(place) == [200]


def send(live_server, path, secret, body, *, length=None, **headers):
    """Send a body over a real connection; return status and answer."""
    connection = http.client.HTTPConnection(urlsplit(live_server.url).netloc, timeout=60)
    connection.putrequest("POST", path)
    for name, value in {
        "Authorization": f"Bearer {secret}", "Content-Type": "text/csv", "Content-Length": str(length or len(body)), **headers
    }.items():  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.django_db(transaction=True)
def test_a_large_file_with_a_key_is_taken_once_over_a_real_connection(live_server, team, dataset, place, settings):
    settings.SOURCE_MAX_BYTES = 6_000_000
    api = Api(team)
    path = f"/api/v1/datasets/{dataset.name}/uploads?filename=pay.csv"
    large, other = rows_of(6_000_000), rows_of(5_999_999)
    assert len(large) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def sent(body, **more):
        return send(live_server, path, api.secret, body, **{"Idempotency-Key": "k", **more})

    first, again, changed = sent(large), sent(large), sent(other)
    beyond = sent(b"", length=6_000_001, **{"Idempotency-Key": "another"})  # refused before any of it is sent
    unheard = send(live_server, path, "mcp_nobody", b"", length=6_000_000)

    assert [status for status, _ in (first, again, changed, beyond, unheard)] == [201, 201, 422, 413, 401], (
        first,
        again,
    )
    assert json.loads(again[1]) == json.loads(first[1])
    assert "larger than 6,000,000 bytes" in beyond[1]
    assert on_disk(place) == [6_000_000]
    assert (DatasetUpload.objects.count(), IdempotencyKey.objects.count()) == (1, 1)


def test_a_refused_file_does_not_use_its_key_up(team, dataset, place):
    api = Api(team)

    def sent(body):
        return api.client.post(
            f"/api/v1/datasets/{dataset.name}/uploads", body, content_type="text/csv", headers={"Idempotency-Key": "k"}
        )

    assert problem(sent(b"\x00"), 400)["errors"][0]["pointer"] == "/file"
    assert sent(rows_of(100)).status_code == 201
    assert on_disk(place) == [100]
