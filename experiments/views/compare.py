"""Two to six versions or runs beside each other; all of what is chosen stands in the address."""

import csv
from collections.abc import Sequence
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from experiments.comparing.chosen import Column, chosen, comparison_of
from experiments.comparing.comparison import FEWEST, MOST, Cell
from experiments.comparing.curves import charts_and_sections
from experiments.comparing.snippets import compare_snippet
from experiments.views.explore import safe
from registry.access import actor_of
from registry.errors import InvalidError

ONLY = {"only": "differences"}
CHOICES = ("curve", "series", "ahead", "beside")  # what is drawn


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Show what the address names by ``version=model:number`` or ``run=id``."""
    columns = chosen(actor_of(request), request.GET.getlist("version"), request.GET.getlist("run"))
    comparison = comparison_of(columns)
    only = request.GET.get("only") == ONLY["only"]
    asked = {name: request.GET[name] for name in CHOICES if request.GET.get(name)}
    kept = list(asked.items()) + (list(ONLY.items()) if only else [])
    missing = comparison.missing_champion
    parameters = [column.parameter for column in columns]
    charts, sections = charts_and_sections(comparison, asked) if comparison.is_complete else ([], [])
    context = {
        "comparison": comparison,
        "columns": [(c, _address([p for p in parameters if p != c.parameter], kept)) for c in columns],
        "only": only,
        "toggle": _address(parameters, list(asked.items()) + ([] if only else list(ONLY.items()))),
        "with_champion": _address([("version", f"{missing.model.name}:{missing.number}"), *parameters], kept) if missing else "",
        "too_many": len(columns) - MOST,
        "fewest": FEWEST,
        "most": MOST,
        "charts": charts,
        "sections": [(s, _hidden(parameters, kept, [chooser.name for chooser in s.choosers])) for s in sections],
        "csv": urlencode(parameters),
        "snippet": _snippet(columns),
    }  # fmt: skip
    return render(request, "experiments/compare.html", context, status=400 if len(columns) > MOST else 200)


@require_GET
def compare_csv(request: HttpRequest) -> HttpResponse:
    """Hand over all rows of a comparison as CSV: one line a fact and version or run."""
    columns = chosen(actor_of(request), request.GET.getlist("version"), request.GET.getlist("run"))
    if not FEWEST <= len(columns) <= MOST:
        raise InvalidError(
            f"Name {FEWEST} to {MOST} different versions or runs; these are {len(columns)}.", field="version"
        )
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="comparison.csv"'}
    )
    rows = csv.writer(answer)
    rows.writerow(
        [
            "kind",
            "fact",
            "of",
            "value",
            "low",
            "high",
            "difference",
            "difference_low",
            "difference_high",
            "paired",
            "differs",
        ]
    )
    for group in comparison_of(columns).groups:
        for row in group.rows:
            for column, cell in zip(columns, row.cells, strict=True):
                rows.writerow(safe([group.title, row.label, column.key, *_told(cell), "yes" if row.differs else ""]))
    return answer


def _told(cell: Cell) -> list[object]:
    value = cell.text if cell.value is None else cell.value
    apart = [cell.difference, cell.difference_low, cell.difference_high]
    return [value, cell.low, cell.high, *apart, "yes" if cell.paired else ""]


def _address(parameters: Sequence[tuple[str, str]], kept: Sequence[tuple[str, str]]) -> str:
    return "?" + urlencode([*parameters, *kept])


def _hidden(
    parameters: Sequence[tuple[str, str]], kept: Sequence[tuple[str, str]], chosen_here: Sequence[str]
) -> list[tuple[str, str]]:
    """Return what a form of choosers hands on."""
    return [*parameters, *((name, value) for name, value in kept if name not in chosen_here)]


def _snippet(columns: Sequence[Column]) -> str:
    versions = {c.label: (c.version.model.name, c.version.number) for c in columns if c.version and c.run_id}
    runs = {column.label: column.run_id for column in columns if column.version is None}
    return compare_snippet(settings.MLFLOW_URL, versions, runs) if versions or runs else ""
