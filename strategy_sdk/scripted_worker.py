"""A worker by hand, for tests: writes what a worker would write, by the router's own functions.

It holds no socket and asks no venue; each method is one statement of the venue, folded into the
order by ``router.orders`` and told by ``router.results``. Works on any Redis, faked or real.
"""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import redis

from router import functions, results
from router.contracts import Intent, ModifyIntent, QueryReply, plain, read_intent
from router.enums import Exists, OrderStatus, RequestKind, WsOrderResultType
from router.errors import InvalidArgument, RouterError
from router.evidence import (
    BalanceReport,
    Fill,
    OrderReport,
    PositionReport,
    Source,
    VenueState,
)
from router.instruments import Instrument, exchange_of
from router.keyspace import AccountKeys, VenueKeys
from router.orders import OrderRecord, Told, acked, failed, fold, step
from router.state import UNSEEN, Event, State
from strategy_sdk.order_form import exact, number

IDEMPOTENCY_TTL_MS = 86_400_000
Number = Decimal | int | str
Request = tuple[RequestKind, WsOrderResultType, str]
_CONFIRMED = WsOrderResultType.ACK_TIMEOUT_CONFIRMED

#: A resync's diff in which nothing changed: every diff has all of these keys.
NOTHING_CHANGED: Mapping[str, Any] = {
    "success": True,
    "error": None,
    "positions_opened": [],
    "positions_closed": [],
    "positions_changed": [],
    "balances_changed": {},
    "open_orders_added": [],
    "open_orders_removed": [],
    "open_orders_external": [],
}


