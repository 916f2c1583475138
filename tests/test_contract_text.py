"""Contracts as documents and as YAML: what is sound, what is named, what changed."""

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.contracts import rules as r
from experiments.contracts.checking import Circumstances, check
from experiments.contracts.comparing import Change, changes
from experiments.contracts.document import Contract, ContractError, contract_document, read_contract
from experiments.contracts.proposing import propose
from experiments.contracts.sources import rows_of
from experiments.contracts.text import ContractTextError, contract_from_yaml, contract_to_yaml
from tests.test_contract_checks import NOW

WHOLE = [
    {"kind": "column", "column": "on", "type": "string", "required": False},
    {"kind": "no_extra_columns", "allowed": ["0", "null"]},
    {"kind": "nulls", "column": "on", "max_share": 0.015},
    {"kind": "range", "column": "distance", "min": -1.5e-7, "max": 4983},
    {"kind": "categories", "column": "on", "values": ["1", "true", "12:30", " a", "é"], "max_new_share": 0.01},
    {"kind": "unique", "columns": ["id", "at"]},
    {"kind": "pattern", "column": "on", "pattern": "[A-Z]{2}: \\d+#"},
    {"kind": "length", "column": "on", "min": 1, "max": 3},
    {"kind": "monotone", "column": "at", "strict": True},
    {"kind": "varies", "column": "distance", "severity": "advisory"},
    {"kind": "freshness", "column": "at", "max_age_hours": 48},
    {"kind": "row_count", "min": 10, "max_change_share": 0.5},
    {"kind": "live_freshness", "max_age_minutes": 30},
    {"kind": "live_rows", "min_per_hour": 100},
]


def contract(*rules):
    return read_contract({"rules": [{"reason": "Yes: because, #1.", **rule} for rule in rules]})


def test_every_kind_goes_through_yaml_and_json_unchanged():
    whole = contract(*WHOLE)

    assert {type(rule) for rule in whole.rules} == set(r.KINDS.values())
    assert contract_from_yaml(contract_to_yaml(whole)) == whole
    assert read_contract(contract_document(whole)) == whole
    assert all(rule.words and rule.key for rule in whole.rules)


