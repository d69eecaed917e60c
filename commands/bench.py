"""``order-router bench``: the benchmarks of the checkout."""

import importlib.util
import subprocess
import sys

import typer

from commands.options import AsJson, ConfigDir, RedisUrl, settings_from
from router.errors import ConfigError


def bench(
    context: typer.Context,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Run ``python -m benchmarks`` with the arguments that follow ``--``."""
    if not _installed():
        raise ConfigError("bench", "the benchmarks are not installed; run it in a checkout")
    command = [sys.executable, "-m", "benchmarks", *(["--json"] if as_json else []), *context.args]
    settings = settings_from(redis_url, config_dir)
    if redis_url is not None:  # without it the benchmarks start a server of their own
        command += ["--redis-url", settings.redis_url]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def _installed() -> bool:
    package = importlib.util.find_spec("benchmarks")
    return package is not None and importlib.util.find_spec("benchmarks.__main__") is not None
