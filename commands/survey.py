"""What Redis says about accounts, strategies and orders: read only, by the keys of keyspace.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from redis.exceptions import ResponseError

from router.errors import ConfigError
from router.keyspace import GROUP, AccountKeys, index
from router.servers import ClientsByKey
from router.settings import Settings
from router.snapshot import Snapshot
from router.state import State

SOCKETS = ("trade", "private", "public")
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class SocketView:
    """One socket of the owner."""

    state: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One process of a strategy. ``backlog`` is -1 where it cannot be told."""

    name: str
    seen_ms: int
    who: str
    backlog: int


@dataclass(frozen=True, slots=True)
class StrategyView:
    """One strategy at one account, in counts."""

    strategy: str
    waiting: int
    pending: int
    open: int
    unknown: int
    backlog: int
    repeats: int
    seen_ms: int
    dead: int
    instances: tuple[InstanceView, ...]


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account: who owns it, how it is connected, whose orders it has."""

    account: str
    owner: str
    host: str
    pid: str
    epoch: int
    lease_left_ms: int
    worker: str
    sockets: dict[str, SocketView]
    resynced_ms: int
    halted: str | None
    dead: int
    strategies: tuple[StrategyView, ...]
    metrics: Snapshot | None
    """What the owner measured, at most seconds ago; None if it published nothing lately."""


def account_names(clients: ClientsByKey, settings: Settings, only: str | None = None) -> list[str]:
    """Return the accounts that are configured or were ever served.

    Raises:
        ConfigError: If ``only`` is none of them.
    """
    everybody = index(settings.prefix)
    known = sorted({*settings.accounts, *clients.of(everybody).smembers(everybody)})
    if only is None:
        return known
    if only not in known:
        raise ConfigError(
            "account", f"{only!r} is neither configured nor served; known: {', '.join(known)}"
        )
    return [only]


def strategy_names(client: Any, keys: AccountKeys) -> list[str]:
    """Return the strategies registered at the account."""
    return sorted(name for name in client.hkeys(keys.strategies) if "@" not in name)


def check_strategy(clients: ClientsByKey, accounts: Sequence[AccountKeys], name: str) -> None:
    """Return if a strategy of this name is registered at one of the accounts.

    Raises:
        ConfigError: If it is at none.
    """
    known = {one for keys in accounts for one in strategy_names(clients.of(keys.epoch), keys)}
    if name not in known:
        where = ", ".join(keys.account for keys in accounts) or "any account"
        raise ConfigError(
            "strategy",
            f"{name!r} is not registered at {where}; known: {', '.join(sorted(known)) or 'none'}",
        )


def account_view(client: Any, keys: AccountKeys) -> AccountView:
    """Return all that is to know about one account."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hgetall(keys.lease)
    pipeline.pttl(keys.lease)
    pipeline.hgetall(keys.status)
    pipeline.get(keys.halt)
    pipeline.xlen(keys.dead)
    pipeline.hgetall(keys.strategies)
    pipeline.hgetall(keys.seq)
    pipeline.get(keys.metrics)
    lease, left_ms, status, halted, dead, registered, seq, metrics = pipeline.execute()
    names = sorted(name for name in registered if "@" not in name)
    deaths = _deaths(client, keys)
    epoch = int(lease.get("epoch") or status.get("epoch") or 0)
    return AccountView(
        account=keys.account,
        owner=lease.get("owner", ""),
        host=lease.get("host", ""),
        pid=lease.get("pid", ""),
        epoch=epoch,
        lease_left_ms=max(0, int(left_ms)),
        worker=status.get("worker", "") if lease else "",
        sockets=_sockets(status),
        resynced_ms=int(status.get("resynced_ms") or 0),
        halted=halted,
        dead=dead,
        strategies=tuple(
            _strategy_view(
                client, keys, name, registered, int(seq.get(name) or 0), deaths.get(name, 0)
            )
            for name in names
        ),
        metrics=_snapshot(metrics, epoch),
    )


def _snapshot(text: str | None, epoch: int) -> Snapshot | None:
    """Return this owner's snapshot; None for none, another owner's or one we cannot read."""
    try:
        found = Snapshot.model_validate_json(text or "null")
    except ValidationError:
        return None
    return found if found.epoch == epoch else None


