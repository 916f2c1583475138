"""Data contracts, what rows were found like, and frozen versions."""

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
        ('registry', '0022_what_to_do_about_alerts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='datasetversion',
            name='frozen',
            field=models.BooleanField(default=False, help_text='cut out of what goes on growing; never changed or deleted'),
        ),
        migrations.AddField(
            model_name='datasetversion',
            name='query',
            field=models.JSONField(default=dict, help_text='what the frozen rows were asked for: window, predicate, versions of tables'),
        ),
        migrations.AlterField(
            model_name='datasetversion',
            name='checks',
            field=models.JSONField(help_text='[{name, passed, detail, severity}]: what the rules found when it was made; without severity: blocking'),
        ),
        migrations.CreateModel(
            name='ContractDraft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('document', models.JSONField(help_text='as experiments.contracts.Contract')),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('changed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('dataset', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='contract_draft', to='experiments.dataset')),
                ('reference', models.ForeignKey(help_text='the version that its limits were read off', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='experiments.datasetversion')),
            ],
        ),
        migrations.CreateModel(
            name='DataContract',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('document', models.JSONField(help_text='as experiments.contracts.Contract')),
                ('reason', models.TextField(help_text='why it was changed')),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contracts', to='experiments.dataset')),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('reference', models.ForeignKey(help_text='the version that its limits were read off', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='experiments.datasetversion')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='ContractCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('occasion', models.CharField(choices=[('build', 'when it was built'), ('freeze', 'when it was frozen'), ('asked', 'on demand')], max_length=10)),
                ('digest', models.CharField(help_text='of the rows', max_length=71)),
                ('rows', models.PositiveBigIntegerField()),
                ('broken', models.PositiveIntegerField(help_text='blocking rules that do not hold')),
                ('noted', models.PositiveIntegerField(help_text='advisory rules that do not hold')),
                ('held', models.PositiveIntegerField(help_text='rules that hold')),
                ('results', models.JSONField(help_text='[experiments.contracts.CheckResult], failures first')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contract_checks', to='experiments.dataset')),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='contract_checks', to='jobs.job')),
                ('version', models.ForeignKey(help_text='null: it became none', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='contract_checks', to='experiments.datasetversion')),
                ('contract', models.ForeignKey(help_text='null: the standard rules alone', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='checks', to='experiments.datacontract')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='datacontract',
            constraint=models.UniqueConstraint(fields=('dataset', 'number'), name='data_contract_number_unique'),
        ),
        migrations.AddConstraint(
            model_name='datacontract',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='data_contract_says_why'),
        ),
        migrations.RunSQL((SQL / "contracts.sql").read_text(), migrations.RunSQL.noop),
    ]
