"""Answers of product people, and the words of a criteria set."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0004_version_indexes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='criteriaset',
            name='cases',
            field=models.CharField(blank=True, help_text='what the model looks at, in the plural, such as flights; for plain sentences', max_length=60),
        ),
        migrations.AddField(
            model_name='criteriaset',
            name='events',
            field=models.CharField(blank=True, help_text='those it is to find, such as late flights', max_length=60),
        ),
        migrations.CreateModel(
            name='CriterionReview',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('viewer', 'Viewer'), ('engineer', 'Engineer'), ('product', 'Product'), ('approver', 'Approver'), ('admin', 'Admin')], max_length=10)),
                ('verdict', models.CharField(choices=[('accept', 'Accepted'), ('ask', 'Asked'), ('refuse', 'Refused')], max_length=10)),
                ('reason', models.TextField(blank=True, help_text='asked for unless it is accepted')),
                ('evidence', models.JSONField(help_text='[ids] of the evidence that was shown, in rising order')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('comment', models.OneToOneField(help_text='on the timeline, where it is a question', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='asked_by', to='registry.comment')),
                ('criterion', models.ForeignKey(help_text='null: the promotion as a whole', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.acceptancecriterion')),
                ('promotion', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='registry.promotion')),
                ('reviewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['id'],
                'indexes': [models.Index(fields=['promotion', 'reviewer', '-id'], name='review_latest')],
                'constraints': [models.CheckConstraint(condition=models.Q(('verdict', 'accept'), models.Q(('reason', ''), _negated=True), _connector='OR'), name='review_names_its_reason'), models.CheckConstraint(condition=models.Q(models.Q(('comment__isnull', False), ('criterion__isnull', False), ('verdict', 'ask')), models.Q(models.Q(('verdict', 'ask'), _negated=True), ('comment__isnull', True)), _connector='OR'), name='question_is_about_a_criterion_and_on_the_timeline')],
            },
        ),
        *(migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop) for name in ("review_check.sql", "reviews.sql")),
    ]
