"""What the documentation links to, names and asks to be typed is there."""

import json
import os
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from django.core.management import get_commands

from controlplane import reference
from tests.docs import MADE, ROOT, anchors, blocks, code, links, pages, spans

DATED = ("docs/adr/", "CHANGELOG.md")  # say what was so when they were written
FOREIGN = re.compile(r"AWS_|MLFLOW_|OTEL_|SSL_|RLIMIT_")  # variables and constants of others
SAID_BY_API = {"BAD_REQUEST", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "RESOURCE_CONFLICT"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RECEIVERS = {("POST", "/in")}  # of webhooks: addresses that are no part of the product


def living():
    return [page for page in pages() if not page.startswith(DATED)]


def sources(*patterns):
    folders = (*reference.APPS, "tests", "benchmarks", "conformance", "mutation", "deploy", "examples", ".ci")
    files = [file for folder in folders for pattern in patterns for file in (ROOT / folder).rglob(pattern)]
    return "\n".join(file.read_text() for file in files)


def said(pattern, where=living):
    """Return {(page:line, group)} of what is set as code on pages and matches."""
    return {
        (f"{page}:{line}", found)
        for page in where()
        for line, text in code(page)
        for found in re.findall(pattern, text)
    }


def test_every_link_leads_to_a_file_and_a_heading_that_are_there():
    broken = []
    for page, text in pages().items():
        for line, target in links(text):
            path, _, anchor = target.partition("#")
            if re.match(r"https?:|mailto:", target):
                continue
            place = (ROOT / page).parent / path if path else ROOT / page
            if not place.exists() or (anchor and place.suffix == ".md" and anchor not in anchors(place.read_text())):
                broken.append(f"{page}:{line} {target}")

    assert broken == []


def test_every_page_is_found_from_the_readme():
    found, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page in found or not page.endswith(".md") or Path(page).is_relative_to(MADE):
            continue
        found.add(page)
        here = Path(page).parent
        ahead += [
            os.path.normpath(here / target.partition("#")[0]) for _, target in links(pages()[page]) if ":" not in target
        ]

    assert sorted(set(pages()) - found) == []


def test_every_make_target_is_one():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = said(r"\bmake ([a-z][a-z-]*)")

    assert len(named) > 20
    assert {(where, target) for where, target in named if target not in targets} == set()


def test_every_management_command_is_one():
    named = said(r"\bmanage\.py ([a-z_]+)")

    assert len(named) > 20
    assert {(where, command) for where, command in named if command not in get_commands()} == set()


def test_every_setting_is_read_somewhere():
    readers = (reference.django_variables, reference.gateway_variables, reference.demo_variables)
    known = {variable.name for read in readers for variable in read()}
    known |= set(re.findall(r"^\s*([A-Z][A-Z0-9_]*)\b[^\n=]*=", sources("*.py"), re.MULTILINE))  # constants
    known |= set(re.findall(r"[A-Z][A-Z0-9_]*_[A-Z0-9_]+", (ROOT / "controlplane/demo/description.py").read_text()))
    known |= set(re.findall(r"environ[^\n]*\"([A-Z_]+)\"", sources("*.py"))) | SAID_BY_API
    set_by_page = said(r"\b([A-Z][A-Z0-9_]*)=")
    named = said(r"(?<![\w$])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")

    unknown = {(where, name) for where, name in named if name not in known and not FOREIGN.match(name)}
    assert len(named) > 100
    assert unknown - set_by_page == set()


def test_every_file_and_module_that_is_named_is_there():
    top = {place.name for place in ROOT.iterdir()} - {"var", "backups"}
    gone = []
    for page in living():
        for line, text in spans(pages()[page]):
            file = re.fullmatch(r"([\w.-]+/[\w./-]*\w/?)(?:::(\w+))?", text)
            if file and file[1].split("/")[0] in top and not (ROOT / file[1]).exists():
                gone.append(f"{page}:{line} {text}")
    for where, module in said(r"python3? -m ([a-z]\w*(?:\.\w+)*)"):
        inside = module.split(".")[0] in top
        path = ROOT / module.replace(".", "/")
        if inside and not (path.with_suffix(".py").exists() or path.is_dir()):
            gone.append(f"{where} {module}")

    assert gone == []


def test_every_test_file_has_its_place_in_what_protects_what():
    _, section = pages()["docs/testing.md"].split("## What protects what")
    patterns = re.findall(r"`(test_[^`]*)`", section.split("\n## ")[0])
    files = [file.stem for file in (ROOT / "tests").glob("test_*.py")]

    assert {file: places for file in files if len(places := [p for p in patterns if fnmatch(file, p)]) != 1} == {}
    assert [pattern for pattern in patterns if not any(fnmatch(file, pattern) for file in files)] == []


@pytest.fixture(scope="module")
def operations():
    """{(method, path): names of query parameters} of the API and of the gateway."""
    found = {}
    for place in ("docs/reference/openapi.json", "serving/openapi.json"):
        for path, item in json.loads((ROOT / place).read_text())["paths"].items():
            for method, operation in item.items():
                if method.upper() in METHODS:
                    given = [*item.get("parameters", []), *operation.get("parameters", [])]
                    found[method.upper(), path] = {p["name"] for p in given if p.get("in") == "query"}
    return found


def asked(text):
    """Yield (method, address) of every request that a line of a page names or a command sends."""
    yield from re.findall(rf"\b({'|'.join(METHODS)}) ([/…\w][^\s`'\"|)#]*)", text)
    if address := re.search(r"\bcurl\b[^|]*?[\"']?(?:\$CP|https?://[\w.:]+/api/v1)(/[^\s\"'|)]+)", text):
        method = re.search(r"-X ([A-Z]+)", text)
        sends = re.search(r" (-d|--data\S*|--json) ", text)
        yield (method[1] if method else "POST" if sends else "GET"), address[1]
    if posted := re.search(r"\bpost ([\w/$-]+) \"\$", text):
        yield "POST", posted[1]


def matches(path, address):
    """Tell whether an operation's path is the address that a page says; `…` stands for any beginning."""
    begun = address.startswith("…")
    ours, theirs = address.strip("/…").split("/"), path.strip("/").split("/")
    if begun:
        theirs = theirs[-len(ours) :]
    return len(ours) == len(theirs) and all(
        t == o or t.startswith("{") or o.startswith(("<", "{", "$")) for t, o in zip(theirs, ours, strict=True)
    )


def test_every_request_that_is_named_is_an_operation(operations):
    requests, unknown = 0, []
    for page in living():
        lines = [*spans(pages()[page])]
        lines += [(b.line, line) for b in blocks(page) for line in b.text.replace("\\\n", " ").splitlines()]
        for line, text in lines:
            for method, address in asked(text):
                path, _, query = address.partition("?")
                tried = {path, f"api/v1/{path.strip('/')}"}
                found = [
                    names for (m, p), names in operations.items() if m == method and any(matches(p, t) for t in tried)
                ]
                wanted = {pair.partition("=")[0] for pair in query.split("&") if pair}
                requests += 1
                if (method, path) not in RECEIVERS and not any(wanted <= names for names in found):
                    unknown.append(f"{page}:{line} {method} {address}")

    assert requests > 100
    assert unknown == []


def test_every_step_of_the_flows_names_a_function_that_is_there():
    named = [found for _, text in spans(pages()["docs/architecture.md"]) if (found := re.fullmatch(r"(\w[\w/]*\.py)::(\w+)", text))]  # fmt: skip

    gone = [
        found[0]
        for found in named
        if not (ROOT / found[1]).exists()
        or not re.search(rf"^ *(?:async def|def|class) {found[2]}\b", (ROOT / found[1]).read_text(), re.MULTILINE)
    ]
    assert len(named) > 40
    assert gone == []