def _sockets(status: dict[str, str]) -> dict[str, SocketView]:
    """Return trade, private and then the public sockets, of which a venue may have several."""
    others = sorted(name for name in status if name.startswith(f"{SOCKETS[-1]}_"))
    return {
        name: SocketView(status[name], int(status.get(f"{name}_since_ms") or 0))
        for name in (*SOCKETS, *others)
        if name in status and not name.endswith("_since_ms")
    }


def _deaths(client: Any, keys: AccountKeys) -> dict[str, int]:
    """Return how many of the newest dead letters came from each strategy's intents."""
    counts: dict[str, int] = {}
    for _, fields in client.xrevrange(keys.dead, count=_AT_ONCE):
        name = fields.get("stream", "").rpartition(":")[2]
        counts[name] = counts.get(name, 0) + 1
    return counts


def _strategy_view(
    client: Any,
    keys: AccountKeys,
    name: str,
    registered: dict[str, str],
    last_seq: int,
    deaths: int,
) -> StrategyView:
    pipeline = client.pipeline(transaction=False)
    pipeline.xlen(keys.intents(name))
    pipeline.smembers(keys.open(name))
    pipeline.hvals(keys.repeats(name))
    pipeline.hgetall(keys.cursor(name))
    waiting, open_oids, repeats, cursors = pipeline.execute()
    instances = tuple(
        _instance(client, keys, name, one, cursor, registered, last_seq)
        for one, cursor in sorted(cursors.items())
    )
    return StrategyView(
        strategy=name,
        waiting=waiting,
        pending=_pending(client, keys.intents(name)),
        open=len(open_oids),
        unknown=_unknown(client, keys, name, sorted(open_oids)),
        backlog=max((one.backlog for one in instances), default=last_seq),
        repeats=sum(int(one) for one in repeats),
        seen_ms=max((one.seen_ms for one in instances), default=0),
        dead=deaths,
        instances=instances,
    )


def _instance(
    client: Any,
    keys: AccountKeys,
    strategy: str,
    instance: str,
    cursor: str,
    registered: dict[str, str],
    last_seq: int,
) -> InstanceView:
    seen_ms, _, who = registered.get(f"{strategy}@{instance}", "").partition(" ")
    return InstanceView(
        name=instance,
        seen_ms=int(seen_ms) if seen_ms.isdigit() else 0,
        who=who,
        backlog=_backlog(client, keys.results(strategy), cursor, last_seq),
    )


def _backlog(client: Any, stream: str, cursor: str, last_seq: int) -> int:
    """Return how many results come after the cursor: ``seq`` has no gaps, so it counts them."""
    if cursor == "0-0":
        return int(client.xlen(stream))
    handled = client.xrange(stream, cursor, cursor)
    if handled:
        # More may have been handled since last_seq was read.
        return max(0, last_seq - int(handled[0][1].get("seq") or last_seq))
    # The entry was trimmed or Redis lost it: count what is there.
    return len(client.xrange(stream, f"({cursor}", "+", count=_AT_ONCE))


def _pending(client: Any, stream: str) -> int:
    try:
        return int(client.xpending(stream, GROUP)["pending"])
    except ResponseError:  # NOGROUP: no worker and no strategy made it yet
        return 0


def _unknown(client: Any, keys: AccountKeys, strategy: str, oids: Sequence[str]) -> int:
    states = fields_of(client, keys, strategy, oids, "state")
    return sum(state == State.UNKNOWN for state in states)


def fields_of(
    client: Any, keys: AccountKeys, strategy: str, oids: Sequence[str], field: str
) -> list[str | None]:
    """Return one field of many orders."""
    found: list[str | None] = []
    for start in range(0, len(oids), _AT_ONCE):
        pipeline = client.pipeline(transaction=False)
        for oid in oids[start : start + _AT_ONCE]:
            pipeline.hget(keys.order(strategy, oid), field)
        found += pipeline.execute()
    return found


def orders_of(
    client: Any, keys: AccountKeys, strategy: str, oids: Sequence[str]
) -> list[dict[str, str]]:
    """Return the hashes of many orders, each with ``account`` and ``strategy``; gone ones left."""
    found: list[dict[str, str]] = []
    for start in range(0, len(oids), _AT_ONCE):
        pipeline = client.pipeline(transaction=False)
        for oid in oids[start : start + _AT_ONCE]:
            pipeline.hgetall(keys.order(strategy, oid))
        mine = {"account": keys.account, "strategy": strategy}
        found += [mine | order for order in pipeline.execute() if order]
    return found
