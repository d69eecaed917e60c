"""One order as the owner knows it, and how a venue's statement changes it. Pure.

Invariants:
1. ``filled`` is the sum of the fills told, each trade id once; it never shrinks.
2. ``venue_filled`` is the most the venue ever reported; while it exceeds ``filled``, fills are
   missing and an end waits for them, so that a strategy is told each fill before the end.
3. A snapshot never reopens an ended order and never takes a fill back (rule 3 of state.py).
4. Folding the same reports in any order, any number of times, ends in the same order.
5. Trades alone end an order only if no amount that it may have leaves a rest: not one that a modify
   has asked for either. Trades and terms come apart, in any order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import compress
from operator import is_not
from typing import Any, NamedTuple

from router.contracts import CreateIntent, plain, read_create
from router.enums import Exists, OrderSide, OrderStatus, OrderType, TimeInForce, Via
from router.evidence import ZERO, Fill, OrderReport, VenueState
from router.state import ENDS, UNSEEN, Event, State, advance, status_of

FILL_FIELD = "fill:"


@dataclass(slots=True)
class OrderRecord:
    """The owner's copy of one order hash."""

    strategy: str
    oid: str
    client_id: str
    symbol: str
    side: OrderSide
    type: OrderType
    amount: Decimal
    price: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_oid: str = ""
    idem: str = ""
    scope: str = ""
    via: Via = Via.WS
    ws_fallback: bool = True
    params: dict[str, object] = field(default_factory=dict)
    created_ms: int = 0
    expires_ms: int = 0
    state: State = State.INITIALIZED
    exists: Exists = Exists.UNKNOWN
    venue_id: str = ""
    filled: Decimal = ZERO
    venue_filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    fee_currency: str = ""
    avg_price: Decimal | None = None
    trades: dict[str, Decimal] = field(default_factory=dict)
    asked: Decimal = ZERO
    """The largest amount that a modify has asked for, whatever became of it."""
    end: State | None = None
    by_amount: bool = True  # False where the venue counts in quote value: its state decides
    reason: str = ""
    sent_ms: int = 0
    acked_ms: int = 0
    ended_ms: int = 0
    venue_ms: int = 0
    intent_id: str = ""
    epoch: int = 0
    #: The most that the venue reported as filled with an average price, and that; never stored.
    venue_avg: tuple[Decimal, Decimal] | None = field(default=None, compare=False, repr=False)
    stored: tuple[Any, ...] | None = field(default=None, compare=False, repr=False)
    stored_as_ended: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def from_intent(cls, strategy: str, intent: CreateIntent) -> "OrderRecord":
        """Return the record of an order just admitted."""
        record = cls(  # by position: by name it costs three times as much (docs/performance.md)
            strategy,
            intent.oid,
            intent.client_id,
            intent.symbol,
            intent.side,
            intent.type,
            intent.amount,
            intent.price,
            intent.tif,
            intent.reduce_only,
            intent.client_oid,
            intent.idem,
            intent.scope,
            intent.via,
            intent.ws_fallback,
            intent.params,
            intent.created_ms,
            intent.expires_ms,
        )
        record.stored = record._now()  # what a reader of the hash takes for a field not there
        return record

    @classmethod
    def from_hash(cls, strategy: str, fields: Mapping[str, str]) -> "OrderRecord":
        """Return the record stored in an order hash.

        Raises:
            InvalidArgument: If the hash is not an order (a field missing or unreadable).
        """
        intent = read_create(fields)
        record = cls.from_intent(strategy, intent)
        record.stored = None
        record.state = State(fields.get("state", State.INITIALIZED))
        record.exists = Exists(fields.get("exists", Exists.UNKNOWN))
        record.venue_id = fields.get("eid", "")
        record.filled = Decimal(fields.get("filled", "0"))
        record.venue_filled = Decimal(fields.get("venue_filled", "0"))
        record.cost = Decimal(fields.get("cost", "0"))
        record.asked = Decimal(fields.get("asked", "0"))
        record.fee = Decimal(fields.get("fee", "0"))
        record.fee_currency = fields.get("fee_currency", "")
        record.avg_price = Decimal(fields["avg_price"]) if fields.get("avg_price") else None
        record.end = State(fields["end"]) if fields.get("end") else None
        record.reason = fields.get("reason", "")
        for name in ("sent_ms", "acked_ms", "ended_ms", "venue_ms", "epoch"):
            setattr(record, name, int(fields.get(name) or 0))
        record.stored_as_ended = record.ended
        for name, value in fields.items():
            if name.startswith(FILL_FIELD):
                amount = value.partition("@")[0]
                record.trades[name.removeprefix(FILL_FIELD)] = Decimal(amount)
        return record

    @property
    def status(self) -> OrderStatus:
        return status_of(self.state, self.filled)

    @property
    def ended(self) -> bool:
        return self.state in ENDS

    @property
    def remaining(self) -> Decimal:
        return ZERO if self.state is State.FILLED else max(ZERO, self.amount - self.filled)

    @property
    def filled_whole(self) -> bool:
        """Whether the trades told leave nothing of any amount that the order may have."""
        whole = self.by_amount and self.filled >= self.amount and self.filled >= self.asked
        return whole and not self.lacks_fills

    @property
    def lacks_fills(self) -> bool:
        """Whether the venue reported more filled than the fills we were told."""
        return self.venue_filled > self.filled

    def intent(self) -> CreateIntent:
        """Return the intent that makes this order, with its terms as they are now."""
        return CreateIntent(
            oid=self.oid,
            client_id=self.client_id,
            symbol=self.symbol,
            side=self.side,
            type=self.type,
            amount=self.amount,
            price=self.price,
            tif=self.tif,
            reduce_only=self.reduce_only,
            client_oid=self.client_oid,
            idem=self.idem,
            scope="account" if self.scope == "account" else "",
            via=self.via,
            ws_fallback=self.ws_fallback,
            params=self.params,
            created_ms=self.created_ms,
            expires_ms=self.expires_ms,
        )

    def trade_fields(self) -> Iterator[tuple[str, str]]:
        """Yield the trades told so far as the order hash holds them, but for their prices."""
        for trade_id, amount in self.trades.items():
            yield FILL_FIELD + trade_id, plain(amount)

    def hash_fields(self) -> dict[str, str]:
        """Return the fields that may change after admission, as the order hash holds them."""
        fields = {name: _text(value) for name, value in zip(_CHANGING, self._now(), strict=True)}
        return {**fields, "status": self.status}

    def changed_fields(self) -> dict[str, str]:
        """Return the fields that differ from what was returned last: what is to be written now."""
        now, stored = self._now(), self.stored
        self.stored = None if self.ended else now  # an ended order's late change writes all of it
        if stored is None:
            return self.hash_fields()
        # What nobody touched is the same object still: that finds the few others fastest.
        others = compress(zip(_CHANGING, now, stored, strict=True), map(is_not, now, stored))
        fields = {name: _text(value) for name, value, old in others if value != old}
        if "state" in fields or "filled" in fields:
            fields["status"] = self.status
        return fields

    def _now(self) -> tuple[Any, ...]:
        """Return the values of the fields that may change, in the order of ``_CHANGING``."""
        # One literal: put together from parts it costs three times as much, twice an order.
        return (
            self.state,
            self.exists,
            self.venue_id,
            self.filled,
            self.avg_price,
            self.reason,
            self.sent_ms,
            self.acked_ms,
            self.ended_ms,
            self.epoch,
            self.venue_filled,
            self.venue_ms,
            self.cost,
            self.fee,
            self.fee_currency,
            self.amount,
            self.price,
            self.asked,
            self.end,
        )


