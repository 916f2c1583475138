"""Two to six versions beside each other; all of what is chosen stands in the address."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from experiments.compare import Column, chosen, comparison_of
from experiments.comparison import FEWEST, MOST
from registry.access import actor_of

ONLY = {"only": "differences"}


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Show the versions that the address names by ``version=model:number`` or ``run=id``."""
    columns = chosen(actor_of(request), request.GET.getlist("version"), request.GET.getlist("run"))
    comparison = comparison_of(columns)
    only = request.GET.get("only") == ONLY["only"]
    missing = comparison.missing_champion
    context = {
        "comparison": comparison,
        "columns": [(column, _address([c for c in columns if c is not column], only)) for column in columns],
        "only": only,
        "toggle": _address(columns, not only),
        "with_champion": _address(columns, only, f"{missing.model.name}:{missing.number}") if missing else "",
        "too_many": len(columns) - MOST,
        "fewest": FEWEST,
        "most": MOST,
    }
    return render(request, "experiments/compare.html", context, status=400 if len(columns) > MOST else 200)


def _address(columns: list[Column], only: bool, *more: str) -> str:
    keys = [*more, *(column.key for column in columns)]
    return "?" + urlencode([*(("version", key) for key in keys), *(ONLY.items() if only else ())])
