"""A signature is made at approval and checked wherever a version is loaded."""

import base64
import json
import stat
from io import BytesIO

import model_signing
import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from pypdf import PdfReader

from controlplane.review_pack import printing, review_pack
from experiments.scoring.predicting import ScoringError, predict
from registry.errors import ConflictError
from registry.models import Alias, Approval, AuditEvent, Evidence, Promotion, Role
from registry.selectors import signature_of
from registry.signing import SigningError, make_key_pair, public_key_file, sign_manifest, trusted_keys, verify_bundle
from rollouts.routes import compose
from rollouts.routing import routing_publish
from serving.artifacts import ArtifactError
from serving.contract import write_table
from serving.fleet import Fleet
from serving.signatures import Trust
from tests import factories
from tests.artifacts import folder_of, logged_version
from tests.gateways import flights, make_boosted, make_route, make_table

MANIFEST = [{"path": "MLmodel", "size": 1, "sha256": "a" * 64}, {"path": "data/m.lgb", "size": 2, "sha256": "b" * 64}]


@pytest.fixture
def champion(db):
    """A version with real files, approved."""
    version = factories.read_files(logged_version(factories.make_team()))
    return factories.approve(factories.make_promotion(version.model, version=version)).version


def use_new_key(settings, name):
    settings.SIGNING_KEY_FILE = settings.VAR_DIR / name / "key.pem"
    make_key_pair(settings.SIGNING_KEY_FILE)
    return settings.SIGNING_KEY_FILE


def test_approved_version_is_signed_and_the_stock_tool_verifies_it(champion, settings, tmp_path):
    (evidence,) = champion.evidence.filter(kind="signature")
    (tmp_path / "model.sig").write_text(json.dumps(evidence.detail["bundle"]))

    stock = model_signing.verifying.Config().use_elliptic_key_verifier(
        public_key=public_key_file(settings.SIGNING_KEY_FILE)
    )
    stock.verify(folder_of(champion), tmp_path / "model.sig")

    assert signature_of(champion).is_valid
    assert evidence.data_slice == f"key {signature_of(champion).key[:16]}"
    assert stat.S_IMODE(settings.SIGNING_KEY_FILE.stat().st_mode) == 0o600
    assert AuditEvent.objects.get(action="version.sign").payload["digest"] == champion.artifact_digest
    (folder_of(champion) / "model.lgb").write_text("tree\nevil")
    with pytest.raises(ValueError, match="mismatch"):
        stock.verify(folder_of(champion), tmp_path / "model.sig")


def test_signature_lapses_no_approval(champion):
    promotion = Promotion.objects.get()
    evidence = Approval.objects.get().binding["evidence"]

    assert promotion.state == "completed"
    assert Alias.objects.get(name="champion").version == champion
    assert not set(evidence) & set(champion.evidence.filter(kind="signature").values_list("pk", flat=True))


@pytest.mark.django_db
def test_without_a_key_nothing_is_approved(settings):
    promotion = factories.make_promotion()
    settings.PRODUCTION = True  # where no key is made by itself

    with pytest.raises(ConflictError, match="could not be signed, so nothing was changed"):
        factories.approve(promotion)

    promotion.refresh_from_db()
    assert (promotion.state, Approval.objects.count(), Evidence.objects.filter(kind="signature").count()) == (
        "requested", 0, 0,
    )  # fmt: skip


