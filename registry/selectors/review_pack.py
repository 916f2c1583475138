"""What the registry itself knows for the review pack of one promotion. Two reads of the same state are equal."""

from typing import Any

from registry.criteria import CheckStatus
from registry.models import Approval, AuditEvent, Evidence, Promotion, StandingApproval, Waiver
from registry.review_pack import moment
from registry.selectors.checks import Check
from registry.selectors.policies import policy_snapshot
from registry.selectors.promotions import lapses, promotion_binding, promotion_checks, promotion_waivers
from registry.selectors.reviews import weak_parts
from registry.selectors.signatures import signature_record

EXPORT = "promotion.export"  # an export is no part of what is exported


def promotion_record(promotion: Promotion) -> dict[str, Any]:
    """Return scope, criteria, evidence, signature, reviews, approvals, limitations, events and hashes of a promotion."""
    checks = sorted(promotion_checks(promotion), key=lambda check: check.criterion.position)
    events = list(AuditEvent.objects.filter(subject=promotion.path).exclude(action=EXPORT).order_by("seq"))
    evidence = _evidence(promotion, checks)
    binding = promotion_binding(promotion, checks)
    lapsed = {lapse.approval.pk for lapse in lapses(promotion, binding)}
    record = {
        "scope": _scope(promotion),
        "criteria": _criteria(promotion, checks),
        "evidence": evidence,
        "signature": _signature(promotion),
        "waivers": [_waiver(waiver) for waiver in promotion_waivers(promotion)],
        "product_review": _reviews(promotion),
        "policy": _policy(promotion),
        "approvals": [
            _approval(approval, stands=approval.binding_digest == binding.digest and approval.pk not in lapsed)
            for approval in promotion.approvals.select_related("approver", "standing__criteria_set")
        ],
        "limitations": _limitations(promotion, checks, evidence),
        "audit_events": [_event(event) for event in events],
    }
    last = events[-1] if events else None
    hashes = {
        "artifact": promotion.version.artifact_digest,
        "criteria": promotion.criteria_set.digest,
        "binding": binding.digest,
        "audit_head": {"seq": last.seq, "hash": last.hash_hex} if last else None,
    }
    return record | {"hashes": hashes}


def _scope(promotion: Promotion) -> dict[str, Any]:
    version, model = promotion.version, promotion.model
    return {
        "promotion": promotion.pk,
        "path": promotion.path,
        "state": promotion.state,
        "alias": promotion.alias,
        "requested_by": promotion.requested_by.get_username(),
        "requested_at": moment(promotion.requested_at),
        "decided_at": moment(promotion.decided_at),
        "completed_at": moment(promotion.completed_at),
        "description": promotion.description,
        "model": {
            "name": model.name, "team": model.team.name, "task": model.get_task_display(), "risk_tier": model.risk_tier,
            "purpose": model.purpose, "description": model.description,
            "revalidate_by": model.revalidate_by.isoformat() if model.revalidate_by else None,
        },
        "version": {
            "number": version.number, "artifact_digest": version.artifact_digest, "format": version.format,
            "files": [{key: file.get(key) for key in ("path", "size", "sha256")} for file in version.manifest],
            "inputs": [str(column.get("name")) for column in version.signature.get("inputs", [])],
            "source": version.source, "run_id": version.run_id, "description": version.description,
            "created_by": version.created_by.get_username(), "created_at": moment(version.created_at),
            "contributors": sorted(user.get_username() for user in version.contributors.all()),
        },
        "replaces": promotion.replaces.number if promotion.replaces else None,
    }  # fmt: skip


def _criteria(promotion: Promotion, checks: list[Check]) -> dict[str, Any]:
    of = promotion.criteria_set
    return {
        "set": of.number,
        "digest": of.digest,
        "note": of.note,
        "drafted_by": of.drafted_by.get_username(),
        "drafted_at": moment(of.drafted_at),
        "agreed_by": of.agreed_by.get_username() if of.agreed_by else None,
        "agreed_at": moment(of.agreed_at),
        "checks": [_check(check) for check in checks],
    }


def _check(check: Check) -> dict[str, Any]:
    criterion, evidence = check.criterion, check.evidence
    return {
        "criterion": criterion.position,
        "title": check.title,
        "metric": criterion.metric,
        "asks": criterion.sentence,
        "direction": criterion.direction,
        "threshold": criterion.threshold,
        "against_champion": criterion.against_champion,
        "basis": criterion.basis,
        "data_set": criterion.data_set,
        "data_slice": criterion.data_slice,
        "blocking": criterion.blocking,
        "reason": criterion.reason,
        "status": check.status.value,
        "status_label": check.status_label,
        "mark": check.mark,
        "value": evidence.value if evidence else None,
        "interval": _interval(evidence),
        "margin": check.margin,
        "evidence": evidence.pk if evidence else None,
    }


def _interval(evidence: Evidence | None) -> list[float] | None:
    if evidence is None or evidence.ci_low is None or evidence.ci_high is None:
        return None
    return [evidence.ci_low, evidence.ci_high]