#: The fields of an order's hash that may change; ``status`` follows from the state and the fills.
_CHANGING = (
    *("state", "exists", "eid", "filled", "avg_price", "reason"),
    *("sent_ms", "acked_ms", "ended_ms", "epoch", "venue_filled", "venue_ms"),
    *("cost", "fee", "fee_currency", "amount", "price", "asked", "end"),
)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value  # the enumerations are text themselves
    if value is None:
        return ""
    return plain(value) if isinstance(value, Decimal) else str(value)


class Told(NamedTuple):
    """One thing to tell the strategy: an order event, with the fill that made it."""

    status: OrderStatus
    fill: Fill | None = None
    reason: str = ""


def step(record: OrderRecord, event: Event) -> None:
    """Advance the record; seeing it at the venue settles ``exists``."""
    record.state = advance(record.state, event)
    if record.state not in (State.FAILED, *UNSEEN) or event is Event.ACKED:
        record.exists = Exists.TRUE


def acked(record: OrderRecord, venue_id: str, now_ms: int) -> list[Told]:
    """Return what to tell after the venue took the create request: PENDING, unless more is known.

    A late ack after an unknown or failed outcome revives the order (evidence is always taken). Not
    if the venue has refused that very order since: to take its request came before that.
    """
    if _is_refused(record) and venue_id in ("", record.venue_id or venue_id):
        return []
    first = record.state is State.FAILED or (not record.acked_ms and record.state in UNSEEN)
    record.venue_id = venue_id or record.venue_id
    record.acked_ms = record.acked_ms or now_ms
    step(record, Event.ACKED)
    if first:
        record.ended_ms = 0
        record.reason = ""
    return [Told(OrderStatus.PENDING)] if first else []


