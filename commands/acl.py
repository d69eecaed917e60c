"""``order-router acl``: the Redis user of a strategy, as a line for redis-cli or an ACL file."""

from typing import Annotated

import typer

from commands.options import AsJson, ConfigDir, RedisUrl, settings_from
from commands.output import print_json
from router import access
from router.errors import ConfigError
from router.ids import check_name
from router.keyspace import AccountKeys, VenueKeys
from router.settings import Settings


def acl(
    strategy: Annotated[str, typer.Argument(help="The strategy's id; the user is named so.")],
    account: Annotated[
        list[str] | None,
        typer.Option(help="An account it trades; repeat it for several. Default: all configured."),
    ] = None,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Print what gives a strategy a Redis user of its own, with its own keys only.

    It changes nothing. Put a password in the place of PASSWORD (docs/access.md).
    """
    settings = settings_from(redis_url, config_dir)
    rules = rules_of(
        check_name(strategy, "STRATEGY"), account or sorted(settings.accounts), settings
    )
    if as_json:
        print_json({"user": strategy, "rules": rules})
        return
    quoted = " ".join(f'"{one}"' if one.startswith("(") else one for one in rules)
    typer.echo(f"ACL SETUSER {strategy} reset on >PASSWORD {quoted}")


def rules_of(strategy: str, accounts: list[str], settings: Settings) -> list[str]:
    """Return the rules of a strategy's user for these accounts.

    Raises:
        ConfigError: If one is not configured, or none is.
    """
    if not accounts:
        raise ConfigError("accounts.toml", "no account is configured; add [accounts.NAME]")
    for name in accounts:
        if name not in settings.accounts:
            known = ", ".join(sorted(settings.accounts)) or "none"
            raise ConfigError("--account", f"no account {name!r}; configured: {known}")
    exchanges = sorted({settings.accounts[name].exchange.value for name in accounts})
    return access.rules(
        strategy,
        [AccountKeys(name, settings.prefix) for name in accounts],
        [VenueKeys(exchange, settings.prefix) for exchange in exchanges],
    )
