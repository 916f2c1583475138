"""Alerts of teams and of the installation, what became of each, rules, silences and channels."""

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


SQL = Path(__file__).parent / "sql/alerts.sql"
OF_THEIR_TEAM = """
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE registry_alert a SET team_id = m.team_id, seen_at = a.raised_at, "group" = m.team_id || ':' || m.id || ':' || a.kind
FROM registry_registeredmodel m WHERE m.id = a.model_id;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0003_outbox'),
        ('registry', '0024_criteria_of_rollouts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('what', models.CharField(max_length=20)),
                ('text', models.TextField(blank=True)),
                ('process', models.CharField(blank=True, help_text='who noticed, where it was no person', max_length=100)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='AlertNotice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(help_text='raised, returned, escalated or cleared', max_length=10)),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('posted_at', models.DateTimeField(null=True)),
                ('dropped', models.CharField(blank=True, help_text='why nobody was told', max_length=100)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='AlertPreference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('mail', models.CharField(choices=[('none', 'None'), ('critical', 'Critical ones, and those I own'), ('all', 'All that wait in my inbox')], default='critical', max_length=10)),
                ('quiet_from', models.TimeField(blank=True, help_text='no mail from then on', null=True)),
                ('quiet_until', models.TimeField(blank=True, help_text='until then; what came up meanwhile is told then', null=True)),
                ('time_zone', models.CharField(default='UTC', max_length=60)),
                ('critical_at_once', models.BooleanField(default=True, help_text='critical alerts ask for no quiet hours')),
            ],
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('changes', models.JSONField(help_text='fields of the rule that differ')),
                ('reason', models.TextField()),
                ('changed_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['kind', 'id'],
            },
        ),
        migrations.CreateModel(
            name='AlertStreak',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200)),
                ('breached', models.BooleanField(default=True)),
                ('count', models.PositiveIntegerField(default=0)),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('mail', 'Mail'), ('chat', 'Chat or pager')], max_length=10)),
                ('name', models.CharField(max_length=63)),
                ('roles', models.JSONField(default=list, help_text='of mail: members with these roles get it')),
                ('addresses', models.JSONField(default=list, help_text='of mail: lists beside them, of domains that the installation allows')),
                ('sealed_url', models.TextField(blank=True, help_text='of chat: encrypted, and never shown again')),
                ('place', models.CharField(blank=True, help_text='of chat: the service and host, without a secret', max_length=100)),
                ('kinds', models.JSONField(default=list, help_text='which kinds of alerts; empty: any')),
                ('least', models.CharField(choices=[('warning', 'Warning'), ('critical', 'Critical')], default='warning', help_text='how severe they are at least', max_length=10)),
                ('escalations', models.BooleanField(default=False, help_text='told only what nobody took on in time')),
                ('installation', models.BooleanField(default=False, help_text='also told what is of no team')),
                ('enabled', models.BooleanField(default=True)),
                ('last_success_at', models.DateTimeField(null=True)),
                ('failing_since', models.DateTimeField(help_text='the first failure since the last success', null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Silence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(blank=True, help_text='empty: any', max_length=40)),
                ('severity', models.CharField(blank=True, choices=[('warning', 'Warning'), ('critical', 'Critical')], help_text='empty: any', max_length=10)),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('cron', models.CharField(blank=True, help_text='recurs at these instants; empty: holds throughout', max_length=100)),
                ('time_zone', models.CharField(default='UTC', max_length=60)),
                ('minutes', models.PositiveIntegerField(default=0, help_text='how long each recurrence holds')),
                ('reason', models.TextField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='alert',
            name='one_open_alert_per_key',
        ),
        migrations.AddField(
            model_name='alert',
            name='actions',
            field=models.JSONField(default=list, help_text='ways out, each with title and path, and until when where it ends'),
        ),
        migrations.AddField(
            model_name='alert',
            name='count',
            field=models.PositiveIntegerField(default=1, help_text='how often it was seen'),
        ),
        migrations.AddField(
            model_name='alert',
            name='escalated_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='alert',
            name='group',
            field=models.CharField(default='', help_text='team, model and cause: what is told and listed together', max_length=120),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='alert',
            name='owner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='alert',
            name='owner_role',
            field=models.CharField(blank=True, choices=[('viewer', 'Viewer'), ('engineer', 'Engineer'), ('product', 'Product'), ('approver', 'Approver'), ('admin', 'Admin')], help_text='where no person owns it', max_length=10),
        ),
        migrations.AddField(
            model_name='alert',
            name='resolution',
            field=models.TextField(blank=True, help_text='why a person called it over'),
        ),
        migrations.AddField(
            model_name='alert',
            name='resolved_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='alert',
            name='returned',
            field=models.PositiveIntegerField(default=0, help_text='how often it was over and came back soon'),
        ),
        migrations.AddField(
            model_name='alert',
            name='seen_at',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='when it was seen last'),
        ),
        migrations.AddField(
            model_name='alert',
            name='team',
            field=models.ForeignKey(blank=True, help_text="null: the installation's", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='registry.team'),
        ),
        migrations.AddField(
            model_name='alert',
            name='untold',
            field=models.CharField(blank=True, help_text='what happened that nobody was told of yet', max_length=10),
        ),
        migrations.AlterField(
            model_name='alert',
            name='model',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='alerts', to='registry.registeredmodel'),
        ),
        migrations.AddField(
            model_name='alertevent',
            name='actor',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='alertevent',
            name='alert',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='registry.alert'),
        ),
        migrations.AddField(
            model_name='alertnotice',
            name='alert',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notices', to='registry.alert'),
        ),
        migrations.AddField(
            model_name='alertnotice',
            name='message',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='alert_notices', to='jobs.outboxmessage'),
        ),
        migrations.AddField(
            model_name='alertnotice',
            name='person',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='alertpreference',
            name='user',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='alert_preference', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='alertrule',
            name='changed_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='alertrule',
            name='model',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alert_rules', to='registry.registeredmodel'),
        ),
        migrations.AddField(
            model_name='alertrule',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='alert_rules', to='registry.team'),
        ),
        migrations.AddField(
            model_name='alertstreak',
            name='model',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='registry.registeredmodel'),
        ),
        migrations.AddField(
            model_name='alertstreak',
            name='team',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='registry.team'),
        ),
        migrations.AddField(
            model_name='channel',
            name='created_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='channel',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='channels', to='registry.team'),
        ),
        migrations.AddField(
            model_name='alertnotice',
            name='channel',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='registry.channel'),
        ),
        migrations.AddField(
            model_name='silence',
            name='confirmed_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='silence',
            name='created_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='silence',
            name='ended_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='silence',
            name='model',
            field=models.ForeignKey(blank=True, help_text='null: any', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.registeredmodel'),
        ),
        migrations.AddField(
            model_name='silence',
            name='team',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='silences', to='registry.team'),
        ),
        migrations.AddField(
            model_name='alert',
            name='silence',
            field=models.ForeignKey(blank=True, help_text='what keeps it silent now', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.silence'),
        ),
        migrations.RunSQL(OF_THEIR_TEAM, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('cleared_at__isnull', True)), fields=['group', '-id'], name='alert_of_group'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('untold', ''), _negated=True), fields=['id'], name='alert_untold'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(fields=['team', 'key', '-cleared_at'], name='alert_by_key'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('cleared_at__isnull', True)), fields=('team', 'model', 'key'), name='one_open_alert_per_key', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.CheckConstraint(condition=models.Q(('model__isnull', True), ('team__isnull', False), _connector='OR'), name='alert_of_a_model_has_its_team'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.CheckConstraint(condition=models.Q(('resolved_by__isnull', True), models.Q(models.Q(('resolution', ''), _negated=True), ('cleared_at__isnull', False)), _connector='OR'), name='alert_resolved_with_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='alertpreference',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('quiet_from__isnull', True), ('quiet_until__isnull', True)), models.Q(('quiet_from__isnull', False), ('quiet_until__isnull', False)), _connector='OR'), name='quiet_hours_begin_and_end'),
        ),
        migrations.AddConstraint(
            model_name='alertrule',
            constraint=models.UniqueConstraint(fields=('team', 'model', 'kind'), name='one_rule_per_kind', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='alertrule',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='alert_rule_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='alertstreak',
            constraint=models.UniqueConstraint(fields=('team', 'model', 'key'), name='one_streak_per_key', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(fields=('team', 'name'), name='channel_name_unique_per_team'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'chat'), _negated=True), models.Q(('sealed_url', ''), _negated=True), _connector='OR'), name='chat_channel_has_an_address'),
        ),
        migrations.AddIndex(
            model_name='alertnotice',
            index=models.Index(condition=models.Q(('dropped', ''), ('posted_at__isnull', True)), fields=['channel', 'person'], name='notice_waits'),
        ),
        migrations.AddIndex(
            model_name='alertnotice',
            index=models.Index(condition=models.Q(('posted_at__isnull', False)), fields=['channel', 'person', '-posted_at'], name='notice_posted'),
        ),
        migrations.AddConstraint(
            model_name='alertnotice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('channel__isnull', False), ('person__isnull', True)), models.Q(('channel__isnull', True), ('person__isnull', False)), _connector='OR'), name='notice_has_one_receiver'),
        ),
        migrations.AddConstraint(
            model_name='silence',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='silence_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='silence',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='silence_ends_after_it_starts'),
        ),
        migrations.AddConstraint(
            model_name='silence',
            constraint=models.CheckConstraint(condition=models.Q(('confirmed_by__isnull', True), models.Q(('confirmed_by', models.F('created_by')), _negated=True), _connector='OR'), name='silence_confirmed_by_another'),
        ),
        migrations.AddConstraint(
            model_name='silence',
            constraint=models.CheckConstraint(condition=models.Q(('cron', ''), ('minutes__gt', 0), _connector='OR'), name='recurring_silence_lasts'),
        ),
        migrations.RunSQL(SQL.read_text(), migrations.RunSQL.noop),
    ]
