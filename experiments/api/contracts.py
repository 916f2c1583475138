"""Contracts of data sets, and what was found when versions were held to them."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.lookup import find_dataset, find_dataset_version
from experiments.api.views import accepted
from experiments.contracts.document import contract_document
from experiments.contracts.text import ContractTextError, contract_from_yaml, contract_to_yaml
from experiments.models import ContractCheck, ContractDraft, DataContract
from jobs.api import JobSummarySerializer
from registry.api.base import ApiView, ListQuery, Strict
from registry.errors import InvalidError


class ContractSerializer(serializers.ModelSerializer[DataContract]):
    """One numbered contract; the highest number is in force."""

    dataset = serializers.CharField(source="dataset.name")
    document = serializers.JSONField(help_text='{"rules": [{kind, column, …, severity, reason}]}')
    reference = serializers.IntegerField(
        source="reference.number", default=None, allow_null=True, help_text="the version that its limits were read off"
    )
    made_by = serializers.CharField(source="made_by.username")

    class Meta:
        model = DataContract
        fields: tuple[str, ...] = ("dataset", "number", "document", "reason", "reference", "made_by", "made_at", "path")


class ContractDetailSerializer(ContractSerializer):
    """A contract, also as YAML."""

    yaml = serializers.SerializerMethodField()

    class Meta(ContractSerializer.Meta):
        fields = (*ContractSerializer.Meta.fields, "yaml")

    def get_yaml(self, contract: DataContract) -> str:
        """Return the rules as text."""
        return contract_to_yaml(contract.contract)


class DraftSerializer(serializers.ModelSerializer[ContractDraft]):
    """What the next contract is to be, until a person accepts it."""

    dataset = serializers.CharField(source="dataset.name")
    document = serializers.JSONField(help_text='{"rules": […]}')
    reference = serializers.IntegerField(source="reference.number", default=None, allow_null=True)
    changed_by = serializers.CharField(source="changed_by.username", allow_null=True)
    changed_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = ContractDraft
        fields = ("dataset", "document", "reference", "changed_by", "changed_at")


class ContractCheckSerializer(serializers.ModelSerializer[ContractCheck]):
    """What was found when rows were held to the rules, in numbers."""

    dataset = serializers.CharField(source="dataset.name")
    version = serializers.IntegerField(
        source="version.number", default=None, allow_null=True, help_text="null: the rows became no version"
    )
    contract = serializers.IntegerField(
        source="contract.number", default=None, allow_null=True, help_text="null: the standard rules alone"
    )
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = ContractCheck
        fields: tuple[str, ...] = (
            "id", "dataset", "version", "contract", "occasion", "digest", "rows", "broken", "noted", "held", "job", "created_by",
            "created_at", "path",
        )  # fmt: skip


class ContractCheckDetailSerializer(ContractCheckSerializer):
    """What was found, rule by rule, failures first."""

    results = serializers.JSONField(
        help_text="[{rule, kind, column, name, severity, passed, measured, limit, detail, reason, sample}]; sample holds keys alone"
    )

    class Meta(ContractCheckSerializer.Meta):
        fields = (*ContractCheckSerializer.Meta.fields, "results")


class ContractBody(Strict):
    """The next contract, as a document or as YAML."""

    document = serializers.JSONField(required=False, help_text='{"rules": [{kind, column, …, severity, reason}]}')
    yaml = serializers.CharField(required=False, max_length=2_000_000, help_text="the same as text")
    reason = serializers.CharField(max_length=2000, help_text="why; whoever meets a rule reads it")


class Contracts(ApiView):
    """The contracts of one data set."""

    query_class = ListQuery

    @extend_schema(
        summary="List the contracts of a data set", responses=ContractSerializer(many=True), tags=["Data quality"]
    )
    def get(self, request: Request, name: str) -> Response:
        """List the contracts, the one in force first."""
        rows = find_dataset(self.actor, name).contracts.select_related("dataset", "reference", "made_by")
        return self.page(rows, ContractSerializer, "-number")

    @extend_schema(
        summary="Change the contract of a data set", request=ContractBody, responses={201: ContractDetailSerializer},
        tags=["Data quality"],
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Put the next number in force. Asks for engineer or admin."""
        dataset = find_dataset(self.actor, name)
        values = self.body(ContractBody)
        made = services.contract_change(
            actor=self.actor, dataset=dataset, document=_document(values), reason=values["reason"]
        )
        return Response(ContractDetailSerializer(made).data, status=201)


