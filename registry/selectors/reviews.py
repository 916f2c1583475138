"""The questions that product people answer on a promotion: each criterion in plain words, with what was answered so far."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, Max, OuterRef, Q, Subquery

from registry.access import Actor
from registry.criteria import Measured
from registry.models import Approval, Comment, CriterionReview, Evidence, ModelVersion, Promotion, Role
from registry.plain_words.results import Plain, plain, weakest_part
from registry.selectors.checks import Check
from registry.selectors.policies import policies_by_team
from registry.selectors.promotions import promotion_binding, promotion_checks
from registry.selectors.standing import bindings_now, standing_approvals

REVIEWERS = (Role.PRODUCT, Role.APPROVER)

# A question is answered by whatever anybody else says on the timeline afterwards, or by its author deciding after all.
_REPLY = Comment.objects.filter(promotion=OuterRef("promotion"), pk__gt=OuterRef("comment")).exclude(
    author=OuterRef("reviewer")
)
_DECISION = CriterionReview.objects.filter(
    promotion=OuterRef("promotion"),
    criterion=OuterRef("criterion"),
    reviewer=OuterRef("reviewer"),
    pk__gt=OuterRef("pk"),
)
UNANSWERED = ~Exists(_REPLY) & ~Exists(_DECISION)


@dataclass(frozen=True)
class Question:
    """One criterion as one screen puts it.

    Attributes:
        number: its place among the questions, from 1.
        seen: ids of the evidence that is shown; an answer is bound to them.
        answer: the reader's own latest answer; None where none was given.
        stands: whether that answer was given to what is shown now.
        answers: everybody's latest answers.
        weakest: the part of the data on which it does worst, as words; empty where nothing is known.
    """

    number: int
    check: Check
    plain: Plain
    seen: list[int]
    answer: CriterionReview | None
    stands: bool
    answers: list[CriterionReview]
    weakest: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the reader has still to decide: nothing was answered, asked only, or the result changed since."""
        return not self.stands or self.answer is None or self.answer.verdict == CriterionReview.Verdict.ASK


def questions_of(promotion: Promotion, actor: Actor) -> list[Question]:
    """Return the promotion's criteria as questions, in the order in which they were drafted."""
    checks = sorted(promotion_checks(promotion), key=lambda check: check.criterion.position)
    nouns = promotion.criteria_set.nouns
    latest = _latest(promotion.reviews.select_related("reviewer", "comment"))
    today = _measured(promotion.replaces, checks)
    parts = _parts(promotion.version, checks)
    questions = []
    for number, check in enumerate(checks, start=1):
        criterion, evidence = check.criterion, check.evidence
        seen = [evidence.pk] if evidence else []
        given = [review for (_, about), review in latest.items() if about == criterion.pk]
        mine = latest.get((actor.user.pk, criterion.pk))
        measured = Measured(evidence.value, evidence.ci_low, evidence.ci_high) if evidence else None
        key = (criterion.metric, criterion.data_slice, evidence.data_digest) if evidence else None
        put = plain(criterion.rule, check.status, measured, champion=today.get(key) if key else None, nouns=nouns,
                    undecided=check.evidence.undecided if check.evidence else "")  # fmt: skip
        questions.append(
            Question(
                number=number, check=check, plain=put, seen=seen, answer=mine, answers=given,
                stands=mine is not None and mine.evidence == seen, weakest=_weakest(check, parts, nouns.cases),
            )
        )  # fmt: skip
    return questions


def weak_parts(promotion: Promotion, checks: list[Check]) -> list[tuple[Check, str]]:
    """Return each check with a sentence about the part of the data on which it does worst; empty where none is known."""
    parts, cases = _parts(promotion.version, checks), promotion.criteria_set.nouns.cases
    return [(check, _weakest(check, parts, cases)) for check in checks]


def opinions_of(promotion: Promotion) -> list[tuple[CriterionReview, bool]]:
    """Return each person's latest opinion on the whole promotion, and whether it was given to what is shown now."""
    binding = promotion_binding(promotion, promotion_checks(promotion))
    latest = _latest(promotion.reviews.filter(criterion=None).select_related("reviewer"))
    return [(review, review.evidence == list(binding.evidence)) for review in latest.values()]


def refusals_of(promotion: Promotion) -> list[CriterionReview]:
    """Return the standing refusals and open questions of single criteria, those of blocking criteria first."""
    latest = _latest(promotion.reviews.filter(criterion__isnull=False).select_related("reviewer", "criterion"))
    shown: dict[int | None, list[int]] = {
        check.criterion.pk: [check.evidence.pk] if check.evidence else [] for check in promotion_checks(promotion)
    }
    standing = [
        review
        for review in latest.values()
        if review.verdict != CriterionReview.Verdict.ACCEPT and shown.get(review.criterion_id) == review.evidence
    ]
    return sorted(standing, key=lambda r: (r.verdict, not r.criterion.blocking, r.criterion.position))  # type: ignore[union-attr]  # filtered


