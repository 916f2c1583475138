"""When models are trained anew by themselves."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0002_batch_scoring'),
        ('jobs', '0003_outbox'),
        ('monitoring', '0009_quality'),
        ('registry', '0022_what_to_do_about_alerts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='RetrainingPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(default=1)),
                ('enabled', models.BooleanField(default=True, help_text='whether it starts anything')),
                ('document', models.JSONField(help_text='as monitoring.retraining.checks reads it')),
                ('reason', models.TextField(help_text='what changed, and why')),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='retraining_policies', to='registry.registeredmodel')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='Retraining',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slot', models.CharField(help_text='the turn of a schedule, or which retraining it follows: taken once', max_length=64)),
                ('state', models.CharField(choices=[('due', 'Due'), ('held', 'Held'), ('freezing', 'Freezing'), ('training', 'Training'), ('evaluating', 'Evaluating'), ('proposed', 'Proposed'), ('measured', 'Measured'), ('promoted', 'Promoted'), ('refused', 'Refused'), ('stopped', 'Stopped'), ('failed', 'Failed')], default='due', max_length=12)),
                ('why', models.TextField(help_text='in one sentence')),
                ('findings', models.JSONField(default=list, help_text='what each condition found at that moment')),
                ('outcome', models.TextField(blank=True, help_text='why it is held, or how it ended')),
                ('rule', models.CharField(blank=True, help_text='which rule holds it, or stopped it', max_length=40)),
                ('held_until', models.DateTimeField(null=True)),
                ('comparison', models.JSONField(default=dict, help_text='with the champion on the same rows')),
                ('due_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(help_text='when its rows began to be frozen', null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('asked_by', models.ForeignKey(help_text='who asked for it, or started it', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('dataset_version', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='experiments.datasetversion')),
                ('evaluation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='experiments.evaluation')),
                ('freeze_job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='jobs.job')),
                ('job', models.ForeignKey(help_text='that trains', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='jobs.job')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='retrainings', to='registry.registeredmodel')),
                ('promotion', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.promotion')),
                ('version', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='retrainings', to='monitoring.retrainingpolicy')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='RetrainingWatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('looked_at', models.DateTimeField(null=True)),
                ('looking_s', models.FloatField(default=0.0, help_text='how long the last look took')),
                ('turn_at', models.DateTimeField(help_text='the last turn of a schedule that was looked at', null=True)),
                ('next_turn_at', models.DateTimeField(null=True)),
                ('findings', models.JSONField(default=list, help_text='as monitoring.retraining.findings.Finding, one for each condition')),
                ('holds', models.BooleanField(default=False, help_text='whether the conditions held together')),
                ('fault', models.TextField(blank=True, help_text='why it could not be looked')),
                ('model', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='retraining_watch', to='registry.registeredmodel')),
                ('policy', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='monitoring.retrainingpolicy')),
            ],
        ),
        migrations.AddConstraint(
            model_name='retrainingpolicy',
            constraint=models.UniqueConstraint(fields=('model', 'number'), name='retraining_policy_number_unique'),
        ),
        migrations.AddConstraint(
            model_name='retraining',
            constraint=models.UniqueConstraint(fields=('model', 'slot'), name='retraining_slot_taken_once'),
        ),
        migrations.AddConstraint(
            model_name='retraining',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('model',), name='one_open_retraining_per_model'),
        ),
        migrations.AddConstraint(
            model_name='retraining',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('state__in', ['due', 'held', 'freezing', 'training', 'evaluating', 'proposed'])), models.Q(('ended_at__isnull', False), models.Q(('state__in', ['due', 'held', 'freezing', 'training', 'evaluating', 'proposed']), _negated=True)), _connector='OR'), name='retraining_ends_with_its_state'),
        ),
        *(
            migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)
            for name in ("retraining_policy_check.sql", "retraining.sql")
        ),
    ]
