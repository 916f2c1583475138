"""Gateways load retrievers too, so a champion of that format is replaced by a rollout where policies ask for one."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql/retrievers.sql"


class Migration(migrations.Migration):
    dependencies = [("rollouts", "0007_promotions_name_their_rollout")]

    operations = [migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop)]
