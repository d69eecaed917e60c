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
from commands.survey import (
    account_names,
    check_strategy,
    fields_of,
    orders_of,
    strategy_names,
)
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
    total = 0
    with connected(settings.redis_url) as clients:
        names = account_names(clients, settings, account)
        accounts = [AccountKeys(name, settings.prefix) for name in names]
        if strategy is not None:
            check_strategy(clients, accounts, strategy)
        for keys in accounts:
            client = clients.of(keys.epoch)
            for one in strategy_names(client, keys):
                if strategy in (None, one):
                    oids = _oids(client, keys, one, symbol, ended=everything)
                    found += orders_of(client, keys, one, oids[:limit])
                    total += len(oids)
    found.sort(key=lambda one: int(one.get("created_ms") or 0), reverse=True)
    if as_json:
        print_json({"orders": found, "total": total})
        return
    count = f"{len(found)} of {total}" if len(found) < total else str(total)
    title = f"{count} {'orders' if everything else 'open orders'}"
    console().print(table(title, _COLUMNS, [_row(one) for one in found]))


def _oids(
    client: Any, keys: AccountKeys, strategy: str, symbol: str | None, *, ended: bool
) -> list[str]:
    """Return the oids asked for: open orders first, then ended ones, each newest first."""
    oids = sorted(client.smembers(keys.open(strategy)), reverse=True)
    if ended:
        oids += client.zrevrange(keys.ended(strategy), 0, -1)
    oids = list(dict.fromkeys(oids))  # one may have ended in between
    if symbol is None:
        return oids
    symbols = fields_of(client, keys, strategy, oids, "symbol")
    return [oid for oid, one in zip(oids, symbols, strict=True) if one == symbol]


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
