"""One SQL function says who had a part in a version; every rule that asks for it calls that one."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("registry", "0018_saved_views")]

    operations = [
        migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)
        for name in ("contributors.sql", "review_check.sql", "revalidation_check.sql")
    ]
