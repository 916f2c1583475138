"""The contract of a data set: the one in force, its history, the editor of the next one, and what was found."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import services
from experiments.contracts.comparing import changes
from experiments.contracts.document import Contract
from experiments.contracts.rules import KINDS, Rule
from experiments.contracts.text import ContractTextError, contract_from_yaml, contract_to_yaml
from experiments.forms.rules import RuleForm, initial_of, kinds, without
from experiments.held_to import rules_for, trial
from experiments.models import ContractCheck, ContractDraft, DataContract, Dataset, DatasetVersion
from experiments.views.datasets import visible_dataset
from jobs.paging import Page
from registry.access import actor_of
from registry.errors import RefusedError

KEEPERS = services.CONTRACT_KEEPERS
COLUMNS_SHOWN = 50  # with some three rules each


@dataclass(frozen=True)
class Group:
    """The rules about one column, or about the rows as a whole."""

    column: str
    rules: list[Rule]


@require_GET
def contract(request: HttpRequest, name: str) -> HttpResponse:
    """Show the contract in force, or the one that ``?number=`` names, with what each number changed."""
    actor = actor_of(request)
    dataset = visible_dataset(actor, name)
    numbered = list(dataset.contracts.select_related("made_by", "reference__dataset"))
    shown = _asked(request, numbered)
    newest = dataset.versions.select_related("parent").first()
    own = shown.contract if shown else Contract()
    column = request.GET.get("column", "")
    page = page_of_groups(grouped(own, column), request.GET.get("cursor", ""))
    context = {
        "dataset": dataset,
        "shown": shown,
        "in_force": bool(shown) and shown == numbered[0],
        "groups": page.rows,
        "page": page,
        "column": column,
        "rules": len(own.rules),
        "text": contract_to_yaml(own) if shown else "",
        "standard": [rule for rule in rules_for(newest, None) if rule.column not in newest.features()]
        if newest
        else [],
        "features": len(newest.features()) if newest else 0,
        "history": [
            {"version": row, "changes": changes(before.contract if before else Contract(), row.contract)}
            for row, before in zip(numbered, [*numbered[1:], None], strict=False)
        ],
        "draft": ContractDraft.objects.filter(dataset=dataset).select_related("changed_by", "reference").first(),
        "versions": dataset.versions.only("number", "dataset")[:25],
        "checks": dataset.contract_checks.select_related("version", "contract", "dataset").defer("results")[:10],
        "may_keep": actor.role_in(dataset.team) in KEEPERS,
    }
    return render(request, "experiments/contract.html", context)


@require_http_methods(["GET", "POST"])
def contract_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Edit the draft: rule by rule as forms, or all of it as YAML; what is saved is a draft until it is accepted."""
    actor = actor_of(request)
    dataset = visible_dataset(actor, name)
    actor.require(dataset.team, *KEEPERS)
    draft = ContractDraft.objects.filter(dataset=dataset).select_related("changed_by", "reference").first()
    in_force = dataset.contract_in_force()
    held = draft.contract if draft else in_force.contract if in_force else Contract()
    page: dict[str, Any] = {
        "dataset": dataset, "draft": draft, "in_force": in_force, "as_yaml": request.GET.get("as") == "yaml",
        "changes": changes(in_force.contract if in_force else Contract(), held), "rules": len(held.rules),
        "versions": dataset.versions.only("number", "dataset")[:25], "reason": request.POST.get("reason", ""),
    }  # fmt: skip
    if request.method == "GET":
        return _editor(request, page, held)
    action = request.POST.get("action", "")
    if action == "text":
        text = request.POST.get("text", "").replace("\r\n", "\n")
        try:
            read = contract_from_yaml(text)
        except ContractTextError as fault:
            return _editor(request, page | {"text": text, "fault": fault, "as_yaml": True}, held, status=422)
        services.contract_draft_save(actor=actor, dataset=dataset, contract=read)
        messages.success(request, "The draft is saved; nothing is held to it before it is accepted.")
        return redirect(f"{request.path}?as=yaml")
    if action == "remove":
        services.contract_draft_save(actor=actor, dataset=dataset, contract=without(held, request.POST.get("rule", "")))
        return redirect(request.path)
    if action == "rule":
        kind = request.POST.get("kind", "")
        if kind not in KINDS:
            raise Http404
        form = RuleForm(kind, request.POST, columns=_columns(dataset, held))
        changed = form.put_into(held, replaces=request.POST.get("rule", ""))
        if changed is None:
            return _editor(request, page | {"form": form, "rule": request.POST.get("rule", "")}, held, status=422)
        services.contract_draft_save(actor=actor, dataset=dataset, contract=changed)
        messages.success(request, "The draft is saved; nothing is held to it before it is accepted.")
        return redirect(f"{request.path}?column={form.cleaned_data.get('column', '')}")
    if action == "drop":
        services.contract_draft_drop(actor=actor, dataset=dataset)
        messages.success(request, "The draft is gone; the contract in force stays.")
        return redirect("contract", name=name)
    if action == "accept" and draft:
        if request.POST.get("seen") != draft.changed_at.isoformat():
            refused: RefusedError = services.DraftChangedError(draft.changed_by.username)
            return _editor(request, page | {"refused": refused}, held, status=refused.status)
        try:
            made = services.contract_change(
                actor=actor, dataset=dataset, document=draft.document, reason=page["reason"], reference=draft.reference
            )
        except RefusedError as error:
            return _editor(request, page | {"refused": error}, held, status=error.status)
        messages.success(request, f"Contract {made.number} is in force.")
        return redirect("contract", name=name)
    return redirect(request.path)


