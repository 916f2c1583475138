"""Which contract live inputs are held to, and how they stood."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0003_contracts'),
        ('monitoring', '0011_quality_estimates'),
        ('registry', '0024_criteria_of_rollouts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='LiveContract',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('chosen_at', models.DateTimeField(auto_now=True)),
                ('chosen_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='live_contracts', to='experiments.dataset')),
                ('model', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='live_contract', to='registry.registeredmodel')),
            ],
        ),
        migrations.CreateModel(
            name='LiveCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(help_text='a full minute')),
                ('rows', models.PositiveBigIntegerField(help_text='predictions that were looked at')),
                ('state', models.CharField(choices=[('broken', 'Broken'), ('noted', 'Noted'), ('unsure', 'Undecided'), ('held', 'Holds'), ('no_data', 'No data')], help_text='the worst of all rules', max_length=10)),
                ('broken', models.PositiveIntegerField(help_text='rules, blocking and advisory')),
                ('unsure', models.PositiveIntegerField()),
                ('held', models.PositiveIntegerField()),
                ('results', models.JSONField(help_text='[monitoring.contracts.LiveResult] of what does not hold, broken ones first')),
                ('contract', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='live_checks', to='experiments.datacontract')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='live_checks', to='registry.registeredmodel')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
            ],
            options={
                'ordering': ['-at'],
                'indexes': [models.Index(fields=['at'], name='live_check_age')],
                'constraints': [models.UniqueConstraint(fields=('model', 'at'), name='live_check_once_a_minute')],
            },
        ),
    ]
