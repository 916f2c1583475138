from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiments", "0006_sources")]

    operations = [
        migrations.AddField(
            model_name="trainingrun",
            name="detail",
            field=models.JSONField(default=dict, help_text="how it fared by fold, and what calibrating changed"),
        ),
    ]
