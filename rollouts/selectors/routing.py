"""Reads: the routing table in force, and what gateways make of it."""

from collections.abc import Collection
from dataclasses import dataclass

from registry.models import RegisteredModel
from rollouts.gateways.reports import living_gateways
from rollouts.models import LoadRefusal, RoutingTable
from rollouts.routing import document_of
from serving.contract import SHADOW, Arm, Route


@dataclass(frozen=True)
class ModelRouting:
    """How one model is routed, as published and as gateways serve it.

    Attributes:
        table: the latest one; None before the first.
        route: the model's; None where nothing of it is served.
        gateways: how many gateways live.
        current: how many of them answer with exactly the arms published.
        refusals: versions that gateways would not load, newest first.
    """

    table: RoutingTable | None
    route: Route | None
    gateways: int
    current: int
    refusals: list[LoadRefusal]

    @property
    def warm(self) -> list[int]:
        """Versions kept loaded beside those that serve."""
        arms = {arm.number for arm in self.route.arms} if self.route else set()
        return [version.number for version in self.route.versions if version.number not in arms] if self.route else []


def routes_of(table: RoutingTable, model_ids: Collection[int]) -> list[Route]:
    """Return the table's routes of these models."""
    return [route for route in document_of(table).routes if route.model_id in model_ids]


@dataclass(frozen=True)
class Run:
    """The basis points, from ``low`` to before ``high``, whose keys an arm answers; none for shadows."""

    arm: Arm
    low: int
    high: int


def routing_at(model: RegisteredModel, version: int) -> tuple[RoutingTable | None, list[Run]]:
    """Return one routing table, if it is known, and the runs of the arms that it gave to ``model``."""
    table = RoutingTable.objects.filter(version=version).first()
    route = next(iter(routes_of(table, {model.pk})), None) if table else None
    runs, low = [], 0
    for arm in route.arms if route else []:
        high = low if arm.name == SHADOW else low + arm.weight_bp
        runs.append(Run(arm, low, high))
        low = high
    return table, runs


def model_routing(model: RegisteredModel) -> ModelRouting:
    """Return how ``model`` is routed now."""
    table = RoutingTable.objects.first()
    route = next(iter(routes_of(table, {model.pk})), None) if table else None
    wanted = {arm.name: arm.number for arm in route.arms} if route else {}
    serving = [state.serving.get(model.name, {}) for state in living_gateways()]
    refusals = LoadRefusal.objects.filter(version__model=model, cleared_at__isnull=True).select_related("version")
    return ModelRouting(table, route, len(serving), serving.count(wanted), list(refusals))
