"""Registered models and their aliases."""

from typing import Any

from django.db.models import Q
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.api.lookup import find_model, models_of
from registry.api.serializers.models import AliasSerializer, ModelSerializer
from registry.errors import InvalidError
from registry.models import Alias, RevalidationTrigger, Task, Team

TIERS = [1, 2, 3]


class ModelQuery(ListQuery):
    """What the list of models is filtered and ordered by."""

    team = serializers.CharField(required=False, help_text="slug")
    task = serializers.ChoiceField(choices=Task.choices, required=False)
    risk_tier = serializers.ChoiceField(choices=TIERS, required=False)
    search = serializers.CharField(required=False, help_text="part of the name or the purpose")
    ordering = ordering("name", "created_at", "updated_at", "risk_tier")


class ModelBody(Strict):
    """A new model."""

    name = serializers.CharField(max_length=256, help_text="short and lasting; callers of the gateway use it")
    team = serializers.CharField(required=False, help_text="slug; may be left out by who has one team, or a token")
    task = serializers.ChoiceField(choices=Task.choices, default=Task.CLASSIFICATION)
    risk_tier = serializers.ChoiceField(choices=TIERS, default=2, help_text="1 is the highest risk")
    purpose = serializers.CharField(default="", allow_blank=True, help_text="which decision it serves, in plain words")
    description = serializers.CharField(default="", allow_blank=True)


class ModelChange(Strict):
    """What may be changed of a model; what is left out stays."""

    task = serializers.ChoiceField(choices=Task.choices, required=False)
    risk_tier = serializers.ChoiceField(choices=TIERS, required=False, help_text="an admin's to set")
    purpose = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    revalidate_by = serializers.DateField(required=False, allow_null=True)
    revalidation_triggers = serializers.ListField(
        child=serializers.ChoiceField(choices=RevalidationTrigger.choices), required=False,
        help_text="what brings the re-validation forward by itself",
    )  # fmt: skip


class TeamView(ApiView):
    """A view whose objects are made in a team that the body may leave out."""

    def team(self, slug: str | None) -> Team:
        """Return the team that a new object belongs to.

        Raises:
            InvalidError: none is named and the person has several, or the one named is not theirs.
        """
        teams = list(self.actor.teams().filter(**({"slug": slug} if slug else {})).order_by("slug"))
        if len(teams) == 1:
            return teams[0]
        raise InvalidError(
            f"You have no team {slug}." if slug else "Name the team; you belong to several or none.", field="team"
        )


class Models(TeamView):
    """The models of the reader's teams."""

    query_class = ModelQuery

    @extend_schema(summary="List models", responses=ModelSerializer(many=True), tags=["Models"])
    def get(self, request: Request) -> Response:
        """List the live models of your teams."""
        rows = models_of(self.actor)
        for parameter, column in (("team", "team__slug"), ("task", "task"), ("risk_tier", "risk_tier")):
            if parameter in self.query:
                rows = rows.filter(**{column: self.query[parameter]})
        if text := self.query.get("search"):
            rows = rows.filter(Q(name__icontains=text) | Q(purpose__icontains=text))
        return self.page(rows, ModelSerializer, "-id")

    @extend_schema(
        summary="Register a model", request=ModelBody, responses={201: ModelSerializer}, tags=["Models"]
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Register a model of one of your teams. Asks for the role engineer or admin."""
        values = self.body(ModelBody)
        team = self.team(values.pop("team", None))
        model = services.model_create(actor=self.actor, team=team, **values)
        return Response(ModelSerializer(model).data, status=201)


class Model(ApiView):
    """One model."""

    @extend_schema(summary="Get a model", responses=ModelSerializer, tags=["Models"])
    def get(self, request: Request, name: str) -> Response:
        """Return a model and where its aliases point."""
        return Response(ModelSerializer(find_model(self.actor, name)).data)

    @extend_schema(summary="Change a model", request=ModelChange, responses=ModelSerializer, tags=["Models"])
    def patch(self, request: Request, name: str) -> Response:
        """Change what people may edit. Asks for the role engineer, product or admin; the risk tier for admin."""
        model = find_model(self.actor, name)
        services.model_update(actor=self.actor, model=model, **self.body(ModelChange))
        return Response(ModelSerializer(find_model(self.actor, name)).data)

    @extend_schema(summary="Archive a model", responses={204: None}, tags=["Models"])
    def delete(self, request: Request, name: str) -> Response:
        """Put a model away; an admin may restore it for thirty days. 409 where something governed refers to it."""
        services.model_archive(actor=self.actor, model=find_model(self.actor, name))
        return Response(status=204)


class AliasBody(Strict):
    """Where an alias shall point."""

    version = serializers.IntegerField(min_value=1)


class AliasName(Strict):
    """The names that an alias may have, as MLflow's clients accept them."""

    alias = serializers.RegexField(r"^[A-Za-z0-9_-]{1,100}$", error_messages={"invalid": "Letters, digits, _ and -."})


class ModelAlias(ApiView):
    """One alias of a model."""

    @extend_schema(summary="Get an alias", responses=AliasSerializer, tags=["Aliases"])
    def get(self, request: Request, name: str, alias: str) -> Response:
        """Return which version an alias points at, and which promotion or rollback moved it."""
        return Response(AliasSerializer(self._found(name, alias)).data)

    @extend_schema(summary="Set an alias", request=AliasBody, responses=AliasSerializer, tags=["Aliases"])
    def put(self, request: Request, name: str, alias: str) -> Response:
        """Point a free alias at a version. A guarded one, such as `champion`, answers 403: request a promotion."""
        model = find_model(self.actor, name)
        AliasName(data={"alias": alias}).is_valid(raise_exception=True)
        number = self.body(AliasBody)["version"]
        version = model.versions.filter(number=number).first()
        if version is None:
            raise InvalidError(f"{model.name} has no version {number}.", field="version")
        services.alias_set(actor=self.actor, model=model, name=alias, version=version)
        return Response(AliasSerializer(self._found(name, alias)).data)

    @extend_schema(summary="Remove an alias", responses={204: None}, tags=["Aliases"])
    def delete(self, request: Request, name: str, alias: str) -> Response:
        """Remove a free alias; one that is not there is removed already."""
        services.alias_delete(actor=self.actor, model=find_model(self.actor, name), name=alias)
        return Response(status=204)

    def _found(self, name: str, alias: str) -> Alias:
        aliases: Any = find_model(self.actor, name).aliases.select_related("model__team", "version", "set_by")
        found: Alias = get_object_or_404(aliases, name=alias)
        return found
