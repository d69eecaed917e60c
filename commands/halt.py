"""``order-router halt`` and ``resume``: stop new orders of an account at once, in all processes."""

from pathlib import Path
from typing import Annotated, Any

import typer
from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from commands.link import connected
from commands.options import AsJson, ConfigDir, RedisUrl, settings_from
from commands.output import print_json
from commands.survey import account_names
from router import functions
from router.contracts import ControlKind
from router.errors import Denied, InvalidArgument
from router.keyspace import AccountKeys

Account = Annotated[str, typer.Argument(help="The account.")]
# As many as the halt function keeps; the owner deletes what it has read.
_CONTROL_CAP = 10_000


def halt(
    account: Account,
    why: Annotated[str, typer.Option(help="Told to every strategy whose order is refused.")],
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Refuse queued and new creates and modifies; cancels and fills go on."""
    reason = " ".join(why.split())
    if not reason:
        raise InvalidArgument("--why", "is empty; say why, the strategies are told")
    _set(account, reason, redis_url, config_dir)
    _say(account, reason, as_json=as_json)


def resume(
    account: Account,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Let new orders through again."""
    _set(account, None, redis_url, config_dir)
    _say(account, None, as_json=as_json)


def _set(account: str, why: str | None, redis_url: str | None, config_dir: Path | None) -> None:
    settings = settings_from(redis_url, config_dir)
    keys = AccountKeys(account, settings.prefix)
    with connected(settings.redis_url) as clients:
        account_names(clients, settings, account)
        write(clients.of(keys.halt), keys, why)


def write(client: Any, keys: AccountKeys, why: str | None) -> None:
    """Set or remove the halt and wake the owner, both or neither; also where memory is full.

    Raises:
        Denied: If memory is full, and the function that passes nonetheless cannot be called.
    """
    try:
        client.fcall(*functions.halt(keys, why or "").fcall())
    except ResponseError as error:
        # No worker ever started, or an older one did; or the user may do plain commands only.
        if not (functions.is_missing(error) or isinstance(error, NoPermissionError)):
            raise
        try:
            _write_plainly(client, keys, why)
        except OutOfMemoryError:
            raise Denied(
                "REDIS_FULL",
                "Redis has reached its maxmemory, and FCALL or1_halt, which passes nonetheless, "
                f"was refused ({error}); nothing was changed. Raise maxmemory; then start a worker "
                "of this version, or allow the function (docs/access.md)",
            ) from None


def _write_plainly(client: Any, keys: AccountKeys, why: str | None) -> None:
    """Do what the halt function does, but for the memory."""
    pipeline = client.pipeline(transaction=True)
    if why is None:
        pipeline.delete(keys.halt)
    else:
        pipeline.set(keys.halt, why)
    note = {"kind": ControlKind.HALT, "why": why or ""}
    pipeline.xadd(keys.control, note, maxlen=_CONTROL_CAP, approximate=True)
    pipeline.execute()


def _say(account: str, why: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"account": account, "halted": why})
    elif why is None:
        typer.echo(f"{account}: trading goes on")
    else:
        typer.echo(f"{account}: halted ({why}); go on with: order-router resume {account}")