class ScriptedWorker:
    """The owner of one account, for one strategy."""

    def __init__(
        self, client: "redis.Redis", keys: AccountKeys, strategy: str, exchange: str
    ) -> None:
        self.client = client
        self.keys = keys
        self.strategy = strategy
        self.exchange = exchange
        self._number = 0
        owner = f"scripted-{secrets.token_hex(4)}"
        call = functions.lease(keys, "acquire", owner=owner, epoch=0, ttl_ms=3_600_000)
        answer = functions.text(client.fcall(*call.fcall()))
        if answer[0] != "owner":
            raise RouterError(f"account {keys.account} is owned by {answer[1]}; stop that worker")
        self._epoch = int(answer[1])

    def __repr__(self) -> str:
        return f"ScriptedWorker({self.keys.account}, {self._number} batches)"

    # --- what the strategy asked

    def intents(self) -> list[Intent]:
        """Return the requests waiting, oldest first."""
        entries: Any = self.client.xrange(self.keys.intents(self.strategy))
        return [read_intent(fields) for _, fields in entries]

    def has(self, oid: str) -> bool:
        """Return whether the account has this order of the strategy."""
        return bool(self.client.exists(self.keys.order(self.strategy, oid)))

    def record(self, oid: str) -> OrderRecord:
        """Return the stored order.

        Raises:
            InvalidArgument: If the strategy has no order with that oid.
        """
        fields: Any = self.client.hgetall(self.keys.order(self.strategy, oid))
        if not fields:
            raise InvalidArgument("oid", f"{self.strategy} has no order {oid}")
        return OrderRecord.from_hash(self.strategy, fields)

    # --- what the venue says of an order

    def acknowledge(self, oid: str) -> None:
        """The venue took the create request: PENDING."""
        record = self.record(oid)
        was = record.state
        self._tell_seen(was, record, acked(record, self._venue_id(oid), self.now_ms()))

    def accept(self, oid: str) -> None:
        """The order is on the book: ACCEPTED."""
        self._report(oid, VenueState.OPEN)

    def fill(
        self,
        oid: str,
        amount: Number,
        price: Number,
        *,
        fee: Number = 0,
        fee_currency: str = "",
        trade_id: str = "",
    ) -> None:
        """A trade: PARTIALLY_FILLED, or FILLED when it leaves nothing.

        Raises:
            InvalidArgument: If a number is a float, or the order has not that much left.
        """
        record = self.record(oid)
        one = Fill(
            trade_id or f"trade-{secrets.token_hex(4)}",
            number("amount", amount),
            number("price", price),
            self.now_ms(),
            exact("fee", fee),
            fee_currency,
        )
        if one.amount > record.remaining:
            raise InvalidArgument(
                "amount", f"order {oid} has {plain(record.remaining)} left, not {plain(one.amount)}"
            )
        filled = record.filled + one.amount
        state = VenueState.FILLED if filled >= record.amount else VenueState.OPEN
        self._report(oid, state, filled=filled, fill=one)

    def modify(self, oid: str, price: Number | None = None, amount: Number | None = None) -> None:
        """The venue changed the order's terms: ACCEPTED with the new ones.

        Left out, they are as the strategy's latest modify of the order asked for.

        Raises:
            InvalidArgument: If nothing changes, the order has ended, or none of it would be left.
        """
        record = self.record(oid)
        if price is None and amount is None:
            asked = self._asked(oid)
            price, amount = asked.price, asked.amount
        terms: dict[str, Decimal | None] = {
            "price": record.price if price is None else number("price", price),
            "amount": record.amount if amount is None else number("amount", amount),
        }
        if record.ended or terms == {"price": record.price, "amount": record.amount}:
            why = f"is {record.status}" if record.ended else "has these terms already"
            raise InvalidArgument("oid", f"order {oid} {why}: nothing of it is modified")
        if terms["amount"] is not None and terms["amount"] <= record.filled:
            raise InvalidArgument(
                "amount", f"{plain(record.filled)} of order {oid} is filled: that leaves nothing"
            )
        self._report(oid, VenueState.OPEN, **terms)

    def _asked(self, oid: str) -> ModifyIntent:
        for one in reversed(self.intents()):
            if isinstance(one, ModifyIntent) and one.oid == oid:
                return one
        raise InvalidArgument("price", f"no modify of {oid} was asked for: name the new terms")

    def refuse_modify(self, oid: str, reason: str) -> None:
        """The venue refused the modify request: ACK_REJECTED alone; the order stands as it is."""
        record = self.record(oid)
        self._tell(record, [], (RequestKind.MODIFY, WsOrderResultType.ACK_REJECTED, reason))

    def cancel(self, oid: str, reason: str = "") -> None:
        """The order was canceled: CANCELED."""
        self._report(oid, VenueState.CANCELED, reason=reason)

    def expire(self, oid: str, reason: str = "") -> None:
        """The order ended by its time in force: EXPIRED."""
        self._report(oid, VenueState.EXPIRED, reason=reason)

    def reject(self, oid: str, reason: str) -> None:
        """The venue refused the create request: FAILED, then ACK_REJECTED.

        Of an order that it had acknowledged, FAILED alone: the request had succeeded (Bybit).

        Raises:
            InvalidArgument: If the venue has shown the order, or it has ended.
        """
        record = self._unseen(oid, "be refused", acked_too=True)
        told = failed(record, Event.REJECTED, reason, self.now_ms())
        request = RequestKind.CREATE, WsOrderResultType.ACK_REJECTED, reason
        self._tell(record, told, None if record.acked_ms else request)

    def not_sent(self, oid: str, reason: str = "WS_REQUEST_NOT_SENT: socket down") -> None:
        """The create request provably never left: FAILED, then REQUEST_NOT_SENT.

        Raises:
            InvalidArgument: If it left: the venue has shown the order, or its answer was lost.
        """
        record = self._unseen(oid, "be unsent")
        if record.state is State.UNKNOWN:
            raise InvalidArgument(
                "oid", f"order {oid} was sent and its outcome is unknown; prove_absent ends it"
            )
        told = failed(record, Event.NOT_SENT, reason, self.now_ms())
        self._tell(record, told, (RequestKind.CREATE, WsOrderResultType.REQUEST_NOT_SENT, reason))

    def take_cancel(self, oid: str) -> None:
        """The venue took the cancel request: CANCELING, unless that was told.

        Raises:
            InvalidArgument: If the order has ended.
        """
        record = self.record(oid)
        if record.ended:
            raise InvalidArgument("oid", f"order {oid} is {record.status}: no cancel is taken")
        was = record.state
        step(record, Event.CANCEL_ACKED)
        told = [] if was is State.CANCELING else [Told(OrderStatus.CANCELING)]
        self._tell_seen(was, record, told)

    def refuse_cancel(self, oid: str, reason: str) -> None:
        """The venue refused the cancel request: CANCEL_FAILED, then ACK_REJECTED.

        Of an order that has ended, ACK_REJECTED alone: its end was the last of it.
        """
        record = self.record(oid)
        told: list[Told] = []
        if not record.ended:
            step(record, Event.CANCEL_REFUSED)
            told = [Told(OrderStatus.CANCEL_FAILED, reason=reason)]
        self._tell(record, told, (RequestKind.CANCEL, WsOrderResultType.ACK_REJECTED, reason))

    def lose_ack(self, oid: str, *, confirmed: bool, reason: str = "no ACK in 5000 ms") -> None:
        """No ACK came. Confirmed: the venue has the order, so PENDING and ACCEPTED unless they were
        told, then ACK_TIMEOUT_CONFIRMED. Else it is unknown: ACK_TIMEOUT, and nothing has ended.

        Raises:
            InvalidArgument: If it is to be unknown, and the venue has shown it, or it has ended.
        """
        if confirmed:
            record = self.record(oid)
            told = fold(record, self._statement(record, VenueState.OPEN))
            self._tell(record, told, (RequestKind.CREATE, _CONFIRMED, reason))
            return
        record = self._unseen(oid, "be unknown")
        step(record, Event.OUTCOME_LOST)
        record.exists, record.reason = Exists.UNKNOWN, reason
        self._tell(record, [], (RequestKind.CREATE, WsOrderResultType.ACK_TIMEOUT, reason))

    def prove_absent(self, oid: str, reason: str = "proven absent at the venue") -> None:
        """The venue provably never had the order: FAILED, then ACK_TIMEOUT with exists=false.

        Raises:
            InvalidArgument: If the venue has shown the order, or it has ended.
        """
        record = self._unseen(oid, "be absent")
        told = failed(record, Event.ABSENT, reason, self.now_ms())
        self._tell(record, told, (RequestKind.CREATE, WsOrderResultType.ACK_TIMEOUT, reason))

    # --- what the account says

    def status(self, event: str) -> None:
        """The connection changed: connected, disconnected, reconnected, resynced, …"""
        self.result(results.status_result(self.exchange, "demo", event, self.now_ms()))

    def resync_diff(self, diff: Mapping[str, Any]) -> None:
        """What changed during an outage; what is not named did not change.

        Raises:
            InvalidArgument: If no diff has such a key.
        """
        if unknown := sorted(set(diff) - set(NOTHING_CHANGED)):
            raise InvalidArgument(
                "diff", f"has no {', '.join(unknown)}; its keys: {', '.join(NOTHING_CHANGED)}"
            )
        diff = {**NOTHING_CHANGED, **diff}
        self.result(results.diff_result(self.exchange, "demo", diff, self.now_ms()))

    def balance(self, asset: str, free: Number, locked: Number = 0) -> None:
        """One asset changed."""
        amounts = exact("free", free), exact("locked", locked)
        report = BalanceReport(asset, *amounts, self.now_ms())
        batch = functions.Batch()
        batch.hash(self.keys.balances, {asset: results.balance_json(report)})
        fields = results.balances_result(self.exchange, [report], self.now_ms())
        batch.result(self.keys, self.strategy, fields)
        self.apply(batch)

    def position(self, symbol: str, signed_amount: Number, entry_price: Number = 0) -> None:
        """A position changed; 0 closes it.

        Raises:
            InvalidArgument: If the symbol trades at another exchange than the account's.
        """
        if (venue := exchange_of(symbol).value) != self.exchange:
            raise InvalidArgument(
                "symbol",
                f"{symbol} trades at {venue}, and {self.keys.account} is at {self.exchange}",
            )
        zero = Decimal(0)
        amount, price = exact("signed_amount", signed_amount), exact("entry_price", entry_price)
        report = PositionReport(symbol, amount, price, zero, zero, self.now_ms())
        batch = functions.Batch()
        text = results.position_json(report) if amount else ""
        batch.hash(self.keys.positions, {symbol: text})
        fields = results.position_result(self.exchange, report, self.now_ms())
        batch.result(self.keys, self.strategy, fields)
        self.apply(batch)

    def result(self, *entries: Mapping[str, str]) -> None:
        """Append result entries as they are, in one batch."""
        batch = functions.Batch()
        for fields in entries:
            batch.result(self.keys, self.strategy, fields)
        self.apply(batch)

    # --- public data and queries

    def publish(self, instruments: Iterable[Instrument]) -> None:
        """Publish instruments."""
        for one in instruments:
            key = VenueKeys(one.exchange.value, self.keys.prefix).instruments
            self.client.hset(key, one.symbol, one.model_dump_json())

    def book(
        self,
        symbol: str,
        bid: Decimal | str,
        ask: Decimal | str,
        bid_size: Decimal | str = "1",
        ask_size: Decimal | str = "1",
    ) -> None:
        """The best bid and ask, of any exchange's symbol."""
        sides = {"bid": bid, "bid_size": bid_size, "ask": ask, "ask_size": ask_size}
        fields: dict[Any, Any] = {name: str(value) for name, value in sides.items()}
        fields["ts_ms"] = str(self.now_ms())
        venue = VenueKeys(exchange_of(symbol).value, self.keys.prefix)
        self.client.xadd(venue.bookl1(symbol), fields, maxlen=1, approximate=False)

    def answer(self, request_id: str, reply: QueryReply) -> None:
        """Answer a query."""
        batch = functions.Batch()
        batch.reply(self.keys.reply(request_id), reply.model_dump_json())
        self.apply(batch)

    def state_of(self, oid: str, *, found: bool = False) -> QueryReply:
        """Return the answer a query has by what was scripted; an unknown order cannot be asked for.

        ``found``: the venue has it, whatever was scripted; it answers as if it were on the book.
        """
        record = self.record(oid)
        if found:
            fold(record, self._statement(record, VenueState.OPEN))
        elif record.state is State.UNKNOWN:
            reason = "its outcome is unknown; script the answer with query_finds"
            return QueryReply(found=None, reason=reason)
        if record.exists is Exists.FALSE:
            return QueryReply(found=False, reason="the venue has no such order")
        told = Told(record.status)
        return QueryReply(found=True, order=results.order_result(record, told, self.now_ms()))

    # --- how

    def apply(self, batch: functions.Batch) -> None:
        """Write one batch.

        Raises:
            RouterError: If it was not taken whole, which is a mistake in the script.
        """
        self._number += 1
        call = batch.call(self.keys, self._epoch, self._number)
        answer = functions.text(self.client.fcall(*call.fcall()))
        if answer != ["applied", str(batch.count)]:
            raise RouterError(f"the scripted results were not written: {answer}")

    @staticmethod
    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    @staticmethod
    def _venue_id(oid: str) -> str:
        return f"venue-{oid[-8:]}"

    def _unseen(self, oid: str, wish: str, *, acked_too: bool = False) -> OrderRecord:
        """Return the stored order; raise InvalidArgument if the venue has shown it already."""
        record = self.record(oid)
        if record.state not in UNSEEN or (record.acked_ms and not acked_too):
            raise InvalidArgument(
                "oid",
                f"order {oid} is {record.status}, which the venue or its end has shown; it cannot "
                f"{wish} any more",
            )
        return record

    def _statement(
        self,
        record: OrderRecord,
        state: VenueState,
        **news: Any,
    ) -> OrderReport:
        """Return the venue's word on an order, as it is but for the news."""
        known = OrderReport(
            symbol=record.symbol,
            client_id=record.client_id,
            venue_id=self._venue_id(record.oid),
            state=state,
            filled=record.filled,
            source=Source.PUSH,
            ts_ms=self.now_ms(),
            amount=record.amount,
            price=record.price,
        )
        return replace(known, **news)

    def _report(self, oid: str, state: VenueState, **news: Any) -> None:
        """Fold the venue's word on an order and tell what is new."""
        record = self.record(oid)
        was = record.state
        self._tell_seen(was, record, fold(record, self._statement(record, state, **news)))

    def _tell_seen(self, was: State, record: OrderRecord, told: Iterable[Told]) -> None:
        """Tell an order that the venue has shown; of one that was unknown, that it exists."""
        request: Request | None = None
        if was is State.UNKNOWN:
            request = RequestKind.CREATE, _CONFIRMED, "the venue has shown the order"
        self._tell(record, told, request)

    def _tell(
        self,
        record: OrderRecord,
        told: Iterable[Told],
        request: Request | None = None,
    ) -> None:
        """Write the order, its client id and key, and the results, in one batch.

        The order's events come before the result of the request that led to them, as ever.
        """
        batch = functions.Batch()
        now_ms = self.now_ms()
        batch.order(self.keys, self.strategy, record.oid, record.hash_fields())
        place = "ended" if record.ended else "open"
        batch.place(self.keys, self.strategy, record.oid, place, end_ms=now_ms)
        owned = f"{self.strategy}/{record.oid}"
        batch.client(self.keys, record.client_id, f"{owned}/ended" if record.ended else owned)
        if record.idem:
            owner = "@account" if record.scope == "account" else self.strategy
            ttl_ms = IDEMPOTENCY_TTL_MS if record.ended else None
            batch.idem(self.keys.idem(owner, record.idem), record.oid, ttl_ms)
        for one in told:
            batch.result(self.keys, self.strategy, results.order_result(record, one, now_ms))
        if request is not None:
            kind, outcome, reason = request
            batch.result(
                self.keys,
                self.strategy,
                results.request_result(
                    record.oid,
                    record.symbol,
                    kind,
                    outcome,
                    reason,
                    exists=record.exists,
                    exchange=self.exchange,
                    now_ms=now_ms,
                ),
            )
        self.apply(batch)
