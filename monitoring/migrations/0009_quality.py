"""Quality from late labels: policies, windows, and what is still to be counted."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0008_judged'),
        ('registry', '0022_what_to_do_about_alerts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='QualityCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table', models.CharField(max_length=20, unique=True)),
                ('version', models.BigIntegerField()),
                ('looked_at', models.DateTimeField(null=True)),
                ('looking_s', models.FloatField(default=0.0, help_text='how long that took')),
            ],
        ),
        migrations.CreateModel(
            name='QualityDue',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField(help_text='a full hour')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='registry.registeredmodel')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model', 'started_at'), name='quality_due_once')],
            },
        ),
        migrations.CreateModel(
            name='QualityPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(default=1)),
                ('kind', models.CharField(blank=True, choices=[('probability', 'probability'), ('number', 'number'), ('category', 'category'), ('ranking', 'ranking')], help_text='empty: by the task', max_length=20)),
                ('output', models.CharField(blank=True, help_text='which output is judged; empty: the first fit one', max_length=200)),
                ('threshold', models.FloatField(default=0.5, help_text='probability from which on the decision is yes')),
                ('tolerance', models.FloatField(help_text='how far a number may be off and still be right', null=True)),
                ('maturity_s', models.PositiveIntegerField(default=86400, help_text='seconds after a prediction until its label is due')),
                ('min_coverage', models.FloatField(default=0.5, help_text='share of predictions with a label, from which on is judged')),
                ('slices', models.JSONField(default=dict, help_text='{input column: [values]} that are also counted apart')),
                ('metric', models.CharField(blank=True, help_text='which metric is watched; empty: none', max_length=60)),
                ('limit', models.FloatField(help_text='beyond which an alert is raised', null=True)),
                ('watched_s', models.PositiveIntegerField(default=86400, help_text='seconds of matured predictions that are judged together')),
                ('reason', models.TextField(blank=True, help_text='why it was changed')),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('changed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quality_policies', to='registry.registeredmodel')),
            ],
            options={
                'ordering': ['-number'],
                'constraints': [models.UniqueConstraint(fields=('model', 'number'), name='quality_policy_number_unique'), models.CheckConstraint(condition=models.Q(('min_coverage__gte', 0), ('min_coverage__lte', 1)), name='quality_coverage_is_a_share'), models.CheckConstraint(condition=models.Q(models.Q(('limit', None), ('metric', '')), models.Q(models.Q(('metric', ''), _negated=True), ('limit__isnull', False)), _connector='OR'), name='quality_watch_is_whole')],
            },
        ),
        migrations.CreateModel(
            name='QualityWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('arm', models.CharField(max_length=20)),
                ('data_slice', models.CharField(blank=True, help_text='such as origin=JFK; empty: all', max_length=200)),
                ('span', models.PositiveIntegerField(choices=[(3600, 'hour'), (86400, 'day')])),
                ('started_at', models.DateTimeField(help_text='a multiple of the span, UTC')),
                ('kind', models.CharField(max_length=20)),
                ('predictions', models.PositiveBigIntegerField()),
                ('labelled', models.PositiveBigIntegerField()),
                ('right', models.PositiveBigIntegerField(help_text='labelled ones that are right; null: nothing is said to be', null=True)),
                ('cells', models.BinaryField(help_text='probabilities by bin, as monitoring.drift.features.Cells packs them')),
                ('sums', models.JSONField(default=dict)),
                ('measured', models.JSONField(default=dict, help_text='{metric: [value, low, high]}; or why there is none')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quality_windows', to='registry.modelversion')),
            ],
            options={
                'indexes': [models.Index(fields=['span', 'started_at'], name='quality_window_age')],
                'constraints': [models.UniqueConstraint(fields=('version', 'arm', 'data_slice', 'span', 'started_at'), name='quality_window_key'), models.CheckConstraint(condition=models.Q(('labelled__lte', models.F('predictions'))), name='labelled_are_predictions'), models.CheckConstraint(condition=models.Q(('right', None), ('right__lte', models.F('labelled')), _connector='OR'), name='right_ones_are_labelled')],
            },
        ),
        migrations.RunSQL((SQL / "quality_policy.sql").read_text(), migrations.RunSQL.noop),
    ]
