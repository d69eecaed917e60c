"""Turns stream entries into flights: intents, queries, poison, and what an earlier epoch left."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from weakref import ref

import redis.asyncio

from router import ids
from router.contracts import (
    CancelIntent,
    CreateIntent,
    Intent,
    ModifyIntent,
    QueryIntent,
    QueryReply,
    read_intent,
)
from router.enums import Exists, OrderStatus, RequestKind, Via, WsOrderResultType
from router.errors import InvalidArgument
from router.keyspace import AccountKeys
from router.orders import OrderRecord, Told
from router.outcomes import Rung
from router.results import order_result, request_result
from router.state import State
from workers.checks import Checks
from workers.desk import Desk
from workers.flights import Flight
from workers.inquiry import Findings
from workers.outbox import persistently
from workers.venue import Modify
from workers.wiring import Wiring

log = logging.getLogger(__name__)

#: Entries of this epoch that are known to have been read; more than can ever be pending at once.
SEEN_KEPT = 50_000
#: Orders read in one exchange when an owner begins: some ms of Redis's time.
LOADED_TOGETHER = 500


class Inbox:
    """What strategies ask of one account."""

    def __init__(
        self,
        wiring: Wiring,
        desk: Desk,
        checks: Checks,
        client: "redis.asyncio.Redis",
        keys: AccountKeys,
    ) -> None:
        self._on = wiring
        self._desk = desk
        self._checks = checks
        self._client = client
        self._keys = keys
        self._seen: OrderedDict[str, ref[Flight] | None] = OrderedDict()
        self._repeats: dict[str, str] = {}
        self._looking = False
        self.look_again: Callable[[], Awaitable[None]] = _nowhere_to_look
        """Called where a create must have been given to a read that nobody awaits: what is pending
        in the streams is taken then, in its order, by ``inherit`` and ``take``."""

    def refuse_repeat(self, oid: str, first: str) -> None:
        """Send no order ``oid``: its key, which Redis had forgotten, is that of ``first``."""
        self._repeats[oid] = first

    async def take(self, strategy: str, entries: list[tuple[str, Mapping[str, str]]]) -> None:
        """Take fresh intents of one strategy, in order. Bad ones harm nobody else (P7)."""
        redis_ms = self._on.clock.redis_ms()
        for entry_id, fields in entries:
            if self._taken_before(strategy, entry_id):
                self._settle_again(strategy, entry_id)
                continue
            self._on.metrics.age.observe((redis_ms - int(entry_id.partition("-")[0])) / 1000)
            try:
                intent = read_intent(fields)
            except InvalidArgument as error:
                self._on.spawn(
                    self._poison(strategy, entry_id, fields, error), f"poison {entry_id}"
                )
                continue
            flight = await self._flight(strategy, entry_id, intent, fields)
            if flight is not None and self._lacks_create(flight):
                # Refused for want of its order, it would be told as failed, and the order be sent
                # after it. This entry and what follows are pending with us: they come again.
                del self._seen[_name(strategy, entry_id)]
                await self._look()
                return
            if flight is not None:
                self._seen[_name(strategy, entry_id)] = ref(flight)
            if flight is not None and (first := self._repeats.pop(intent.oid, "")):
                self._desk.not_sent(
                    flight, f"REPEATED: its key is that of order {first}; Redis had forgotten that"
                )
            elif flight is not None:
                self._desk.take(flight)

    def _lacks_create(self, flight: Flight) -> bool:
        """Whether a cancel or modify came before its order's create, and that may yet be found."""
        record = flight.record
        return (
            flight.kind is not RequestKind.CREATE
            and record.state is State.INITIALIZED
            and not self._looking
            and not self._desk.creating(record)
        )

    async def _look(self) -> None:
        self._looking = True
        try:
            await self.look_again()
        finally:
            self._looking = False

    def _taken_before(self, strategy: str, entry_id: str) -> bool:
        """Whether this entry was read before in this epoch (its first reply was not lost)."""
        name = _name(strategy, entry_id)
        if name in self._seen:
            self._seen.move_to_end(name)  # pending still: it will be read again
            return True
        self._seen[name] = None
        if len(self._seen) > SEEN_KEPT:
            self._seen.popitem(last=False)
        return False

    def _settle_again(self, strategy: str, entry_id: str) -> None:
        """Take a finished intent off its stream where Redis forgot that it was."""
        kept = self._seen[_name(strategy, entry_id)]
        if kept is not None and ((flight := kept()) is None or flight.done):
            self._on.teller.settle(strategy, entry_id)

    async def inherit(self, strategy: str, entries: list[tuple[str, Mapping[str, str]]]) -> None:
        """Take what another epoch was given: it may have been sent, so it is in doubt."""
        for entry_id, fields in entries:
            if self._taken_before(strategy, entry_id):
                self._settle_again(strategy, entry_id)
                continue  # given to us: memory knows what became of it
            try:
                intent = read_intent(fields)
            except InvalidArgument as error:
                await self._poison(strategy, entry_id, fields, error)
                continue
            flight = await self._flight(strategy, entry_id, intent, fields, inherited=True)
            if flight is not None:
                self._desk.recover(flight)

    async def _flight(
        self,
        strategy: str,
        entry_id: str,
        intent: Intent,
        fields: Mapping[str, str],
        *,
        inherited: bool = False,
    ) -> Flight | None:
        if isinstance(intent, QueryIntent):
            self._on.spawn(self._query(strategy, entry_id, intent), f"query {intent.oid}")
            return None
        try:
            if isinstance(intent, CreateIntent) and not inherited:
                known = await self._create(strategy, entry_id, intent)
                if known is None:
                    self._on.teller.settle(strategy, entry_id)
                    return None
                record = known
            else:
                record = await self._known(strategy, intent.oid)
        except InvalidArgument as error:
            await self._poison(strategy, entry_id, fields, error)
            return None
        return Flight(
            intent.request,
            record,
            entry_id,
            intent.via is Via.REST,
            intent.ws_fallback,
            self._valid_until_ms(intent),
            self._wish(record, intent),
        )

    def _valid_until_ms(self, intent: CreateIntent | CancelIntent | ModifyIntent) -> int:
        clock = self._on.clock
        if not intent.expires_ms:
            return clock.monotonic_ms() + self._on.orders.valid_for_ms
        return clock.monotonic_ms() + intent.expires_ms - clock.redis_ms()

    def _wish(self, record: OrderRecord, intent: Intent) -> Modify | None:
        instrument = self._on.instruments.symbol(record.symbol)
        if not isinstance(intent, ModifyIntent) or instrument is None:
            return None
        return Modify(instrument, record.client_id, record.venue_id, intent.price, intent.amount, 0)

    async def _create(
        self, strategy: str, entry_id: str, intent: CreateIntent
    ) -> OrderRecord | None:
        """Return the record of a create that was never sent; None if memory has its order.

        A server that lost the first admission admits its repeat: the order has its outcome, or
        will.

        Raises:
            InvalidArgument: If its oid or client id was used before: an entry that did not come
                from admit must neither trade an order again nor take one from its owner (P1, P5).
        """
        if ids.tag_of(intent.oid) != ids.strategy_tag(strategy):
            raise InvalidArgument("oid", f"its tag is not that of {strategy}")
        known = self._on.registry.owned(strategy, intent.oid)
        remembered = known is not None
        if known is None and ids.made_ms(intent.oid) <= self._on.registry.complete_since_ms:
            known = await self.find(strategy, intent.oid)  # older than what memory holds
        if known is not None:
            if known.state is not State.INITIALIZED or known.intent_id not in ("", entry_id):
                if remembered and _same_terms(known, intent):
                    return None
                raise InvalidArgument("oid", "it is already used by another intent")
            known.intent_id = entry_id
            return known
        if self._on.registry.live_client(intent.client_id) is not None:
            raise InvalidArgument("client_id", "a live order has it")
        record = OrderRecord.from_intent(strategy, intent)
        record.intent_id = entry_id
        self._on.registry.add(record)
        return record

    async def _known(self, strategy: str, oid: str) -> OrderRecord:
        """Return an order of the strategy.

        Raises:
            InvalidArgument: If it has none with this oid.
        """
        record = await self.find(strategy, oid)
        if record is None:
            raise InvalidArgument("oid", "no order of this strategy has it")
        return record

    async def find(self, strategy: str, oid: str) -> OrderRecord | None:
        """Return the strategy's order, from memory or else from its hash; None if it has none."""
        record = self._on.registry.owned(strategy, oid)
        if record is not None:
            return record
        key = self._keys.order(strategy, oid)
        raw = await persistently(lambda: self._client.hgetall(key))
        return self._remembered(strategy, oid, raw)

    async def load(self, strategy: str, oids: Sequence[str]) -> None:
        """Bring the strategy's orders into memory, so many in one exchange with Redis."""
        for at in range(0, len(oids), LOADED_TOGETHER):
            part = oids[at : at + LOADED_TOGETHER]
            hashes = await persistently(lambda part=part: self._hashes(strategy, part))  # type: ignore[misc]
            for oid, raw in zip(part, hashes, strict=True):
                self._remembered(strategy, oid, raw)

    async def _hashes(self, strategy: str, oids: Sequence[str]) -> list[dict[str, str]]:
        pipeline = self._client.pipeline(transaction=False)
        for oid in oids:
            pipeline.hgetall(self._keys.order(strategy, oid))
        found: list[dict[str, str]] = await pipeline.execute()
        return found

    def _remembered(self, strategy: str, oid: str, raw: Mapping[str, str]) -> OrderRecord | None:
        """Return the order in memory, from its hash unless it is there; None if that is none."""
        if (known := self._on.registry.owned(strategy, oid)) is not None:
            return known  # two copies of one order would each tell what the other has told
        if not raw:
            return None
        try:
            record = OrderRecord.from_hash(strategy, raw)
        except ValueError as error:
            key = self._keys.order(strategy, oid)
            log.error("%s: the hash %s is not an order: %s", self._on.account, key, error)
            return None
        self._on.registry.add(record)
        return record

    async def holder(self, client_id: str) -> OrderRecord | None:
        """Return the order that has, or had last, this client id; None if it was never ours."""
        clients = self._keys.clients
        holder = await persistently(lambda: self._client.hget(clients, client_id))
        if holder is None:
            return None
        strategy, oid, *_ = holder.split("/")
        return await self.find(strategy, oid)

    async def _query(self, strategy: str, entry_id: str, intent: QueryIntent) -> None:
        record = await self.find(strategy, intent.oid)
        if record is None:
            reply = QueryReply(found=None, reason=f"{strategy} has no order {intent.oid}")
        else:
            findings = await self._checks.refresh(record)
            if findings.rung is Rung.FOUND:
                fields = order_result(record, Told(record.status), self._on.clock.now_ms())
                reply = QueryReply(found=True, order=fields)
            else:
                reply = _not_shown(record, findings, self._on.clock.now_ms())
        self._on.teller.reply(intent.id, reply.model_dump_json())
        self._on.teller.settle(strategy, entry_id)

    async def _poison(
        self, strategy: str, entry_id: str, fields: Mapping[str, str], error: InvalidArgument
    ) -> None:
        """Dead-letter an unreadable intent and tell its strategy; end its order if it had one."""
        log.error("%s: bad intent of %s: %s", self._on.account, strategy, error)
        teller = self._on.teller
        reason = f"INVALID_{error.field.upper()}: {error}"[:500]
        teller.dead_letter(self._keys.intents(strategy), entry_id, fields, reason)
        oid = fields.get("oid", "")[:64]
        kind = fields.get("request", "create")
        request = RequestKind(kind) if kind in tuple(RequestKind) else RequestKind.CREATE
        self._on.metrics.request(request, "", WsOrderResultType.REQUEST_NOT_SENT, reason)
        exists = Exists.UNKNOWN
        if request is RequestKind.CREATE:
            # Its oid may be that of an order which is alive and well.
            known = self._on.registry.owned(strategy, oid)
            exists = known.exists if known is not None else Exists.FALSE
            if known is None and ids.OID.fullmatch(oid):
                await self._end_poisoned(strategy, oid, reason)
        teller.tell(
            strategy,
            request_result(
                oid,
                fields.get("symbol", "")[:64],
                request,
                WsOrderResultType.REQUEST_NOT_SENT,
                reason,
                exists=exists,
                exchange=self._on.venue.exchange,
                now_ms=self._on.clock.now_ms(),
            ),
        )
        teller.settle(strategy, entry_id)

    async def _end_poisoned(self, strategy: str, oid: str, reason: str) -> None:
        """End the order that admit stored for an intent which turned out unreadable."""
        key = self._keys.order(strategy, oid)
        state = await persistently(lambda: self._client.hget(key, "state"))
        if state != State.INITIALIZED:
            return
        fields = {
            "state": State.FAILED.value,
            "status": OrderStatus.FAILED.value,
            "exists": Exists.FALSE.value,
            "reason": reason,
        }
        self._on.teller.poisoned(strategy, oid, fields)


def _same_terms(record: OrderRecord, intent: CreateIntent) -> bool:
    """Whether the order is what the intent asks for; its price may have been modified since."""
    terms = (intent.client_id, intent.symbol, intent.side, intent.amount)
    return (record.client_id, record.symbol, record.side, record.amount) == terms


def _name(strategy: str, entry_id: str) -> str:
    return f"{strategy} {entry_id}"


async def _nowhere_to_look() -> None:
    raise RuntimeError("the inbox was not wired to what reads the streams")


def _not_shown(record: OrderRecord, findings: Findings, now_ms: int) -> QueryReply:
    """Return what is known of an order that the venue did not show when it was asked.

    That is no proof by itself: queries lag, and venues forget orders that have ended.
    """
    if record.exists is Exists.FALSE:
        return QueryReply(found=False, reason=f"it never existed there: {record.reason}")
    if findings.rung is not Rung.NOT_FOUND:
        return QueryReply(found=None, reason=findings.problem)
    if record.exists is Exists.TRUE:
        return QueryReply(found=True, order=order_result(record, Told(record.status), now_ms))
    why = "the venue does not show it now, which proves nothing yet; its outcome is told"
    return QueryReply(found=None, reason=why)
