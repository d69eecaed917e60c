"""Gathers the record: Redis's books, what strategies heard, who owned what, what restarts added."""

from collections.abc import Sequence
from typing import Any

from demo.told import read_recording
from router.contracts import ResultType
from router.keyspace import AccountKeys
from router.settings import OrderSettings, WorkerSettings
from simulator.client import Ledger
from storm.deliveries import told_once
from storm.logs import defects_in
from storm.plan import MOST_DELAY_MS
from storm.record import Books, Halted, Record, Restarted, Rules, Tenure
from storm.stack import CAPS, StormStack
from storm.watch import Watch

_TOLD = (ResultType.ORDER, ResultType.REQUEST)
_CONTROL_CAP = 10_000
_DEAD_CAP = 10_000
_RESULTS_CAP = 200_000


def read_books(stack: StormStack) -> list[Books]:
    """Return what Redis has of each strategy at each account."""
    return [_books(stack.client, keys, name) for keys in stack.keys for name in stack.strategies()]


def _books(client: Any, keys: AccountKeys, strategy: str) -> Books:
    def orders(oids: Sequence[str]) -> dict[str, dict[str, str]]:
        return {oid: client.hgetall(keys.order(strategy, oid)) for oid in oids}

    still = orders(sorted(client.smembers(keys.open(strategy))))
    return Books(
        keys.account,
        strategy,
        open=still,
        ended=orders(client.zrange(keys.ended(strategy), 0, -1)),
        results=[fields for _, fields in client.xrange(keys.results(strategy))],
        waiting=client.xlen(keys.intents(strategy)),
        resolving=frozenset(oid for oid in still if client.exists(keys.resolving(strategy, oid))),
    )


def what_came(
    ledgers: tuple[Ledger, Ledger], before: Sequence[Books], after: Sequence[Books]
) -> Restarted:
    """Return what the ledger and the results have more than before."""
    first, then = ledgers
    requests = [
        f"{row['op']} of {row['client_id'] or row['venue_id']} by {row['transport']}"
        for row in then.requests[len(first.requests) :]
    ]
    results = [
        f"{new.account}, {new.strategy}: {fields['type']} of {fields.get('oid')} "
        f"{fields.get('status') or fields.get('result_type')}"
        for old, new in zip(before, after, strict=True)
        for fields in new.results[len(old.results) :]
        if fields["type"] in _TOLD
    ]
    return Restarted(requests, results)


def gather(
    stack: StormStack,
    watch: Watch,
    books: Sequence[Books],
    *,
    halts: Sequence[Halted],
    throttles: int,
    restarted: Restarted,
) -> Record:
    """Return everything that is known, once the strategies have stopped."""
    heard = [read_recording(name, stack.records[name]) for name in stack.strategies()]
    return Record(
        ledger=stack.control.ledger(),
        told=[told_once(one, [b for b in books if b.strategy == one.strategy]) for one in heard],
        heard=heard,
        books=books,
        rules=_rules(),
        tenures=_tenures(stack, watch),
        halts=halts,
        throttles=throttles,
        most=dict(watch.most),
        restarted=restarted,
        defects=[*stack.defects, *defects_in(stack.folder)],
    )


def _rules() -> Rules:
    worker, orders = WorkerSettings(), OrderSettings()
    return Rules(
        expiry_ms=orders.expiry_ms,
        most_delay_ms=MOST_DELAY_MS,
        lease_ms=worker.lease_ttl_ms,
        # Cancels pass a queue that is full of creates.
        caps={**CAPS, "intents": CAPS["intents"] + CAPS["open"]}
        | {"results": _RESULTS_CAP, "dead": _DEAD_CAP, "control": _CONTROL_CAP},
    )


def _tenures(stack: StormStack, watch: Watch) -> list[Tenure]:
    venue_accounts = {one.account: one.venue_account for one in stack.options.venues}
    return [
        Tenure(venue_accounts[account], epoch, since_ms, stack.address_of(pid))
        for (account, epoch), (since_ms, pid) in sorted(watch.owners.items())
    ]