@require_POST
def contract_propose(request: HttpRequest, name: str) -> HttpResponse:
    """Start a job that reads a draft off a version."""
    actor = actor_of(request)
    dataset = visible_dataset(actor, name)
    job = services.contract_propose_start(actor=actor, version=_chosen(request, dataset))
    return redirect("job", pk=job.pk)


@require_POST
def contract_check(request: HttpRequest, name: str) -> HttpResponse:
    """Start a job that holds a version to the contract in force."""
    actor = actor_of(request)
    dataset = visible_dataset(actor, name)
    job = services.contract_check_start(actor=actor, version=_chosen(request, dataset))
    return redirect("job", pk=job.pk)


@require_POST
def contract_try(request: HttpRequest, name: str) -> HttpResponse:
    """Say which rules of the draft a version would break; writes nothing."""
    actor = actor_of(request)
    dataset = visible_dataset(actor, name)
    actor.require(dataset.team, *KEEPERS)
    version = _chosen(request, dataset)
    draft = ContractDraft.objects.filter(dataset=dataset).first()
    in_force = dataset.contract_in_force()
    held = draft.contract if draft else in_force.contract if in_force else None
    context = {"dataset": dataset, "version": version, "tried": trial(version, held, now=timezone.now())}
    return render(request, "experiments/contract_edit.html#tried", context)


@require_GET
def contract_report(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Show what was found when rows were held to the rules, failures first."""
    dataset = visible_dataset(actor_of(request), name)
    rows = ContractCheck.objects.select_related("version", "contract", "dataset", "job", "created_by")
    check = get_object_or_404(rows, dataset=dataset, pk=pk)
    context = {"dataset": dataset, "check": check, "held": [result for result in check.results if result["passed"]]}
    return render(request, "experiments/contract_report.html", context)


def grouped(held: Contract, column: str = "") -> list[Group]:
    """Return the rules by column, those about the rows as a whole first; ``column`` keeps the names that hold it."""
    groups: dict[str, list[Rule]] = {"": []}
    for rule in held.rules:
        groups.setdefault(rule.column, []).append(rule)
    sought = column.lower()
    return [Group(name, rules) for name, rules in groups.items() if rules and sought in name.lower()]


def page_of_groups(groups: list[Group], cursor: str) -> Page:
    """Return as many columns as a page holds, from the place that ``cursor`` names; a contract never changes, so places stay.

    Raises:
        Http404: there is no such place.
    """
    begin = int(cursor) if cursor.isdecimal() and cursor.isascii() else 0 if not cursor else -1
    if begin < 0 or begin > len(groups):
        raise Http404
    after = begin + COLUMNS_SHOWN
    return Page(
        groups[begin:after],
        str(after) if after < len(groups) else None,
        str(max(begin - COLUMNS_SHOWN, 0)) if begin else None,
    )


def _editor(request: HttpRequest, page: dict[str, Any], held: Contract, *, status: int = 200) -> HttpResponse:
    columns = _columns(page["dataset"], held)
    if "form" not in page and not page["as_yaml"]:
        page |= _chosen_form(request, held, columns)
    if page["as_yaml"] and "text" not in page:
        page["text"] = contract_to_yaml(held)
    if fault := page.get("fault"):
        lines = page["text"].splitlines()
        around = range(max(fault.line - 3, 1), min(fault.line + 2, len(lines)) + 1)
        page["numbered"] = [(number, lines[number - 1]) for number in around]
    column = request.GET.get("column", "")
    page |= {
        "column": column,
        "columns": columns,
        "kinds": kinds(),
        "page": (
            shown := page_of_groups([] if page["as_yaml"] else grouped(held, column), request.GET.get("cursor", ""))
        ),
        "groups": shown.rows,
    }
    return render(request, "experiments/contract_edit.html", page, status=status)


def _chosen_form(request: HttpRequest, held: Contract, columns: list[str]) -> dict[str, Any]:
    """Return the form that the address asks for: of a rule that is there, or of a new one of some kind."""
    key, kind = request.GET.get("rule", ""), request.GET.get("add", "")
    if rule := next((rule for rule in held.rules if rule.key == key), None):
        return {"form": RuleForm(rule.kind, initial=initial_of(rule), columns=columns), "rule": key}
    if kind in KINDS:
        return {"form": RuleForm(kind, initial={"column": request.GET.get("column", "")}, columns=columns), "rule": ""}
    return {}


def _columns(dataset: Dataset, held: Contract) -> list[str]:
    """Return the columns that rules can be about: those of the newest version, and those that rules name."""
    newest = dataset.versions.only("columns").first()
    known = [column["name"] for column in newest.columns] if newest else []
    return list(dict.fromkeys([*known, *(name for rule in held.rules for name in rule.columns)]))


def _asked(request: HttpRequest, numbered: list[DataContract]) -> DataContract | None:
    number = request.GET.get("number", "")
    if not number:
        return numbered[0] if numbered else None
    found = [row for row in numbered if str(row.number) == number]
    if not found:
        raise Http404
    return found[0]


def _chosen(request: HttpRequest, dataset: Dataset) -> DatasetVersion:
    number = request.POST.get("version", "")
    versions = dataset.versions.select_related("dataset__team", "parent")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Http404
    return get_object_or_404(versions, number=number)
