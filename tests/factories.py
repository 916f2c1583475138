"""The smallest valid objects. Governed rows are made by the services that alone may make them."""

import itertools
from pathlib import Path

from django.contrib.auth.models import User

from jobs.execution import perform
from jobs.leases import job_claim
from registry import services
from registry.access import Actor
from registry.models import (
    ApiToken,
    ArtifactState,
    CriteriaSet,
    Membership,
    ModelVersion,
    Promotion,
    PromotionPolicy,
    RegisteredModel,
    Role,
    Team,
)
from registry.selectors import promotion_binding, promotion_checks
from serving.contract import SEALED, PredictionRecord, frame

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def make_team(slug="", *, governed=True) -> Team:
    slug = slug or f"team-{next(_numbers)}"
    return Team.objects.get_or_create(slug=slug, defaults={"name": slug.capitalize(), "governed": governed})[0]


def make_user(team=None, role=Role.ENGINEER, username="") -> User:
    user = User.objects.create_user(username or f"{role}-{next(_numbers)}", password=PASSWORD)
    if team:
        Membership.objects.create(team=team, user=user, role=role)
    return user


def make_actor(team, role=Role.ENGINEER) -> Actor:
    return Actor(make_user(team, role), "session")


def make_token(team, role=Role.ENGINEER, scopes=("read", "write", "decide")) -> tuple[ApiToken, str]:
    actor = make_actor(team, role)
    return services.token_create(actor=actor, user=actor.user, team=team, name="test", scopes=list(scopes))


def make_model(team=None, *, actor=None, name="", **fields) -> RegisteredModel:
    team = team or make_team()
    actor = actor or make_actor(team)
    return services.model_create(actor=actor, team=team, name=name or f"model-{next(_numbers)}", **fields)


def make_version(model, *, actor=None, digest="", servable=True, inputs=()) -> ModelVersion:
    """Register a version and, unless told otherwise, settle it as a verified LightGBM artifact."""
    actor = actor or make_actor(model.team)
    version = services.version_create(actor=actor, model=model, source="runs:/abc/model", run_id="abc")
    if servable:
        ModelVersion.objects.filter(pk=version.pk).update(
            artifact_state=ArtifactState.VERIFIED,
            artifact_digest=digest or f"sha256:{next(_numbers):064x}",
            format="lightgbm",
            signature={"inputs": list(inputs)} if inputs else {},
        )
        version.refresh_from_db()
    return version


def make_criteria(model, criteria=None, *, agreed=True) -> CriteriaSet:
    product, approver = make_actor(model.team, Role.PRODUCT), make_actor(model.team, Role.APPROVER)
    rule = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "Ranks flights well enough."}
    drafted = services.criteria_draft(actor=product, model=model, criteria=criteria or [rule])
    return services.criteria_agree(actor=approver, criteria_set_id=drafted.pk) if agreed else drafted


def make_promotion(model=None, *, version=None, auc=0.8) -> Promotion:
    """Request the promotion of a version that meets the agreed criteria."""
    model = model or make_model()
    if not model.criteria_sets.filter(state="agreed").exists():
        make_criteria(model)
    version = version or make_version(model)
    services.evidence_record(version=version, metric="roc_auc", value=auc, ci_low=auc - 0.02, ci_high=auc + 0.02)
    return services.promotion_request(actor=make_actor(model.team), version=version)


def seen(promotion) -> str:
    """Return the digest of the binding that an approver would be shown now."""
    return promotion_binding(promotion, promotion_checks(promotion)).digest


def approve(promotion, *, actor=None) -> Promotion:
    actor = actor or make_actor(promotion.model.team, Role.APPROVER)
    return services.promotion_approve(
        actor=actor, promotion_id=promotion.pk, reason="Checked the slices.", seen=seen(promotion)
    )


def make_champion(model=None) -> ModelVersion:
    """Carry a version through request and approval to the alias champion."""
    return approve(make_promotion(model)).version


def change_policy(team, tier=2, **rules) -> PromotionPolicy:
    """Make a team's policy stricter, as its admin does."""
    admin = make_actor(team, Role.ADMIN)
    return services.policy_change(actor=admin, team=team, risk_tier=tier, changes=rules, reason="After the audit.")


NOON = 1_795_608_000.0  # 2026-11-25 12:00 UTC


def make_record(version=None, *, after=0.0, **fields) -> PredictionRecord:
    """One answered prediction of ``version`` (or of none in particular), ``after`` seconds past noon."""
    number = next(_numbers)
    of = {"model": version.model.name, "model_id": version.model_id, "number": version.number} if version else {}
    known = {
        "request_id": f"r{number}", "row": 0, "at": NOON + after, "model": "flight-delay", "model_id": 1, "number": 1,
        "arm": "champion", "table_version": 1, "weight_bp": 10_000, "key_hash": number, "pinned": False, "status": 200,
        "latency_us": 800, "inputs": {"distance": 200.0 + number, "carrier": "AA"}, "outputs": {"probability": 0.25},
    }  # fmt: skip
    return PredictionRecord(**known | of | fields)


def make_segment(root, spool, number, records) -> Path:
    """Seal a segment as the gateway does."""
    path = Path(root) / spool / f"{number:08d}{SEALED}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frame(record) for record in records))
    return path


def run_jobs(queue, *, at_most=10) -> list:
    """Run the jobs that wait on ``queue`` in this process, one after the other, as a worker's child would."""
    done = []
    while len(done) < at_most and (job := job_claim(queue=queue, worker="test")):
        perform(job.pk, job.attempt)
        job.refresh_from_db()
        done.append(job)
    return done


def read_files(version) -> ModelVersion:
    """Have the files of ``version`` read by the job that does it, here and now."""
    if services.version_read_start(version_id=version.pk):
        run_jobs("registry")
    version.refresh_from_db()
    return version
