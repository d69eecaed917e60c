"""Asks the venue about orders: one rung, the whole ladder, an order's fills, all open orders.

A rung answers FOUND, NOT_FOUND (cleanly) or NO_ANSWER. A failed query is never a "not found".
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from router.evidence import Fill, OrderReport, Source, VenueState
from router.instruments import Instrument
from router.orders import OrderRecord
from router.outcomes import Rung, ladder_answer
from workers.clock import Clock
from workers.rest import MOST_PAGES, RestClient
from workers.sharing import Shared
from workers.venue import (
    Instruments,
    Page,
    Proof,
    RestRequest,
    UnexpectedReply,
    Venue,
    Verdict,
)

#: A report created this much before our request belongs to an earlier user of the same client id.
OLDER_ORDER_MS = 5_000
#: History and fills are asked from a little before the order, since clocks differ.
LOOK_BACK_MS = 60_000
#: The lists that prove absence are of orders made from so much before the order to so much after
#: its last moment: it left before that, the venue was asked to refuse it 30 s later at most
#: (``orders.expiry_ms``), and clocks differ. All since would be more pages than can be read where
#: others trade on, and an order in doubt would stay so.
LIST_BEFORE_MS, LIST_AFTER_MS = 10_000, 45_000
#: Lists for orders that were made so close together begin and end at the same times, to be shared.
TOGETHER_MS = 10_000


@dataclass(frozen=True, slots=True)
class Findings:
    """What one ladder found. ``throttled``: the venue asked to be asked less."""

    rung: Rung
    report: OrderReport | None = None
    fills: tuple[Fill, ...] = field(default=())
    problem: str = ""
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """An order to ask for. ``whole``: on all rungs, not by id alone."""

    record: OrderRecord
    whole: bool


def _nobody(symbol: str, venue_id: str) -> OrderRecord | None:
    return None


class Inquiry:
    """Queries of one account, by REST.

    ``holder`` returns the order that is known to have this symbol and venue id; None if none is.
    """

    def __init__(
        self,
        venue: Venue,
        rest: RestClient,
        clock: Clock,
        instruments: Callable[[], Instruments],
        holder: Callable[[str, str], OrderRecord | None] = _nobody,
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._clock = clock
        self._instruments = instruments
        self._holder = holder
        # Many orders in doubt at once, as after a takeover, share the lists of a symbol.
        self._orders: Shared[list[OrderReport]] = Shared()
        self._fills: Shared[list[Fill]] = Shared()

    async def by_id(self, record: OrderRecord) -> Findings:
        """Return what the queries by id say (first rung); a later one is asked on a miss only."""
        instrument = self._instruments().symbol(record.symbol)
        if instrument is None:
            return Findings(Rung.NO_ANSWER, problem=f"{record.symbol} is not listed any more")
        answer = Findings(Rung.NOT_FOUND)
        for request in self._venue.query_order(instrument, record.client_id, record.venue_id):
            try:
                reply = await self._rest.ask(request)
                report = self._venue.read_order(reply, self._instruments())
            except UnexpectedReply as error:
                throttled = error.verdict.proof is Proof.THROTTLED
                answer = Findings(Rung.NO_ANSWER, problem=str(error), throttled=throttled)
                if throttled:
                    break
                continue
            if report is not None and self.is_ours(record, report):
                return Findings(Rung.FOUND, report)
        return answer

    async def quick(self, record: OrderRecord) -> Findings:
        """Return what is worth asking while a "not found" proves nothing yet.

        The query by id decides; the other rungs stand in only where it gives no answer, and not
        where the venue asks to be asked less.
        """
        return (await self.together([Asking(record, whole=False)]))[0]

    async def whole(self, record: OrderRecord) -> Findings:
        """Return what all rungs say together: by id, open orders, history, fills.

        Found if any shows it, "not found" only if each answered so: a rung that fails takes no
        other rung's evidence away.
        """
        return (await self.together([Asking(record, whole=True)]))[0]

    async def together(self, askings: Sequence[Asking]) -> list[Findings]:
        """Return what ``quick`` or ``whole`` say of each; those who need a list share it."""
        found = await asyncio.gather(*(self.by_id(one.record) for one in askings))
        more = [n for n, one in enumerate(askings) if _needs_others(one, found[n])]
        others = await asyncio.gather(
            *(self._with_others(askings[n].record, found[n]) for n in more)
        )
        for n, findings in zip(more, others, strict=True):
            found[n] = findings
        return found

    async def _with_others(self, record: OrderRecord, first: Findings) -> Findings:
        rungs = [
            first,
            *await asyncio.gather(
                self._among_open(record), self._among_history(record), self._among_fills(record)
            ),
        ]
        for findings in rungs:
            if findings.rung is Rung.FOUND:
                return findings
        problems = [findings.problem for findings in rungs if findings.problem]
        answer = ladder_answer([findings.rung for findings in rungs])
        return Findings(answer, problem="; ".join(dict.fromkeys(problems)))

    async def _among_open(self, record: OrderRecord) -> Findings:
        instrument = self._instruments().symbol(record.symbol)
        return await self._among(record, self._venue.query_open_orders(instrument))

    async def _among_history(self, record: OrderRecord) -> Findings:
        instrument = self._instruments().symbol(record.symbol)
        if instrument is None:
            return Findings(Rung.NO_ANSWER, problem=f"{record.symbol} is not listed any more")
        times = self._times_together_ms(record)
        return await self._among(record, self._venue.query_history(instrument, *times))

    async def _among(self, record: OrderRecord, requests: Iterable[RestRequest]) -> Findings:
        """Return what lists of orders say together: one that fails hides nothing of the others."""
        listed: list[OrderReport] = []
        problem = ""
        for request in requests:
            try:
                listed += await self._orders.ask(request.path, partial(self._orders_of, request))
            except UnexpectedReply as error:
                problem = str(error)
        found = self._pick(record, listed)
        if problem and found.rung is Rung.NOT_FOUND:
            return Findings(Rung.NO_ANSWER, problem=problem)
        return found

    async def _among_fills(self, record: OrderRecord) -> Findings:
        instrument = self._instruments().symbol(record.symbol)
        if instrument is None:
            return Findings(Rung.NO_ANSWER, problem=f"{record.symbol} is not listed any more")
        try:
            times = self._times_together_ms(record)
            fills = await self._fills.ask(
                (record.symbol, *times), partial(self._fills_since, instrument, "", *times)
            )
        except UnexpectedReply as error:
            return Findings(Rung.NO_ANSWER, problem=str(error))
        return self._from_fills(record, fills)

    def _pick(self, record: OrderRecord, listed: Iterable[OrderReport]) -> Findings:
        for report in listed:
            named = _names(record, report.client_id, report.venue_id)
            if report.symbol == record.symbol and named and self.is_ours(record, report):
                return Findings(Rung.FOUND, report)
        return Findings(Rung.NOT_FOUND)

    def _from_fills(self, record: OrderRecord, fills: Iterable[Fill]) -> Findings:
        mine = self._of(record, fills)
        if not mine:
            return Findings(Rung.NOT_FOUND)
        return Findings(Rung.FOUND, _report_of(record, mine), mine)

    async def fills(self, record: OrderRecord) -> list[Fill]:
        """Return all trades of the order.

        Raises:
            UnexpectedReply: If the venue could not be asked.
        """
        instrument = self._instruments().symbol(record.symbol)
        if instrument is None:
            return []
        found = await self._fills_since(instrument, record.venue_id, self._since_ms(record))
        return list(self._of(record, found))

    async def open_orders(self) -> list[OrderReport]:
        """Return all open orders of the account, whoever placed them.

        Raises:
            UnexpectedReply: If the venue could not be asked.
        """
        requests = self._venue.query_open_orders()
        lists = await asyncio.gather(*(self._orders_of(request) for request in requests))
        return [report for listed in lists for report in listed]

    async def _orders_of(self, request: RestRequest) -> list[OrderReport]:
        return list((await self._pages(request)).orders)

    async def _fills_since(
        self, instrument: Instrument, venue_id: str, since_ms: int, until_ms: int = 0
    ) -> list[Fill]:
        found: list[Fill] = []
        for request in self._venue.query_fills(
            instrument, venue_id, since_ms, self._clock.venue_ms(), until_ms
        ):
            found += (await self._pages(request)).fills
        return found

    async def _pages(self, request: RestRequest) -> Page:
        """Return all pages as one.

        Raises:
            UnexpectedReply: If a page could not be had: what was not read may hold the order.
        """
        orders: list[OrderReport] = []
        fills: list[Fill] = []
        following: RestRequest | None = request
        for _ in range(MOST_PAGES):
            if following is None:
                return Page(tuple(orders), tuple(fills))
            reply = await self._rest.ask(following)
            page = self._venue.read_page(following, reply, self._instruments())
            orders += page.orders
            fills += page.fills
            following = page.next
        raise UnexpectedReply(
            Verdict(Proof.UNKNOWN, "", f"{request.path}: more than {MOST_PAGES} pages")
        )

    def _since_ms(self, record: OrderRecord) -> int:
        return self._in_venue_time(record.created_ms or self._clock.redis_ms()) - LOOK_BACK_MS

    def _times_together_ms(self, record: OrderRecord) -> tuple[int, int]:
        """Return between which times the venue made the order if it did; 0: until now.

        The same for orders of about one age; of the venue's clock.
        """
        if not record.created_ms or not record.expires_ms:
            since_ms = self._since_ms(record)
            return since_ms - since_ms % TOGETHER_MS, 0
        since_ms = self._in_venue_time(record.created_ms) - LIST_BEFORE_MS
        until_ms = self._in_venue_time(record.expires_ms) + LIST_AFTER_MS
        until_ms += -until_ms % TOGETHER_MS
        over = until_ms < self._clock.venue_ms()
        return since_ms - since_ms % TOGETHER_MS, until_ms if over else 0

    def is_ours(self, record: OrderRecord, what: OrderReport | Fill) -> bool:
        """Whether it speaks of this order, not of an earlier one with the same client id.

        OKX and Binance free a client id once its order has ended, and answer with the latest. That
        may be one that ended a moment ago, while this one is on its way or never came.
        """
        if record.venue_id:
            return not what.venue_id or record.venue_id == what.venue_id
        if self._is_anothers(record, what):
            return False
        made_ms = what.created_ms if isinstance(what, OrderReport) else what.ts_ms
        if not made_ms or not record.created_ms:
            return True
        return made_ms >= self._in_venue_time(record.created_ms) - OLDER_ORDER_MS

    def _is_anothers(self, record: OrderRecord, what: OrderReport | Fill) -> bool:
        if not what.venue_id:
            return False
        holder = self._holder(what.symbol or record.symbol, what.venue_id)
        mine = record.strategy, record.oid
        return holder is not None and (holder.strategy, holder.oid) != mine

    def _of(self, record: OrderRecord, fills: Iterable[Fill]) -> tuple[Fill, ...]:
        named = (fill for fill in fills if _names(record, fill.client_id, fill.venue_id))
        return tuple(fill for fill in named if self.is_ours(record, fill))

    def _in_venue_time(self, redis_ms: int) -> int:
        """Return a time of Redis's clock, as all that lies there, by the venue's clock."""
        return redis_ms - self._clock.redis_offset_ms + self._clock.venue_offset_ms


def _needs_others(asking: Asking, first: Findings) -> bool:
    """Whether the rungs after the first are worth asking."""
    match first.rung:
        case Rung.FOUND:
            return False
        case Rung.NOT_FOUND:
            return asking.whole
        case Rung.NO_ANSWER:
            return asking.whole or not first.throttled
        case _:
            assert_never(first.rung)


def _names(record: OrderRecord, client_id: str, venue_id: str) -> bool:
    if record.venue_id and venue_id:
        return record.venue_id == venue_id
    return bool(client_id) and client_id == record.client_id


def _report_of(record: OrderRecord, fills: tuple[Fill, ...]) -> OrderReport:
    """Return what fills alone prove: it exists and has traded; its end is asked for later."""
    return OrderReport(
        symbol=record.symbol,
        client_id=record.client_id,
        venue_id=fills[0].venue_id,
        state=VenueState.OPEN,
        filled=sum((fill.amount for fill in fills), start=fills[0].amount * 0),
        source=Source.HISTORY,
        ts_ms=max(fill.ts_ms for fill in fills),
        amount=record.amount,
    )
