"""Whether a risk tier asks for rollouts, and what a promotion says of its own."""

from django.db import migrations, models

STRICTER = """
INSERT INTO registry_promotionpolicy (risk_tier, number, required, rollback_review_hours, min_budget, max_evidence_days,
    fresh_login_minutes, max_waiver_days, revalidation_days, block_overdue, rollout_required, reason, changed_at)
SELECT risk_tier, number + 1, required, rollback_review_hours, min_budget, max_evidence_days, fresh_login_minutes,
    max_waiver_days, revalidation_days, block_overdue, true, 'What may do most harm reaches callers step by step.', now()
FROM registry_promotionpolicy WHERE team_id IS NULL AND risk_tier = 1 ORDER BY number DESC LIMIT 1;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0020_conversions'),
    ]

    operations = [
        migrations.AddField(
            model_name='promotion',
            name='outcome',
            field=models.TextField(blank=True, help_text='why it was rolled back, in words'),
        ),
        migrations.AddField(
            model_name='promotion',
            name='rolls_out',
            field=models.BooleanField(default=False, editable=False, help_text='as told: it brought a plan of its own'),
        ),
        migrations.AddField(
            model_name='promotionpolicy',
            name='rollout_required',
            field=models.BooleanField(db_default=False, default=False, help_text='what replaces a champion reaches callers by a rollout alone'),
        ),
        migrations.AddField(
            model_name='registeredmodel',
            name='rolls_out',
            field=models.BooleanField(default=False, editable=False, help_text='as told: a plan of its own says how versions become champion'),
        ),
        migrations.RunSQL(STRICTER, migrations.RunSQL.noop),
    ]
