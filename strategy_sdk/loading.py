"""What Redis knows of one account, loaded into the cache: open orders, positions, balances."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from strategy_sdk import decode
from strategy_sdk.accounts import Account
from strategy_sdk.cache import Cache
from strategy_sdk.gateway import Gateway
from strategy_sdk.schema import Order

_T = TypeVar("_T")


def load_account(gateway: Gateway, cache: Cache, account: Account, log: logging.Logger) -> str:
    """Load the account; return the newest result's id at that moment.

    The newest result is read first: what is written while the rest is read is then told after it,
    as news, rather than lost as history. Unreadable entries are logged and left out.

    Raises:
        RedisUnavailable: If Redis does not answer; the cache is as before.
    """
    newest, positions, balances = gateway.snapshot(account)
    before = cache.open_of(account.id)
    oids = gateway.open_oids(account)
    stored = gateway.orders(account, oids)
    opened = [
        (order, fields.get("idem", ""))
        for order, fields in stored_orders(zip(oids, stored, strict=True), account, gateway, log)
        if order.is_opened
    ]
    cache.load(opened, before - set(oids))
    cache.load_account(
        account.id,
        _readable(positions, lambda text: decode.position_from_json(text, account), log),
        _readable(balances, decode.balance_from_json, log),
    )
    return newest


def stored_orders(
    stored: Iterable[tuple[str, Mapping[str, str]]],
    account: Account,
    gateway: Gateway,
    log: logging.Logger,
) -> Iterator[tuple[Order, Mapping[str, str]]]:
    """Yield the readable ones of stored orders, each with its fields; {} is one that is gone."""
    for oid, fields in stored:
        if not fields:
            continue
        try:
            yield decode.order_from_hash(fields, account, gateway.strategy), fields
        except decode.UNREADABLE as error:
            log.error("the stored order %s of %s is unreadable: %r", oid, account.id, error)


def _readable(
    stored: Mapping[str, str], read: Callable[[str], _T], log: logging.Logger
) -> list[_T]:
    found = []
    for name, text in stored.items():
        try:
            found.append(read(text))
        except decode.UNREADABLE as error:
            log.error("what is stored of %s is unreadable (%r): %s", name, error, text[:200])
    return found
