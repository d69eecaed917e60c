"""The options that every command has, and the settings that they lead to."""

import os
from pathlib import Path
from typing import Annotated

import typer

from router import settings as router_settings
from router.errors import ConfigError
from router.settings import CONFIG_DIR_VARIABLE, Settings

RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        help="Address of Redis; else REDIS_URL, else router.toml.",
        show_default=False,
    ),
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir",
        metavar="DIR",
        help=f"Folder of router.toml and accounts.toml; else {CONFIG_DIR_VARIABLE}, else ./config.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        help="Port of the Prometheus endpoint; 0: none. Default: metrics.port in router.toml.",
        show_default=False,
    ),
]
AccountFilter = Annotated[
    str | None, typer.Option("--account", help="Only this account.", show_default=False)
]
StrategyFilter = Annotated[
    str | None, typer.Option("--strategy", help="Only this strategy.", show_default=False)
]


def settings_from(redis_url: str | None, config_dir: Path | None) -> Settings:
    """Return the settings as the options, the environment and the files say.

    Raises:
        ConfigError: If a file, key, value or folder is wrong.
    """
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigError("--config-dir", f"there is no folder {config_dir}")
    return router_settings.load(config_dir, redis_url=redis_url)


def hand_down(settings: Settings, config_dir: Path | None) -> None:
    """Put the options into the environment, where rq jobs and child processes read them."""
    os.environ["REDIS_URL"] = settings.redis_url
    os.environ.pop(f"{router_settings.ENV_PREFIX}REDIS_URL", None)
    if config_dir is not None:
        os.environ[CONFIG_DIR_VARIABLE] = str(config_dir.resolve())
