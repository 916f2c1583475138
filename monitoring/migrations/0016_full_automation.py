"""Retraining that goes as far as the champion, by standing approvals."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql/automation.sql"


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0015_slo_more"), ("registry", "0027_standing_approvals")]

    operations = [migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop)]
