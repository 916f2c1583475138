"""Reference pages made from the code, so that they cannot disagree with it: settings, audit actions, API, make targets.

So is the list of actions that webhooks can be told, which the registry reads when it runs.
"""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import call_command

from controlplane.supervisor.config import VARIABLES

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("docs/reference")
ACTIONS = Path("registry/webhooks/actions.json")
APPS = ("controlplane", "rollouts", "monitoring", "experiments", "registry", "jobs", "serving")
MADE_BY = "<!-- Written by `make docs`; change the code instead. -->"
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Variable:
    """One environment variable as the code declares it; without a default it must be given."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True, order=True)
class Action:
    """One action of the audit trail, with the function that writes it."""

    name: str
    meaning: str
    function: str


def pages() -> dict[Path, str]:
    """Return the text of every page by its place in the repository."""
    schema = io.StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=schema)
    return {
        FOLDER / "settings.md": settings_page(),
        FOLDER / "audit-actions.md": audit_page(),
        FOLDER / "make.md": make_page(),
        FOLDER / "api.md": api_page(json.loads(schema.getvalue())),
        FOLDER / "openapi.json": schema.getvalue(),
        ACTIONS: actions_list(),
    }


def stale_pages() -> dict[Path, str]:
    """Return the pages whose file is missing or says something else."""
    return {
        place: text
        for place, text in pages().items()
        if not (ROOT / place).exists() or (ROOT / place).read_text() != text
    }


def settings_page() -> str:
    """Return the environment variables of the Django processes, the gateway and the demo."""
    parts = [
        (
            "Django processes",
            "Read by `web`, `mlflow`, `worker`, `control`, `beat` and `manage.py`.",
            django_variables(),
        ),
        ("Gateway", "Read by `python -m serving.gateway`, which needs none of the above.", gateway_variables()),
        ("Demo", "Read by `make demo`, which sets the others itself.", demo_variables()),
    ]
    text = f"# Settings\n\n{MADE_BY}\n\nEverything is set by environment variables.\n"
    for title, introduction, variables in parts:
        rows = [(f"`{v.name}`", f"`{v.default}`" if v.default else "must be given", v.meaning) for v in variables]
        text += f"\n## {title}\n\n{introduction}\n\n{_table(('Variable', 'Default', 'Meaning'), rows)}"
    return text


def django_variables() -> list[Variable]:
    """Return what `controlplane/settings.py` reads: its calls of ``env`` and ``required``, explained by comments."""
    path = ROOT / "controlplane/settings.py"
    comments = _comments(path)
    found: dict[str, Variable] = {}
    for statement in ast.parse(path.read_text()).body:
        for call in ast.walk(statement):
            match call:
                case ast.Call(func=function, args=[ast.Constant(value=str(name)), *rest]) if name.isupper():
                    if ast.unparse(function).split(".")[0] in ("env", "required"):
                        rest += [keyword.value for keyword in call.keywords if keyword.arg == "default"]
                        default = _source(rest[0]) if rest else ""
                        found.setdefault(name, Variable(name, default, _meaning(comments, statement)))
    return list(found.values())


def gateway_variables() -> list[Variable]:
    """Return what `serving/settings.py` reads: the fields of its dataclass, by the names that its reader looks up."""
    path = ROOT / "serving/settings.py"
    tree, comments = ast.parse(path.read_text()), _comments(path)
    fields, names = {}, {}
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=field)):
                fields[field] = node
            case ast.Call(func=ast.Name(id="Settings"), keywords=keywords):
                for keyword in keywords:
                    texts = (n.value for n in ast.walk(keyword.value) if isinstance(n, ast.Constant))
                    names[str(keyword.arg)] = next(text for text in texts if isinstance(text, str) and text.isupper())
    return [
        Variable(name, _source(fields[field].value), _meaning(comments, fields[field])) for field, name in names.items()
    ]


def demo_variables() -> list[Variable]:
    """Return what the supervisor reads."""
    return [Variable(name, default, meaning) for name, (default, meaning) in VARIABLES.items()]


def audit_page() -> str:
    """Return every action that the audit trail may hold, with the function that writes it."""
    rows = [(f"`{action.name}`", action.meaning, f"`{action.function}`") for action in sorted(set(audit_actions()))]
    return (
        f"# Audit actions\n\n{MADE_BY}\n\nEach is written in the transaction of the change that it records.\n\n"
        f"{_table(('Action', 'What was done', 'By'), rows)}"
    )


def actions_list() -> str:
    """Return every action with its meaning as JSON."""
    meanings = {action.name: _markdown(action.meaning).replace("`", "") for action in sorted(set(audit_actions()))}
    return json.dumps(meanings, indent=2, ensure_ascii=False) + "\n"


WRITERS = ("audit", "move")  # a rollout's moves are audited where they are made


def audit_actions() -> Iterator[Action]:
    """Yield the action of every call of what writes the trail, explained by the first line of the function around it.

    Raises:
        ValueError: an action is not written out, so nobody could look for it; says where.
    """
    for path in sorted(path for app in APPS for path in (ROOT / app).rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef) or function.name in WRITERS:
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] in WRITERS:
                    [action] = [keyword.value for keyword in call.keywords if keyword.arg == "action"]
                    if not (isinstance(action, ast.Constant) and isinstance(action.value, str)):
                        raise ValueError(f"{path}:{call.lineno}: the action must be a text")
                    meaning = (ast.get_docstring(function) or "").split("\n")[0]
                    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                    yield Action(action.value, meaning, f"{module}.{function.name}")


def make_page() -> str:
    """Return the targets of the Makefile."""
    found = re.findall(r"^([a-z-]+):.*## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    rows = [(f"`make {name}`", sentence) for name, sentence in found]
    return f"# Make targets\n\n{MADE_BY}\n\n{_table(('Target', 'What it does'), rows)}"


def api_page(schema: dict[str, Any]) -> str:
    """Return the operations of the API in short; `openapi.json` says the rest."""
    rows = [
        (f"`{method.upper()}`", f"`{path}`", operation.get("description", "").split("\n")[0])
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]
    return (
        f"# API\n\n{MADE_BY}\n\nBodies, parameters and answers are in [openapi.json](openapi.json), and at `/api/docs/` "
        f"of a running installation.\n\n{_table(('Method', 'Path', 'What it does'), rows)}"
    )


@dataclass(frozen=True)
class Comment:
    """A comment and whether it has the line to itself."""

    text: str
    alone: bool


def _comments(path: Path) -> dict[int, Comment]:
    """Return the comment on each line that has one; headings of sections explain no single variable."""
    return {
        token.start[0]: Comment(token.string.removeprefix("#").strip(), alone=token.line.lstrip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.COMMENT and not token.string.startswith("# ---")
    }


def _meaning(comments: dict[int, Comment], statement: ast.stmt) -> str:
    """Return the comment within a statement, or else the one that has the lines above it to itself."""
    lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    if within := [comments[line].text for line in lines if line in comments]:
        return " ".join(within)
    above: list[str] = []
    line = statement.lineno - 1
    while line in comments and comments[line].alone:
        above.insert(0, comments[line].text)
        line -= 1
    return " ".join(above)


def _source(node: ast.expr | None) -> str:
    return ast.unparse(node).replace("'", '"') if node else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = [tuple(_markdown(cell) for cell in row) for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, tuple("---" for _ in head), *cells])


def _markdown(text: str) -> str:
    """Return a docstring's line as Markdown within a table."""
    return re.sub(r":\w+:(`[^`]+`)", r"\1", text).replace("``", "`").replace("|", "\\|")
