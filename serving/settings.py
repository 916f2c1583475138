"""Settings of the gateway, read once from the environment; Django's are never needed here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

Fsync = Literal["record", "interval", "never"]
WhenFull = Literal["refuse", "drop"]
Required = Literal["governed", "all"]
Auth = Literal["required", "optional", "off"]
OPERATOR_TOKEN_LENGTH = 24


class SettingsError(ValueError):
    """A variable is missing or makes no sense; says which and what would."""


@dataclass(frozen=True)
class Settings:
    """What one gateway process is told."""

    routing_table_path: Path  # the table that the control plane publishes
    spool_root: Path  # where prediction records wait to be shipped; a local, durable disk
    routing_url: str = (
        ""  # of the control plane, whose table and callers are followed over HTTP; unset: by the file alone
    )
    routing_token: str = ""  # what the control plane asks for there, made by `manage.py gateway_token`
    host: str = "127.0.0.1"  # address to listen on
    port: int = 8080  # port to listen on
    workers: int = 1  # processes that share the port
    auth: Auth = "required"  # callers show a token; optional: who shows none is answered too; off: none is looked at
    caller_requests_per_s: float = 0  # of a caller whose token says nothing else, all workers together; 0: any number
    caller_burst: int = 0  # requests at once after a pause; 0: as many as one second allows
    caller_in_flight: int = 0  # requests at the same time; 0: any number
    operator_token: str = ""  # what `/status` and `/metrics` ask for as bearer token; unset: they are open
    traces_endpoint: str = (
        ""  # OTLP/HTTP collector that gets a span of each prediction, such as `http://127.0.0.1:4318`
    )
    traces_share: float = 0.01  # of the traces that begin here; callers that sample theirs are followed
    model_memory_bytes: int = (
        2 * 1024 * 1024 * 1024
    )  # that the models of one process may take; what no arm needs goes cold beyond; 0: any number
    max_body_bytes: int = 8 * 1024 * 1024  # a larger request is answered 413
    head_timeout_s: float = 10.0  # a request's line and headers must be complete within
    body_timeout_s: float = 30.0  # and its body after that; who does not read its answer is given as long
    keep_alive_s: float = 75.0  # how long a connection may rest between requests
    max_connections: int = 1000  # that one process holds open; more are answered 503
    fsync: Fsync = "interval"  # when records reach the disk itself: each record, every second (interval), or never
    segment_max_bytes: int = 8 * 1024 * 1024  # a segment is sealed at this size
    segment_max_age_s: float = 5.0  # or at this age
    spool_max_bytes: int = 4 * 1024 * 1024 * 1024  # what may wait on this disk
    shadow_queue_rows: int = 10_000  # that may wait for shadow versions; what comes on top is dropped and counted
    trusted_keys: tuple[Path, ...] = ()  # public keys (PEM) whose signatures over versions count, comma-separated
    signatures_required: Required = "governed"  # of what answers for governed teams, or of whatever answers (all)
    log_hash_key: str = ""  # secret, alike on all gateways; of the hashes that stand for sensitive values in the log
    when_full: WhenFull = "refuse"  # then requests are refused with 503, or answered and their records dropped


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that ``environ`` holds.

    Raises:
        SettingsError: a required variable is missing, or a value is not of its kind.
    """
    return Settings(
        routing_table_path=_path(environ, "ROUTING_TABLE_PATH"),
        spool_root=_path(environ, "SPOOL_ROOT"),
        routing_url=_url(environ, "ROUTING_URL"),
        routing_token=_secret(environ, "ROUTING_TOKEN", needed=bool(environ.get("ROUTING_URL"))),
        host=environ.get("GATEWAY_HOST", Settings.host),
        port=int(_number(environ, "GATEWAY_PORT", Settings.port, at_least=0)),
        workers=int(_number(environ, "GATEWAY_WORKERS", Settings.workers, at_least=1)),
        auth=cast("Auth", _choice(environ, "GATEWAY_AUTH", Settings.auth, get_args(Auth))),
        caller_requests_per_s=_number(environ, "CALLER_REQUESTS_PER_SECOND", 0, at_least=0),
        caller_burst=int(_number(environ, "CALLER_BURST", 0, at_least=0)),
        caller_in_flight=int(_number(environ, "CALLER_IN_FLIGHT", 0, at_least=0)),
        operator_token=_secret(environ, "GATEWAY_OPERATOR_TOKEN"),
        traces_endpoint=environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        traces_share=_number(environ, "OTEL_TRACES_SAMPLER_ARG", Settings.traces_share, at_least=0),
        model_memory_bytes=int(_number(environ, "MODEL_MEMORY_BYTES", Settings.model_memory_bytes, at_least=0)),
        max_body_bytes=int(_number(environ, "MAX_BODY_BYTES", Settings.max_body_bytes, at_least=1)),
        head_timeout_s=_number(environ, "HEAD_TIMEOUT_SECONDS", Settings.head_timeout_s, at_least=0.1),
        body_timeout_s=_number(environ, "BODY_TIMEOUT_SECONDS", Settings.body_timeout_s, at_least=0.1),
        keep_alive_s=_number(environ, "KEEP_ALIVE_SECONDS", Settings.keep_alive_s, at_least=0.1),
        max_connections=int(_number(environ, "MAX_CONNECTIONS", Settings.max_connections, at_least=1)),
        fsync=cast("Fsync", _choice(environ, "SPOOL_FSYNC", Settings.fsync, get_args(Fsync))),
        segment_max_bytes=int(_number(environ, "SEGMENT_MAX_BYTES", Settings.segment_max_bytes, at_least=1)),
        segment_max_age_s=_number(environ, "SEGMENT_MAX_AGE_SECONDS", Settings.segment_max_age_s, at_least=0.05),
        spool_max_bytes=int(_number(environ, "SPOOL_MAX_BYTES", Settings.spool_max_bytes, at_least=0)),
        shadow_queue_rows=int(_number(environ, "SHADOW_QUEUE_ROWS", Settings.shadow_queue_rows, at_least=0)),
        trusted_keys=_paths(environ, "SIGNING_TRUSTED_KEYS"),
        signatures_required=cast(
            "Required", _choice(environ, "SIGNATURES_REQUIRED", Settings.signatures_required, get_args(Required))
        ),
        log_hash_key=_secret(environ, "LOG_HASH_KEY"),
        when_full=cast("WhenFull", _choice(environ, "SPOOL_WHEN_FULL", Settings.when_full, get_args(WhenFull))),
    )


