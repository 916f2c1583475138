"""Plans as people write them: units, YAML both ways, and errors that name line and field."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.plans import units
from rollouts.plans.plan import Freeze, Guardrail, Plan, Shadow, Step, read_plan
from rollouts.plans.text import PlanTextError, plan_from_yaml, plan_to_yaml

PLAN = Plan(
    steps=[Step(500, hold_s=1800, min_requests=1000), Step(2500, hold_s=5400, min_requests=20_000, min_callers=800, gate=True)],
    guardrails=[
        Guardrail("errors", "errors"),
        Guardrail("slow answers", "slow", margin=1.5, threshold_ms=12.5, alpha_share=2.0),
        Guardrail("late labels", "quality", margin=0.02, loss="log_loss", maturity_s=172_800, decides=False),
        Guardrail("alerts", "output", output="probability", above=0.8),
    ],
    alpha=0.01,
    shadow=Shadow(share_bp=5000, duration_s=86_400, min_pairs=500),
    promote_gate=True,
    key_column="on",
    freezes=[
        Freeze("Nobody is in the office", days=[5, 6], from_time="00:00", to_time="23:59", time_zone="Europe/Berlin"),
        Freeze("Christmas", starts_at="2026-12-24T12:00:00+01:00", ends_at="2026-12-27T06:00:00+01:00"),
    ],
    max_duration_s=864_000,
)  # fmt: skip


def test_yaml_has_peoples_units():
    assert plan_to_yaml(PLAN).splitlines()[:16] == [
        "alpha: 1%",
        "shadow:",
        "  share: 50%",
        "  duration: 1d",
        "  min_pairs: 500",
        "steps:",
        "- weight: 5%",
        "  hold: 30m",
        "  min_requests: 1000",
        "- weight: 25%",
        "  hold: 1h30m",
        "  min_requests: 20000",
        "  min_callers: 800",
        "  gate: true",
        "guardrails:",
        "- name: errors",
    ]


def test_a_plan_survives_yaml():
    assert plan_from_yaml(plan_to_yaml(PLAN)) == PLAN


def test_what_goes_without_saying_need_not_be_written():
    read = plan_from_yaml("steps: [{weight: 5%}]\nguardrails: [{name: errors, kind: errors}]\n")

    assert read == Plan(steps=[Step(500)], guardrails=[Guardrail("errors", "errors")])


SHARES = st.integers(1, 9_999)
SECONDS = st.integers(0, 10**8)
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=30)
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=0.001, max_value=1e6)
GUARDS = st.builds(
    Guardrail, name=NAMES, kind=st.just("output"), output=NAMES, above=FLOATS, margin=st.floats(1.01, 16),
    alpha_share=st.floats(0.1, 10), decides=st.booleans(),
)  # fmt: skip


@settings(max_examples=30)
@given(
    weights=st.sets(SHARES, min_size=1, max_size=6), hold=st.integers(0, 10**6), requests=st.integers(1, 10**9), gate=st.booleans(),
    guards=st.lists(GUARDS, min_size=1, max_size=4, unique_by=lambda g: g.name).filter(
        lambda some: any(guard.decides for guard in some)
    ), alpha=st.floats(1e-6, 0.5), word=WORDS,
)  # fmt: skip
def test_any_plan_survives_yaml(weights, hold, requests, gate, guards, alpha, word):
    steps = [Step(weight, hold_s=hold, min_requests=requests, gate=gate) for weight in sorted(weights)]
    plan = Plan(
        steps=steps, guardrails=guards, alpha=alpha, key_column=word, promote_gate=gate, max_duration_s=7_000_000
    )

    assert plan_from_yaml(plan_to_yaml(plan)) == plan


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_a_share_survives_its_percentage(points):
    assert units.read_share(units.show_share(points)) == points


@settings(max_examples=30)
@given(SECONDS)
def test_a_length_of_time_survives_its_words(seconds):
    assert units.read_duration(units.show_duration(seconds)) == seconds


@settings(max_examples=30)
@given(st.floats(1e-6, 1e6))
def test_a_ratio_and_a_latency_survive_their_units(number):
    assert units.read_ms(units.show_ms(number)) == number
    if number <= 1:
        assert units.read_percent(units.show_percent(number)) == number


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("1h30m", 5400), ("1 h 30 min", 5400), ("0.5h", 1800), ("7 days", 604_800), ("90s", 90)]
)  # fmt: skip
def test_lengths_of_time_as_people_write_them(text, seconds):
    assert units.read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "30x", "1h30", "-5m", "0.3s", "1e9s"])
def test_what_is_no_length_of_time(text):
    with pytest.raises(ValueError, match="such as 30m"):
        units.read_duration(text)


GOOD = """alpha: 5%
steps:
  - weight: 5%
    hold: 30m
  - weight: 50%
    hold: 2h
guardrails:
  - name: errors
    kind: errors
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ("weight: 50%", "weight: 5%", 5, "steps[1].weight", "growing"),
        ("weight: 50%", "weight: half", 5, "steps[1].weight", "half is not a share in per cent, such as 5%"),
        ("weight: 50%", "weight: 0.001%", 5, "steps[1].weight", "no finer than 0.01%"),
        ("weight: 50%", "weight_bp: 5000", 5, "steps[1].weight_bp", "called weight"),
        ("hold: 2h", "hold: 2", 6, "steps[1].hold", "unit"),
        ("hold: 2h", "hold: 2h\n    hold: 3h", 7, "steps[1].hold", "twice"),
        ("hold: 2h", "min_requests: many", 6, "steps[1].min_requests", "int"),
        ("hold: 2h", "colour: red", 5, "steps[1]", "colour"),
        ("- weight: 50%\n    hold: 2h", "- hold: 2h", 5, "steps[1]", "weight"),
        ("kind: errors", "kind: luck", 9, "guardrails[0].kind", "luck"),
        ("alpha: 5%", "alpha: 0%", 1, "alpha", "above 0 and up to 0.5"),
        ("alpha: 5%", "alpha: [", 3, "plan", "no YAML"),
        ("- name: errors", "- &a\n    name: errors", 9, "", ""),
    ],
)  # fmt: skip
def test_errors_name_line_and_field(old, new, line, field, words):
    text = GOOD.replace(old, new)
    assert text != GOOD
    if not field:  # an anchor alone is harmless
        assert plan_from_yaml(text).guardrails[0].name == "errors"
        return

    with pytest.raises(PlanTextError) as refused:
        plan_from_yaml(text)

    assert (refused.value.line, refused.value.field) == (line, field)
    assert words in refused.value.message


@pytest.mark.parametrize(
    "text",
    ["", "just words", "- a\n- b", "a: &x [1]\nb: *x\n", "[" * 5000, "x" * 60_000, "? {a: b}\n: c", "steps: !!python/object:os.system {}"],
)  # fmt: skip
def test_what_is_no_plan_is_refused_in_words(text):
    with pytest.raises(PlanTextError) as refused:
        plan_from_yaml(text)

    assert refused.value.line >= 1
    assert refused.value.message


def test_text_that_yaml_takes_for_something_else_stays_text():
    freeze = "freezes:\n  - {reason: no, from_time: 18:00, to_time: 06:30, days: [Mon, tuesday]}\n"

    (read,) = plan_from_yaml(GOOD + freeze).freezes

    assert (read.reason, read.from_time, read.to_time, read.days) == ("no", "18:00", "06:30", [0, 1])


def test_the_document_that_is_kept_is_the_same_plan():
    from rollouts.plans.plan import plan_document

    assert read_plan(plan_document(plan_from_yaml(plan_to_yaml(PLAN)))) == PLAN
