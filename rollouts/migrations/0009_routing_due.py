"""What routes are made of tells which model's changed, so that it is composed then, and not all of them every second."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent / "sql/routing_due.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0008_retrievers"),
        ("registry", "0030_locks_of_decisions"),
        ("monitoring", "0018_latest_looks_by_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="RoutingDue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("model_id", models.BigIntegerField(help_text="whose route it is; null: of all models", null=True)),
            ],
        ),
        migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop),
    ]
