"""A model stays with its team, its tier while a decision is open, and its date of re-validation where it was."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql/model_stays.sql"


class Migration(migrations.Migration):
    dependencies = [("registry", "0012_caller_tokens")]

    operations = [migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop)]
