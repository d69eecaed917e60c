"""What the venue states about an order, from whatever source: folded, told, its consequences."""

import logging
from collections.abc import Callable, Iterable

from router.enums import Exists, RequestKind, WsOrderResultType
from router.evidence import Fill, OrderReport
from router.orders import OrderRecord, Told, add_fill, failed, fold, settle_end
from router.state import Event, State
from workers.wiring import Wiring

log = logging.getLogger(__name__)


class Statements:
    """The one place where reports and trades change orders."""

    def __init__(self, wiring: Wiring) -> None:
        self._on = wiring
        self.on_seen: Callable[[OrderRecord], None] = lambda record: None
        self.on_missing_fills: Callable[[OrderRecord], None] = lambda record: None
        self.on_doubtful_end: Callable[[OrderRecord], None] = lambda record: None

    def take(self, record: OrderRecord, report: OrderReport) -> None:
        """Fold one report and tell what is new; an unknown order's truth is told as such."""
        was_unknown = record.state is State.UNKNOWN
        before = record.venue_id, record.venue_filled, record.end
        told = fold(record, report)
        if told or before != (record.venue_id, record.venue_filled, record.end):
            self._on.teller.order(record, told)
        if was_unknown:
            self.tell_known(record)
        if report.amend_failed:
            self._on.teller.request(
                record, RequestKind.MODIFY, WsOrderResultType.ACK_REJECTED, report.amend_failed
            )
        self._on.teller.cut()
        self.on_seen(record)
        if record.lacks_fills:
            self.on_missing_fills(record)

    def take_fills(self, record: OrderRecord, fills: Iterable[Fill]) -> None:
        """Tell the trades not told before, in the order they were made, then a waiting end."""
        was_unknown = record.state is State.UNKNOWN
        instrument = self._on.instruments.symbol(record.symbol)
        if instrument is not None and instrument.kind == "inverse":
            record.by_amount = False  # sized in quote value: base amounts do not say when it ends
        told: list[Told] = []
        for fill in sorted(fills, key=lambda one: (one.ts_ms, len(one.trade_id), one.trade_id)):
            told += add_fill(record, fill)
        told += settle_end(record, self._on.clock.now_ms())
        if told:
            self._on.teller.order(record, told)
        if was_unknown:
            self.tell_known(record)
        self.on_seen(record)
        if record.by_amount and not record.ended and record.filled >= record.amount:
            # A modify has asked for more; whether it was done the trades do not say.
            self.on_doubtful_end(record)

    def tell_known(self, record: OrderRecord) -> None:
        """Tell the truth of an order that was unknown, if the venue has said it by now."""
        if record.state is State.FAILED:
            self._on.teller.request(
                record,
                RequestKind.CREATE,
                WsOrderResultType.ACK_TIMEOUT,
                f"the venue says that it refused the order: {record.reason}",
                Exists.FALSE,
            )
        elif record.state is not State.UNKNOWN:
            self._on.teller.request(
                record,
                RequestKind.CREATE,
                WsOrderResultType.ACK_TIMEOUT_CONFIRMED,
                "the venue has shown the order that was unknown",
                Exists.TRUE,
            )

    def absent(self, record: OrderRecord, reason: str) -> None:
        """Take the proof, found by a job, that an unknown order never reached the venue."""
        if record.state is not State.UNKNOWN:
            return  # other evidence came first
        told = failed(record, Event.ABSENT, reason, self._on.clock.now_ms())
        self._on.teller.order(record, told)
        self._on.teller.request(
            record, RequestKind.CREATE, WsOrderResultType.ACK_TIMEOUT, reason, Exists.FALSE
        )
