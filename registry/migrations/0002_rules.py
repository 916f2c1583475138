"""The audit chain, segregation of duties and guarded aliases as triggers, and the default policies."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]

    operations = [migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop) for name in ("audit.sql", "criteriaset_check.sql", "approval_check.sql", "governance.sql")]