def had_part_in(promotion: Promotion) -> set[int]:
    """Return who requested, made or helped to make the version: they do not review it.

    Whoever drafted the criteria may: product knows best whether its own rules are met, and an opinion is no approval.
    """
    version = promotion.version
    return {promotion.requested_by_id, version.created_by_id, *version.contributors.values_list("pk", flat=True)}


def to_review(actor: Actor) -> list[Promotion]:
    """Return the open promotions on which ``actor``, as product of the team, has still to give an opinion.

    Not those where a question of the actor's waits for its answer, nor those whose evidence is as the opinion saw it,
    unless the policy asks product for an approval.
    """
    teams = actor.user.memberships.filter(team__in=actor.teams(), role=Role.PRODUCT).values("team")
    mine = CriterionReview.objects.filter(promotion=OuterRef("pk"), reviewer=actor.user)
    opinion = mine.filter(criterion=None).order_by("-id")
    asked = mine.filter(UNANSWERED, verdict=CriterionReview.Verdict.ASK)
    found = (
        Promotion.objects.filter(~Exists(asked), model__team__in=teams, state="requested")
        .exclude(Q(requested_by=actor.user) | Q(version__created_by=actor.user))
        .exclude(version__contributors=actor.user)
        .annotate(
            opinion=Subquery(opinion.values("evidence")[:1]),
            newest=Max("version__evidence__id"),
            looked=Exists(Approval.objects.filter(promotion=OuterRef("pk"), approver=actor.user)),
        )
        .select_related("model__team", "version", "replaces", "criteria_set", "requested_by")
    )
    policies = policies_by_team(list(actor.teams())) if found else {}
    stands = standing_approvals([promotion for promotion in found if promotion.looked], actor)
    due = _due(list(found))
    return [
        promotion
        for promotion in found
        if promotion.pk not in stands
        and (
            promotion.pk in due
            or (
                Role.PRODUCT in policies[promotion.model.team_id, promotion.model.risk_tier].required
                and promotion.criteria_set.drafted_by_id != actor.user.pk
            )
        )
    ]


def _due(promotions: list[Promotion]) -> set[int]:
    """Return on which no opinion stands; the criteria are looked at only where something was measured since."""
    without, again = set(), {}
    for promotion in promotions:
        opinion, newest = promotion.opinion, promotion.newest  # type: ignore[attr-defined]  # annotated by the caller
        if opinion is None:
            without.add(promotion.pk)
        elif newest and newest > max(opinion, default=0):
            again[promotion] = opinion
    now = bindings_now(list(again))
    return without | {p.pk for p, opinion in again.items() if opinion != list(now[p.pk].evidence)}


def questions_to_answer(actor: Actor) -> list[CriterionReview]:
    """Return the questions on promotions that ``actor`` requested and to which nobody else has said anything since."""
    return list(
        CriterionReview.objects.filter(
            UNANSWERED, verdict=CriterionReview.Verdict.ASK, promotion__state="requested",
            promotion__requested_by=actor.user, promotion__model__team__in=actor.teams(),
        ).select_related("promotion__model", "promotion__version", "criterion", "reviewer")
    )  # fmt: skip


def _latest(reviews: Iterable[CriterionReview]) -> dict[tuple[int, int | None], CriterionReview]:
    """Return each person's latest answer to each criterion; rows come oldest first."""
    return {(review.reviewer_id, review.criterion_id): review for review in reviews}


def _measured(version: ModelVersion | None, checks: list[Check]) -> dict[tuple[str, str, str], float]:
    """Return what the version in use reaches by metric, part and digest of the data."""
    if version is None:
        return {}
    rows = Evidence.objects.filter(
        version=version, against=None, artifact_digest=version.artifact_digest,
        metric__in={check.criterion.metric for check in checks},
    ).order_by("id")  # fmt: skip
    return {(e.metric, e.data_slice, e.data_digest): e.value for e in rows.defer("detail")}


def _parts(version: ModelVersion, checks: list[Check]) -> dict[tuple[str, str], dict[str, Evidence]]:
    """Return what was measured on parts of the data, by metric and digest of the data."""
    rows = Evidence.objects.filter(
        version=version, against=None, artifact_digest=version.artifact_digest,
        metric__in={check.criterion.metric for check in checks if not check.criterion.data_slice},
    ).exclude(data_slice="")  # fmt: skip
    found: dict[tuple[str, str], dict[str, Evidence]] = {}
    for evidence in rows.defer("detail").order_by("id"):
        found.setdefault((evidence.metric, evidence.data_digest), {})[evidence.data_slice] = evidence
    return found


def _weakest(check: Check, parts: dict[tuple[str, str], dict[str, Evidence]], cases: str) -> str:
    criterion, evidence = check.criterion, check.evidence
    if evidence is None or criterion.data_slice or criterion.against_champion:
        return ""
    measured = parts.get((criterion.metric, evidence.data_digest), {})
    if len(measured) < 2:
        return ""
    at_least = criterion.rule.at_least
    worst = (min if at_least else max)(measured.values(), key=lambda e: e.value)
    return weakest_part(criterion.rule, worst.value, worst.data_slice, len(measured), cases)
