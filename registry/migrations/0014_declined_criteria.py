"""Drafted criteria may be declined, with a reason."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0013_model_stays'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='criteriaset',
            name='agreed_set_names_who_agreed',
        ),
        migrations.AddField(
            model_name='criteriaset',
            name='answer',
            field=models.TextField(blank=True, help_text='of who agreed or declined'),
        ),
        migrations.AddField(
            model_name='criteriaset',
            name='declined_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='criteriaset',
            name='declined_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='criteriaset',
            name='state',
            field=models.CharField(choices=[('draft', 'Draft'), ('agreed', 'Agreed'), ('superseded', 'Superseded'), ('declined', 'Declined')], default='draft', max_length=10),
        ),
        migrations.AddConstraint(
            model_name='criteriaset',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'declined']), ('agreed_by__isnull', False), _connector='OR'), name='agreed_set_names_who_agreed'),
        ),
        migrations.AddConstraint(
            model_name='criteriaset',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('declined_by__isnull', False), ('state', 'declined'), models.Q(('declined_by', models.F('drafted_by')), _negated=True), models.Q(('answer', ''), _negated=True)), models.Q(models.Q(('state', 'declined'), _negated=True), ('declined_by__isnull', True)), _connector='OR'), name='declined_set_names_who_and_why'),
        ),
        migrations.RunSQL((SQL / "criteriaset_check.sql").read_text(), migrations.RunSQL.noop),
    ]