@settings(max_examples=80)
@given(
    st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=8, unique=True),
    st.floats(0, 1),
    st.text(min_size=1, max_size=60),
)
def test_whatever_text_and_numbers_go_round(values, share, reason):
    one = {"kind": "categories", "column": values[0], "values": values, "max_new_share": share, "reason": f"x{reason}"}
    try:
        given_ = read_contract({"rules": [one]})
        text = contract_to_yaml(given_)
    except (ContractError, ValueError):
        return

    assert contract_from_yaml(text) == given_


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("rules:\n- kind: nulls\n  column: a\n  max_share: 2\n  reason: x\n", 4, "rules[0].max_share", "<= 1"),
        ("rules:\n- kind: nulls\n  column: a\n", 2, "rules[0]", "has to be a field `reason`"),
        ("rules:\n- kind: nulls\n  colum: a\n  column: a\n  reason: x\n", 2, "rules[0]", "no field `colum`"),
        ("rules:\n- kind: void\n  reason: x\n", 2, "rules[0].kind", "Invalid value 'void'"),
        ("rules:\n- {kind: nulls, column: a, reason: ' '}\n", 2, "rules[0].reason", "plain words"),
        ("rules:\n- {kind: range, column: a, reason: x}\n", 2, "rules[0]", "give min, max or both"),
        ("rules:\n- kind: range\n  column: a\n  min: 3\n  max: 2\n  reason: x\n", 4, "rules[0].min", "above max"),
        ("rules:\n- {kind: range, column: a, min: .inf, reason: x}\n", 2, "rules[0].min", "finite"),
        ("rules:\n- {kind: nulls, column: a, reason: x}\n- {kind: nulls, column: a, reason: y}\n", 3, "rules[1]", "is there already"),
        ("rules:\n- kind: pattern\n  column: a\n  pattern: '(a'\n  reason: x\n", 4, "rules[0].pattern", "no regular expression"),
        ("rules:\n- {kind: pattern, column: a, pattern: '(?=a)', reason: x}\n", 2, "rules[0].pattern", "look-around"),
        ("rules:\n- {kind: pattern, column: a, pattern: 'a{1000}{1000}', reason: x}\n", 2, "rules[0].pattern", "size limit"),
        ("rules:\n- {kind: categories, column: a, values: [x, x], reason: x}\n", 2, "rules[0].values", "once"),
        ("rules:\n- kind: nulls\n  kind: nulls\n", 3, "rules[0].kind", "given twice"),
        ("rules: &a\n- *a\n", 1, "rules[0]", "aliases"),
        ("rules:\n  - kind: [\n", 3, "contract", "no YAML"),
        ("- kind: nulls\n", 1, "contract", "the field rules"),
        ("rules: " + "[" * 200_000, 1, "contract", "so deep"),
        ("rules:\n- " + "{a: " * 200_000, 2, "contract", "so deep"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_line_and_field(text, line, field, words):
    with pytest.raises(ContractTextError) as fault:
        contract_from_yaml(text)

    assert (fault.value.line, fault.value.field) == (line, field)
    assert words in fault.value.message


def test_a_pattern_takes_no_longer_than_its_text():
    """What makes engines with backtracking run for years."""
    rule = r.Pattern(name="x", pattern="(a+)+b", reason="For tests.")
    rows = rows_of(pa.table({"x": ["a" * 100_000] * 20}))

    (found,) = check(rows, [rule], Circumstances(NOW))

    assert found.measured == 1.0


def test_changes_name_rules_and_fields():
    before = contract(WHOLE[2], WHOLE[3], WHOLE[4])
    after = contract(WHOLE[2] | {"max_share": 0.02}, WHOLE[4] | {"values": ["1", "true", "new"]}, WHOLE[6])

    assert changes(before, after) == [
        Change("removed", "range:distance", before="distance is at least -1.5e-07 and at most 4983 (blocking)"),
        Change(
            "changed", "nulls:on", "on is missing in at most 1.5% (blocking)", "on is missing in at most 2% (blocking)",
            [("max_share", "0.015", "0.02")],
        ),
        Change(
            "changed", "categories:on", "on is one of 1, true, 12:30,  a, é, but for 1% (blocking)",
            "on is one of 1, true, new, but for 1% (blocking)", [("values", "12:30,  a, é", "new")],
        ),
        Change("added", "pattern:on", after="on matches [A-Z]{2}: \\d+# (blocking)"),
    ]  # fmt: skip
    assert changes(after, after) == []


def reference(count=400):
    return pl.DataFrame(
        {
            "distance": [float(100 + n % 80) for n in range(count)],
            "age": [None if n % 10 == 0 else n % 30 for n in range(count)],
            "carrier": [["AA", "UA"][n % 2] for n in range(count)],
            "note": [f"text {n}" for n in range(count)],
            "late": [n % 2 for n in range(count)],
            "id": [f"k{n}" for n in range(count)],
            "at": pl.datetime_range(NOW.replace(day=1), NOW, interval="1h", eager=True, time_unit="us")[:count],
        }
    )


ROLES = {"late": "target", "id": "key", "at": "time"}


def test_a_proposal_holds_for_what_it_was_read_off_with_room_beyond():
    frame = reference()
    columns = [{"name": name, "role": ROLES.get(name, "feature")} for name in frame.columns]

    draft = propose(rows_of(frame.to_arrow()), name="v1", columns=columns, now=NOW)

    said = {rule.key: rule.words for rule in draft.rules}
    assert said["range:distance"] == "distance is at least 92.1 and at most 187, but for 0.1%"
    assert said["range:age"] == "age is at least 0 and at most 32, but for 0.1%"
    assert said["nulls:distance"] == "distance is missing in at most 0.1%"
    assert said["nulls:age"] == "age is missing in at most 15%"
    assert said["categories:carrier"] == "carrier is one of AA, UA, but for 1%"
    assert said["length:note"] == "note has 1 to 12 characters, but for 0.1%"
    assert said["categories:late"] == "late is one of 0, 1"
    assert said["unique:id"] == "no two rows have the same id"
    assert said["freshness:at"] == "the newest at is at most 18 days old"
    assert [got for got in check(rows_of(frame.to_arrow()), draft.rules, Circumstances(NOW)) if not got.passed] == []
    assert contract_from_yaml(contract_to_yaml(draft)) == draft
    assert {
        rule.severity for rule in draft.rules if rule.kind in ("range", "categories") and rule.column != "late"
    } == {"advisory"}


def test_a_proposal_over_300_columns_is_read_back_from_its_text():
    frame = pl.DataFrame({f"x{n}": [float(n), 1.0, 2.0] for n in range(300)})
    columns = [{"name": name, "role": "feature"} for name in frame.columns]

    draft = propose(rows_of(frame.to_arrow()), name="v1", columns=columns, now=NOW)

    assert len(draft.rules) == 903
    assert contract_from_yaml(contract_to_yaml(draft)) == draft


def test_an_empty_contract_is_sound():
    assert read_contract({}) == Contract([])
