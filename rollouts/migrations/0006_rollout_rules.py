"""The plans of risk tiers, and what PostgreSQL refuses of rollouts."""

import json
from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql/rollouts.sql"
# A service without failures never gets a verdict on them, so errors roll back and do not decide; slowness, of which one in a hundred
# has some by definition, does.
GUARDRAILS = [{"name": "errors", "kind": "errors", "decides": False}, {"name": "latency", "kind": "slow"}]
PLANS = {
    1: {
        "shadow": {"share_bp": 10_000, "duration_s": 3600, "min_pairs": 1000},
        "steps": [
            {"weight_bp": 100, "hold_s": 1800, "min_requests": 500},
            {"weight_bp": 500, "hold_s": 3600},
            {"weight_bp": 2500, "hold_s": 3600},
            {"weight_bp": 5000, "hold_s": 3600},
        ],
        "guardrails": GUARDRAILS,
        "promote_gate": True,
    },
    2: {
        "steps": [
            {"weight_bp": 500, "hold_s": 1800},
            {"weight_bp": 2500, "hold_s": 1800},
            {"weight_bp": 5000, "hold_s": 1800},
        ],
        "guardrails": GUARDRAILS,
    },
    3: {
        "steps": [{"weight_bp": 1000, "hold_s": 600, "min_requests": 500}, {"weight_bp": 5000, "hold_s": 600, "min_requests": 500}],
        "guardrails": GUARDRAILS,
    },
}
DEFAULTS = "; ".join(
    "INSERT INTO rollouts_rolloutplan (risk_tier, number, document, note, made_at) "
    f"VALUES ({tier}, 1, '{json.dumps(plan)}', 'As installed.', now())"
    for tier, plan in PLANS.items()
)


class Migration(migrations.Migration):
    dependencies = [("rollouts", "0005_rollout_engine")]

    operations = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (DEFAULTS, SQL.read_text())]
