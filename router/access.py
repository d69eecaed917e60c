"""What a strategy may do in Redis: the ACL rules of its user. Pure.

A function runs with the rights of whoever calls it, command by command (Redis documents, "ACL",
read 2026-11), so the rules name what the functions do, not only the functions. Each selector in
parentheses stands alone: a command passes only if one of them allows it whole, with all its keys.

Invariants:
1. Of another strategy nothing is readable or writable but its name and its client ids.
2. What the owner believes (lease, epoch, halt, control, status, holdings) is never writable.
"""

from collections.abc import Iterable, Iterator, Sequence

from router.keyspace import AccountKeys, VenueKeys

#: The functions that the SDK calls; all others are the owner's and the jobs'.
FUNCTIONS = ("or1_admit", "or1_request", "or1_release", "or1_register")
#: To connect, by whichever way, and to wait for a replica.
ALWAYS = (
    "ping", "hello", "auth", "select", "client|setinfo", "client|setname", "time", "wait", "role",
    "cluster|slots",
)  # fmt: skip
#: On keys that are the strategy's own.
OWN = (
    "exists", "get", "mget", "set", "del", "hget", "hmget", "hgetall", "hlen", "hvals", "hset",
    "hdel", "hincrby", "pexpire", "sadd", "scard", "smembers", "zadd", "xadd", "xlen", "xrange",
    "xrevrange", "xgroup|create",
)  # fmt: skip


def rules(strategy: str, accounts: Sequence[AccountKeys], venues: Sequence[VenueKeys]) -> list[str]:
    """Return the rules for ``ACL SETUSER``, to be given with the user's name and password.

    ``venues``: those of the accounts, whose books and instruments the strategy reads.
    """
    own = [key for keys in accounts for key in _own(keys, strategy)]
    clients = [keys.clients for keys in accounts]
    strategies = [keys.strategies for keys in accounts]
    seqs = [keys.seq for keys in accounts]
    arrivals = [keys.arrivals for keys in accounts]
    halts = [keys.halt for keys in accounts]
    leases = [keys.lease for keys in accounts]
    holdings = [key for keys in accounts for key in (keys.positions, keys.balances)]
    replies = [keys.reply("*") for keys in accounts]
    books = [venue.bookl1("*") for venue in venues]
    results = [keys.results(strategy) for keys in accounts]
    named = [*own, *clients, *strategies, *seqs, *arrivals, *halts, *leases]
    return [
        *("resetkeys", "resetchannels", "-@all", *(f"+{command}" for command in ALWAYS)),
        _selector([f"fcall|{name}" for name in FUNCTIONS], written=named),
        _selector(OWN, written=own),
        # One hash each for all strategies: fields cannot be told apart, removing them is not given.
        _selector(("hget", "hset"), written=clients),
        _selector(("hget", "hgetall", "hexists", "hset"), written=strategies),
        _selector(("hincrby",), written=seqs),
        _selector(("xadd", "xgroup|create"), written=arrivals),
        _selector(("get",), read=halts),
        _selector(("exists",), read=leases),
        _selector(("hgetall",), read=holdings),
        _selector(("blpop",), written=replies),
        _selector(("xread", "xrevrange"), read=[*results, *books]),
        _selector(("zadd", "zscore"), written=[venue.wanted for venue in venues]),
        _selector(("hget", "hkeys"), read=[venue.instruments for venue in venues]),
    ]


def _own(keys: AccountKeys, strategy: str) -> Iterator[str]:
    """Yield the keys that no other strategy uses, and the keys that all share on purpose."""
    yield from (keys.intents(strategy), keys.repeats(strategy), keys.order(strategy, "*"))
    yield from (keys.open(strategy), keys.ended(strategy), keys.results(strategy))
    yield from (keys.cursor(strategy), keys.gaps(strategy))
    yield from (keys.idem(owner, "*") for owner in (strategy, "@account"))


def _selector(
    commands: Iterable[str], *, written: Iterable[str] = (), read: Iterable[str] = ()
) -> str:
    parts = [*(f"~{key}" for key in written), *(f"%R~{key}" for key in read)]
    return f"({' '.join((*parts, *(f'+{command}' for command in commands)))})"