def _path(environ: Mapping[str, str], name: str) -> Path:
    if not environ.get(name):
        raise SettingsError(f"{name} is not set. Give the path that the control plane uses too.")
    return Path(environ[name]).absolute()


def _paths(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    return tuple(Path(path.strip()) for path in environ.get(name, "").split(",") if path.strip())


def _url(environ: Mapping[str, str], name: str) -> str:
    given = environ.get(name, "")
    parts = urlsplit(given)
    if given and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
        raise SettingsError(f"{name} is {given!r}; give an address such as https://control-plane.example.")
    return given


def _secret(environ: Mapping[str, str], name: str, *, needed: bool = False) -> str:
    given = environ.get(name, "")
    if needed and not given:
        raise SettingsError(
            f"{name} is not set, which goes with ROUTING_URL. `manage.py gateway_token NAME` makes one."
        )
    if given and len(given) < OPERATOR_TOKEN_LENGTH:
        raise SettingsError(f"{name} is shorter than {OPERATOR_TOKEN_LENGTH} characters; give a long random one.")
    return given


def _number(environ: Mapping[str, str], name: str, default: float, *, at_least: float) -> float:
    given = environ.get(name, "")
    try:
        number = float(given) if given else default
    except ValueError:
        raise SettingsError(f"{name} is {given!r}; it must be a number.") from None
    if number < at_least:
        raise SettingsError(f"{name} is {given}; it must be at least {at_least}.")
    return number


def _choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    given = environ.get(name) or default
    if given not in choices:
        raise SettingsError(f"{name} is {given!r}; it must be one of {', '.join(choices)}.")
    return given
