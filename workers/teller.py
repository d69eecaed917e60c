"""Turns what was learned into writes: the order's hash, its place, and results for its strategy."""

from collections.abc import Callable, Iterable, Mapping

from router import results
from router.contracts import CreateIntent, plain
from router.enums import Exists, RequestKind, WsOrderResultType
from router.keyspace import AccountKeys
from router.orders import FILL_FIELD, OrderRecord, Told
from workers.metrics import AccountMetrics
from workers.outbox import Outbox
from workers.registry import Registry


class Teller:
    """Tells strategies; everything goes through the outbox, so it is written whole and fenced."""

    def __init__(
        self,
        *,
        keys: AccountKeys,
        outbox: Outbox,
        registry: Registry,
        exchange: str,
        account_type: str,
        epoch: int,
        idempotency_ttl_ms: int,
        now_ms: Callable[[], int],
        metrics: AccountMetrics | None = None,
    ) -> None:
        self._keys = keys
        self._outbox = outbox
        self._registry = registry
        self._exchange = exchange
        self._account_type = account_type
        self.epoch = epoch
        self._idempotency_ttl_ms = idempotency_ttl_ms
        self._now_ms = now_ms
        self._metrics = metrics or AccountMetrics()
        self.strategies: set[str] = set()

    def order(self, record: OrderRecord, told: Iterable[Told]) -> None:
        """Write the order as it is now and tell each event of it."""
        batch, now_ms = self._outbox.batch, self._now_ms()
        record.epoch = self.epoch
        if self._registry.became_known(record):
            self._known(record, now_ms)
        fields = record.changed_fields()
        if "eid" in fields:
            self._registry.note_venue_id(record)
        for one in told:
            if one.fill is not None:
                fields[FILL_FIELD + one.fill.trade_id] = (
                    f"{plain(one.fill.amount)}@{plain(one.fill.price)}"
                )
        if fields:
            batch.order(self._keys, record.strategy, record.oid, fields)
        ended = record.ended
        if ended != record.stored_as_ended:
            record.stored_as_ended = ended
            self._placed(record)
        if ended:
            self._registry.note_end(record)
        for one in told:
            batch.result(self._keys, record.strategy, results.order_result(record, one, now_ms))

    def _placed(self, record: OrderRecord) -> None:
        """Count the order as ended, or as open again if it was revived; its ids follow."""
        place = "ended" if record.ended else "open"
        batch = self._outbox.batch
        batch.place(self._keys, record.strategy, record.oid, place, end_ms=record.ended_ms)
        self._mark_ids(record)
        if not record.ended:
            self._registry.note_revival(record)

    def _known(self, record: OrderRecord, now_ms: int) -> None:
        """Measure how long the order's fate was not known."""
        self._metrics.unknown.observe((now_ms - record.sent_ms) / 1000)
        found = record.exists is Exists.TRUE
        self._metrics.unknown_resolved.add("found" if found else "absent")

    def adopted(self, record: OrderRecord) -> None:
        """Write the terms of an order found at the venue alone, as admit would have."""
        intent = CreateIntent(
            oid=record.oid,
            client_id=record.client_id,
            symbol=record.symbol,
            side=record.side,
            type=record.type,
            amount=record.amount,
            price=record.price,
            tif=record.tif,
            reduce_only=record.reduce_only,
            created_ms=record.created_ms,
        )
        batch = self._outbox.batch
        batch.order(self._keys, record.strategy, record.oid, intent.fields())
        batch.place(self._keys, record.strategy, record.oid, "open")
        batch.client(self._keys, record.client_id, f"{record.strategy}/{record.oid}")

    def _mark_ids(self, record: OrderRecord) -> None:
        """Free the ids of an ended order; take them back if it was revived."""
        batch = self._outbox.batch
        holder = f"{record.strategy}/{record.oid}"
        batch.client(self._keys, record.client_id, f"{holder}/ended" if record.ended else holder)
        if record.idem:
            owner = "@account" if record.scope == "account" else record.strategy
            ttl_ms = self._idempotency_ttl_ms if record.ended else None
            batch.idem(self._keys.idem(owner, record.idem), record.oid, ttl_ms)

    def request(
        self,
        record: OrderRecord,
        request: RequestKind,
        result_type: WsOrderResultType,
        reason: str,
        exists: Exists | None = None,
    ) -> None:
        """Tell how a request ended when it was not a plain success."""
        fields = results.request_result(
            record.oid,
            record.symbol,
            request,
            result_type,
            reason,
            exists=exists or record.exists,
            exchange=self._exchange,
            now_ms=self._now_ms(),
        )
        self._outbox.batch.result(self._keys, record.strategy, fields)

    def cut(self) -> None:
        """Allow a new batch here: everything said so far belongs together and is complete."""
        self._outbox.cut()

    def settle(self, strategy: str, entry_id: str) -> None:
        """Take an intent off its stream: its outcome stands in the same batch or before."""
        if entry_id:
            self._outbox.batch.settle(self._keys.intents(strategy), entry_id)

    def poisoned(self, strategy: str, oid: str, fields: Mapping[str, str]) -> None:
        """End the order of an unreadable intent."""
        batch = self._outbox.batch
        batch.order(self._keys, strategy, oid, fields)
        batch.place(self._keys, strategy, oid, "ended", end_ms=self._now_ms())

    def forget(self, stream: str, entry_id: str) -> None:
        """Take a note to the owner off its stream."""
        self._outbox.batch.settle(stream, entry_id)

    def reply(self, request_id: str, text: str) -> None:
        """Answer a query."""
        self._outbox.batch.reply(self._keys.reply(request_id), text)

    def dead_letter(self, stream: str, entry_id: str, fields: Mapping[str, str], why: str) -> None:
        """Keep a copy of what could not be processed, with the reason."""
        self._metrics.dead_letters.add()
        copy = {"stream": stream, "id": entry_id, "reason": why[:500]}
        copy |= {f"field:{name}"[:64]: value[:500] for name, value in list(fields.items())[:40]}
        self._outbox.batch.dead(self._keys.dead, copy)

    def broadcast(self, fields: Mapping[str, str]) -> None:
        """Tell all strategies of the account."""
        for strategy in sorted(self.strategies):
            self._outbox.batch.result(self._keys, strategy, fields)

    def tell(self, strategy: str, fields: Mapping[str, str]) -> None:
        """Tell one strategy."""
        self._outbox.batch.result(self._keys, strategy, fields)

    def status_event(self, event: str, at_ms: int | None = None) -> None:
        """Tell all strategies about the private socket or the worker; ``at_ms``: if not now."""
        now_ms = self._now_ms()
        self.broadcast(
            results.status_result(self._exchange, self._account_type, event, now_ms, at_ms)
        )

    def diff(self, strategy: str, diff: Mapping[str, object]) -> None:
        """Tell one strategy its own diff."""
        self.tell(
            strategy, results.diff_result(self._exchange, self._account_type, diff, self._now_ms())
        )

    def hash(self, key: str, fields: Mapping[str, str]) -> None:
        """Set fields of one of the account's hashes."""
        if fields:
            self._outbox.batch.hash(key, fields)
