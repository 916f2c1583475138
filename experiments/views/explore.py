"""Hundreds of runs of one experiment: a cloud of points, parallel coordinates, a table; every choice stands in the address."""

import csv
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_GET

from experiments.comparing.explored import MOST_RUNS, Experiment, experiments_of, rows_of
from experiments.comparing.exploring import (
    GROUPS,
    MOST_AXES,
    Choice,
    Column,
    RunRow,
    columns_of,
    commonest,
    completed,
    filtered,
    ordered,
    read_choice,
)
from experiments.comparing.snippets import runs_snippet
from experiments.drawing.runs import best_of, runs_in_parallel, scatter
from registry.access import Actor, actor_of

PAGE = 50


@require_GET
def explore(request: HttpRequest) -> HttpResponse:
    """Show the runs of the experiment that the address names, or of the one with most runs."""
    if any(not value for _, value in _pairs(request.GET)):  # fields that a form left empty
        kept = [(key, value) for key, value in _pairs(request.GET) if value]
        return HttpResponseRedirect(f"?{urlencode(kept)}")
    actor = actor_of(request)
    experiments = experiments_of(actor)
    chosen = _chosen(request, experiments)
    if chosen is None:
        return render(request, "experiments/explore.html", {"experiments": []})
    rows, columns, choice, shown = _read(actor, chosen, request.GET)
    best, page = best_of(shown, choice.y), _page(request, len(shown))
    context = {
        "experiments": experiments, "chosen": chosen, "all": len(rows), "most": MOST_RUNS, "most_axes": MOST_AXES,
        "count": len(shown), "choice": choice, "groups": _groups(columns), "numeric": _numeric(columns),
        "cloud": scatter(shown, choice), "parallel": runs_in_parallel(shown, choice, columns),
        "bounds": _bounds(rows, choice, columns), "champions": sum(row.is_champion for row in shown), "best": len(best),
        "head": [(columns[name], *_sorting(request.GET, choice, name)) for name in choice.columns],
        "by_name": _sorting(request.GET, choice, "name"), "by_start": _sorting(request.GET, choice, "started"),
        "rows": [(row, [row.values.get(name) for name in choice.columns], row.run_id in best) for row in shown[page * PAGE :][:PAGE]],
        "pages": {"previous": _with(request.GET, page=page) if page else "", "number": page + 1,
                  "of": (len(shown) - 1) // PAGE + 1, "next": _with(request.GET, page=page + 2) if (page + 1) * PAGE < len(shown) else ""},
        "csv": request.GET.urlencode(),
        "snippet": runs_snippet(settings.MLFLOW_URL, chosen.experiment_id, choice, MOST_RUNS),
        "clear": f"?{urlencode({'experiment': chosen.experiment_id})}",
    }  # fmt: skip
    return render(request, "experiments/explore.html", context)


@require_GET
def explore_csv(request: HttpRequest) -> HttpResponse:
    """Hand over the runs that the same address shows, with all their columns."""
    actor = actor_of(request)
    chosen = _chosen(request, experiments_of(actor))
    if chosen is None:
        raise Http404
    _, columns, _, shown = _read(actor, chosen, request.GET)
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="runs-{chosen.experiment_id}.csv"'},
    )
    writer = csv.writer(answer)
    head = ["run_id", "run_name", "version", "status", "author", "started_at", "seconds"]
    writer.writerow(safe([*head, *columns]))
    for row in shown:
        began = row.started_at.isoformat() if row.started_at else ""
        about = [
            row.run_id,
            row.name,
            row.version[1] if row.version else "",
            row.status,
            row.author,
            began,
            row.seconds,
        ]
        writer.writerow(safe([*about, *(row.values.get(name) for name in columns)]))
    return answer


def _read(
    actor: Actor, chosen: Experiment, asked: QueryDict
) -> tuple[list[RunRow], dict[str, Column], Choice, list[RunRow]]:
    rows, main = rows_of(actor, chosen.experiment_id)
    columns = columns_of(rows)
    choice = read_choice(dict(asked.lists()), columns)
    shown = ordered(filtered(rows, choice), choice.sort)
    return rows, columns, completed(choice, columns, main), shown


def _chosen(request: HttpRequest, experiments: Sequence[Experiment]) -> Experiment | None:
    """Return the experiment that the address names, by its id or its name; another team's is not found."""
    asked = request.GET.get("experiment", "")
    if not asked:
        return max(experiments, key=lambda one: one.runs, default=None)
    for one in experiments:
        if asked in (one.experiment_id, one.name):
            return one
    raise Http404


def _groups(columns: dict[str, Column]) -> list[tuple[str, list[Column]]]:
    found = [(title, [c for c in columns.values() if c.name[0] == kind]) for kind, title in GROUPS.items()]
    return [(title, members) for title, members in found if members]


def _numeric(columns: dict[str, Column]) -> list[tuple[str, list[Column]]]:
    found = [(title, [c for c in members if c.numeric]) for title, members in _groups(columns)]
    return [(title, members) for title, members in found if members]


def _bounds(rows: Sequence[RunRow], choice: Choice, columns: dict[str, Column]) -> list[dict[str, Any]]:
    """Return the fields that bound each axis, and whatever else is bounded."""
    names = dict.fromkeys([*choice.axes, *choice.ranges, *choice.words])
    return [
        {
            "column": columns[name],
            "low": _typed(choice.ranges.get(name, (None, None))[0]),
            "high": _typed(choice.ranges.get(name, (None, None))[1]),
            "word": choice.words.get(name, ""),
            "words": [] if columns[name].numeric else commonest(rows, name),
        }
        for name in names
    ]


def _typed(bound: float | None) -> str:
    return "" if bound is None else f"{bound:.10g}"


def _sorting(asked: QueryDict, choice: Choice, name: str) -> tuple[str, str]:
    """Return the address that sorts by a column, downwards first, and how it is sorted now, as ``aria-sort`` says it."""
    now = {name: "ascending", f"-{name}": "descending"}.get(choice.sort or "-started", "none")
    return _with(asked, sort=name if now == "descending" else f"-{name}", page=None), now


def _page(request: HttpRequest, count: int) -> int:
    text = request.GET.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    return min(max(number - 1, 0), max(count - 1, 0) // PAGE)


def _pairs(asked: QueryDict) -> list[tuple[str, str]]:
    return [(key, value) for key, values in asked.lists() for value in values]


def _with(asked: QueryDict, **changed: Any) -> str:
    kept = [(key, value) for key, value in _pairs(asked) if key not in changed]
    return "?" + urlencode([*kept, *((key, value) for key, value in changed.items() if value is not None)])


def safe(cells: Sequence[Any]) -> list[Any]:
    """Return cells that a sheet does not calculate."""
    return [f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell for cell in cells]
