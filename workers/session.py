"""One WebSocket session from login to close, and what watches over it: silence, its ticket."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import websockets.exceptions as ws_errors

from workers.clock import Clock
from workers.venue import RestReply, RestRequest, SocketPlan, Ticket, UnexpectedReply
from workers.venue_socket import VenueSocket

log = logging.getLogger(__name__)

Ask = Callable[[RestRequest], Awaitable[RestReply]]


@dataclass(eq=False)
class Session:
    """One WebSocket connection from login to close."""

    number: int
    socket: VenueSocket
    heard_s: float
    ticket: str = ""
    waiting: set[str] = field(default_factory=set)
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    ready: bool = False
    pinged: bool = False
    dead_because: str = ""

    def heard(self, now_s: float) -> None:
        """Note a sign of life."""
        self.heard_s = now_s
        self.pinged = False

    def give_up(self, why: str) -> None:
        """Cut the connection; its reader ends at once."""
        self.dead_because = why
        self.socket.transport.abort()


async def watch_silence(session: Session, plan: SocketPlan, clock: Clock) -> None:
    """Ping an idle session, and a busy one where the venue counts pings; cut a half-open one."""
    pinged_s = clock.monotonic_s()  # the venue has just seen it open
    every_s = plan.ping_every_s or math.inf
    while True:
        now_s = clock.monotonic_s()
        idle_s, unpinged_s = now_s - session.heard_s, now_s - pinged_s
        if idle_s >= plan.dead_after_s:
            session.give_up(f"no byte for {idle_s:.1f} s")
            return
        if unpinged_s >= every_s or (idle_s >= plan.ping_after_s and not session.pinged):
            session.pinged, pinged_s = True, now_s
            # A peer that reads nothing fills our buffer, and a write then waits for good.
            with contextlib.suppress(ws_errors.ConnectionClosed, TimeoutError):
                async with asyncio.timeout(plan.dead_after_s - idle_s):
                    await _ping(session, plan.ping, clock)
            continue
        limit_s = plan.dead_after_s if session.pinged else plan.ping_after_s
        await asyncio.sleep(max(0.005, min(limit_s - idle_s, every_s - unpinged_s)))


async def _ping(session: Session, text: str | None, clock: Clock) -> None:
    if text is not None:
        await session.socket.send(text)
        return

    def answered(pong: "asyncio.Future[float]") -> None:
        if not pong.cancelled() and pong.exception() is None:
            session.heard(clock.monotonic_s())

    # Control frames never reach the reader, so the pong is heard here.
    asyncio.ensure_future(await session.socket.ping()).add_done_callback(answered)


async def keep_ticket(session: Session, ticket: Ticket, ask: Ask) -> None:
    """Keep the session's ticket alive; cut the session once the venue issues another."""
    pause_s = ticket.renew_every_s
    while True:
        await asyncio.sleep(pause_s)
        try:
            held = ticket.read(await ask(ticket.obtain))
        except UnexpectedReply as error:
            # A ticket outlives several pauses, so there is room for more tries.
            log.warning("the ticket of a socket was not renewed: %s", error)
            pause_s = ticket.renew_every_s / 10
            continue
        pause_s = ticket.renew_every_s
        if held != session.ticket:
            session.give_up("its ticket has died: the venue issued another")
            return