def _evidence(promotion: Promotion, checks: list[Check]) -> list[dict[str, Any]]:
    """Return all that was measured on the artifact until the decision, what criteria rest on first.

    Digital signatures are no measurements, and have a part of their own.
    """
    version = promotion.version
    rows = Evidence.objects.filter(version=version, artifact_digest=version.artifact_digest).select_related("against")
    rows = rows.exclude(kind=Evidence.Kind.SIGNATURE)
    if promotion.decided_at:
        rows = rows.filter(measured_at__lte=promotion.decided_at)
    bound = {check.evidence.pk: check.criterion.position for check in checks if check.evidence}
    return [
        {
            "id": e.pk, "kind": e.kind, "metric": e.metric, "value": e.value, "interval": _interval(e),
            "sample_size": e.sample_size, "against": e.against.number if e.against else None, "data_set": e.data_set,
            "data_digest": e.data_digest, "data_slice": e.data_slice, "method": str(e.detail.get("method", "")),
            "job": e.job_id, "measured_at": moment(e.measured_at), "criterion": bound.get(e.pk),
        }
        for e in sorted(rows, key=lambda e: (e.pk not in bound, bound.get(e.pk, 0), e.metric, e.data_slice, e.pk))
    ]  # fmt: skip


def _signature(promotion: Promotion) -> dict[str, Any]:
    said = signature_record(promotion.version)
    return said | ({"signed_at": moment(said["signed_at"])} if "signed_at" in said else {})


def _reviews(promotion: Promotion) -> list[dict[str, Any]]:
    given = promotion.reviews.select_related("reviewer", "criterion")
    return [
        {
            "criterion": r.criterion.position if r.criterion else None, "reviewer": r.reviewer.get_username(),
            "role": r.role, "verdict": r.verdict, "verdict_label": r.get_verdict_display(), "reason": r.reason,
            "evidence": r.evidence, "at": moment(r.at),
        }
        for r in given
    ]  # fmt: skip


def _policy(promotion: Promotion) -> dict[str, Any]:
    """Return the policy that decided it, or would decide it now."""
    held = promotion.policy if promotion.decided_at and promotion.policy else policy_snapshot(promotion.model)
    return {
        "risk_tier": held["risk_tier"],
        "installation": held["installation"],
        "team": held["team"],
        "approvals_required": held["rules"]["required"],
        **held["rules"],
    }


def _waiver(waiver: Waiver) -> dict[str, Any]:
    return {
        "id": waiver.pk, "rule": waiver.rule, "criterion": waiver.criterion.position if waiver.criterion else None,
        "state": waiver.state, "reason": waiver.reason, "evidence": waiver.evidence_id, "link": waiver.link,
        "document": waiver.document, "expires_at": moment(waiver.expires_at),
        "requested_by": waiver.asked_by.get_username(), "requested_at": moment(waiver.asked_at),
        "granted_by": waiver.decided_by.get_username() if waiver.decided_by and waiver.state != "declined" else None,
        "decided_at": moment(waiver.decided_at), "note": waiver.note,
        "revoked_by": waiver.revoked_by.get_username() if waiver.revoked_by else None,
        "revoked_at": moment(waiver.revoked_at), "revoke_reason": waiver.revoke_reason,
    }  # fmt: skip


def _approval(approval: Approval, *, stands: bool) -> dict[str, Any]:
    return {
        "by": approval.approver.get_username(), "role": approval.role, "decision": approval.decision,
        "decision_label": approval.get_decision_display(), "reason": approval.reason, "at": moment(approval.decided_at),
        "binding": approval.binding, "binding_digest": approval.binding_digest,
        "stands": stands, "standing": _standing(approval.standing),
    }  # fmt: skip


def _standing(standing: StandingApproval | None) -> dict[str, Any] | None:
    """Return the standing approval that an approval rests on; None where it was given by hand."""
    if standing is None:
        return None
    return {
        "id": standing.pk, "retraining_policy": standing.policy, "criteria_set": standing.criteria_set.number,
        "given_at": moment(standing.given_at), "expires_at": moment(standing.expires_at), "reason": standing.reason,
    }  # fmt: skip


def _event(event: AuditEvent) -> dict[str, Any]:
    return {
        "seq": event.seq, "at": moment(event.at), "actor": event.actor, "via": event.via, "action": event.action,
        "payload": event.payload, "hash": event.hash_hex,
    }  # fmt: skip


def _limitations(promotion: Promotion, checks: list[Check], evidence: list[dict[str, Any]]) -> list[str]:
    """Return what a reader should not take for granted, as sentences."""
    said = [
        f"{check.title}: {word}. {check.criterion.sentence}"
        for check in checks
        if (word := _shortfall(check))
    ]  # fmt: skip
    said += [f"{check.title}. {weakest}" for check, weakest in weak_parts(promotion, checks) if weakest]
    said += [
        f"Nobody looked at this version before it was approved: it was approved beforehand, by {standing}."
        for standing in StandingApproval.objects.filter(approvals__promotion=promotion).order_by("pk")
    ]
    data = sorted({e["data_set"] for e in evidence if e["data_set"]})
    if len(data) == 1:
        said.append(f"Everything was measured on one data set, {data[0]}; other times and places may differ.")
    without = sum(1 for e in evidence if e["criterion"] and e["interval"] is None)
    if without:
        said.append(f"{without} of the values that criteria rest on have no interval, so chance is not accounted for.")
    if not promotion.replaces:
        said.append("There was no version in use to compare with.")
    return said


def _shortfall(check: Check) -> str:
    if check.status is CheckStatus.FAILED:
        return "not met" if check.criterion.blocking else "not met, advisory"
    if check.status is CheckStatus.NOT_MEASURED:
        return "not measured"
    return "" if check.status.is_met else check.status_label.lower()
