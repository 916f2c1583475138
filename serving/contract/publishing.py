"""What the control plane publishes to gateways of other hosts, in one answer."""

import msgspec

from serving.contract.callers import CallerList
from serving.contract.routing import RoutingTable

PUBLISHED_PATH = "/api/v1/gateways/published"
LONGEST_WAIT_S = 25  # that a gateway may ask to be held; proxies end longer silences


class Published(msgspec.Struct, frozen=True):
    """The newest of both; None before the first."""

    table: RoutingTable | None
    callers: CallerList | None
