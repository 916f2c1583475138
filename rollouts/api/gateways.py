"""What gateways of other hosts ask of the control plane, with a token of their own. `serving/follower.py` is the other side."""

import gzip
from typing import Any

import msgspec
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from registry.api.base import Query
from registry.errors import InvalidError
from rollouts.gateways.publishing import NoSeatError, published_document, published_tag, wait_for_change
from rollouts.gateways.reports import states_note
from rollouts.gateways.tokens import gateway_token_by_secret
from rollouts.models import GatewayToken
from serving.contract import LONGEST_WAIT_S, Report

ASK_AGAIN_S = 1


class GatewayAuthentication(BaseAuthentication):
    """`Authorization: Bearer gw_…`: a gateway, which is no person and can do nothing else."""

    def authenticate(self, request: Request) -> tuple[GatewayToken, GatewayToken] | None:
        """Return the gateway's token as who asks."""
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = gateway_token_by_secret(secret.strip())
        if token is None:
            raise AuthenticationFailed(
                "This is no gateway's token in force. `manage.py gateway_token NAME` makes one; people's tokens do not serve here."
            )
        return token, token

    def authenticate_header(self, request: Any) -> str:
        """Ask for a bearer token, so that an anonymous call is 401 and not 403."""
        return 'Bearer realm="gateways"'


class GatewayScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """Names gateways' tokens in the document."""

    target_class = "rollouts.api.gateways.GatewayAuthentication"
    name = "gateway"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "Made by `manage.py gateway_token`."}


class GatewayView(APIView):
    """Base of what gateways ask."""

    authentication_classes = (GatewayAuthentication,)
    permission_classes = (IsAuthenticated,)


class PublishedQuery(Query):
    """How long to be held."""

    wait = serializers.FloatField(
        default=0, min_value=0, max_value=LONGEST_WAIT_S, help_text="seconds to wait for something new"
    )


class Published(GatewayView):
    """The routing table and the list of callers."""

    query_class = PublishedQuery

    @extend_schema(
        summary="Follow what is published",
        tags=["Gateways"],
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="the `ETag` held")],
        responses={
            (200, "application/json"): OpenApiResponse(
                {"type": "object", "properties": {"table": {"type": "object"}, "callers": {"type": "object"}}},
                description="The routing table and the list of callers as gateways read them; null before the first.",
            ),
            304: OpenApiResponse(
                description="Nothing new, after `wait` seconds; at once and with `Retry-After` where too many wait already."
            ),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """Return what is published; where `If-None-Match` names just that, as soon as there is something else."""
        seconds, held = (
            PublishedQuery.read(request)["wait"],
            request.headers.get("If-None-Match", "").removeprefix("W/"),
        )
        if held and held == published_tag():
            try:
                caller = request.META.get("gunicorn.socket")
                changed = seconds > 0 and wait_for_change(held, seconds=seconds, caller=caller)
            except NoSeatError:
                return HttpResponse(status=304, headers={"ETag": held, "Retry-After": str(ASK_AGAIN_S)})
            if not changed:
                return HttpResponse(status=304, headers={"ETag": held})
        tag, body = published_document()
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers = gzip.compress(body, 6), headers | {"Content-Encoding": "gzip"}
        return HttpResponse(body, content_type="application/json", headers=headers)


class States(GatewayView):
    """What the gateways of another host say of themselves."""

    @extend_schema(
        summary="Tell what is served",
        tags=["Gateways"],
        request={
            "application/json": {
                "type": "object",
                "required": ["states"],
                "properties": {"states": {"type": "array", "items": {"type": "object"}}},
            }
        },
        responses={204: OpenApiResponse(description="Noted.")},
    )
    def post(self, request: Request) -> HttpResponse:
        """Note the state of each gateway process of the caller's host, every few seconds; `serving.contract.Report` says how it looks."""
        try:
            report = msgspec.json.decode(request._request.body, type=Report)
        except msgspec.DecodeError as error:
            raise InvalidError(f"The report is not as agreed: {error}", field="states") from error
        token = request.auth
        assert isinstance(token, GatewayToken)  # noqa: S101  narrowed by the authentication
        states_note(report.states, token=token)
        return HttpResponse(status=204)
