"""The Redis Functions library: loading it, and one typed call per function.

A ``Call`` is a value; the synchronous SDK and the asynchronous worker both send it with
``client.fcall(call.name, len(call.keys), *call.keys, *call.args)``. Every call may be repeated with
the same arguments after a lost reply: it then changes nothing and answers the same (``gap`` widens
its gap, ``halt`` wakes the owner once more).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any

import orjson
from redis.exceptions import ResponseError

from router.keyspace import AccountKeys

LIBRARY = "order_router_1"
"""Named with the schema version: two versions can live on one server during an upgrade."""

FILES = (
    "admit", "request", "release", "register", "lease", "apply", "restore", "gap", "halt", "trim",
)  # fmt: skip


@cache
def source() -> str:
    """Return the library's text: a header and each file of ``router/lua``."""
    folder = resources.files("router") / "lua"
    parts = [(folder / f"{name}.lua").read_text(encoding="utf-8") for name in FILES]
    return "\n".join((f"#!lua name={LIBRARY}", *(f"do\n{part}\nend" for part in parts)))


@dataclass(frozen=True, slots=True)
class Call:
    """One function call: name, keys (all in the account's slot), arguments."""

    name: str
    keys: tuple[str, ...]
    args: tuple[str | int | bytes, ...]

    def fcall(self) -> tuple[Any, ...]:
        """Return the arguments of redis-py's ``fcall``."""
        return (self.name, len(self.keys), *self.keys, *self.args)


REPLICA_WITHIN_MS = 500
WAIT = ("WAIT", 1, REPLICA_WITHIN_MS)
"""Asked after a call, on its connection: how many replicas have it (``durability``), in that time.
Shorter than any timeout of a connection."""


def _flat(fields: Mapping[str, str]) -> Iterator[str]:
    return chain.from_iterable(fields.items())


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one strategy may have waiting and open."""

    intents: int = 10_000
    open_orders: int = 10_000
    unread_results: int = 100_000


def _must_not_wait(fields: Mapping[str, str]) -> bool:
    """Whether the request must be refused rather than wait for a worker (NO_WORKER).

    Only its call names the keys that telling so needs: every other order does without their bytes.
    """
    return fields.get("ws_fallback") == "0"


@dataclass(frozen=True, slots=True)
class Admission:
    """One create intent's fields, who owns its key (the strategy, or ``@account``), its life."""

    fields: Mapping[str, str]
    owner: str
    valid_for_ms: int


def admit(
    keys: AccountKeys,
    strategy: str,
    admissions: Sequence[Admission],
    *,
    caps: Caps,
    keep_ms: int = 86_400_000,
    asked_ms: int | None = None,
) -> Call:
    """Return the call that admits create intents of one strategy; answers are flat pairs.

    ``keep_ms``: how long the count of repeats and the key of an order that ended are kept.
    ``asked_ms``: the server's time when the orders were asked for, from which they are valid,
    however late the call arrives; None: from its arrival on.
    """
    hasty = any(_must_not_wait(one.fields) for one in admissions)
    own_keys: list[str] = []
    orders: list[tuple[str | int, ...]] = []
    for one in admissions:
        fields = one.fields
        oid, idem = fields["oid"], fields.get("idem", "")
        own_keys += keys.order(strategy, oid), keys.idem(one.owner, idem)
        client_id = fields.get("client_id", oid)
        orders.append((oid, idem, client_id, one.valid_for_ms, *_flat(fields)))
    return Call(
        "or1_admit",
        (
            keys.open(strategy),
            keys.intents(strategy),
            keys.clients,
            keys.halt,
            keys.strategies,
            keys.repeats(strategy),
            keys.results(strategy),
            keys.cursor(strategy),
            *((keys.lease, keys.seq, keys.ended(strategy)) if hasty else ()),
            *own_keys,
        ),
        (
            *(strategy, caps.intents, caps.open_orders, caps.unread_results, keep_ms),
            orjson.dumps(orders),
            "" if asked_ms is None else asked_ms,
        ),
    )


