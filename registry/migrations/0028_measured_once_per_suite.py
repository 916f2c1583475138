"""Evidence of a suite is recorded once per version and data; how a model is measured is declared in numbered plans."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0003_outbox'),
        ('registry', '0027_standing_approvals'),
    ]

    operations = [
        migrations.AddField(
            model_name='evidence',
            name='suite',
            field=models.CharField(blank=True, help_text='of measurements that it belongs to, with its version', max_length=50),
        ),
        migrations.AddField(
            model_name='evidence',
            name='undecided',
            field=models.CharField(blank=True, help_text='why it decides no criterion; empty where it does', max_length=200),
        ),
        migrations.AddConstraint(
            model_name='evidence',
            constraint=models.UniqueConstraint(condition=models.Q(('suite', ''), _negated=True), fields=('version', 'metric', 'data_digest', 'data_slice', 'against', 'suite'), name='evidence_once_per_suite', nulls_distinct=False),
        ),
    ]
