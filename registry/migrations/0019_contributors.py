"""One SQL function says who had a part in a version; every rule that asks for it calls that one."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql/contributors.sql"


class Migration(migrations.Migration):
    dependencies = [("registry", "0018_saved_views")]

    operations = [migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop)]
