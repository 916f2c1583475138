"""Whether gateways follow: which host fell silent, and which process lives and does not take up what was published."""

from datetime import datetime, timedelta

from django.db.models import Max

from registry.models import Alert
from registry.services.alert_looks import Found, alert_sweep
from rollouts.gateways.reports import PROCESS, REMEMBERED, living_gateways
from rollouts.models import GatewayProcess, RoutingTable

KIND = "gateway_stale"
SILENT = timedelta(seconds=60)
BEHIND = timedelta(seconds=60)


def gateways_watch(*, now: datetime) -> None:
    """Look for hosts whose gateways all fell silent, and for processes that do not follow the routing table."""
    alert_sweep(kind=KIND, found=[*_silent(now), *_behind(now)], process=PROCESS, now=now)


def _silent(now: datetime) -> list[Found]:
    """Return the hosts of which no process has told anything for a minute, though one did within the last days."""
    hosts = GatewayProcess.objects.filter(token__revoked_at__isnull=True, last_seen_at__gt=now - REMEMBERED).order_by()
    found = []
    for token, name, last in hosts.values_list("token", "token__name").annotate(last=Max("last_seen_at")):
        if now - last < SILENT:
            continue
        where = f"The gateways of {name}" if token else "The gateways of this host"
        found.append(Found(
            key=f"{KIND}:silent:{token or 'here'}", title=f"{where} have said nothing since {last:%d %b %H:%M} UTC",
            severity=Alert.Severity.CRITICAL, link="/gateways/",
            next_step="See whether its process is alive and its host reaches the control plane.",
        ))  # fmt: skip
    return found


def _behind(now: datetime) -> list[Found]:
    """Return the living processes that still follow an older table than one published a minute ago."""
    settled = RoutingTable.objects.filter(published_at__lt=now - BEHIND).order_by("-version").first()
    if settled is None:
        return []
    return [
        Found(
            key=f"{KIND}:behind:{state.spool_id}"[:200], link="/gateways/",
            title=f"Gateway {state.spool_id} follows table {state.table_version}, not {settled.version}"[:300],
            next_step=f"{state.table_error or 'Its log says why.'} Change no champion until it follows."[:500],
        )
        for state in living_gateways()
        if state.table_version < settled.version
    ]  # fmt: skip
