from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0014_drift_watch'),
    ]

    operations = [
        migrations.RunSQL((SQL / "prices.sql").read_text(), migrations.RunSQL.noop),
    ]
