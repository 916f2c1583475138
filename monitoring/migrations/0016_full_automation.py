"""Retraining that goes as far as the champion, by standing approvals."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0015_slo_more"), ("registry", "0027_standing_approvals")]

    operations = [
        migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)
        for name in ("automation.sql", "retraining_policy_check.sql")
    ]