def test_signature_is_over_this_manifest_by_a_trusted_key(settings):
    bundle, key = sign_manifest("m", MANIFEST)

    assert verify_bundle(bundle, MANIFEST) == key
    with pytest.raises(SigningError, match="over other files"):
        verify_bundle(bundle, [MANIFEST[0] | {"sha256": "c" * 64}, MANIFEST[1]])
    forged = json.loads(json.dumps(bundle))
    payload = base64.b64decode(forged["dsseEnvelope"]["payload"]).replace(b"a" * 64, b"c" * 64)
    forged["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(SigningError, match="does not hold"):
        verify_bundle(forged, [MANIFEST[0] | {"sha256": "c" * 64}, MANIFEST[1]])
    with pytest.raises(SigningError, match="cannot be read"):
        verify_bundle({"x": 1}, MANIFEST)
    use_new_key(settings, "other")
    with pytest.raises(SigningError, match=f"Key {key[:16]} is not trusted here"):
        verify_bundle(bundle, MANIFEST)


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_broken_key_is_named(settings, content):
    settings.SIGNING_KEY_FILE.parent.mkdir()
    settings.SIGNING_KEY_FILE.write_text(content)

    with pytest.raises(SigningError, match="An operator sets SIGNING_KEY_FILE"):
        sign_manifest("m", MANIFEST)


def test_rotation_of_the_key(champion, settings, capsys):
    old = settings.SIGNING_KEY_FILE
    before = signature_of(champion).key
    new = use_new_key(settings, "new")
    settings.SIGNING_TRUSTED_KEYS = [public_key_file(old), public_key_file(new)]

    assert signature_of(champion).is_valid
    call_command("sign_versions")
    call_command("sign_versions")
    settings.SIGNING_TRUSTED_KEYS = [public_key_file(new)]

    assert capsys.readouterr().out == "Signed 1 versions.\nSigned 0 versions.\n"
    after = signature_of(champion)
    assert (after.is_valid, after.key in trusted_keys(), after.key != before) == (True, True, True)
    assert champion.evidence.filter(kind="signature").count() == 2


def test_renewing_without_a_key_says_so(champion, settings):
    settings.PRODUCTION, settings.SIGNING_KEY_FILE = True, settings.VAR_DIR / "none.pem"

    with pytest.raises(CommandError, match="could not be signed"):
        call_command("sign_versions")


def test_version_whose_signature_does_not_hold_is_not_measured(champion, settings):
    rows = flights()[0]
    assert len(predict(champion, rows)) == len(rows)

    use_new_key(settings, "other")

    with pytest.raises(ScoringError, match="not trusted here"):
        predict(champion, rows)


def test_version_page_says_who_signed(champion, client):
    client.force_login(champion.created_by)
    key = signature_of(champion).key

    page = client.get(
        reverse("version", args=[champion.model.name, champion.number]), {"tab": "files"}
    ).content.decode()

    assert "Signed" in page
    assert key in page


# --- the gateway


@pytest.fixture
def trust(settings):
    sign_manifest("makes the key", [])
    return Trust([settings.VAR_DIR / "missing.pub", public_key_file(settings.SIGNING_KEY_FILE)])


def signed(version, governed=True):
    bundle, _ = sign_manifest("m", msgspec.to_builtins(version.manifest))
    return msgspec.structs.replace(version, signature=json.dumps(bundle), governed=governed)


def fleet_of(tmp_path, trust):
    return Fleet(tmp_path / "table.json", lambda snapshot: None, trust=trust)


def publish(fleet, tmp_path, *versions, number=1, **route):
    write_table(make_table(make_route(*versions, **route), version=number), tmp_path / "table.json")
    fleet.follow()
    loaded = fleet.snapshot.routes["flight-delay"]
    return loaded.route.arms[0].number, sorted(loaded.servables), [refused.reason for refused in fleet.snapshot.refused]


def test_gateway_reads_what_the_registry_published(champion, settings):
    now = timezone.now()
    routing_publish(now=now)
    fleet = Fleet(
        settings.ROUTING_TABLE_PATH, lambda snapshot: None, trust=Trust([public_key_file(settings.SIGNING_KEY_FILE)])
    )

    fleet.follow()

    (version,) = compose()[0].versions
    assert (version.governed, bool(version.signature)) == (True, True)
    assert (fleet.snapshot.is_ready, fleet.snapshot.refused) == (True, [])


def test_unsigned_champion_of_a_governed_team_does_not_answer(tmp_path, trust):
    good, bad = signed(make_boosted(tmp_path, 1)), msgspec.structs.replace(make_boosted(tmp_path, 2, 5), governed=True)
    fleet = fleet_of(tmp_path, trust)

    assert publish(fleet, tmp_path, good) == (1, [1], [])
    assert publish(fleet, tmp_path, bad, good, number=2) == (1, [1], ["it is not signed, and what answers has to be"])


def test_candidate_is_warm_before_it_is_signed_and_stays_so(tmp_path, trust):
    good, candidate = signed(make_boosted(tmp_path, 1)), make_boosted(tmp_path, 2, 5)
    waiting = msgspec.structs.replace(candidate, governed=True)
    fleet = fleet_of(tmp_path, trust)
    assert publish(fleet, tmp_path, good, waiting) == (1, [1, 2], [])
    warm = fleet.snapshot.routes["flight-delay"].servables[2]

    assert publish(fleet, tmp_path, signed(candidate), good, number=2) == (2, [1, 2], [])

    assert fleet.snapshot.routes["flight-delay"].servables[2] is warm


def test_sandbox_needs_no_signature_unless_the_gateway_says_so(tmp_path, trust):
    version = make_boosted(tmp_path, 1)

    assert publish(fleet_of(tmp_path, trust), tmp_path, version) == (1, [1], [])
    strict = fleet_of(tmp_path, Trust(trust.keys, "all"))
    assert publish(strict, tmp_path, version) == (1, [], ["it is not signed, and what answers has to be"])


@pytest.mark.parametrize("governed", [True, False])
def test_signature_that_does_not_hold_is_refused_before_the_file_is_loaded(tmp_path, trust, governed):
    version, other = make_boosted(tmp_path, 1), make_boosted(tmp_path, 2, 5)
    good = signed(version, governed)

    def reason(signature, keys=trust):
        with pytest.raises(ArtifactError) as caught:
            keys.check(msgspec.structs.replace(good, signature=signature), answers=False)
        assert caught.value.status == 422
        return str(caught.value)

    bundle = json.loads(good.signature)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    changed = bundle | {"dsseEnvelope": bundle["dsseEnvelope"] | {"payload": base64.b64encode(payload + b" ").decode()}}
    assert reason(json.dumps(changed)) == "its signature does not hold"
    assert reason(signed(other).signature) == "its signature is over other files"
    assert reason("{}") == "its signature cannot be read: 'verificationMaterial'"
    assert reason("[" * 100_000).startswith("its signature cannot be read")
    assert "is not trusted here; see SIGNING_TRUSTED_KEYS" in reason(good.signature, Trust())
    trust.check(good, answers=True)


# --- what people are told ---


def shown(client, promotion):
    """Return what the promotion's page and the pack in each form say of the signature."""
    client.force_login(factories.make_user(promotion.model.team, Role.VIEWER))
    page = client.get(promotion.path).content.decode()
    pack = review_pack(promotion)
    text = "".join(part.extract_text() for part in PdfReader(BytesIO(printing.pdf_of(pack))).pages)
    return pack["signature"], page, printing.html_of(pack), " ".join(text.split())


def test_promotion_and_pack_say_who_signed_what_with_which_key(champion, client):
    promotion = Promotion.objects.get()
    approver = Approval.objects.get().approver.get_username()
    key = signature_of(champion).key

    signature, page, html, pdf = shown(client, promotion)

    assert (signature["state"], signature["key"], signature["signed_by"]) == ("holds", key, approver)
    assert (signature["files"], signature["artifact_digest"]) == (2, champion.artifact_digest)
    said = f"Signed when {approver} approved promotion {promotion.pk}, with the key {key[:16]}."
    assert signature["said"].startswith(
        f"{said} It is over the 2 files of version 1, each by its SHA-256, and it holds:"
    )
    for text in (page, html):
        assert escape(signature["said"]) in text
        assert "Verified" in text
    assert signature["said"] in pdf
    assert not [e for e in review_pack(promotion)["evidence"] if e["kind"] == "signature"]


def test_promotion_and_pack_say_that_a_signature_does_not_hold(champion, client, settings):
    use_new_key(settings, "other")

    signature, page, html, pdf = shown(client, Promotion.objects.get())

    assert signature["state"] == "broken"
    assert "is not trusted here. An operator adds it to SIGNING_TRUSTED_KEYS." in signature["said"]
    assert all("Does not hold" in text for text in (page, html, pdf))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("governed", "why"), [(True, "The last approval of a promotion signs the"), (False, "nothing asks for a signature")]
)
def test_promotion_says_that_nothing_is_signed_yet(client, governed, why):
    promotion = factories.make_promotion(factories.make_model(factories.make_team(governed=governed)))

    signature, page, html, pdf = shown(client, promotion)

    assert signature["state"] == "none"
    assert why in signature["said"]
    assert all("Not signed" in text for text in (page, html, pdf))
