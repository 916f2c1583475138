"""How inputs are watched for drift, what each look found, and reports whose thresholds know how many rows there are."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0013_slo_kinds'),
        ('registry', '0024_criteria_of_rollouts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='driftreport',
            name='classifier',
            field=models.JSONField(default=dict, help_text='whether both sides can be told apart at all: see monitoring/drift/full_report.py; empty: not asked'),
        ),
        migrations.AddField(
            model_name='driftreport',
            name='edition',
            field=models.PositiveSmallIntegerField(default=1, help_text="how it was measured; 1: Evidently's distances against one fixed limit"),
        ),
        migrations.AlterField(
            model_name='driftreport',
            name='edition',
            field=models.PositiveSmallIntegerField(default=2, help_text="how it was measured; 1: Evidently's distances against one fixed limit"),
        ),
        migrations.AddField(
            model_name='driftreport',
            name='note',
            field=models.TextField(blank=True, help_text="why there is no report of Evidently's"),
        ),
        migrations.AddField(
            model_name='driftreport',
            name='policy_number',
            field=models.PositiveIntegerField(default=0, help_text='0: the defaults'),
        ),
        migrations.AddField(
            model_name='driftreport',
            name='slices',
            field=models.JSONField(default=list, help_text='monitoring.drift.words.SliceDrift of each, those with drift first'),
        ),
        migrations.AlterField(
            model_name='driftreport',
            name='features',
            field=models.JSONField(help_text='as monitoring.drift.words holds features of that edition, most telling first'),
        ),
        migrations.AlterField(
            model_name='driftreport',
            name='html',
            field=models.CharField(blank=True, help_text="Evidently's own report, relative to the report root; empty: none was made", max_length=300),
        ),
        migrations.CreateModel(
            name='DriftPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(default=1)),
                ('window_hours', models.PositiveSmallIntegerField(default=1, help_text='of the short window; a day is always looked at as well')),
                ('alpha', models.FloatField(default=0.01, help_text='false alarms of one feature that are accepted, as a share')),
                ('fdr', models.FloatField(default=0.01, help_text='share of wrong ones among the features that are said to have drifted')),
                ('effect_floor', models.FloatField(default=0.1, help_text='the smallest shift that counts, in standard deviations')),
                ('muted', models.JSONField(default=list, help_text='features whose drift counts for nothing')),
                ('slices', models.JSONField(default=list, help_text='categories by whose values full reports are taken apart')),
                ('report_cron', models.CharField(blank=True, help_text='when full reports are made; empty: on demand', max_length=100)),
                ('report_zone', models.CharField(default='UTC', help_text='IANA time zone of the schedule', max_length=60)),
                ('sample_rows', models.PositiveIntegerField(default=50000, help_text='predictions that a full report reads at most')),
                ('reason', models.TextField(blank=True, help_text='why it was changed')),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('changed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='drift_policies', to='registry.registeredmodel')),
            ],
            options={
                'ordering': ['-number'],
                'constraints': [models.UniqueConstraint(fields=('model', 'number'), name='drift_policy_number_unique'), models.CheckConstraint(condition=models.Q(('alpha__gt', 0), ('alpha__lt', 1), ('fdr__gt', 0), ('fdr__lt', 1), ('window_hours__gte', 1), ('window_hours__lte', 24), ('effect_floor__gte', 0), ('sample_rows__gte', 1000), ('sample_rows__lte', 50000)), name='drift_policy_is_sound')],
            },
        ),
        migrations.CreateModel(
            name='DriftWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('arm', models.CharField(max_length=20)),
                ('span', models.PositiveIntegerField(help_text='seconds that are looked at')),
                ('slot_at', models.DateTimeField(help_text="a full hour, or a day's start")),
                ('since', models.DateTimeField(help_text='start of what was judged last in the slot')),
                ('until', models.DateTimeField()),
                ('rows', models.PositiveBigIntegerField(help_text='predictions judged')),
                ('state', models.CharField(choices=[('steady', 'Holds'), ('drifted', 'Drifted'), ('broken', 'Data breaks'), ('thin', 'Too few rows')], max_length=10)),
                ('verdict', models.TextField(help_text='in a sentence')),
                ('compared', models.PositiveIntegerField(help_text='features with enough rows on both sides')),
                ('drifted', models.PositiveIntegerField(help_text='features that have drifted, muted ones left out')),
                ('broken', models.PositiveIntegerField(help_text='features whose data broke, muted ones left out')),
                ('peak', models.FloatField(help_text='the largest distance of any feature, in multiples of its threshold', null=True)),
                ('causes', models.JSONField(default=list, help_text='names of what drifted or broke, the likeliest causes first')),
                ('policy_number', models.PositiveIntegerField(default=0, help_text='0: the defaults')),
                ('findings', models.BinaryField(help_text='as monitoring.drift.packing packs them')),
                ('drawings', models.JSONField(default=list, help_text='of the likeliest causes: labels and shares on both sides')),
                ('judged_at', models.DateTimeField()),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='drift_windows', to='registry.modelversion')),
            ],
            options={
                'ordering': ['-slot_at', '-id'],
                'indexes': [models.Index(fields=['slot_at'], name='drift_window_age')],
                'constraints': [models.UniqueConstraint(fields=('version', 'arm', 'span', 'slot_at'), name='drift_window_key'), models.CheckConstraint(condition=models.Q(('drifted__lte', models.F('compared')), ('until__gt', models.F('since'))), name='drift_window_is_sound')],
            },
        ),
        migrations.RunSQL((SQL / "drift_policy.sql").read_text(), migrations.RunSQL.noop),
    ]
