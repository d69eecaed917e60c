"""Takes intents to the venue and its answers back: routing, pacing, ack tracking, fallback.

Policy lives here once; what a frame looks like is the venue's business. Invariants:
1. A create is written at most once per proof: never again without PAUSE (the venue did not act) or
   a ladder that proved absence.
2. Each flight is finished exactly once; finishing settles its intent in the batch that tells.
3. A request that cannot leave in time is refused as not sent, never sent late (P4).
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from router.enums import Exists, OrderStatus, RequestKind, Via, WsOrderResultType
from router.evidence import OrderReport
from router.orders import OrderRecord, Told, acked, failed, step
from router.outcomes import Action, act
from router.state import UNSEEN, Event, State
from workers.changes import Changes
from workers.connection import Connection
from workers.departures import Departures
from workers.flights import Flight, InFlight
from workers.pacing import Pacer
from workers.rest import HeldBack, NoAnswer, NotSent
from workers.venue import Answer, Cancel, CannotEncode, Command, Modify, Place, Proof, Verdict
from workers.wiring import Wiring

log = logging.getLogger(__name__)

_PAUSE_S = 0.25
WS_NOT_SENT = "WS_REQUEST_NOT_SENT"
EARLIER = "an earlier worker may have sent it"

Doubt = Callable[[Flight, str], None]


class Desk:
    """Requests of one account."""

    def __init__(self, wiring: Wiring, trade: Connection, pacer: Pacer, epoch: int) -> None:
        self._on = wiring
        self._trade = trade
        self._in_flight = InFlight()
        self.departures = Departures(wiring, self, trade, pacer, self._in_flight, epoch)
        self._creating: dict[tuple[str, str], Flight] = {}
        self._changes = Changes()
        self._held: dict[tuple[str, str], list[Flight]] = defaultdict(list)
        self.flights = 0
        """How many requests are between their intent and their outcome."""
        self.halted = ""
        self.doubt: Doubt = self._no_doubt_yet
        self.ask_truth: Doubt = self._no_doubt_yet
        self.check_later: Callable[[OrderRecord], None] = lambda record: None
        self.take_report: Callable[[OrderRecord, OrderReport], None] = self._no_report_yet
        self.reference_price: Callable[[str], Decimal | None] = lambda symbol: None

    def __repr__(self) -> str:
        return f"Desk(in_flight={len(self._in_flight)}, creating={len(self._creating)})"

    @staticmethod
    def _no_doubt_yet(flight: Flight, why: str) -> None:
        raise RuntimeError("the desk was not wired to a resolver of doubts")

    @staticmethod
    def _no_report_yet(record: OrderRecord, report: OrderReport) -> None:
        raise RuntimeError("the desk was not wired to those who take reports")

    def halt(self, why: str) -> None:
        """Refuse creates and modifies from now on, for this reason; "" lets them go again."""
        self.halted = why
        self.departures.look_again()

    # --- in: requests ---------------------------------------------------------------------------

    def take(self, flight: Flight) -> None:
        """Let a request leave with the next ``departures.leave``, or hold it until its order's
        create has an outcome."""
        order = _key(flight.record)
        if flight.kind is RequestKind.CREATE and order in self._creating:
            return  # the same intent, read again: it is under way
        self.flights += 1
        if flight.kind is RequestKind.MODIFY:
            self._changes.taken(flight)
        if flight.kind is RequestKind.CREATE:
            self._creating[order] = flight
        elif order in self._creating and flight.record.exists is not Exists.TRUE:
            # The venue cannot cancel what it may not have yet (C9).
            self._held[order].append(flight)
            return
        if not self.refused_here(flight):
            self.departures.add(flight)

    def recover(self, flight: Flight) -> None:
        """Put a request in doubt that an earlier epoch may have sent."""
        order = _key(flight.record)
        flight.sends = 1
        self.flights += 1
        if flight.kind is RequestKind.MODIFY:
            self._changes.taken(flight)
        if flight.kind is RequestKind.CREATE:
            if flight.record.ended:
                self.finish(flight)  # its outcome was written; only the settlement was not
                return
            self._creating[order] = flight
        elif order in self._creating:
            self._held[order].append(flight)
            return
        self.begin_doubt(flight, EARLIER)

    def _dispatch(self, flight: Flight) -> None:
        if not flight.done and not self.refused_here(flight):
            self.departures.add(flight)
            self.departures.look_again()

    def refused_here(self, flight: Flight) -> bool:
        """Whether our own rules end the request before it is sent, or keep it for later."""
        if self._shown_meanwhile(flight):
            return True
        if flight.kind is RequestKind.CANCEL and flight.record.ended:
            self._cancel_of_ended(flight)
            return True
        if self.halted and flight.kind is not RequestKind.CANCEL:
            self.not_sent(flight, f"HALTED: {self.halted}")
            return True
        if self._is_late(flight):
            why = (
                "RATE_LIMITED: the venue's rate limit left no room for it in time"
                if flight.throttled
                else "INTENT_EXPIRED: it could not be sent before valid_for_ms had passed"
            )
            self.not_sent(flight, why)
            return True
        return flight.kind is RequestKind.MODIFY and self._changes.must_wait(flight)

    def _is_late(self, flight: Flight) -> bool:
        return self._on.clock.monotonic_ms() > flight.valid_until_ms

    def _shown_meanwhile(self, flight: Flight) -> bool:
        """Whether a create need not go out: an ack or a push has shown the order after all."""
        shown = _is_shown(flight)
        if shown and not flight.done:
            self.begin_doubt(flight, "the venue has shown the order")
        return flight.done or shown

    def _cancel_of_ended(self, flight: Flight) -> None:
        record = flight.record
        if record.state is not State.CANCELED:
            why = f"the order has ended: {record.status}"
            self.cancel_failed(flight, WsOrderResultType.ACK_REJECTED, why)
        else:
            self.finish(flight)

    def by_rest(self, flight: Flight) -> None:
        """Send a request by REST, beside everything else."""
        name = f"rest {flight.kind} {flight.record.oid}"
        if flight.kind is RequestKind.MODIFY:
            self._changes.left_by_rest(flight)
            self._on.spawn(self._modify_by_rest(flight), name)
        else:
            self._on.spawn(self._call(flight), name)

    def without_socket(self, flight: Flight) -> None:
        """Send a request by REST if it may go so; else tell that it was not sent."""
        if flight.ws_fallback:
            self.by_rest(flight)
            return
        why = self._trade.problem or "not connected"
        self.not_sent(flight, f"{WS_NOT_SENT}: the trading socket is down ({why})")

    # --- out ------------------------------------------------------------------------------------

    def command(self, flight: Flight) -> Command:
        """Return what to say to the venue.

        Raises:
            CannotEncode: If the venue does not list the instrument.
        """
        record = flight.record
        instrument = self._on.instruments.symbol(record.symbol)
        if instrument is None:
            raise CannotEncode("symbol", f"{record.symbol} is not listed by the venue")
        expires_ms = self._on.clock.venue_ms() + self._on.orders.expiry_ms
        flight.expires_venue_ms = expires_ms
        if flight.kind is RequestKind.CREATE:
            return Place(  # by position: by name it costs three times as much
                instrument,
                record.client_id,
                record.side,
                record.type,
                record.amount,
                record.price,
                record.tif,
                record.reduce_only,
                expires_ms,
                self.reference_price(record.symbol),
                record.params,
            )
        if isinstance(flight.command, Modify):
            wish = flight.command
            terms = (wish.price or record.price, wish.amount or record.amount)
            flight.changes_nothing = terms == (record.price, record.amount)
            return Modify(
                instrument,
                record.client_id,
                record.venue_id,
                wish.price,
                wish.amount,
                expires_ms,
                record.side,
                record.price,
                record.amount,
            )
        return Cancel(instrument, record.client_id, record.venue_id)

    def cannot_encode(self, flight: Flight, error: CannotEncode) -> None:
        """Take another way for a request that the trading socket has no words for, or refuse it."""
        if error.rest_can and flight.ws_fallback:
            self.by_rest(flight)
        else:
            self.not_sent(flight, f"INVALID_{error.field.upper()}: {error}")

    def sent(self, flight: Flight, via: Via) -> None:
        """Note that a request is being written."""
        flight.sent_ms = self._on.clock.monotonic_ms()
        flight.sent_s = self._on.clock.monotonic_s()
        flight.transport = str(via)
        flight.first_sent_ms = flight.first_sent_ms or flight.sent_ms
        flight.sends += 1
        flight.doubted = False
        if flight.kind is RequestKind.CREATE:
            record = flight.record
            if record.state in (State.INITIALIZED, State.PENDING, State.UNKNOWN):
                step(record, Event.SENT)
            record.sent_ms = self._on.clock.redis_ms()

    def unsent(self, flight: Flight) -> None:
        """Take back the note of a copy that provably never left."""
        flight.sends -= 1
        if not flight.sends:
            flight.transport = ""

    async def _modify_by_rest(self, flight: Flight) -> None:
        await self._call(flight)
        for held in self._changes.back_from_rest(flight):
            self._dispatch(held)

    def _may_leave(self, flight: Flight) -> bool:
        """Whether a request that was let go by REST may still leave.

        Asked in the thread as well, which it may have waited for: nothing is changed here.
        """
        if flight.done or flight.doubted or _is_shown(flight):
            return False
        halted = self.halted and flight.kind is not RequestKind.CANCEL
        return self.departures.may_send() and not halted and not self._is_late(flight)

    async def _call(self, flight: Flight) -> None:
        if self._shown_meanwhile(flight) or flight.doubted:
            return  # its climb alone decides about another copy
        if not self._may_leave(flight):
            # Halted; or we stood still since it was let go: its expiry would begin only now, while
            # the next owner may be proving its absence already. All is asked anew.
            self._dispatch(flight)
            return
        try:
            command = self.command(flight)
            request = self._on.venue.rest_command(command)
        except CannotEncode as error:
            self.not_sent(flight, f"INVALID_{error.field.upper()}: {error}")
            return
        self.sent(flight, Via.REST)
        try:
            reply = await self._on.rest.call(request, lambda: self._may_leave(flight))
        except HeldBack:
            self._held_back(flight)
            return
        except NotSent as error:
            self.unsent(flight)
            self.not_sent(
                flight, f"{WS_NOT_SENT}: no socket, and REST could not be reached ({error})"
            )
            return
        except NoAnswer as error:
            self._on.metrics.sends.add(str(flight.kind), str(Via.REST))
            self.begin_doubt(flight, f"REST did not answer: {error}")
            return
        self._on.metrics.sends.add(str(flight.kind), str(Via.REST))
        answer = self._on.venue.read_command(reply, command)
        self._conclude(flight, answer)

    def _held_back(self, flight: Flight) -> None:
        """Ask anew about a request that might not leave any more when a thread was free for it.

        If it is the lease that was over and comes back, the request goes on; if it does not, the
        next owner finds the intent pending. Newer modifies that wait for this one follow it.
        """
        self.unsent(flight)
        if not flight.doubted:  # else its climb alone decides about another copy
            self.departures.add(flight)
            self.departures.look_again()

    # --- back: answers --------------------------------------------------------------------------

    def on_answer(self, answer: Answer, session: int) -> None:
        """Take one answer from the trading socket; late ones are evidence too (C5)."""
        flights = self._in_flight.answered(answer)
        if not flights and not answer.request_id and answer.client_id:
            flight = self._in_flight.of_client(answer.client_id)
            flights = [flight] if flight is not None else []
        if not flights:
            log.warning(
                "%s: an answer to no request of this session (%s): %s",
                self._on.account,
                answer.request_id,
                answer.verdict,
            )
        now_s = self._on.clock.monotonic_s()
        # The last first: those to be sent again are put back before those that came after them.
        for flight in reversed(flights):
            self._on.metrics.ack.observe(now_s - flight.sent_s)
            self._conclude(flight, answer)

    def _conclude(self, flight: Flight, answer: Answer) -> None:
        verdict = answer.verdict
        resent = flight.kind is RequestKind.CREATE and flight.sends > 1
        action = act(flight.kind, verdict.proof, sent_before=resent)
        if action is Action.TAKE:
            self._taken(flight, answer)
        elif action is Action.PAUSE:
            self._pause(flight, verdict)
        elif flight.done and flight.kind is not RequestKind.CREATE:
            return  # its end was told; the order's own truth came by other evidence
        elif action is Action.REFUSE:
            self.refused(flight, verdict)
        elif action is Action.ASK:
            self.ask_truth(flight, _said(verdict))
        else:
            flight.refusal = verdict if verdict.proof is Proof.REJECTED else flight.refusal
            self.begin_doubt(flight, _said(verdict))

    def _taken(self, flight: Flight, answer: Answer) -> None:
        record = flight.record
        if flight.kind is RequestKind.CREATE:
            self._create_taken(flight, answer)
        elif flight.kind is RequestKind.CANCEL and not flight.done and not record.ended:
            told, was_unknown = record.state is not State.CANCELING, record.state is State.UNKNOWN
            step(record, Event.CANCEL_ACKED)
            self._on.teller.order(record, [Told(record.status)] if told else [])
            if was_unknown:
                self._confirm(record, "the venue took a cancel of the order that was unknown")
        elif flight.changes_nothing and not flight.done and record.state is State.ACCEPTED:
            # No push will tell it: nothing has changed.
            self._on.teller.order(record, [Told(OrderStatus.ACCEPTED)])
        if answer.report is not None:
            self.take_report(record, answer.report)
        self.finish(flight)
        if not record.ended and (flight.kind is not RequestKind.CREATE or _ends_at_once(record)):
            self.check_later(record)

    def _create_taken(self, flight: Flight, answer: Answer) -> None:
        record = flight.record
        told = acked(record, answer.venue_id, self._on.clock.now_ms())
        self._on.teller.order(record, told)
        if flight.told_timeout and told:
            self._confirm(record, "the venue's acknowledgement came after the timeout")

    def _confirm(self, record: OrderRecord, reason: str) -> None:
        """Tell that an order whose create was told as unanswered exists."""
        result = WsOrderResultType.ACK_TIMEOUT_CONFIRMED
        self._on.teller.request(record, RequestKind.CREATE, result, reason, Exists.TRUE)

    def refused(self, flight: Flight, verdict: Verdict) -> None:
        """Tell a create (or a request we may not make at all) that the venue refused it."""
        if flight.kind is not RequestKind.CREATE:
            self.cancel_failed(flight, WsOrderResultType.ACK_REJECTED, _said(verdict))
            return
        record = flight.record
        told = failed(record, Event.REJECTED, _said(verdict), self._on.clock.now_ms())
        if told:
            self._on.teller.order(record, told)
            self._on.teller.request(
                record, flight.kind, WsOrderResultType.ACK_REJECTED, _said(verdict), Exists.FALSE
            )
        self.finish(flight, WsOrderResultType.ACK_REJECTED)

    def _pause(self, flight: Flight, verdict: Verdict) -> None:
        """Wait for room: the venue said that it did not act."""
        if flight.done or flight.doubted:
            # In doubt already: the ladder alone decides about another copy, or there might be two.
            return
        self._on.metrics.throttled.add()
        if flight.superseded:
            # To send it after the newer one would undo that.
            why = f"{_said(verdict)}; a newer modify followed it"
            self.cancel_failed(flight, WsOrderResultType.ACK_REJECTED, why)
            return
        flight.throttled = True
        flight.sends -= 1
        log.warning("%s: throttled by the venue: %s", self._on.account, _said(verdict))
        self.departures.put_back(flight, _PAUSE_S)

    # --- ends -----------------------------------------------------------------------------------

    def not_sent(self, flight: Flight, reason: str) -> None:
        """Tell that the request provably never left us, unless an earlier copy of it did."""
        if flight.done:
            return
        if flight.kind is not RequestKind.CREATE:
            if flight.sends:
                why = f"{reason}; an earlier copy was sent and may act"
                self.cancel_failed(flight, WsOrderResultType.ACK_TIMEOUT, why)
            else:
                self.cancel_failed(flight, WsOrderResultType.REQUEST_NOT_SENT, reason)
            return
        record = flight.record
        if flight.sends:
            # An earlier copy left; that this one did not proves nothing about it.
            self.begin_doubt(flight, reason)
            return
        told = failed(record, Event.NOT_SENT, reason, self._on.clock.now_ms())
        self._on.teller.order(record, told)
        self._on.teller.request(
            record, flight.kind, WsOrderResultType.REQUEST_NOT_SENT, reason, Exists.FALSE
        )
        self.finish(flight, WsOrderResultType.REQUEST_NOT_SENT, reason)

    def cancel_failed(self, flight: Flight, result: WsOrderResultType, reason: str) -> None:
        """Tell that a cancel or modify failed; the order lives on, unless it has ended already.

        Then its end was the last of it: only the request's result follows.
        """
        if flight.done:
            return
        record = flight.record
        if flight.kind is RequestKind.CANCEL and not record.ended:
            step(record, Event.CANCEL_REFUSED)
            self._on.teller.order(record, [Told(OrderStatus.CANCEL_FAILED, reason=reason)])
        else:
            self._on.teller.order(record, [])
        self._on.teller.request(record, flight.kind, result, reason)
        self.finish(flight, result, reason)

    def finish(
        self, flight: Flight, result: WsOrderResultType | None = None, reason: str = ""
    ) -> None:
        """Settle the intent; send what waited for this create.

        ``result`` and ``reason`` are what was told; None is a plain success.
        """
        if flight.done:
            return
        flight.done = True
        self.flights -= 1
        self._on.metrics.request(flight.kind, flight.transport, result, reason)
        if flight.doubted_s:
            self._on.metrics.doubt.observe(self._on.clock.monotonic_s() - flight.doubted_s)
        self._on.teller.settle(flight.record.strategy, flight.entry_id)
        self._on.teller.cut()
        if flight.kind is RequestKind.CREATE:
            self._creating.pop(_key(flight.record), None)
            self._release_held(flight.record)
        elif flight.kind is RequestKind.MODIFY:
            for held in self._changes.finished(flight):
                self._dispatch(held)

    def _release_held(self, record: OrderRecord) -> None:
        for held in self._held.pop(_key(record), []):
            if held.sends and not record.ended:
                self.begin_doubt(held, EARLIER)
            else:
                self._dispatch(held)

    def seen(self, record: OrderRecord) -> None:
        """Send what waited for the order to exist, once the venue has shown it.

        Its create stays in flight: an ack may still come (C6); if none does, that is told (C2).
        """
        if record.exists is Exists.TRUE:
            self._release_held(record)

    def creating(self, record: OrderRecord) -> bool:
        """Whether the order's create has no outcome yet."""
        return _key(record) in self._creating

    # --- doubt ----------------------------------------------------------------------------------

    def begin_doubt(self, flight: Flight, why: str) -> None:
        """Hand the request to the ladder, once."""
        if not flight.doubted and not flight.done:
            flight.doubted = True
            flight.doubted_s = flight.doubted_s or self._on.clock.monotonic_s()
            self.doubt(flight, why)

    def session_lost(self, session: int, why: str) -> None:
        """Put all unanswered requests of a lost session in doubt."""
        for flight in self._in_flight.lost(session):
            self.begin_doubt(flight, f"the socket was lost after the write: {why}")

    def again_by_rest(self, flight: Flight) -> None:
        """Send a create whose absence was proven, or a change again, by REST with the same id.

        Lease, halt, validity and pacing hold for it as for any request.
        """
        flight.by_rest, flight.doubted = True, False
        self._dispatch(flight)

    async def watch_deadlines(self) -> None:
        """Put each request in doubt that has no answer in time."""
        while True:
            due_ms = self._in_flight.next_due_ms()
            now_ms = self._on.clock.monotonic_ms()
            if due_ms is None:
                self.departures.awaited.clear()
                await self.departures.awaited.wait()
                continue
            if due_ms > now_ms:
                await asyncio.sleep((due_ms - now_ms) / 1000)
            for flight in self._in_flight.overdue(self._on.clock.monotonic_ms()):
                self.begin_doubt(flight, f"no answer within {self._on.orders.ack_timeout_ms} ms")


def _key(record: OrderRecord) -> tuple[str, str]:
    return record.strategy, record.oid


def _is_shown(flight: Flight) -> bool:
    """Whether it is a create of which the venue has acknowledged or shown the order."""
    record = flight.record
    seen = bool(record.acked_ms) or record.state not in UNSEEN
    return flight.kind is RequestKind.CREATE and seen


def _said(verdict: Verdict) -> str:
    return verdict.reason or verdict.code or str(verdict.proof)


def _ends_at_once(record: OrderRecord) -> bool:
    """Whether an acknowledged order of this kind must end within moments."""
    return record.type.is_market or record.tif in ("IOC", "FOK")
