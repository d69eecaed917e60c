"""Settings: TOML files in ``config/``, overridden by environment variables; secrets by name only.

Order of precedence: a command's option, then ``ORDER_ROUTER_…`` variables (``REDIS_URL`` for the
address of Redis), then ``router.toml``, then the defaults here. Unknown keys are errors.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from router.enums import ExchangeType
from router.errors import ConfigError
from router.ids import check_name
from router.keyspace import DEFAULT_PREFIX

ENV_PREFIX = "ORDER_ROUTER_"
CONFIG_DIR_VARIABLE = "ORDER_ROUTER_CONFIG_DIR"
CRASH_VARIABLE = "ORDER_ROUTER_CRASH"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
_STRICT = ConfigDict(extra="forbid", frozen=True)


MAX_VALID_FOR_MS = 365 * 86_400_000
"""A year: more is a mistake, and far more is beyond what Redis can add to a time."""


class OrderSettings(BaseModel):
    """Rules for requests; the defaults are the guide's and the design's."""

    model_config = _STRICT

    ack_timeout_ms: int = Field(5_000, ge=50, le=60_000)
    expiry_ms: int = Field(2_000, ge=50, le=30_000)
    ladder_budget_ms: int = Field(1_500, ge=50)
    clock_skew_ms: int = Field(250, ge=0)
    visibility_lag_ms: int = Field(500, ge=0)
    valid_for_ms: int = Field(10_000, ge=1, le=MAX_VALID_FOR_MS)
    idempotency_ttl_ms: int = Field(86_400_000, ge=1_000)
    reconcile_grace_ms: int = Field(700, ge=0)
    terminal_check_ms: int = Field(1_000, ge=10)
    max_intents_per_strategy: int = Field(10_000, ge=1)
    max_open_orders_per_strategy: int = Field(10_000, ge=1)
    max_unread_results_per_strategy: int = Field(100_000, ge=1)


class WorkerSettings(BaseModel):
    """How a worker holds its connections and its lease.

    ``audit_every_s``: how often the venue is asked what is open and held, beside its pushes; 0 for
    once after each resync only. ``spool_dir``: a folder on this host for outcomes that Redis cannot
    take for now; "" keeps them in memory alone.
    """

    model_config = _STRICT

    lease_ttl_ms: int = Field(3_000, ge=200)
    read_count: int = Field(200, ge=1, le=5_000)
    rest_threads: int = Field(8, ge=1, le=64)
    rest_connect_timeout_s: float = Field(2.0, gt=0)
    rest_read_timeout_s: float = Field(2.5, gt=0)
    reconnect_first_s: float = Field(0.25, gt=0)
    reconnect_most_s: float = Field(10.0, gt=0)
    open_timeout_s: float = Field(5.0, gt=0)
    audit_every_s: float = Field(60.0, ge=0)
    pacing: bool = True
    spool_dir: str = ""


class JobSettings(BaseModel):
    """What the rq jobs do, and when.

    ``redis_url``: where rq keeps its queue; "" for where the orders are. On a Cluster it must be
    set to one server or to Sentinels: rq's keys lie in many slots. The queue may be lost at any
    time, since the sweep finds every unknown order anew.
    """

    model_config = _STRICT

    redis_url: str = ""
    queue: str = "order-router"
    resolve_first_s: float = Field(1.0, gt=0)
    resolve_most_s: float = Field(60.0, gt=0)
    sweep_every_s: float = Field(15.0, gt=0)
    tidy_every_s: float = Field(60.0, gt=0)
    keep_ended_s: float = Field(86_400.0, ge=0)
    keep_results_s: float = Field(86_400.0, ge=0)
    max_result_age_s: float = Field(604_800.0, gt=0)
    archive_dir: str = ""


class MetricsSettings(BaseModel):
    """How worker and jobs show what they measure.

    ``port``: of the Prometheus endpoint ``/metrics``; 0 serves none. ``publish_every_s``: how often
    an owner renews the summary that ``status`` shows.
    """

    model_config = _STRICT

    port: int = Field(0, ge=0, le=65_535)
    host: str = "127.0.0.1"
    publish_every_s: float = Field(1.0, gt=0)


class AccountSettings(BaseModel):
    """One exchange account. Secrets are named, never written here.

    ``api_key``, ``api_secret`` and ``passphrase`` are ``env:NAME`` or ``file:PATH``.
    """

    model_config = _STRICT

    exchange: ExchangeType
    environment: str = "live"
    api_key: str
    api_secret: str
    passphrase: str = ""
    rest_url: str = ""
    ws_url: str = ""
    options: dict[str, str | int | float | bool] = {}


class Durability(StrEnum):
    """What must have happened to an admitted order before its strategy is told.

    ``doctor`` checks that the servers are set up for it.
    """

    FAST = "fast"
    """The server has it: ``appendfsync everysec``. A power loss can take the last second."""
    FSYNC = "fsync"
    """It is on the server's disk: ``appendfsync always``."""
    REPLICATED = "replicated"
    """That, and a replica has it: ``WAIT 1`` after each batch."""


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    redis_url: str = DEFAULT_REDIS_URL
    prefix: str = Field(DEFAULT_PREFIX, pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    durability: Durability = Durability.FAST
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    orders: OrderSettings = OrderSettings()
    worker: WorkerSettings = WorkerSettings()
    jobs: JobSettings = JobSettings()
    metrics: MetricsSettings = MetricsSettings()
    accounts: dict[str, AccountSettings] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The TOML values come in as init arguments; the environment overrides them.
        return (env_settings, init_settings)


def load(
    config_dir: Path | None = None, *, redis_url: str | None = None, **overrides: Any
) -> Settings:
    """Return the settings from ``config_dir``, the environment and the given overrides.

    ``config_dir`` left out: ``$ORDER_ROUTER_CONFIG_DIR``, else ``./config`` if it is there.

    Raises:
        ConfigError: If a file is unreadable, a key unknown or a value wrong.
    """
    folder = config_dir or _default_dir()
    values: dict[str, Any] = {}
    if folder is not None:
        for name in ("router.toml", "accounts.toml"):
            values |= _read(folder / name)
    if environment_url := os.environ.get("REDIS_URL"):
        values["redis_url"] = environment_url
    try:
        settings = Settings(**values)
        if redis_url is not None:
            overrides["redis_url"] = redis_url
        for name in settings.accounts:
            check_name(name, "accounts")
    except ValidationError as error:
        raise _config_error(error, str(folder or "settings")) from None
    except ValueError as error:
        raise ConfigError(str(folder or "settings"), str(error)) from None
    return settings.model_copy(update=overrides) if overrides else settings


def _config_error(error: ValidationError, source: str) -> ConfigError:
    """Return the complaint that helps most: an unknown key before what is missing in its place."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [one for one in problems if one["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    where = ".".join(str(part) for part in first["loc"])
    text = "unknown key; see router/settings.py for those known" if unknown else first["msg"]
    return ConfigError(f"{source}: {where}", text)


def _default_dir() -> Path | None:
    if named := os.environ.get(CONFIG_DIR_VARIABLE):
        return Path(named)
    return Path("config") if Path("config").is_dir() else None


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from None


def secret(reference: str, where: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the secret that ``env:NAME`` or ``file:PATH`` points to; "" for an empty reference.

    Raises:
        ConfigError: If the reference has another form, or the variable or file is missing or empty.
    """
    if not reference:
        return ""
    kind, _, name = reference.partition(":")
    if kind == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        value = environ.get(name, "")
        if not value:
            raise ConfigError(where, f"the environment variable {name} is not set; set it")
        return value
    if kind == "file" and name:
        try:
            value = Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(where, f"the file {name} cannot be read: {error.strerror}") from None
        if not value:
            raise ConfigError(where, f"the file {name} is empty")
        return value
    raise ConfigError(where, "write env:NAME or file:PATH; a secret itself never stands in a file")