def _is_refused(record: OrderRecord) -> bool:
    """Whether the order failed after the venue had taken it; one proven absent was never taken."""
    return record.state is State.FAILED and bool(record.acked_ms)


def failed(record: OrderRecord, event: Event, reason: str, now_ms: int) -> list[Told]:
    """Return what to tell after ``event`` (NOT_SENT, REJECTED or ABSENT); [] if it proves nothing.

    Late refusals never end an order that the venue has shown to exist.
    """
    if record.ended:
        return []
    step(record, event)
    if record.state is not State.FAILED:
        return []
    record.reason = reason
    record.exists = Exists.FALSE
    record.ended_ms = now_ms
    return [Told(OrderStatus.FAILED, reason=reason)]


def fold(record: OrderRecord, report: OrderReport) -> list[Told]:
    """Return what to tell after the venue's statement, and change the record accordingly."""
    if report.state is VenueState.REJECTED and record.state in (*UNSEEN, State.FAILED):
        # Whoever has a state for the order has taken its request, though the ack may come later.
        record.acked_ms = record.acked_ms or report.ts_ms
        record.venue_id = record.venue_id or report.venue_id
        return failed(record, Event.REJECTED, report.reason or "rejected", report.ts_ms)
    told = _first_sight(record, report.venue_id, report.ts_ms)
    record.venue_id = record.venue_id or report.venue_id
    if _is_enlarged(record, report):
        step(record, Event.ENLARGED)
        record.end, record.ended_ms = None, 0
    if _take_terms(record, report) and record.state is State.ACCEPTED:
        told.append(Told(OrderStatus.ACCEPTED))  # on the book with other terms: amended
    record.venue_filled = max(record.venue_filled, report.filled)
    if report.avg_price is not None and report.filled == record.venue_filled:
        record.venue_avg = report.filled, report.avg_price
    if report.fill is not None:
        told += add_fill(record, report.fill)
    record.venue_ms = max(record.venue_ms, report.ts_ms)
    if report.state is VenueState.OPEN:
        told += _opened(record)
    else:
        _note_end(record, _VENUE_ENDS[report.state], report.reason)
    return told + settle_end(record, report.ts_ms)


_VENUE_ENDS = {
    VenueState.FILLED: State.FILLED,
    VenueState.CANCELED: State.CANCELED,
    VenueState.EXPIRED: State.EXPIRED,
    # Of an order that it had shown: what was to be refused has been on the book, and is off it.
    VenueState.REJECTED: State.CANCELED,
}


def _first_sight(record: OrderRecord, venue_id: str, now_ms: int) -> list[Told]:
    """Return PENDING at the first word of the venue: a push may outrun its ack (C6)."""
    if record.acked_ms or record.state not in (*UNSEEN, State.FAILED):
        return []
    return acked(record, venue_id, now_ms)