def request(
    keys: AccountKeys,
    strategy: str,
    fields: Mapping[str, str],
    *,
    valid_for_ms: int,
    caps: Caps,
    asked_ms: int | None = None,
) -> Call:
    """Return the call that queues a cancel, modify or query intent.

    ``asked_ms``: as in ``admit``.
    """
    refusable = (keys.lease, keys.results(strategy), keys.seq) if _must_not_wait(fields) else ()
    return Call(
        "or1_request",
        (keys.order(strategy, fields["oid"]), keys.intents(strategy), keys.halt, *refusable),
        (
            *(fields["id"], valid_for_ms, caps.intents, fields["request"], strategy),
            "" if asked_ms is None else asked_ms,
            *_flat(fields),
        ),
    )


def release(keys: AccountKeys, owner: str, strategy: str, key: str, oid: str) -> Call:
    """Return the call that frees an idempotency key held by ``oid``."""
    return Call(
        "or1_release",
        (keys.idem(owner, key), keys.order(strategy, oid), keys.repeats(strategy)),
        (oid, key),
    )


def register(
    keys: AccountKeys, strategy: str, instance: str, registration: str, who: str, *, wake: bool
) -> Call:
    """Return the call that makes a strategy's instance known."""
    return Call(
        "or1_register",
        (
            keys.strategies,
            keys.intents(strategy),
            keys.arrivals,
            keys.results(strategy),
            keys.cursor(strategy),
        ),
        (strategy, instance, registration, who, "1" if wake else ""),
    )


def lease(
    keys: AccountKeys,
    action: str,
    *,
    owner: str,
    epoch: int,
    ttl_ms: int,
    host: str = "",
    pid: int = 0,
    patient: bool = False,
    once: str = "",
) -> Call:
    """Return the call that acquires, renews or releases the account's lease.

    ``epoch``: the one held; when acquiring, the highest that the worker knows of, 0 if none.
    ``patient``: leave an account that the server forgot to its last owner. ``once``: what an
    acquisition and its repeats have in common, and no other has; "" may not be repeated.
    """
    return Call(
        "or1_lease",
        (keys.lease, keys.epoch, keys.status, keys.handover),
        (action, owner, epoch, ttl_ms, host, pid, "1" if patient else "", once),
    )


def restore(
    keys: AccountKeys,
    epoch: int,
    strategy: str,
    oid: str,
    client_id: str,
    fields: Mapping[str, str],
    *,
    key: tuple[str, str],
    ended_ms: int | None,
    keep_ms: int,
    now_ms: int,
) -> Call:
    """Return the call that writes an order back, whole, on a server that lost it.

    ``key``: who owns its idempotency key (the strategy, or ``@account``) and the key, "" if it has
    none. ``ended_ms``: None if it lives. ``keep_ms``: how long an ended order's key is kept.
    """
    owner, idem = key
    # A key that has expired by now stays gone: "0" is no key.
    kept = "" if ended_ms is None else str(max(0, ended_ms + keep_ms - now_ms))
    return Call(
        "or1_restore",
        (
            keys.epoch,
            keys.order(strategy, oid),
            keys.open(strategy),
            keys.ended(strategy),
            keys.clients,
            keys.idem(owner, idem),
        ),
        (
            *(epoch, oid, client_id, strategy, "" if ended_ms is None else ended_ms),
            kept if idem else "0",
            *_flat(fields),
        ),
    )


def gap(
    keys: AccountKeys, epoch: int, strategies: Sequence[str], *, skipped: int, halted: str
) -> Call:
    """Return the call that tells strategies that results are missing, on a server that lost some.

    ``skipped``: how many numbers are left out. ``halted``: why trading is halted; "" leaves that as
    it is. Repeated, the gaps are wider, no more.
    """
    return Call("or1_gap", (keys.epoch, keys.seq, keys.halt), (epoch, skipped, halted, *strategies))


def halt(keys: AccountKeys, why: str) -> Call:
    """Return the call that halts trading, or with "" lets it go on, and wakes the owner."""
    return Call("or1_halt", (keys.halt, keys.control), (why,))


def trim(
    keys: AccountKeys, strategy: str, *, handled_ms: int, unhandled_ms: int, most: int
) -> Call:
    """Return the call that cuts a strategy's results: repeat it until it cuts nothing.

    ``handled_ms``, ``unhandled_ms``: how old results may get that every instance has handled, or
    that one has not. ``most``: how many are kept, handled or not.
    """
    return Call(
        "or1_trim",
        (keys.results(strategy), keys.cursor(strategy), keys.gaps(strategy)),
        (handled_ms, unhandled_ms, most),
    )


