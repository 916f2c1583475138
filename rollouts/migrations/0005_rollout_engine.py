"""What rollouts remember beside their state: what they ask, what they cost, what is counted of them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0005_trials'),
        ('registry', '0021_rollout_required'),
        ('rollouts', '0004_rollouts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='rolloutplan',
            name='plan_number_unique',
        ),
        migrations.RemoveConstraint(
            model_name='rolloutplan',
            name='plan_of_model_or_tier',
        ),
        migrations.AddField(
            model_name='rollout',
            name='asks',
            field=models.CharField(blank=True, choices=[('step', 'step'), ('promote', 'promote'), ('deadline', 'deadline')], help_text='which decision it awaits', max_length=10),
        ),
        migrations.AddField(
            model_name='rollout',
            name='budget',
            field=models.JSONField(default=list, help_text='[{objective, bad, total, share}]: what the canary spent of each error budget'),
        ),
        migrations.AddField(
            model_name='rollout',
            name='canary_failures',
            field=models.PositiveBigIntegerField(default=0, help_text='5xx among them'),
        ),
        migrations.AddField(
            model_name='rollout',
            name='canary_requests',
            field=models.PositiveBigIntegerField(default=0, help_text='answered by the candidate as canary'),
        ),
        migrations.AddField(
            model_name='rollout',
            name='deadline_at',
            field=models.DateTimeField(blank=True, help_text='what is undecided then waits for a person; null before the first phase', null=True),
        ),
        migrations.AddField(
            model_name='rollout',
            name='trial',
            field=models.OneToOneField(blank=True, help_text='what is counted; from the first phase on', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rollout', to='monitoring.trial'),
        ),
        migrations.AddField(
            model_name='rolloutplan',
            name='promotion',
            field=models.ForeignKey(blank=True, help_text='for this one alone', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rollout_plans', to='registry.promotion'),
        ),
        migrations.AddField(
            model_name='rolloutverdict',
            name='most_favour',
            field=models.FloatField(default=0.0, help_text='the largest so far: a pass stays a pass until there is a fail'),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='rolloutverdict',
            name='threshold',
            field=models.FloatField(help_text='natural logarithm; a fail reaches it'),
        ),
        migrations.AddConstraint(
            model_name='rolloutplan',
            constraint=models.UniqueConstraint(fields=('model', 'risk_tier', 'promotion', 'number'), name='plan_number_unique', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='rolloutplan',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('model__isnull', False), ('promotion__isnull', True), ('risk_tier__isnull', True)), models.Q(('model__isnull', True), ('promotion__isnull', True), ('risk_tier__isnull', False)), models.Q(('model__isnull', True), ('promotion__isnull', False), ('risk_tier__isnull', True)), _connector='OR'), name='plan_of_one_thing'),
        ),
    ]
