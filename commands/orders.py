"""``order-router orders``: open orders, or all that are still kept, as a table."""

from typing import Annotated, Any

import typer

from commands.link import connected
from commands.options import (
    AccountFilter,
    AsJson,
    ConfigDir,
    RedisUrl,
    StrategyFilter,
    settings_from,
)
from commands.output import clock_time, console, print_json, table
from commands.survey import account_names, orders_of, strategy_names
from router.keyspace import AccountKeys

_COLUMNS = (
    "account", "strategy", "oid", "symbol", "side", "type", "amount", "price", "filled", "status",
    "exists", "created", "reason",
)  # fmt: skip


def orders(
    everything: Annotated[
        bool, typer.Option("--all", help="Ended orders, too, newest first.")
    ] = False,
    account: AccountFilter = None,
    strategy: StrategyFilter = None,
    symbol: Annotated[
        str | None, typer.Option(help="Only this symbol.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most orders of each strategy.")] = 200,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """List open orders."""
    settings = settings_from(redis_url, config_dir)
    found: list[dict[str, str]] = []
    with connected(settings.redis_url) as clients:
        for name in account_names(clients, settings, account):
            keys = AccountKeys(name, settings.prefix)
            client = clients.of(keys.epoch)
            for one in strategy_names(client, keys):
                if strategy in (None, one):
                    oids = _oids(client, keys, one, limit, ended=everything)
                    found += orders_of(client, keys, one, oids)
    found = [one for one in found if symbol in (None, one.get("symbol"))]
    found.sort(key=lambda one: int(one.get("created_ms") or 0), reverse=True)
    if as_json:
        print_json({"orders": found})
        return
    title = f"{len(found)} {'orders' if everything else 'open orders'}"
    console().print(table(title, _COLUMNS, [_row(one) for one in found]))


def _oids(client: Any, keys: AccountKeys, strategy: str, limit: int, *, ended: bool) -> list[str]:
    oids = sorted(client.smembers(keys.open(strategy)), reverse=True)[:limit]
    if ended:
        oids += client.zrevrange(keys.ended(strategy), 0, limit - 1)
    return oids


def _row(order: dict[str, str]) -> tuple[object, ...]:
    unknown = order.get("state") == "UNKNOWN"
    return (
        order["account"],
        order["strategy"],
        order.get("oid"),
        order.get("symbol"),
        order.get("side"),
        order.get("type"),
        order.get("amount"),
        order.get("price") or "market",
        order.get("filled", "0"),
        "UNKNOWN" if unknown else order.get("status"),
        order.get("exists"),
        clock_time(int(order.get("created_ms") or 0)),
        order.get("reason"),
    )
