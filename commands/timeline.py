"""``order-router order OID``: the whole history of one order, from its hash and its results."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.markup import escape

from commands.link import connected
from commands.options import AccountFilter, AsJson, ConfigDir, RedisUrl, settings_from
from commands.output import clock_time, console, print_json, table
from commands.survey import account_names, strategy_names
from router.contracts import ResultType
from router.enums import TimeInForce, Via
from router.errors import InvalidArgument
from router.keyspace import AccountKeys
from router.orders import FILL_FIELD

_READ_AT_ONCE = 2_000
_MOMENTS = {
    "created_ms": "admitted",
    "sent_ms": "sent to the venue",
    "acked_ms": "acknowledged by the venue",
    "ended_ms": "ended",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline. ``ts_ms`` 0: the time is not kept."""

    ts_ms: int
    what: str
    detail: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """One order, whose it is, and its timeline."""

    account: str
    strategy: str
    order: dict[str, str]
    moments: tuple[Moment, ...]


def order(
    oid: Annotated[str, typer.Argument(help="The order's id, or the client id the venue sees.")],
    account: AccountFilter = None,
    redis_url: RedisUrl = None,
    config_dir: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one order's whole history as a timeline."""
    settings = settings_from(redis_url, config_dir)
    with connected(settings.redis_url) as clients:
        names = account_names(clients, settings, account)
        accounts = [AccountKeys(name, settings.prefix) for name in names]
        histories = (find_history(clients.of(keys.epoch), keys, oid) for keys in accounts)
        found = next((one for one in histories if one is not None), None)
    if found is None:
        raise InvalidArgument(
            "OID",
            f"no order {oid!r} at {', '.join(names) or 'any account'}; an ended order is archived "
            "after a day (jobs.archive_dir)",
        )
    if as_json:
        print_json(asdict(found))
        return
    out = console()
    whose = escape(f"{found.strategy} at {found.account}")
    out.print(f"[bold]{escape(found.order.get('oid', oid))}[/bold]  {whose}")
    out.print(f"  {describe(found.order)}", markup=False)
    rows = [(clock_time(one.ts_ms), one.seq or "", one.what, one.detail) for one in found.moments]
    out.print(table("", ("time", "seq", "what", "detail"), rows))


def describe(fields: dict[str, str]) -> str:
    """Return an order's terms and standing in one line."""
    price = f"at {fields['price']}" if fields.get("price") else "at market"
    parts = [
        f"{fields.get('side')} {fields.get('amount')} {fields.get('symbol')} {price}",
        f"{fields.get('type')} {fields.get('tif', TimeInForce.GTC)}",
        f"status {fields.get('status')} (state {fields.get('state')})",
        f"filled {fields.get('filled', '0')}",
        f"at the venue: {fields.get('exists', 'unknown')} {fields.get('eid', '')}",
    ]
    if fields.get("idem"):
        parts.append(f"key {fields['idem']}")
    if fields.get("reason"):
        parts.append(f"reason: {fields['reason']}")
    return ", ".join(part.strip() for part in parts)


def find_history(client: Any, keys: AccountKeys, oid: str) -> History | None:
    """Return the history of an order by oid or client id; None if the account has none."""
    strategy, real = _holder(client, keys, oid)
    if not strategy:
        return None
    fields = client.hgetall(keys.order(strategy, real))
    told = _from_results(client, keys.results(strategy), real)
    moments = [*_from_hash(fields), *_trades(fields, told), *map(_told, told)]
    # The order of results is their seq; a moment of the hash goes before them.
    moments.sort(key=lambda one: (one.ts_ms, one.seq))
    return History(keys.account, strategy, fields, tuple(moments))


def _holder(client: Any, keys: AccountKeys, oid: str) -> tuple[str, str]:
    """Return strategy and oid; two empty texts if the account has no such order."""
    held = client.hget(keys.clients, oid)
    if held:
        strategy, real, *_ = str(held).split("/")
        return strategy, real
    for strategy in strategy_names(client, keys):
        if client.exists(keys.order(strategy, oid)):
            return strategy, oid
    return "", ""


def _from_hash(fields: dict[str, str]) -> list[Moment]:
    return [
        Moment(int(fields[name]), what, _detail_of(name, fields))
        for name, what in _MOMENTS.items()
        if int(fields.get(name) or 0)
    ]


def _trades(fields: dict[str, str], told: list[dict[str, str]]) -> list[Moment]:
    """Return the trades in the hash, each at the time it was told (the hash keeps none)."""
    times = {one["trade_id"]: int(one.get("ts_ms") or 0) for one in told if "trade_id" in one}
    ended_ms = int(fields.get("ended_ms") or 0)
    names = [name.removeprefix(FILL_FIELD) for name in fields if name.startswith(FILL_FIELD)]
    return [
        Moment(times.get(name, ended_ms), f"trade {name}", fields[FILL_FIELD + name])
        for name in names
    ]


def _detail_of(name: str, fields: dict[str, str]) -> str:
    match name:
        case "created_ms":
            return f"by {fields.get('via', Via.WS)}, may wait until {_expiry(fields)}"
        case "sent_ms":
            return f"epoch {fields.get('epoch', '?')}"
        case "acked_ms":
            return f"venue id {fields.get('eid', '')}"
        case _:
            return fields.get("status", "")


def _expiry(fields: dict[str, str]) -> str:
    return clock_time(int(fields.get("expires_ms") or 0)) or "its expiry"


def _from_results(client: Any, stream: str, oid: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    after = "-"
    while entries := client.xrange(stream, after, "+", count=_READ_AT_ONCE):
        found += [fields for _, fields in entries if fields.get("oid") == oid]
        after = f"({entries[-1][0]}"
    return found


def _told(fields: dict[str, str]) -> Moment:
    ts_ms, seq = int(fields.get("ts_ms") or 0), int(fields.get("seq") or 0)
    if fields.get("type") == ResultType.REQUEST:
        detail = (
            f"{fields.get('request')}: exists={fields.get('exists')} {fields.get('reason', '')}"
        )
        return Moment(ts_ms, f"told {fields.get('result_type')}", detail, seq)
    detail = f"filled {fields.get('filled', '0')} of {fields.get('amount')}"
    if fields.get("trade_id"):
        detail += (
            f"; trade {fields['trade_id']}: {fields.get('last_filled')} at "
            f"{fields.get('last_filled_price')}"
        )
    if fields.get("reason"):
        detail += f"; {fields['reason']}"
    return Moment(ts_ms, f"told {fields.get('status')}", detail, seq)
