"""Product's questions on a promotion in plain words, and answers to them."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import selectors, services
from registry.api.base import ApiView, Strict
from registry.api.lookup import find_promotion
from registry.models import ApiToken, CriterionReview


class ReviewSerializer(serializers.ModelSerializer[CriterionReview]):
    """One person's answer to one criterion, or opinion on the whole."""

    criterion = serializers.IntegerField(
        source="criterion.position", allow_null=True, default=None, help_text="its position; null: the whole promotion"
    )
    reviewer = serializers.CharField(source="reviewer.username")
    evidence = serializers.ListField(child=serializers.IntegerField(), help_text="ids that it is bound to")

    class Meta:
        model = CriterionReview
        fields = ("id", "criterion", "reviewer", "role", "verdict", "reason", "evidence", "comment", "at")


class QuestionSerializer(serializers.Serializer[Any]):
    """A criterion and its result in plain words."""

    criterion = serializers.IntegerField(source="check.criterion.position")
    question = serializers.CharField(source="plain.question")
    status = serializers.CharField(source="check.status.value")
    state = serializers.CharField(source="plain.state", help_text="the status in plain words")
    figure = serializers.CharField(source="plain.figure")
    unit = serializers.CharField(source="plain.unit")
    target = serializers.CharField(source="plain.target")
    meaning = serializers.CharField(source="plain.meaning")
    range = serializers.CharField(source="plain.range", help_text="how far chance may have helped or harmed")
    today = serializers.CharField(source="plain.today", help_text="how the version in use does")
    weakest = serializers.CharField()
    why = serializers.CharField(source="check.criterion.reason")
    seen = serializers.ListField(child=serializers.IntegerField(), help_text="what an answer names as `seen`")
    answers = serializers.SerializerMethodField(help_text="everybody's latest")

    @extend_schema_field(ReviewSerializer(many=True))
    def get_answers(self, question: selectors.Question) -> Any:
        """Return the answers."""
        return ReviewSerializer(question.answers, many=True).data


class ReviewsSerializer(serializers.Serializer[Any]):
    """The questions of a promotion, and the opinions on the whole."""

    questions = QuestionSerializer(many=True)
    opinions = ReviewSerializer(many=True)


class AnswerBody(Strict):
    """An answer."""

    criterion = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="its position; left out: the promotion as a whole"
    )
    verdict = serializers.ChoiceField(choices=CriterionReview.Verdict.choices)
    reason = serializers.CharField(default="", allow_blank=True, help_text="needed to ask and to refuse")
    seen = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="ids of the evidence that you were shown; `binding.evidence` for the whole",
    )


class PromotionReviews(ApiView):
    """Reviews."""

    token_scope = ApiToken.Scope.DECIDE

    @extend_schema(summary="Get the questions of a promotion", responses=ReviewsSerializer, tags=["Promotions"])
    def get(self, request: Request, pk: int) -> Response:
        """Return each criterion in plain words with everybody's answer, and the opinions on the whole."""
        promotion = find_promotion(self.actor, pk)
        shown = {
            "questions": selectors.questions_of(promotion, self.actor),
            "opinions": [review for review, _ in selectors.opinions_of(promotion)],
        }
        return Response(ReviewsSerializer(shown).data)

    @extend_schema(
        summary="Answer a question of a promotion", request=AnswerBody, responses={201: ReviewSerializer},
        tags=["Promotions"],
    )  # fmt: skip
    def post(self, request: Request, pk: int) -> Response:
        """Accept, ask about or refuse one criterion, or give an opinion on the whole. Asks for product or approver.

        An answer is bound to the evidence that you name as `seen`; if other evidence counts by now it is 409. A
        question goes to the timeline and to the requester's inbox. An opinion is no approval.
        """
        promotion = find_promotion(self.actor, pk)
        values = self.body(AnswerBody)
        position = values.pop("criterion")
        about = None if position is None else get_object_or_404(promotion.criteria_set.criteria, position=position)
        given = services.review_record(actor=self.actor, promotion_id=promotion.pk, criterion=about, **values)
        return Response(ReviewSerializer(given).data, status=201)
