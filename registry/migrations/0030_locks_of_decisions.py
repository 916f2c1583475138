"""What holds a promotion while it is decided on keeps nobody from writing rows that refer to it: half of a circle in which two would wait for each other."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("registry", "0029_alert_rules_of_the_installation")]

    operations = [
        migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)
        for name in ("approval_check.sql", "standing.sql", "waiver_check.sql")
    ]
