"""Promotions know the rollout that carries them: those of before are told."""

from django.db import migrations

SQL = """
    UPDATE registry_promotion p SET carried_by = '/rollouts/' || r.id || '/'
    FROM rollouts_rollout r WHERE r.promotion_id = p.id
"""


class Migration(migrations.Migration):
    dependencies = [("rollouts", "0006_rollout_rules"), ("registry", "0027_standing_approvals")]

    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
