"""Estimates of quality before labels are there, and challengers beside champions."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0002_batch_scoring'),
        ('jobs', '0003_outbox'),
        ('monitoring', '0010_retraining'),
        ('registry', '0024_criteria_of_rollouts'),
    ]

    operations = [
        migrations.AddField(
            model_name='qualitywindow',
            name='estimated',
            field=models.JSONField(default=dict, help_text='the same without labels; empty where there is no reference'),
        ),
        migrations.AlterField(
            model_name='qualitywindow',
            name='measured',
            field=models.JSONField(default=dict, help_text='{metric: fields of monitoring.quality.metrics.Measured}'),
        ),
        migrations.CreateModel(
            name='QualityReference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=20)),
                ('rows', models.PositiveBigIntegerField()),
                ('cells', models.BinaryField(help_text='probabilities by bin and label')),
                ('losses', models.JSONField(help_text='as monitoring.estimating.direct.LossModel; of numbers alone', null=True)),
                ('measured', models.JSONField(default=dict, help_text='the metrics on these rows')),
                ('refusal', models.CharField(blank=True, help_text='why nothing can be estimated from it', max_length=300)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('data', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='experiments.datasetversion')),
                ('job', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='quality_reference', to='jobs.job')),
                ('version', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='quality_reference', to='registry.modelversion')),
            ],
        ),
        migrations.CreateModel(
            name='QualityPairs',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('span', models.PositiveIntegerField(choices=[(3600, 'hour'), (86400, 'day')])),
                ('started_at', models.DateTimeField(help_text='a multiple of the span, UTC')),
                ('kind', models.CharField(max_length=20)),
                ('labelled', models.PositiveBigIntegerField(help_text='predictions that both made, with a label')),
                ('cells', models.BinaryField(help_text='pairs of probabilities by bin and label')),
                ('sums', models.JSONField(default=dict)),
                ('measured', models.JSONField(default=dict, help_text='{metric: difference, challenger minus champion}')),
                ('challenger', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quality_pairs', to='registry.modelversion')),
                ('champion', models.ForeignKey(help_text='that answered the caller', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('challenger', 'champion', 'span', 'started_at'), name='quality_pairs_key')],
            },
        ),
    ]