class Batch:
    """Operations of one ``apply`` call, in order; keys are named once and by index."""

    __slots__ = ("_index", "_keys", "_operations", "_orders", "_settled")

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._index: dict[str, int] = {}
        self._operations: list[Sequence[str | int]] = []
        self._orders: dict[str, dict[str, str]] = {}
        self._settled: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._operations or self._orders or self._settled)

    @property
    def count(self) -> int:
        """How many operations it holds; settlements of one stream are one."""
        return len(self._operations) + len(self._orders) + len(self._settled)

    def __repr__(self) -> str:
        return f"Batch({self.count} operations, {len(self._keys)} keys)"

    def _at(self, key: str) -> int:
        index = self._index.get(key)
        if index is None:
            self._keys.append(key)
            index = self._index[key] = len(self._keys) + 3
        return index

    def order(self, keys: AccountKeys, strategy: str, oid: str, fields: Mapping[str, str]) -> None:
        """Write fields into the order's hash.

        A second write of one order joins the first: the batch is written whole, so nobody can see
        what stood between them.
        """
        key = keys.order(strategy, oid)
        known = self._orders.get(key)
        if known is None:
            self._orders[key] = {**fields}
        else:
            known.update(fields)

    def place(
        self, keys: AccountKeys, strategy: str, oid: str, place: str, *, end_ms: int = 0
    ) -> None:
        """Count the order among the "open" or the "ended" ones of its strategy."""
        places = self._at(keys.open(strategy)), self._at(keys.ended(strategy))
        self._operations.append(("place", *places, oid, place, str(end_ms)))

    def result(self, keys: AccountKeys, strategy: str, fields: Mapping[str, str]) -> None:
        """Append to the strategy's results."""
        at = self._at(keys.results(strategy))
        self._operations.append(("result", at, strategy, *_flat(fields)))

    def settle(self, stream: str, entry_id: str) -> None:
        """Acknowledge and delete an intent or control entry."""
        ids = self._settled.get(stream)
        if ids is None:
            ids = self._settled[stream] = []
        ids.append(entry_id)

    def client(self, keys: AccountKeys, client_id: str, value: str) -> None:
        """Set who holds a client id; "" removes it."""
        self._operations.append(("client", self._at(keys.clients), client_id, value))

    def idem(self, key: str, oid: str, ttl_ms: int | None) -> None:
        """Let an idempotency key expire in ``ttl_ms``; None keeps it."""
        ttl = "" if ttl_ms is None else str(ttl_ms)
        self._operations.append(("idem", self._at(key), oid, ttl))

    def hash(self, key: str, fields: Mapping[str, str]) -> None:
        """Set fields; a value of "" removes the field."""
        self._operations.append(("hash", self._at(key), *_flat(fields)))

    def dead(self, key: str, fields: Mapping[str, str]) -> None:
        """Append to the dead-letter stream."""
        self._operations.append(("dead", self._at(key), *_flat(fields)))

    def reply(self, key: str, text: str, ttl_ms: int = 60_000) -> None:
        """Answer a query."""
        self._operations.append(("reply", self._at(key), str(ttl_ms), text))

    def call(self, keys: AccountKeys, epoch: int, number: int) -> Call:
        """Return the batch as one function call: the orders first, settlements last."""
        orders = [("order", self._at(key), *_flat(one)) for key, one in self._orders.items()]
        settled = [("settle", self._at(key), *ids) for key, ids in self._settled.items()]
        return Call(
            "or1_apply",
            (keys.epoch, keys.applied, keys.seq, *self._keys),
            (epoch, number, orjson.dumps([*orders, *self._operations, *settled])),
        )


def is_missing(reply: object) -> bool:
    """Whether a reply or error says that the server lacks the library."""
    return isinstance(reply, ResponseError) and "function not found" in str(reply).lower()


def text(reply: Any) -> Any:
    """Return a reply with bytes decoded, lists included."""
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, Sequence) and not isinstance(reply, str):
        return [text(part) for part in reply]
    return reply
