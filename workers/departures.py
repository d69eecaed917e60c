"""How requests leave: cancels first, strategies in turn, as many in one frame as wait together.

Invariants:
1. Nothing leaves without the lease, nor beyond the venue's limits as counted on our side.
2. A frame holds requests of one kind, each of another order. It is never waited for: what waits
   together goes together.
3. What could not be written is put in doubt unless nothing of it left (P3).
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import websockets.exceptions as ws_errors

from router.enums import RequestKind, Via
from workers.connection import Connection, NotReady
from workers.flights import Flight, InFlight
from workers.pacing import Pacer
from workers.venue import CannotEncode, Command
from workers.waiting import Waiting
from workers.wiring import Wiring

_LOOK_AGAIN_S = 0.05  # for room within the limits, or for the lease
_KINDS = (RequestKind.CANCEL, RequestKind.MODIFY, RequestKind.CREATE)


class Requests(Protocol):
    """What the desk decides about a request on its way out."""

    def refused_here(self, flight: Flight) -> bool: ...
    def command(self, flight: Flight) -> Command: ...
    def by_rest(self, flight: Flight) -> None: ...
    def without_socket(self, flight: Flight) -> None: ...
    def cannot_encode(self, flight: Flight, error: CannotEncode) -> None: ...
    def sent(self, flight: Flight, via: Via) -> None: ...
    def unsent(self, flight: Flight) -> None: ...
    def begin_doubt(self, flight: Flight, why: str) -> None: ...


class Departures:
    """The way out of one account's requests."""

    def __init__(
        self,
        wiring: Wiring,
        requests: Requests,
        trade: Connection,
        pacer: Pacer,
        in_flight: InFlight,
        epoch: int,
    ) -> None:
        self._on = wiring
        self._requests = requests
        self._trade = trade
        self._pacer = pacer
        self._in_flight = in_flight
        self._epoch = epoch
        self._ids = itertools.count(1)
        self._waiting = Waiting()
        self._wake = asyncio.Event()
        self.awaited = asyncio.Event()
        """Set when a request begins to wait for its answer."""
        self.may_send: Callable[[], bool] = lambda: True

    def __repr__(self) -> str:
        return f"Departures({len(self._waiting)} waiting)"

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def paced(self) -> int:
        """How many requests wait for their turn: for the venue's limits, or for the lease."""
        return len(self._waiting)

    def add(self, flight: Flight) -> None:
        """Let a request leave at the next ``leave``; ``look_again`` brings that about."""
        self._waiting.add(flight)

    def put_back(self, flight: Flight, wait_s: float) -> None:
        """Let a request that the venue did not act on be the next to leave, after a pause."""
        now_s = self._on.clock.monotonic_s()
        self._pacer.exhaust(flight.kind, flight.record.symbol, now_s)
        flight.paced_s = now_s
        self._waiting.put_back(flight)
        asyncio.get_running_loop().call_later(wait_s, self._wake.set)

    def look_again(self) -> None:
        """Send what may go, soon: something was added, or a rule has changed."""
        self._wake.set()

    async def leave_now(self) -> None:
        """Send what may go at once, and the rest as soon as the limits allow."""
        if await self.leave() is not None:
            self._wake.set()

    async def run(self) -> None:
        """Send what waits as soon as the limits allow, until cancelled."""
        while True:
            wait_s = await self.leave()
            if wait_s is None:
                self._wake.clear()
                await self._wake.wait()
            else:
                await asyncio.sleep(wait_s)

    async def leave(self) -> float | None:
        """Send what may go now; return the seconds to the next chance, None when nothing waits."""
        if not self._waiting:
            return None
        for kind in _KINDS:
            # Asked before each frame: we may have stood still for longer than the lease lasts.
            while self.may_send() and (group := self._next_frame(kind)):
                await self._send(group)
        if not self._waiting:
            return None
        # Without the lease: if it comes back the request goes on; if not, whoever owns the account
        # next finds the intent pending and asks the venue first.
        self._waiting.kept_back(self._on.clock.monotonic_s())
        return _LOOK_AGAIN_S

    # --- who goes next ----------------------------------------------------------------------------

    def _next_frame(self, kind: RequestKind) -> list[Flight]:
        """Return what leaves together next, counted as leaving; [] when nothing may now."""
        now_s = self._on.clock.monotonic_s()
        most = self._on.venue.limits.batch_size if self._trade.ready else 1
        frame: list[Flight] = []
        orders: set[int] = set()
        for symbol in self._waiting.symbols(kind):
            for flight in self._waiting.take(kind, symbol):
                if self._requests.refused_here(flight):
                    continue
                if frame and (flight.by_rest or id(flight.record) in orders):
                    self._waiting.put_back(flight)  # not with these: next time
                    return self._alone_or_all(frame, now_s)
                batched = most > 1 and not flight.by_rest
                if self._pacer.wait_s(kind, symbol, now_s, batched=batched) > 0:
                    flight.throttled = True
                    self._waiting.put_back(flight)
                    break
                frame.append(flight)
                orders.add(id(flight.record))
                if not batched or len(frame) == most:
                    return frame
        return self._alone_or_all(frame, now_s)

    def _alone_or_all(self, frame: list[Flight], now_s: float) -> list[Flight]:
        """Return the frame; one request alone counts as a single one, and waits if those must."""
        if len(frame) != 1 or self._on.venue.limits.batch_size == 1:
            return frame
        [flight] = frame
        key = (flight.kind, flight.record.symbol)
        self._pacer.give_back(*key, batched=True)
        if self._pacer.wait_s(*key, now_s) > 0:
            flight.throttled = True
            self._waiting.put_back(flight)
            return []
        return frame

    # --- out --------------------------------------------------------------------------------------

    async def _send(self, group: Sequence[Flight]) -> None:
        for flight in group:
            if flight.paced_s:
                self._on.metrics.pacing.observe(self._on.clock.monotonic_s() - flight.paced_s)
                flight.paced_s = 0.0
        if group[0].by_rest:
            for flight in group:
                self._requests.by_rest(flight)
        elif self._trade.ready:
            await self._by_socket(group)
        else:
            for flight in group:
                self._requests.without_socket(flight)

    async def _by_socket(self, group: Sequence[Flight]) -> None:
        request_id = f"{self._epoch:x}r{next(self._ids):x}"
        group, text = self._encode(request_id, group)
        if not group:
            return
        session = self._trade.session_number
        for flight in group:
            flight.request_id, flight.session = request_id, session
            self._requests.sent(flight, Via.WS)
        self._in_flight.add(group, group[0].sent_ms + self._on.orders.ack_timeout_ms)
        self.awaited.set()
        try:
            await self._trade.send(text)
        except NotReady:
            self._in_flight.drop(request_id)
            for flight in group:
                self._requests.unsent(flight)
                self._requests.without_socket(flight)
            return
        except ws_errors.ConnectionClosed as error:
            # The frame may have left before the connection broke.
            self._in_flight.drop(request_id)
            for flight in group:
                self._requests.begin_doubt(flight, f"the socket broke during the write: {error}")
        self._on.metrics.sends.add(str(group[0].kind), str(Via.WS), count=len(group))
        self._on.metrics.frame_commands.observe(len(group))

    def _encode(self, request_id: str, group: Sequence[Flight]) -> tuple[Sequence[Flight], str]:
        """Return those that can be said to the venue, and the frame that says them."""
        commands: list[Command] = []
        able: list[Flight] = []
        try:
            commands = [self._requests.command(flight) for flight in group]
            return group, self._trade.encode(request_id, commands)
        except CannotEncode:
            commands.clear()  # one spoils all: find out which
        for flight in group:
            try:
                command = self._requests.command(flight)
                self._trade.encode(request_id, [command])
            except CannotEncode as error:
                self._requests.cannot_encode(flight, error)
            else:
                able.append(flight)
                commands.append(command)
        return able, self._trade.encode(request_id, commands) if able else ""
