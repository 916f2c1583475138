"""Product's questions on a promotion: one criterion a screen in plain words, and the summary at their end."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from registry import selectors, services
from registry.access import Actor, actor_of
from registry.errors import InvalidError, RefusedError
from registry.models import Approval, CriterionReview, Promotion, Role
from registry.selectors import Question
from registry.states import PromotionState
from registry.views.promotions import visible_promotion

DONE = {
    "accept": "Accepted.",
    "ask": "Your question is on the promotion's page; the engineers are told.",
    "refuse": "Refused; the engineers read your reason.",
}


@require_GET
def review(request: HttpRequest, pk: int) -> HttpResponse:
    """Go to the first question that the reader has not answered, or to the summary."""
    actor = actor_of(request)
    found = visible_promotion(actor, pk)
    return _next(found, selectors.questions_of(found, actor), after=0)


@require_http_methods(["GET", "POST"])
def review_question(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Put one question, and take the answer."""
    actor = actor_of(request)
    found = visible_promotion(actor, pk)
    questions = selectors.questions_of(found, actor)
    if not 1 <= number <= len(questions):
        return redirect("review_summary", pk=pk)
    question = questions[number - 1]
    if request.method == "GET":
        return _question_page(request, actor, found, questions, question)
    verdict, reason = request.POST.get("verdict", ""), request.POST.get("reason", "")
    try:
        services.review_record(
            actor=actor, promotion_id=found.pk, criterion=question.check.criterion, verdict=verdict, reason=reason,
            seen=_ids(request.POST.get("seen", "")),
        )  # fmt: skip
    except RefusedError as refused:
        return _question_page(
            request, actor, found, questions, question, refused=refused, verdict=verdict, reason=reason
        )
    messages.success(request, DONE[verdict])
    return _next(found, selectors.questions_of(found, actor), after=number)


@require_http_methods(["GET", "POST"])
def review_summary(request: HttpRequest, pk: int) -> HttpResponse:
    """Show all answers, and take the opinion on the whole; where the policy asks for product, it is the approval."""
    actor = actor_of(request)
    found = visible_promotion(actor, pk)
    if request.method == "GET":
        return _summary_page(request, actor, found)
    verdict, reason = request.POST.get("verdict", ""), request.POST.get("reason", "")
    try:
        if verdict == "approve":
            services.promotion_approve(
                actor=actor, promotion_id=found.pk, reason=reason, seen=request.POST.get("binding", "")
            )
        else:
            services.review_record(
                actor=actor, promotion_id=found.pk, criterion=None, verdict=verdict, reason=reason,
                seen=_ids(request.POST.get("seen", "")),
            )  # fmt: skip
    except RefusedError as refused:
        return _summary_page(request, actor, found, refused=refused, verdict=verdict, reason=reason)
    messages.success(
        request, "Thank you. Your decision is recorded." if verdict == "approve" else "Thank you. It is recorded."
    )
    return redirect("inbox")


def _next(found: Promotion, questions: list[Question], *, after: int) -> HttpResponse:
    """Go to the next open question behind ``after``, round to those before it, or to the summary."""
    still = [question.number for question in questions if _asks(question)]
    later = [number for number in still if number > after] or still
    if not later or found.state != PromotionState.REQUESTED:
        return redirect("review_summary", pk=found.pk)
    return redirect("review_question", pk=found.pk, number=later[0])


def _asks(question: Question) -> bool:
    """Tell whether the questions stop at it: nothing was answered yet to what is shown now."""
    return not question.stands and question.check.status != "not_applicable"


def _question_page(
    request: HttpRequest, actor: Actor, found: Promotion, questions: list[Question], question: Question, *,
    refused: RefusedError | None = None, verdict: str = "", reason: str = "",
) -> HttpResponse:  # fmt: skip
    given = question.answer if question.stands else None
    context = {
        "promotion": found,
        "model": found.model,
        "question": question,
        "questions": questions,
        "before": question.number - 1,
        "after": question.number + 1 if question.number < len(questions) else None,
        "blocked": _blocked(actor, found),
        "verdict": verdict or (given.verdict if given else ""),
        "reason": reason or (given.reason if given else ""),
        "refused": refused,
        "field": refused.field if isinstance(refused, InvalidError) else "",
        "may_accept": question.check.status not in ("not_measured", "stale"),
    }
    return render(request, "registry/review_question.html", context, status=refused.status if refused else 200)


def _summary_page(
    request: HttpRequest, actor: Actor, found: Promotion, *, refused: RefusedError | None = None, verdict: str = "",
    reason: str = "",
) -> HttpResponse:  # fmt: skip
    questions = selectors.questions_of(found, actor)
    checks = selectors.promotion_checks(found)
    binding = selectors.promotion_binding(found, checks)
    policy = selectors.policy_for(found.model)
    role = actor.role_in(found.model.team)
    decides = role in policy.required and role == Role.PRODUCT
    given = [question.answer.verdict for question in questions if question.answer and question.stands]
    opinions = selectors.opinions_of(found)
    context = {
        "promotion": found,
        "model": found.model,
        "questions": questions,
        "open": sum(_asks(question) for question in questions),
        "tally": {choice.value: given.count(choice.value) for choice in CriterionReview.Verdict},
        "binding": binding,
        "blocked": _blocked(actor, found),
        "decides": decides,
        "unmet": [r for r in selectors.decision_rules(found, actor, checks) if not r.met] if decides else [],
        "decided": found.approvals.filter(approver=actor.user, decision=Approval.Decision.APPROVE).last(),
        "opinion": next((r for r, stands in opinions if r.reviewer_id == actor.user.pk and stands), None),
        "verdict": verdict,
        "reason": reason,
        "refused": refused,
        "field": refused.field if isinstance(refused, InvalidError) else "",
    }
    return render(request, "registry/review_summary.html", context, status=refused.status if refused else 200)


def _blocked(actor: Actor, found: Promotion) -> str:
    """Return why the reader may look and not answer; empty where the reader may."""
    if found.state != PromotionState.REQUESTED:
        return f"This promotion is already {found.get_state_display()}; what is shown is what was decided on."
    if actor.role_in(found.model.team) not in selectors.REVIEWERS:
        return f"Product and approvers of {found.model.team.name} answer here. You can read along."
    if actor.user.pk in selectors.had_part_in(found):
        return "You requested, made or contributed to this version, so another person answers. You can read along."
    return ""


def _ids(text: str) -> list[int]:
    """Return the ids in ``text``, such as ``12,15``; what is no id is left out and so refused as seen."""
    return [int(part) for part in text.split(",") if part.isascii() and part.isdigit() and len(part) < 19]