class OneContract(ApiView):
    """One numbered contract."""

    @extend_schema(summary="Get a contract", responses=ContractDetailSerializer, tags=["Data quality"])
    def get(self, request: Request, name: str, number: int) -> Response:
        """Return a contract, as a document and as YAML."""
        rows = find_dataset(self.actor, name).contracts.select_related("dataset", "reference", "made_by")
        return Response(ContractDetailSerializer(get_object_or_404(rows, number=number)).data)


class OneDraft(ApiView):
    """The draft of the next contract."""

    @extend_schema(summary="Get the draft of a contract", responses=DraftSerializer, tags=["Data quality"])
    def get(self, request: Request, name: str) -> Response:
        """Return the draft; an empty one where there is none."""
        dataset = find_dataset(self.actor, name)
        draft = (
            ContractDraft.objects.filter(dataset=dataset).select_related("dataset", "reference", "changed_by").first()
        )
        if draft is None:
            empty: dict[str, Any] = {"dataset": dataset.name, "document": {"rules": []}}
            return Response(empty | {"reference": None, "changed_by": None, "changed_at": None})
        return Response(DraftSerializer(draft).data)


class Proposals(ApiView):
    """Proposals read off a version."""

    @extend_schema(
        summary="Propose a contract by a version",
        request=None,
        responses={202: JobSummarySerializer},
        tags=["Data quality"],
    )
    def post(self, request: Request, name: str, number: int) -> Response:
        """Start a job that reads a draft off a version. Asks for engineer or admin."""
        return accepted(
            services.contract_propose_start(actor=self.actor, version=find_dataset_version(self.actor, name, number))
        )


class CheckBody(Strict):
    """What to hold a version to."""

    contract = serializers.IntegerField(required=False, min_value=1, help_text="number; the one in force if left out")


class VersionChecks(ApiView):
    """What was found of one version."""

    query_class = ListQuery

    @extend_schema(
        summary="List the checks of a data set version",
        responses=ContractCheckSerializer(many=True),
        tags=["Data quality"],
    )
    def get(self, request: Request, name: str, number: int) -> Response:
        """List the checks of a version, newest first."""
        rows = find_dataset_version(self.actor, name, number).contract_checks.defer("results")
        return self.page(
            rows.select_related("dataset", "version", "contract", "created_by"), ContractCheckSerializer, "-id"
        )

    @extend_schema(
        summary="Hold a data set version to a contract", request=CheckBody, responses={202: JobSummarySerializer},
        tags=["Data quality"],
    )  # fmt: skip
    def post(self, request: Request, name: str, number: int) -> Response:
        """Start a job that holds a version to a contract. Asks for engineer or admin."""
        version = find_dataset_version(self.actor, name, number)
        asked = self.body(CheckBody).get("contract")
        contract = version.dataset.contracts.filter(number=asked).first() if asked else None
        if asked and contract is None:
            raise InvalidError(f"{name} has no contract {asked}.", field="contract")
        return accepted(services.contract_check_start(actor=self.actor, version=version, contract=contract))


class OneCheck(ApiView):
    """One check, also of rows that became no version."""

    @extend_schema(summary="Get a check", responses=ContractCheckDetailSerializer, tags=["Data quality"])
    def get(self, request: Request, name: str, pk: int) -> Response:
        """Return what was found, rule by rule."""
        rows = find_dataset(self.actor, name).contract_checks.select_related(
            "dataset", "version", "contract", "created_by"
        )
        return Response(ContractCheckDetailSerializer(get_object_or_404(rows, pk=pk)).data)


def _document(values: dict[str, Any]) -> Any:
    if ("document" in values) == ("yaml" in values):
        raise InvalidError("Give the rules as document or as yaml, and not as both.", field="document")
    if "document" in values:
        return values["document"]
    try:
        return contract_document(contract_from_yaml(values["yaml"]))
    except ContractTextError as fault:
        raise InvalidError(str(fault), field="yaml") from None
