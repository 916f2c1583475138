"""Saved views. What a team shares is on its audit trail; what a person keeps alone is nobody else's business."""

from django.db import IntegrityError, transaction

from registry.access import WRITERS, Actor
from registry.audit_trail import audit, audited
from registry.errors import ConflictError, InvalidError
from registry.models import ListPage, SavedView, Team
from registry.saved_queries import normal

MOST = 50  # of one person or team on one page: they stand in a row above the list
CHANGEABLE = ("name", "query")


@audited()
def saved_view_create(
    *, actor: Actor, page: str, name: str, query: str, team: Team | None = None
) -> SavedView:  # fmt: skip
    """Keep a list page's filters and order under a name.

    Args:
        page: which list, one of ``ListPage``.
        query: of the list's address, such as ``task=anomaly&sort=-updated``.
        team: who shares it; None: the actor alone.

    Raises:
        InvalidError: name, page or query is not acceptable, or a token names no team.
        ConflictError: there is one of this name, or there are too many.
        RoleError: viewers share nothing.
    """
    if page not in ListPage.values:
        raise InvalidError(f"page must be one of {', '.join(ListPage.values)}.", field="page")
    if team:
        actor.require(team, *WRITERS)
    elif actor.token:
        raise InvalidError("A token keeps views for its team alone; name the team.", field="team")
    kept = {"team": team} if team else {"team": None, "owner": actor.user}
    if SavedView.objects.filter(page=page, **kept).count() >= MOST:
        raise ConflictError(f"There are {MOST} views of this list already; delete one that nobody opens.")
    view = SavedView(owner=actor.user, team=team, page=page, name=_name(name), query=_query(query))
    _save(view)
    if view.team:
        audit(
            action="saved_view.create", subject=view.path, actor=actor, team=view.team.slug,
            payload={"after": _said(view)},
        )  # fmt: skip
    return view


@audited()
def saved_view_update(*, actor: Actor, view: SavedView, **changes: str) -> SavedView:
    """Give a view another name, or other filters.

    Raises:
        InvalidError: a field is unknown, or its value not acceptable.
        ConflictError: there is one of this name.
        RoleError: viewers change nothing that is shared.
    """
    if view.team:
        actor.require(view.team, *WRITERS)
    for field in sorted(changes.keys() - set(CHANGEABLE)):
        raise InvalidError(f"{field} cannot be changed.", field=field)
    before = _said(view)
    view.name, view.query = _name(changes.get("name", view.name)), _query(changes.get("query", view.query))
    _save(view)
    if view.team:
        audit(
            action="saved_view.update", subject=view.path, actor=actor, team=view.team.slug,
            payload={"before": before, "after": _said(view)},
        )  # fmt: skip
    return view


@audited()
def saved_view_delete(*, actor: Actor, view: SavedView) -> None:
    """Forget a view; the list itself stays as it is.

    Raises:
        RoleError: viewers delete nothing that is shared.
    """
    if view.team:
        actor.require(view.team, *WRITERS)
    if view.team:
        audit(
            action="saved_view.delete", subject=view.path, actor=actor, team=view.team.slug,
            payload={"before": _said(view)},
        )  # fmt: skip
    view.delete()


def _name(name: str) -> str:
    if not 1 <= len(name.strip()) <= 80:
        raise InvalidError("name must be 1 to 80 characters that say what the list shows.", field="name")
    return name.strip()


def _query(query: str) -> str:
    kept = normal(query)
    if not 1 <= len(kept) <= 1000:
        raise InvalidError(
            "query must hold filters or an order, at most 1,000 characters: filter the list, then save.", field="query"
        )
    return kept


def _save(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        raise ConflictError(f"A view of this list named {view.name} exists. Choose another name.") from None


def _said(view: SavedView) -> dict[str, str]:
    return {"page": view.page, "name": view.name, "query": view.query}