def add_fill(record: OrderRecord, fill: Fill) -> list[Told]:
    """Return the fill's event (after PENDING at first sight); [] if this trade was told before."""
    if fill.trade_id in record.trades:
        return []
    told = _first_sight(record, fill.venue_id, fill.ts_ms)
    record.trades[fill.trade_id] = fill.amount
    if _told_as_rest(record) and record.filled + fill.amount > record.venue_filled:
        return []  # its quantity was told when the venue listed no trades for it
    record.filled += fill.amount
    record.cost += fill.amount * fill.price
    record.avg_price = record.cost / record.filled
    record.fee += fill.fee
    record.fee_currency = fill.fee_currency or record.fee_currency
    record.venue_filled = max(record.venue_filled, record.filled)
    all_filled, revived = record.filled_whole, record.state is State.FAILED
    step(record, Event.FILL_ALL if all_filled else Event.FILL)
    if revived:
        record.reason, record.ended_ms = "", 0
    if all_filled:
        record.end = State.FILLED
        record.ended_ms = record.ended_ms or fill.ts_ms
        record.reason = ""
        return [*told, Told(OrderStatus.FILLED, fill)]
    return [*told, Told(OrderStatus.PARTIALLY_FILLED, fill)]


def rest_fill(record: OrderRecord, now_ms: int) -> Fill:
    """Return the quantity that the venue counts but lists no trades for, as one fill.

    The cumulative quantity is evidence, and so is the venue's average price of it; only its split
    into trades is lost. Where the venue told no average, the fills told so far or the limit stand
    for it.
    """
    missing = record.venue_filled - record.filled
    price = _rest_price(record, missing) or record.avg_price or record.price or ZERO
    return Fill(f"{_REST}{plain(record.venue_filled)}", missing, price, now_ms)


def _rest_price(record: OrderRecord, missing: Decimal) -> Decimal | None:
    """Return the price with which the missing quantity makes the venue's average; None if none."""
    filled, average = record.venue_avg or (ZERO, ZERO)
    if filled != record.venue_filled or missing <= 0:
        return None
    price = (average * filled - record.cost) / missing
    return price if price > 0 else None


_REST = "rest-"


def _told_as_rest(record: OrderRecord) -> bool:
    return any(trade_id.startswith(_REST) for trade_id in record.trades)


def settle_end(record: OrderRecord, now_ms: int) -> list[Told]:
    """Return the end's event once the venue named an end and no fill is missing; else []."""
    if record.end is None or record.lacks_fills or record.state is State.FILLED:
        return []
    if record.state is record.end:
        return []
    if record.ended and record.state is not State.FAILED and record.end is not State.FILLED:
        return []  # the first end stands; only FILLED overrides another
    step(record, _END_EVENTS[record.end])
    record.ended_ms = record.ended_ms or now_ms
    return [Told(OrderStatus(record.state.value), reason=record.reason)]


_END_EVENTS = {
    State.FILLED: Event.FILL_ALL,
    State.CANCELED: Event.CANCELED,
    State.EXPIRED: Event.EXPIRED,
}


def _take_terms(record: OrderRecord, report: OrderReport) -> bool:
    """Take amount and price as the venue has them, newest first; return whether they changed."""
    record.by_amount = report.amount is not None
    if report.state is VenueState.FILLED:
        record.asked = ZERO  # the venue's own word for all of it
    if report.ts_ms < record.venue_ms:
        return False
    before = record.amount, record.price
    if report.amount is not None and report.amount > 0:
        record.amount = report.amount
    if report.price is not None and report.price > 0:
        record.price = report.price
    return (record.amount, record.price) != before


def _is_enlarged(record: OrderRecord, report: OrderReport) -> bool:
    """Whether an order that its trades seemed to fill has been made larger, and has a rest."""
    return (
        record.state is State.FILLED
        and report.state is VenueState.OPEN
        and report.ts_ms > record.venue_ms
        and report.amount is not None
        and report.amount > max(record.filled, report.filled)
    )


def _opened(record: OrderRecord) -> list[Told]:
    if record.state not in (*UNSEEN, State.FAILED):
        return []
    step(record, Event.OPENED)
    record.reason, record.ended_ms = "", 0
    return [Told(OrderStatus.ACCEPTED)] if record.filled == 0 else []


def _note_end(record: OrderRecord, end: State, reason: str) -> None:
    if record.end is State.FILLED or (record.end is not None and end is not State.FILLED):
        return
    record.end = end
    record.reason = reason if end is not State.FILLED else ""
