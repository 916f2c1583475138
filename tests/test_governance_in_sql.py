"""What the database itself refuses to the application's role."""

import pytest
from django.db import connection

from registry.models import AuditEvent

pytestmark = pytest.mark.django_db


def test_application_role_cannot_change_the_audit_trail():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone()[0] == "controlplane_app"
    AuditEvent.objects.bulk_create([])
