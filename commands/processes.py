"""The long-running commands: worker, jobs, simulator, run."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from commands import logs
from commands.options import AsJson, ConfigDir, MetricsPort, RedisUrl, hand_down, settings_from
from commands.output import print_json
from router.contracts import first_problem
from router.errors import ConfigError
from router.settings import Settings

# The packages behind each command are imported inside it: a strategy process must not load the
# simulator, nor a worker the SDK.


def worker(
    account: Annotated[
        list[str] | None,
        typer.Option(help="An account to serve; repeat it for several. Default: all configured."),
    ] = None,
    metrics_port: MetricsPort = None,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Serve accounts: hold their sockets, send orders, write outcomes. A second one stands by."""
    from workers.process import serve

    settings = settings_from(redis_url, config_dir)
    accounts = account or sorted(settings.accounts)
    if not accounts:
        raise ConfigError("accounts.toml", "no account is configured; add [accounts.NAME]")
    logs.set_up(settings.log_level, as_json=as_json)
    hand_down(settings, config_dir)
    serve(_at_port(settings, metrics_port), accounts)


def jobs(
    metrics_port: MetricsPort = None,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Resolve unknown orders, archive and trim: an rq worker and its schedule."""
    from workers.jobs import run as run_jobs

    settings = settings_from(redis_url, config_dir)
    logs.set_up(settings.log_level, as_json=as_json)
    hand_down(settings, config_dir)
    run_jobs(_at_port(settings, metrics_port))


def _at_port(settings: Settings, port: int | None) -> Settings:
    """Return the settings with the metrics served at this port; None leaves them."""
    if port is None:
        return settings
    metrics = settings.metrics.model_copy(update={"port": port})
    return settings.model_copy(update={"metrics": metrics})


def simulator(
    port: Annotated[int | None, typer.Option(help="Port of REST and WebSockets; 0: any.")] = None,
    control_port: Annotated[int | None, typer.Option(help="Port of the control API.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of accounts, instruments, limits.")
    ] = None,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Run the local exchange. It needs no Redis; those options are there for uniformity."""
    from simulator.config import SimulatorConfig
    from simulator.server import serve

    settings_from(redis_url, config_dir)
    try:
        found = SimulatorConfig.from_toml(config) if config else SimulatorConfig()
    except OSError as error:
        raise ConfigError("--config", f"{config} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigError(str(config), str(first_problem(error))) from None
    except ValueError as error:
        raise ConfigError(str(config), f"is not TOML: {error}") from None
    given = {"port": port, "control_port": control_port, "host": host}
    found = found.model_copy(update={name: at for name, at in given.items() if at is not None})
    logs.set_up(found.log_level.upper(), as_json=as_json)
    if as_json:
        print_json({"host": found.host, "port": found.port, "control_port": found.control_port})
    try:
        serve(found)
    except OSError as error:
        raise ConfigError(
            "--port",
            f"cannot listen at {found.host}, ports {found.port} and "
            f"{found.control_port}: {error.strerror}",
        ) from None


def run(
    target: Annotated[str, typer.Argument(metavar="FILE:CLASS", help="my/entry.py:Entry")],
    strategy_id: Annotated[
        str | None, typer.Option(help="The strategy's id; default: made from the class's name.")
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(help="An account to trade; repeat it for several. Default: the only one."),
    ] = None,
    instance: Annotated[
        str, typer.Option(help="Tells processes of one strategy id apart.")
    ] = "main",
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Run a strategy until SIGINT or SIGTERM."""
    from strategy_sdk.loader import run_file

    settings = settings_from(redis_url, config_dir)
    logs.set_up(settings.log_level, as_json=as_json)
    hand_down(settings, config_dir)
    run_file(
        target,
        strategy_id or _id_of(target),
        account or _only_account(settings),
        instance=instance,
        settings=settings,
    )


def _id_of(target: str) -> str:
    """Return ``robust-entry`` for ``…:RobustEntry``."""
    name = target.rpartition(":")[2]
    dashed = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    return dashed.strip("-").replace("_", "-")


def _only_account(settings: Settings) -> list[str]:
    if len(settings.accounts) == 1:
        return list(settings.accounts)
    known = ", ".join(sorted(settings.accounts)) or "none"
    raise ConfigError("--account", f"name the account to trade; configured: {known}")
