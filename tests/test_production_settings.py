"""T14: production refuses to start with a missing, default or weak secret, and says which."""

import os
import subprocess
import sys

import pytest

from controlplane.supervisor.config import REPOSITORY

SOUND = {
    "SECRET_KEY": "k" * 20 + "-neither-known-nor-short",
    "DATABASE_URL": "postgresql://controlplane_app:s3cr3t-of-its-own@db/controlplane",
    "BROKER_URL": "redis://:another-s3cr3t@broker/0",
    "SIGNING_KEY_FILE": "/run/secrets/signing.pem",
}


def start(tmp_path, **changed):
    given = {key: value for key, value in {**SOUND, **changed}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", "import controlplane.settings as s; print(s.DEPLOYMENT, s.DEBUG, s.SESSION_COOKIE_SECURE)"],
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), **given}, cwd=REPOSITORY, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_production_is_the_default_and_starts_with_secrets_of_its_own(tmp_path):
    done = start(tmp_path)

    assert done.stdout.strip() == "production False True", done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", None),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "changeme"),
        ("SECRET_KEY", "test-secret-key"),
        ("SECRET_KEY", "django-insecure-0123456789012345678901234567890123456789"),
        ("SECRET_KEY", "only-a-short-one"),
        ("DATABASE_URL", None),
        ("DATABASE_URL", "postgresql://controlplane_app:changeme@db/controlplane"),
        ("DATABASE_URL", "postgresql://postgres:postgres@db/controlplane"),
        ("DATABASE_URL", "postgresql://someone:someone@db/controlplane"),
        ("DATABASE_OWNER_URL", "postgresql://controlplane_owner:password@db/controlplane"),
        ("BROKER_URL", None),
        ("BROKER_URL", "redis://:password@broker/0"),
        ("SIGNING_KEY_FILE", None),
        ("SIGNING_KEY_FILE", ""),
        ("DEPLOYMENT", "prod"),
    ],
)
def test_production_refuses_and_names_the_variable(tmp_path, variable, value):
    done = start(tmp_path, **{variable: value})

    last_line = done.stderr.strip().splitlines()[-1]
    assert done.returncode != 0
    assert last_line.startswith(f"django.core.exceptions.ImproperlyConfigured: {variable} ")
    assert value is None or len(value) < 20 or value not in last_line  # the secret itself is not printed


def test_a_demo_left_behind_does_not_turn_production_into_a_demo(tmp_path):
    (tmp_path / "demo.env").write_text('DEPLOYMENT="demo"\n')

    done = start(tmp_path, DEPLOYMENT="production")

    assert done.stdout.startswith("production"), done.stderr


def test_the_demos_log_ins_are_refused_elsewhere(tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "seed_demo"], env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), **SOUND},
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "demo log-ins exist in the demo alone" in done.stderr
