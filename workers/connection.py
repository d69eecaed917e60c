"""One kind of socket, held open: login, subscriptions, heartbeat, reconnect, planned replacement.

Invariants:
1. ``send`` writes only into a session that is logged in and subscribed (B6); nothing is buffered
   for a later session, so nothing replays after a reconnect (B7).
2. A session that is lost is reported once, with its number; whoever has requests in flight on it
   puts them in doubt.
3. A replacement becomes ready before the session it replaces is closed.
4. Connects keep the venue's limit, and a session that did not last longer than the longest pause
   is no success: the next one waits as after a failure, so a flapping venue is not hammered (D10).
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import websockets.asyncio.client as ws_client
import websockets.exceptions as ws_errors
from websockets.protocol import State

from router.outcomes import backoff_s
from workers.clock import Clock
from workers.connects import Connects
from workers.session import Ask, Session, keep_ticket, watch_silence
from workers.venue import (
    Answer,
    BalancesPushed,
    ClosingSoon,
    Command,
    Credentials,
    Instruments,
    LoggedIn,
    LoginRefused,
    OrderPushed,
    Pong,
    SessionOver,
    SocketPlan,
    Subscribed,
    SubscriptionRefused,
    UnexpectedReply,
    Unreadable,
    Venue,
    VenueEvent,
)
from workers.venue_socket import HIGH_WATER, LOW_WATER, VenueSocket

log = logging.getLogger(__name__)

_SETTLE_S = 5.0  # a replaced session may still deliver answers this long
_ROTATE_AGAIN_S = 15.0  # the venue has said that it closes, and no replacement would open
MOST_BYTES = 4 * 1024 * 1024
#: What cannot leave for so long was lost more than once on its way, or the peer reads no more: a
#: resent packet takes well under 1 s. All later requests, cancels too, stand behind it.
_MOST_WRITE_S = 2.0


class NotReady(Exception):
    """There is no ready session; nothing was written."""


class Dropped(Exception):
    """The session ended while being opened, or was found dead."""


#: Of a socket that the venue does not have; its connection is never ready.
NO_SOCKET = SocketPlan("", login=False, channels=(), ping=None, ping_after_s=1.0, dead_after_s=2.0)

_CANNOT_OPEN = (OSError, ws_errors.WebSocketException, Dropped, TimeoutError, UnexpectedReply)
#: Nearly all events; a look at each of the session's own kinds first would cost more than they do.
_OF_ORDERS = frozenset((Answer, OrderPushed, BalancesPushed))

Handle = Callable[[VenueEvent, int], None]
Notify = Callable[[int, str], None]


class Connection:
    """Keeps one ready session of a kind; reports events, readiness and loss."""

    def __init__(
        self,
        name: str,
        plan: SocketPlan,
        venue: Venue,
        credentials: Credentials,
        clock: Clock,
        *,
        instruments: Callable[[], Instruments],
        on_event: Handle,
        on_ready: Notify,
        on_lost: Notify,
        ask: Ask,
        reconnect_s: tuple[float, float],
        open_timeout_s: float,
        connects: Connects,
        after_answers: bool = False,
    ) -> None:
        self.name = name
        self._after_answers = after_answers
        self._gave_way = False
        self.plan = plan
        self._venue = venue
        self._credentials = credentials
        self._clock = clock
        self._instruments = instruments
        self._on_event = on_event
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._ask = ask
        self._reconnect_s = reconnect_s
        self._open_timeout_s = open_timeout_s
        self._connects = connects
        self._session: Session | None = None
        self._count = 0
        self._replace = asyncio.Event()
        self._old: set[asyncio.Task[None]] = set()
        self.problem = "the venue has none in this environment" if plan is NO_SOCKET else ""

    def __repr__(self) -> str:
        return f"Connection({self.name}, ready={self.ready}, sessions={self._count})"

    @property
    def ready(self) -> bool:
        """Whether a request may be written now."""
        session = self._session
        return session is not None and session.ready and session.socket.state is State.OPEN

    @property
    def session_number(self) -> int:
        """The number of the ready session; 0 when there is none."""
        return self._session.number if self._session is not None and self.ready else 0

    def encode(self, request_id: str, commands: Sequence[Command]) -> str:
        """Return the frame of a request, as it may be sent here now.

        Raises:
            CannotEncode: If the venue has no way to say it.
        """
        return self._venue.encode(request_id, commands, self._credentials, self._clock.venue_ms())

    async def send(self, text: str) -> int:
        """Write one frame and return the session's number.

        Raises:
            NotReady: If there is no ready session; nothing was written.
            ConnectionClosed: If it broke during the write, or was given up as the venue took
                nothing for ``_MOST_WRITE_S``; the frame may have left.
        """
        session = self._session
        if session is None or not self.ready:
            raise NotReady(self.name)
        if not session.socket.send_at_once(text):  # what bounds a wait costs too much
            await self._send_in_time(session, text)
        return session.number

    @staticmethod
    async def _send_in_time(session: Session, text: str) -> None:
        """Write one frame that may have to wait; give the session up when it waits too long."""
        why = f"nothing could be written for {_MOST_WRITE_S:g} s"
        timer = asyncio.get_running_loop().call_later(_MOST_WRITE_S, session.give_up, why)
        try:
            await session.socket.send(text)
        finally:
            timer.cancel()
        if session.dead_because:  # the end of a connection that we cut also ends the wait
            raise ws_errors.ConnectionClosedError(None, None)

    async def run(self) -> None:
        """Hold the socket until cancelled."""
        delays = self._delays()
        try:
            while True:
                reading = await self._open_patiently(delays)
                ready_s = self._clock.monotonic_s()
                await self._hold(reading)
                if self._clock.monotonic_s() - ready_s > self._reconnect_s[1]:
                    delays = self._delays()
                else:
                    await asyncio.sleep(next(delays))
        finally:
            settling = list(self._old)
            for task in settling:
                task.cancel()
            if self._session is not None:
                await self._close(self._session)
                self._session = None
            await asyncio.gather(*settling, return_exceptions=True)

    def _delays(self) -> Iterator[float]:
        return backoff_s(*self._reconnect_s, lambda: random.uniform(0.5, 1.5))

    async def _hold(self, reading: asyncio.Task[None]) -> None:
        """Return when the session is lost; replace it first when asked to."""
        timeout_s = self._rotate_after_s()
        while True:
            replace = asyncio.create_task(self._replace.wait())
            try:
                await asyncio.wait(
                    {reading, replace},
                    timeout=timeout_s,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            except asyncio.CancelledError:
                self._give_up(reading)
                raise
            finally:
                replace.cancel()
            if reading.done():
                self._lose(reading)
                return
            self._replace.clear()
            before, reading = reading, await self._rotate(reading)
            timeout_s = self._rotate_after_s()
            if reading is before:
                timeout_s = min(_ROTATE_AGAIN_S, timeout_s or _ROTATE_AGAIN_S)

    def _rotate_after_s(self) -> float | None:
        """Return when a new session is to be replaced, never if None: earlier than it must be, so
        that not all sockets that opened together are replaced together."""
        after_s = self.plan.rotate_after_s
        return after_s and after_s * random.uniform(0.9, 1.0)

    def _lose(self, reading: asyncio.Task[None]) -> None:
        session, self._session = self._session, None
        error = None if reading.cancelled() else reading.exception()
        silent = session.dead_because if session is not None else ""
        self.problem = silent or str(error or "closed by the venue")
        log.warning("%s socket lost: %s", self.name, self.problem)
        if session is not None:
            session.socket.transport.abort()  # we may have given it up while it was open
            self._on_lost(session.number, self.problem)

    async def _rotate(self, reading: asyncio.Task[None]) -> asyncio.Task[None]:
        """Return the reading of a new session that took over, or the old one if none would."""
        old = self._session
        try:
            new = await self._open()
        except _CANNOT_OPEN as error:
            log.warning("%s socket: no replacement yet: %s", self.name, error)
            return reading
        log.info("%s socket replaced as planned", self.name)
        if old is not None:
            self._retire(old, reading)
        return new

    def _retire(self, old: Session, reading: asyncio.Task[None]) -> None:
        async def settle() -> None:
            try:
                await asyncio.wait({reading}, timeout=_SETTLE_S)
            finally:
                self._give_up(reading)
                await self._close(old)
            self._on_lost(old.number, "replaced")

        task = asyncio.create_task(settle())
        self._old.add(task)
        task.add_done_callback(self._old.discard)

    async def _open_patiently(self, delays: Iterator[float]) -> asyncio.Task[None]:
        while True:
            try:
                return await self._open()
            except _CANNOT_OPEN as error:
                self.problem = str(error) or type(error).__name__
                delay_s = next(delays)
                log.warning(
                    "%s socket cannot open %s: %s; again in %.2f s",
                    self.name,
                    self.plan.url,
                    self.problem,
                    delay_s,
                )
                await asyncio.sleep(delay_s)

    async def _open(self) -> asyncio.Task[None]:
        """Return the reading task of a session that became ready and took over."""
        await self._connects.passed()
        held = self.plan.ticket
        ticket = held.read(await self._ask(held.obtain)) if held is not None else ""
        socket = await ws_client.connect(
            self.plan.url.replace("{ticket}", ticket),
            open_timeout=self._open_timeout_s,
            close_timeout=0.5,
            ping_interval=None,
            compression=None,
            max_size=MOST_BYTES,
            write_limit=(HIGH_WATER, LOW_WATER),
            proxy=None,
            create_connection=VenueSocket,
        )
        self._count += 1
        session = Session(self._count, cast(VenueSocket, socket), self._clock.monotonic_s(), ticket)
        reading = asyncio.create_task(self._read(session))
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await self._greet(session, reading)
        except BaseException:
            self._give_up(reading)
            await self._close(session)
            raise
        session.ready = True
        self._session = session
        self.problem = ""
        self._on_ready(session.number, "")
        return reading

    def _give_up(self, reading: asyncio.Task[None]) -> None:
        """End the reading of a session that is ours no more; that its socket ends is no news."""

        def note(reading: asyncio.Task[None]) -> None:
            error = None if reading.cancelled() else reading.exception()
            if isinstance(error, _CANNOT_OPEN):
                log.info("%s socket, given up, ended: %s", self.name, error)
            elif error is not None:
                log.error("%s socket, given up, failed", self.name, exc_info=error)

        reading.cancel()
        reading.add_done_callback(note)

    async def _greet(self, session: Session, reading: asyncio.Task[None]) -> None:
        """Log in and subscribe; return when all of it is confirmed."""
        credentials, clock = self._credentials, self._clock
        login = self._venue.login(credentials, clock.venue_ms()) if self.plan.login else None
        if login is not None:
            session.waiting.add("login")
            await session.socket.send(login)
            await self._confirmed(session, reading)
        if channels := self.plan.channels:
            session.waiting.update(channels)
            for frame in self._venue.subscribe(channels, credentials, clock.venue_ms()):
                await session.socket.send(frame)
            await self._confirmed(session, reading)

    @staticmethod
    async def _confirmed(session: Session, reading: asyncio.Task[None]) -> None:
        confirmed = asyncio.create_task(session.confirmed.wait())
        try:
            await asyncio.wait({reading, confirmed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            confirmed.cancel()
        if reading.done():
            error = None if reading.cancelled() else reading.exception()
            raise Dropped(str(error or "closed while logging in"))
        session.confirmed.clear()

    async def _read(self, session: Session) -> None:
        """Read until the session ends; raise what ended it."""
        watches = [asyncio.create_task(watch_silence(session, self.plan, self._clock))]
        if self.plan.ticket is not None:
            keeping = keep_ticket(session, self.plan.ticket, self._ask)
            watches.append(asyncio.create_task(keeping))
        try:
            async for frame in session.socket:
                session.heard(self._clock.monotonic_s())
                if self._after_answers and not self._gave_way:
                    # Answers read in the same turn are told before these pushes are looked at, and
                    # what they made leaves: uvloop writes once all that was ready has run.
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    self._gave_way = True
                    asyncio.get_running_loop().call_soon(self._next_turn)
                text = frame if isinstance(frame, str) else frame.decode(errors="replace")
                for event in self._venue.decode(text, self._instruments()):
                    self._take(session, event)
        finally:
            for watch in watches:
                watch.cancel()
            for watch in watches:
                with contextlib.suppress(asyncio.CancelledError):
                    await watch

    def _next_turn(self) -> None:
        self._gave_way = False

    def _take(self, session: Session, event: VenueEvent) -> None:
        if type(event) in _OF_ORDERS:
            self._on_event(event, session.number)
            return
        match event:
            case LoggedIn():
                self._confirm(session, "login")
            case Subscribed(channel):
                self._confirm(session, channel)
                self._on_event(event, session.number)
            case LoginRefused(reason, fatal):
                log.error("%s socket: login refused%s: %s", self.name, _how(fatal), reason)
                raise Dropped(f"login refused: {reason}")
            case SubscriptionRefused(channel, reason) if channel in self.plan.channels:
                raise Dropped(f"subscription {channel} refused: {reason}")
            case SessionOver(reason):
                raise Dropped(reason)
            case ClosingSoon(reason):
                log.info("%s socket: the venue will close it: %s", self.name, reason)
                self._replace.set()
            case Pong():
                pass
            case Unreadable(reason, text):
                log.warning("%s socket: unreadable (%s): %.300s", self.name, reason, text)
            case _:
                self._on_event(event, session.number)

    @staticmethod
    def _confirm(session: Session, what: str) -> None:
        if what in session.waiting:
            session.waiting.discard(what)
            if not session.waiting:
                session.confirmed.set()

    async def send_now(self, frames: list[str]) -> None:
        """Write frames that need no answer (book subscriptions); a dead socket drops them."""
        for frame in frames:
            with contextlib.suppress(NotReady, ws_errors.ConnectionClosed):
                await self.send(frame)

    @staticmethod
    async def _close(session: Session) -> None:
        session.ready = False
        try:
            with contextlib.suppress(ws_errors.WebSocketException, OSError, TimeoutError):
                await session.socket.close()
        finally:
            session.socket.transport.abort()  # also when a cancellation cut the farewell short


def _how(fatal: bool) -> str:
    return ", and trying again will not help: check the keys" if fatal else ""
