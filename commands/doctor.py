"""``order-router doctor``: is everything there that safe routing needs? Exit code 1 if not."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from commands.checkup_account import (
    check_jobs,
    check_owner,
    check_secrets,
    check_strategies,
    check_venue,
)
from commands.checkup_redis import check_servers
from commands.findings import Finding, Grade, fail, ok, warn
from commands.link import connected
from commands.options import AccountFilter, AsJson, ConfigDir, RedisUrl, settings_from
from commands.output import console, print_json
from router.errors import ConfigError, Denied, RedisUnavailable
from router.keyspace import AccountKeys
from router.redis_url import shown
from router.servers import ClientsByKey
from router.settings import Settings

_COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}
_PARTS = ("config", "redis", "venue", "worker", "strategies", "jobs")


def doctor(
    only: Annotated[
        list[str] | None, typer.Option(help=f"Check only: {', '.join(_PARTS)}. Repeatable.")
    ] = None,
    account: AccountFilter = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="This strategy must be alive, at --account or at any.", show_default=False
        ),
    ] = None,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Check Redis, settings, secrets, venues, workers, strategies and jobs, and say what to do."""
    if unknown := sorted(set(only or ()) - set(_PARTS)):
        raise ConfigError("--only", f"{', '.join(unknown)}: known are {', '.join(_PARTS)}")
    found: list[Finding] = []
    try:
        settings = settings_from(redis_url, config_dir)
        found += _examine(set(only or _PARTS), _names(settings, account), settings, strategy)
    except ConfigError as error:
        found.append(fail("config", str(error), "correct the file or variable"))
    failed = any(one.grade is Grade.FAIL for one in found)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(one) for one in found]})
    else:
        _show(found)
    raise typer.Exit(1 if failed else 0)


def _names(settings: Settings, account: str | None) -> list[str]:
    if account is None:
        return sorted(settings.accounts)
    if account not in settings.accounts:
        raise ConfigError("--account", f"no account {account!r} is configured")
    return [account]


def _examine(
    parts: set[str], names: list[str], settings: Settings, strategy: str | None
) -> Iterator[Finding]:
    if "config" in parts:
        yield from _config(settings, names)
    if "venue" in parts:
        yield from (check_venue(name, settings) for name in names)
    if not parts & {"redis", "worker", "strategies", "jobs"}:
        return
    try:
        with connected(settings.redis_url) as clients:
            yield ok("redis", f"{shown(settings.redis_url)} answers")
            yield from _behind_redis(clients, parts, names, settings, strategy)
    except (RedisUnavailable, Denied, ConfigError) as error:
        yield fail("redis", str(error), "start Redis or correct its address")


def _config(settings: Settings, names: list[str]) -> Iterator[Finding]:
    if not names:
        yield warn("config", "no account is configured", "add [accounts.NAME] to accounts.toml")
    else:
        yield ok("config", f"read; accounts: {', '.join(names)}")
    yield from (check_secrets(name, settings) for name in names)


def _behind_redis(
    clients: ClientsByKey,
    parts: set[str],
    names: list[str],
    settings: Settings,
    strategy: str | None,
) -> Iterator[Finding]:
    if "redis" in parts:
        yield from check_servers(clients.servers, settings)
    if "worker" in parts:
        for name in names:
            client = clients.of(AccountKeys(name, settings.prefix).epoch)
            yield from check_owner(client, name, settings)
    if "strategies" in parts:
        yield from check_strategies(clients, names, settings, strategy)
    if "jobs" in parts:
        yield check_jobs(settings)


def _show(found: list[Finding]) -> None:
    out = console()
    width = max(len(one.check) for one in found)
    for one in found:
        mark = f"[{_COLOURS[one.grade]}]{one.grade.value:<4}[/]"
        advice = f"  [dim]-> {escape(one.advice)}[/dim]" if one.advice else ""
        check = escape(one.check.ljust(width))
        out.print(f"{mark}  {check}  {escape(one.seen)}{advice}", soft_wrap=True)
