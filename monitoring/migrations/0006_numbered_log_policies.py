"""Policies of prediction logs are numbered and only ever added."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0005_trials'),
        ('registry', '0020_conversions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='logpolicy',
            options={'ordering': ['-number']},
        ),
        migrations.AddField(
            model_name='logpolicy',
            name='number',
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='logpolicy',
            name='reason',
            field=models.TextField(blank=True, help_text='why it was changed'),
        ),
        migrations.AlterField(
            model_name='logpolicy',
            name='changed_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AlterField(
            model_name='logpolicy',
            name='model',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='log_policies', to='registry.registeredmodel'),
        ),
        migrations.AddConstraint(
            model_name='logpolicy',
            constraint=models.UniqueConstraint(fields=('model', 'number'), name='log_policy_number_unique'),
        ),
        migrations.RunSQL((SQL / "log_policy.sql").read_text(), migrations.RunSQL.noop),
    ]
