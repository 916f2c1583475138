"""Evidence of a suite is recorded once per version and data; how a model is measured is declared in numbered plans."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0004_data_set_roles'),
        ('registry', '0026_waivers_that_mend'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='evaluation',
            name='suite',
            field=models.CharField(help_text='what is measured, with its version and that of the plan', max_length=50),
        ),
        migrations.CreateModel(
            name='EvaluationPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('document', models.JSONField(help_text='as experiments.suites.Plan; what is as usual is left out')),
                ('reason', models.TextField(help_text='why it was changed')),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='evaluation_plans', to='registry.registeredmodel')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.AddField(
            model_name='evaluation',
            name='plan',
            field=models.ForeignKey(help_text='null: as is usual', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='evaluations', to='experiments.evaluationplan'),
        ),
        migrations.AddConstraint(
            model_name='evaluationplan',
            constraint=models.UniqueConstraint(fields=('model', 'number'), name='evaluation_plan_number_unique'),
        ),
        migrations.AddConstraint(
            model_name='evaluationplan',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='evaluation_plan_says_why'),
        ),
        migrations.RunSQL((SQL / "plans.sql").read_text(), migrations.RunSQL.noop),
    ]
