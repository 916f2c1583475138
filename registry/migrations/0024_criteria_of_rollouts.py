"""Criteria that a rollout is judged by: its evidence has no job, and a waiver of them is asked for while it rolls out."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent / "sql/waiver_check.sql"


class Migration(migrations.Migration):
    dependencies = [("registry", "0023_score_references")]

    operations = [
        migrations.RemoveConstraint(model_name="evidence", name="evidence_once_per_job"),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.UniqueConstraint(
                fields=["version", "metric", "data_digest", "data_slice", "against", "job"],
                condition=models.Q(("job__isnull", False)),
                name="evidence_once_per_job",
                nulls_distinct=False,
            ),
        ),
        migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop),
    ]
