"""Settings, all read from the environment; `docs/reference/settings.md` is generated from the comments' variables.

`DEPLOYMENT` is production unless told otherwise, and production refuses to start with a default or missing secret.
`make demo` writes `var/demo.env`, which is read here so that `manage.py` speaks to the running demo.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from controlplane.data_connections import data_connections

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
VAR_DIR = Path(env.str("VAR_DIR", str(BASE_DIR / "var")))  # holds all files that are not placed elsewhere below
if "DEPLOYMENT" not in env.ENVIRON and (VAR_DIR / "demo.env").exists():
    env.read_env(VAR_DIR / "demo.env")

DEPLOYMENT: str = env.str("DEPLOYMENT", "production")  # production, demo or test
if DEPLOYMENT not in {"production", "demo", "test"}:
    raise ImproperlyConfigured(f"DEPLOYMENT is {DEPLOYMENT!r}; it must be production, demo or test.")
PRODUCTION = DEPLOYMENT == "production"

KNOWN_SECRETS = {
    "", "admin", "changeit", "changeme", "controlplane", "guest", "password", "postgres", "secret", "test-secret-key",
}  # fmt: skip


def checked(name: str, value: str) -> str:
    """Return ``value``; in production a well-known secret in it is refused (T14)."""
    url = urlsplit(value)
    secret = url.password if url.scheme and url.netloc else value
    well_known = secret in KNOWN_SECRETS or (secret or "").startswith("django-insecure-")
    if PRODUCTION and (well_known or (secret is not None and secret == url.username)):
        raise ImproperlyConfigured(f"{name} holds a well-known secret; production needs one of its own.")
    return value


def required(name: str) -> str:
    """Return a variable that has no default."""
    value: str = env.str(name, "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Set it in the environment, or run `make demo`, which sets it for a local demo."
        )
    return checked(name, value)


SECRET_KEY = required("SECRET_KEY")  # signs sessions and forms; at least 40 random characters in production
if PRODUCTION and len(SECRET_KEY) < 40:
    raise ImproperlyConfigured("SECRET_KEY is shorter than 40 characters; production needs a long random one.")
# Former values of SECRET_KEY: what they signed and sealed (sessions, secrets of webhooks) can still be read.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", default=["127.0.0.1", "localhost"]
)  # names that the pages answer to
CSRF_TRUSTED_ORIGINS: list[str] = env.list(
    "CSRF_TRUSTED_ORIGINS", default=[]
)  # as https://name, where a proxy ends TLS

# --- storage -------------------------------------------------------------------------------------------------------
# PostgreSQL, as the application's role, which can neither change the schema nor rewrite history.
DATABASES = {"default": {**env.db_url_config(required("DATABASE_URL")), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
# Pages read a few rows by index: starting parallel workers for one costs more than it saves.
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("options", "-c max_parallel_workers_per_gather=0")
# The same database as the schema's owner; for `manage.py provision` alone.
if owner_url := env.str("DATABASE_OWNER_URL", ""):
    DATABASES["owner"] = env.db_url_config(checked("DATABASE_OWNER_URL", owner_url))
DATABASE_ROUTERS: list[str] = []
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ARTIFACT_STORE: str = env.str("ARTIFACT_ROOT", str(VAR_DIR / "artifacts"))  # models, run artifacts: folder or s3://…
# Where this host reads them: that folder, or its own copies of what it has read from S3.
ARTIFACT_ROOT = VAR_DIR / "artifacts" if ARTIFACT_STORE.startswith("s3://") else Path(ARTIFACT_STORE)
DATA_ROOT = Path(env.str("DATA_ROOT", str(VAR_DIR / "datasets")))  # data set versions, as Parquet
# Where rows come from. A team reads from <team>/ below these alone; uploads wait in UPLOAD_ROOT until they are a version.
SOURCES_ROOT = Path(env.str("SOURCES_ROOT", str(VAR_DIR / "sources")))  # files and Delta tables on this host
SOURCES_S3: str = env.str("SOURCES_S3", "")  # the same on S3, as s3://bucket/prefix; empty: none
UPLOAD_ROOT = Path(env.str("UPLOAD_ROOT", str(VAR_DIR / "uploads")))  # files that people send
UPLOAD_KEEP_DAYS: int = env.int("UPLOAD_KEEP_DAYS", 7)  # an upload that became no version is kept for so long
SOURCE_MAX_BYTES: int = env.int("SOURCE_MAX_BYTES", 2_000_000_000)  # of an upload, and of the files of one version
SOURCE_MAX_ROWS: int = env.int("SOURCE_MAX_ROWS", 20_000_000)  # of one version
SOURCE_MAX_COLUMNS: int = env.int("SOURCE_MAX_COLUMNS", 1_000)  # of one version
# PostgreSQL that data sets are read from: {"name": {"url": "postgresql://…", "teams": ["slug"]}}; the URL is never shown, and to
# other teams the connection does not exist.
DATA_CONNECTIONS: dict[str, Any] = data_connections(env.json("DATA_CONNECTIONS", {}), checked)
SOURCE_QUERY_SECONDS: float = env.float("SOURCE_QUERY_SECONDS", 600.0)  # that one statement may take
LAKE_ROOT = Path(env.str("LAKE_ROOT", str(VAR_DIR / "lake")))  # the shipped prediction log, as Delta tables
# Batch scoring: a team's inputs lie in <team>/in, what was made of them in <team>/out; workers and Dask see the same folder.
BATCH_ROOT = Path(env.str("BATCH_ROOT", str(VAR_DIR / "batch")))
DASK_SCHEDULER = env.str(
    "DASK_SCHEDULER", ""
)  # address such as `tcp://dask:8786` that scores batches; empty: the worker itself
TRAINING_CLUSTER: str = env.str(
    "TRAINING_CLUSTER", ""
)  # Dask cluster whose workers grow LightGBM's trees: `tcp://dask:8786`, or `local:2` for so many processes of the job; empty: the job itself
SPOOL_ROOT = Path(env.str("SPOOL_ROOT", str(VAR_DIR / "spool")))  # prediction records of the gateway, until shipped
ROUTING_TABLE_PATH = Path(env.str("ROUTING_TABLE_PATH", str(VAR_DIR / "routing/table.json")))  # read by the gateway
# What signs approved versions: an EC private key (PEM). Without one, a demo makes its own; production has to name it.
SIGNING_KEY_FILE = Path(env.str("SIGNING_KEY_FILE", str(VAR_DIR / "signing/key.pem")))
if PRODUCTION and not env.str("SIGNING_KEY_FILE", ""):
    raise ImproperlyConfigured(
        "SIGNING_KEY_FILE is not set. Name the PEM file of the EC private key that signs versions."
    )
# Public keys (PEM) whose signatures count, comma-separated; by default the file beside the private key that ends in .pub.
SIGNING_TRUSTED_KEYS = [Path(path) for path in env.list("SIGNING_TRUSTED_KEYS", default=[])]
AUDIT_HEADS = Path(env.str("AUDIT_HEADS", str(VAR_DIR / "audit-heads")))  # signed heads of the audit chain, one an hour
REPORT_ROOT = Path(env.str("REPORT_ROOT", str(VAR_DIR / "reports")))  # generated HTML, shown in a sandboxed frame

# --- where the other processes answer ------------------------------------------------------------------------------
WEB_URL: str = env.str("WEB_URL", "http://127.0.0.1:8000")  # of the pages, as people reach them
MLFLOW_URL: str = env.str(
    "MLFLOW_URL", "http://127.0.0.1:5000"
)  # of the MLflow protocol; shown, and used by training jobs
GATEWAY_URL: str = env.str("GATEWAY_URL", "http://127.0.0.1:8080")  # of the gateway, as shown to callers

# --- Django --------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "controlplane",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_celery_beat",
    "django_htmx",
    "template_partials",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "jobs",
    "registry",
    "experiments",
    "monitoring",
    "rollouts",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "registry.api.addresses.SlashMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "registry.sessions.SessionAgeMiddleware",
    "registry.sessions.LoginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "registry.refusals.RefusalMiddleware",
    "registry.refusals.PageAboveMiddleware",
    "registry.idempotency.IdempotencyMiddleware",
]

ROOT_URLCONF = "controlplane.urls"
WSGI_APPLICATION = "controlplane.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "controlplane.context.shell",
            ],
            "builtins": [
                "controlplane.templatetags.kit",
                "controlplane.templatetags.parts",
                "template_partials.templatetags.partials",
            ],
        },
    }
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION

# --- who, and for how long -----------------------------------------------------------------------------------------
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "inbox"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
SESSION_IDLE_SECONDS: int = env.int("SESSION_IDLE_SECONDS", 30 * 60)  # a session unused for so long ends
SESSION_ABSOLUTE_SECONDS: int = env.int(
    "SESSION_ABSOLUTE_SECONDS", 12 * 60 * 60
)  # and this long after log-in in any case
LOGIN_FAILURES_BEFORE_LOCK: int = env.int("LOGIN_FAILURES_BEFORE_LOCK", 5)  # failed log-ins in a row that lock a name
LOGIN_LOCK_SECONDS: int = env.int("LOGIN_LOCK_SECONDS", 15 * 60)  # for so long
CSRF_FAILURE_VIEW = "controlplane.views.csrf_failure"
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT: bool = env.bool("SECURE_SSL_REDIRECT", PRODUCTION)  # send http to https
# Whether a proxy in front ends TLS and sets X-Forwarded-Proto itself, whatever its callers send.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", False) else None
SECURE_HSTS_SECONDS: int = env.int(
    "SECURE_HSTS_SECONDS", 31_536_000 if PRODUCTION else 0
)  # browsers insist on https for so long
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"  # generated reports are framed by our own pages

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF, MLFLOW_URL],  # logging in leads back to MLflow's pages
        "frame-ancestors": [SELF],
        "base-uri": [NONE],
    }
}

# --- API -----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "registry.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "registry.api.permissions.ScopeAndRole",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["registry.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "registry.api.schema.ApiSchema",
    "DEFAULT_PAGINATION_CLASS": "registry.pagination.CursorPages",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "registry.problems.problem_response",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Control plane API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated", "registry.api.permissions.ScopeAndRole"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "registry.api.schema.add_conventions"],
    "ENUM_NAME_OVERRIDES": {
        "BatchFormat": "experiments.models.BatchScoring.Format",
        "SourceKind": "experiments.models.DatasetSource.Kind",
        "UploadFormat": "experiments.models.DatasetUpload.Format",
        "AlertSeverity": "registry.models.Alert.Severity",
        "ChannelKind": "registry.models.Channel.Kind",
        "TeamRole": "registry.models.Role",
        "CriteriaState": "registry.models.CriteriaSet.State",
        "DeliveryState": "jobs.models.DELIVERIES",
        "DriftState": "monitoring.models.DriftWindow.State",
        "JobState": "jobs.models.STATES",
        "ObjectiveKind": "monitoring.models.Slo.Kind",
        "SearchState": "experiments.models.SearchState",
        "TrialState": "experiments.models.TrialState",
        "WebhookStatus": "registry.models.Webhook.Status",
        "PromotionState": "registry.api.serializers.promotions.PROMOTION_STATES",
        "RolloutState": "rollouts.api.serializers.STATES",
    },
}

# --- Celery: the broker carries nudges alone; the job table is the queue ---------------------------------------------
CELERY_BROKER_URL = required("BROKER_URL")  # Redis or Valkey
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- webhooks ------------------------------------------------------------------------------------------------------
# Host names and networks that webhooks may reach although they are not public, also without TLS.
WEBHOOK_ALLOWED_HOSTS: list[str] = env.list("WEBHOOK_ALLOWED_HOSTS", default=[])

# --- alerts --------------------------------------------------------------------------------------------------------
# The mail server that alerts are sent by. Without one a demo writes mails as files into VAR_DIR/mail, and production sends none.
EMAIL_HOST: str = env.str("EMAIL_HOST", "")
EMAIL_PORT: int = env.int("EMAIL_PORT", 587)  # of the mail server
EMAIL_HOST_USER: str = env.str("EMAIL_HOST_USER", "")  # how to log in there; empty: without
EMAIL_HOST_PASSWORD: str = env.str("EMAIL_HOST_PASSWORD", "")  # of that user
EMAIL_USE_TLS: bool = env.bool("EMAIL_USE_TLS", True)  # ask for TLS after connecting, as port 587 expects
EMAIL_USE_SSL: bool = env.bool("EMAIL_USE_SSL", False)  # TLS from the first byte, as port 465 expects
EMAIL_TIMEOUT = 10
EMAIL_SUBJECT_PREFIX = ""
EMAIL_FILE_PATH = str(VAR_DIR / "mail")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'filebased'}.EmailBackend"
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", "control-plane@localhost")  # who alerts come from
MAIL_WORKS = bool(EMAIL_HOST) or not PRODUCTION
# Domains of mailing lists that channels may send to; members get mail at their own address, whatever its domain.
ALERT_MAIL_DOMAINS: list[str] = env.list("ALERT_MAIL_DOMAINS", default=[])
# What chat channels may speak to, by the schemes of apprise; those with a host of their own are held to WEBHOOK_ALLOWED_HOSTS.
ALERT_CHAT_SCHEMES: list[str] = env.list(
    "ALERT_CHAT_SCHEMES",
    default=["slack", "workflows", "discord", "gchat", "wxteams", "pagerduty", "opsgenie", "mmosts", "rockets", "matrixs",
             "ntfys", "json", "jsons"],
)  # fmt: skip
ALERT_GROUP_SECONDS: int = env.int("ALERT_GROUP_SECONDS", 10)  # what comes up within so long is told in one message
ALERT_STORM_MESSAGES: int = env.int(
    "ALERT_STORM_MESSAGES", 10
)  # to one receiver within ten minutes; more make a digest

# --- gateways of other hosts ---------------------------------------------------------------------------------------
# How many may wait at one web process for something new; each takes one of its threads. More are told to ask again.
GATEWAYS_WAITING: int = env.int("GATEWAYS_WAITING", 4)

# --- jobs ----------------------------------------------------------------------------------------------------------
JOB_LEASE_SECONDS: int = env.int("JOB_LEASE_SECONDS", 30)  # a job without heartbeat for so long goes to another
JOB_HEARTBEAT_SECONDS: float = env.float("JOB_HEARTBEAT_SECONDS", 5.0)  # between two heartbeats
JOB_RETRY_SECONDS: float = env.float(
    "JOB_RETRY_SECONDS", 5.0
)  # before the second attempt; doubles with each further one
JOB_SEATS: dict[str, int] = env.dict(
    "JOB_SEATS", cast={"value": int}, default={}
)  # jobs at once of a queue in one worker
WORKER_DEAF_SECONDS: float = env.float(
    "WORKER_DEAF_SECONDS", 60.0
)  # a worker that takes no message for so long, while some wait and it has a thread free, ends; 0: it is not watched
JOB_TEAM_SEATS: dict[str, int] = env.dict(
    "JOB_TEAM_SEATS", cast={"value": int}, default={}
)  # most jobs of one team at once on all workers, as queue=number, or team:queue=number for one team; unlimited by default
JOB_KIND_MODULES: list[str] = env.list("JOB_KIND_MODULES", default=[])  # declare job kinds beside those of the apps
JOB_TRANSACTION = "registry.audit_trail.audited"  # in which effects and success of a job commit together
JOBS_RECORD = "registry.services.jobs.job_record"  # writes into the trail who acted on a job
OUTBOX_RETRY_SECONDS: float = env.float(
    "OUTBOX_RETRY_SECONDS", 5.0
)  # before a message is sent a second time; four times longer with each further attempt, 6 hours at most
OUTBOX_MAX_ATTEMPTS: int = env.int(
    "OUTBOX_MAX_ATTEMPTS", 10
)  # to send a message; the tenth is made after some 20 hours
OUTBOX_KEEP_DAYS: int = env.int("OUTBOX_KEEP_DAYS", 30)  # messages that were sent or given up are kept for so long
# Tasks that follow audited changes at once; each also runs by the clock, so that a lost nudge costs a second.
FOLLOW_UPS = {
    "rollouts.tasks.publish": (
        "alias.delete", "alias.rollback", "alias.set", "model.archive", "model.rename", "model.restore",
        "person.activate", "promotion.complete", "promotion.request", "retirement.approve", "team.join", "team.leave",
        "token.create", "token.revoke", "version.archive", "rollout.abort", "rollout.roll_back",
        "rollout.shadow", "rollout.step",
    ),
    "registry.tasks.tell_alerts": ("alert.raise", "alert.return", "silence.end"),
    "rollouts.tasks.reconcile": (
        "alias.rollback", "promotion.approve", "rollout.resume", "trial.count", "version.load_refused",
    ),
}  # fmt: skip
JOBS_ACCESS = "registry.access.job_scopes"  # whose jobs a request may see, and act on

LOG_LEVEL: str = env.str("LOG_LEVEL", "INFO")  # of the log on standard error
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # Schedules run every few seconds: a line for each would bury what happens.
    "loggers": {
        **{name: {"level": "WARNING"} for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace")},
        # It reports each phase, and each rule of our style sheets that is for screens alone.
        **{name: {"level": "ERROR"} for name in ("weasyprint", "weasyprint.progress", "fontTools")},
    },
}

# --- demo ----------------------------------------------------------------------------------------------------------
DEMO_FAMILIES: bool = env.bool("DEMO_FAMILIES", True)  # the demo makes a model of each further family, too
DEMO_KEEP_ONE_IN: int = env.int("DEMO_KEEP_ONE_IN", 1)  # the demo's data set keeps one flight in so many
