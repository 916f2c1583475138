"""The reference pages say what the code does."""

import ast

import pytest

from controlplane import reference


def test_the_pages_are_as_the_code_would_write_them():
    assert sorted(reference.stale_pages()) == [], "run `make docs`"


@pytest.mark.parametrize("read", [reference.django_variables, reference.gateway_variables, reference.demo_variables])
def test_every_variable_is_explained(read):
    unexplained = [variable.name for variable in read() if not variable.meaning]

    assert unexplained == []


def test_every_audit_action_is_explained():
    unexplained = [action.function for action in reference.audit_actions() if not action.meaning]

    assert unexplained == []


def test_every_operation_of_the_api_is_explained():
    lines = reference.pages()[reference.FOLDER / "api.md"].splitlines()

    assert [line for line in lines if line.startswith("| `") and line.endswith("|  |")] == []


def test_a_comment_explains_the_variable_beside_or_below_it(tmp_path):
    module = tmp_path / "settings.py"
    module.write_text(
        '# --- section ---\n# what A is\nA = env.str("A")\nB = env.str("B")  # what B is\nC = env.str("C")\n'
    )

    comments = reference._comments(module)
    meanings = [reference._meaning(comments, statement) for statement in ast.parse(module.read_text()).body]

    assert meanings == ["what A is", "what B is", ""]
