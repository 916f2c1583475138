"""Answers of product people to the questions of a promotion. An answer moves nothing; approvals do."""

from registry import selectors
from registry.access import Actor
from registry.audit_trail import audit, audited
from registry.criteria import CheckStatus
from registry.errors import ConflictError, FourEyesError, InvalidError, StaleBindingError
from registry.models import AcceptanceCriterion, ApiToken, Comment, CriterionReview, Promotion
from registry.states import PromotionState

Verdict = CriterionReview.Verdict
NO_RESULT = (CheckStatus.NOT_MEASURED, CheckStatus.STALE)
REASONS = {
    Verdict.ASK: "Write your question in a sentence. The engineers answer it on the promotion's page.",
    Verdict.REFUSE: "Say why in a sentence. The engineers read this to know what to change.",
}


@audited()
def review_record(
    *, actor: Actor, promotion_id: int, criterion: AcceptanceCriterion | None, verdict: str, reason: str = "",
    seen: list[int],
) -> CriterionReview:  # fmt: skip
    """Record one answer to one criterion, or an opinion on the whole promotion where none is named.

    A question goes to the promotion's timeline, and to the inbox of who requested it.

    Args:
        seen: ids of the evidence that the reviewer was shown.

    Raises:
        FourEyesError: the actor requested, made or contributed to the version.
        ConflictError: the promotion was decided already, or there is no result yet that could be accepted.
        StaleBindingError: other evidence counts by now.
        InvalidError: the verdict is unknown, or a question or refusal says nothing.
    """
    promotion = Promotion.objects.select_related("model__team", "version", "criteria_set", "replaces").get(
        pk=promotion_id
    )
    role = actor.require(promotion.model.team, *selectors.REVIEWERS, scope=ApiToken.Scope.DECIDE)
    if actor.user.pk in selectors.had_part_in(promotion):
        raise FourEyesError(
            "You requested, made or contributed to this version, so another person answers.",
            unmet=[{"rule": "an answer by somebody else", "who": f"product of {promotion.model.team.name}"}],
        )
    if promotion.state != PromotionState.REQUESTED:
        raise ConflictError(f"This promotion is already {promotion.get_state_display()}.")
    allowed = list(Verdict) if criterion else [Verdict.ACCEPT, Verdict.REFUSE]
    if verdict not in allowed:
        raise InvalidError(f"Choose one answer: {', '.join(v.value for v in allowed)}.", field="verdict")
    reason = reason.strip()
    if not reason and verdict in REASONS:
        raise InvalidError(REASONS[Verdict(verdict)], field="reason")
    _check_seen(promotion, criterion, verdict, seen)
    comment = None
    if criterion and verdict == Verdict.ASK:
        body = f"Question on {criterion.label}: {reason}"
        comment = Comment.objects.create(promotion=promotion, author=actor.user, body=body)
    review = CriterionReview.objects.create(
        promotion=promotion, criterion=criterion, reviewer=actor.user, role=role, verdict=verdict, reason=reason,
        evidence=sorted(seen), comment=comment,
    )  # fmt: skip
    audit(
        action="promotion.review", subject=promotion.path, actor=actor, team=promotion.model.team.slug,
        payload={"review": review.pk, "criterion": criterion.position if criterion else None, "verdict": verdict,
                 "reason": reason, "evidence": review.evidence, "role": role}
        | ({"comment": comment.pk} if comment else {}),
    )  # fmt: skip
    return review


def _check_seen(promotion: Promotion, criterion: AcceptanceCriterion | None, verdict: str, seen: list[int]) -> None:
    checks = selectors.promotion_checks(promotion)
    about = [check for check in checks if criterion is None or check.criterion.pk == criterion.pk]
    if criterion and not about:
        raise InvalidError("That is no criterion of this promotion before its approval.", field="criterion")
    shown = sorted(check.evidence.pk for check in about if check.evidence)
    if sorted(seen) != shown:
        raise StaleBindingError("The result changed since you looked. Nothing was sent; look again and answer.")
    unknown = [check for check in about if check.status in NO_RESULT]
    if criterion and unknown and verdict == Verdict.ACCEPT:
        raise ConflictError(
            "There is no result that could be accepted: it was not measured, or is out of date. You can ask, or refuse.",
            unmet=[{"rule": f"{check.title} is measured", "who": check.who} for check in unknown],
        )
