"""A venue of five words on a real local WebSocket server, and a connection to it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import websockets.asyncio.server as ws_server
import websockets.exceptions as ws_errors
from websockets.http11 import Request, Response

from workers.clock import Clock
from workers.connection import Connection
from workers.connects import Connects
from workers.session import Ask
from workers.venue import (
    Answer,
    ClosingSoon,
    Credentials,
    Instruments,
    LoggedIn,
    LoginRefused,
    Pong,
    Proof,
    RateLimit,
    RestReply,
    RestRequest,
    SessionOver,
    SocketPlan,
    Subscribed,
    SubscriptionRefused,
    Unreadable,
    Venue,
    VenueEvent,
    Verdict,
)

KEYS = Credentials("key", "secret")
ANONYMOUS = Credentials("", "")
DEADLINE_S = 60.0  # for what must come; only a failing test waits that long


class HandTurned(Clock):
    """A monotonic clock that the test turns; ``looks`` counts who asked what time it is."""

    __slots__ = ("_now_s", "looks")

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self.looks = 0

    def monotonic_s(self) -> float:
        self.looks += 1
        return self._now_s

    def turn(self, by_s: float) -> None:
        self._now_s += by_s

    async def looked_at(self) -> None:
        """Return once somebody has looked again."""
        before = self.looks
        await until(lambda: self.looks > before, "the clock is looked at")


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Return once ``condition()`` is true; fail loudly when it never is."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - any condition of a test
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE_S} s: {what or condition}") from None


class FakeVenue:
    """The codec: what a frame ``{"say": word, …}`` means."""

    def login(self, credentials: Credentials, now_ms: int) -> str | None:
        if credentials == ANONYMOUS:
            return None
        return json.dumps({"op": "login", "key": credentials.key})

    def subscribe(
        self, channels: Sequence[str], credentials: Credentials, now_ms: int
    ) -> list[str]:
        return [json.dumps({"op": "subscribe", "channel": channel}) for channel in channels]

    def decode(self, text: str, instruments: Instruments) -> list[VenueEvent]:
        if text == "pong":
            return [Pong()]
        try:
            frame = json.loads(text)
        except ValueError:
            return [Unreadable("not JSON", text)]
        said: dict[str, VenueEvent] = {
            "welcome": LoggedIn(),
            "go away": LoginRefused(frame.get("why", ""), fatal=True),
            "subscribed": Subscribed(frame.get("channel", "")),
            "no such channel": SubscriptionRefused(frame.get("channel", ""), "unknown"),
            "closing": ClosingSoon("maintenance"),
            "over": SessionOver("the stream has expired"),
            "answer": Answer(str(frame.get("id", "")), Verdict(Proof.DONE)),
        }
        return [said.get(frame.get("say", ""), Unreadable("unknown", text))]


@dataclass(eq=False)
class Visit:
    """One session as the server saw it; ``frames`` without the heartbeat."""

    socket: ws_server.ServerConnection
    path: str = ""
    frames: list[dict[str, Any]] = field(default_factory=list)
    pings: int = 0
    opened_s: float = field(default_factory=time.monotonic)

    @property
    def ops(self) -> list[str]:
        return [frame["op"] for frame in self.frames]

    @property
    def open(self) -> bool:
        return self.socket.state.name == "OPEN"

    async def say(self, word: str, **more: Any) -> None:
        await self.socket.send(json.dumps({"say": word} | more))


class FakeServer:
    """A venue's server whose manners the test changes while it runs."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.story: list[str] = []
        self.full = False
        self.refused = 0
        self.deaf = False
        self.login = "welcome"
        self.channel = "subscribed"
        self.url = ""

    async def handle(self, socket: ws_server.ServerConnection) -> None:
        visit = Visit(socket, socket.request.path if socket.request else "")
        self.visits.append(visit)
        number = len(self.visits)
        self.story.append(f"{number} opened")
        with contextlib.suppress(ws_errors.ConnectionClosed):
            async for text in socket:
                await self._hear(visit, number, str(text))
        self.story.append(f"{number} closed")

    async def _hear(self, visit: Visit, number: int, text: str) -> None:
        if text == "ping":
            visit.pings += 1
            if not self.deaf:
                await visit.socket.send("pong")
            return
        frame = json.loads(text)
        visit.frames.append(frame)
        if frame["op"] == "login" and self.login:
            self.story.append(f"{number} logged in")
            await visit.say(self.login, why="wrong key")
        elif frame["op"] == "subscribe" and self.channel:
            await visit.say(self.channel, channel=frame["channel"])
        elif frame["op"] == "order" and not self.deaf:
            await visit.say("answer", id=frame["id"])

    def _admit(self, socket: ws_server.ServerConnection, request: Request) -> Response | None:
        if not self.full:
            return None
        self.refused += 1
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeServer"]:
        serving = ws_server.serve(
            self.handle, "127.0.0.1", 0, process_request=self._admit, ping_interval=None
        )
        async with serving as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}"
            yield self


@dataclass
class Heard:
    """What a connection reported, in order."""

    events: list[tuple[VenueEvent, int]] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)

    @property
    def answers(self) -> list[tuple[str, int]]:
        return [
            (event.request_id, session)
            for event, session in self.events
            if isinstance(event, Answer)
        ]


MANY_CONNECTS = RateLimit(1_000, 1.0, per_symbol=False)


async def no_rest(request: RestRequest) -> RestReply:
    raise AssertionError(f"nothing is to be asked by REST here: {request}")


@contextlib.asynccontextmanager
async def connected(
    server: FakeServer,
    *,
    open_timeout_s: float = DEADLINE_S,
    connects: RateLimit = MANY_CONNECTS,
    reconnect_s: tuple[float, float] = (0.01, 0.05),
    credentials: Credentials = KEYS,
    ask: Ask = no_rest,
    clock: Clock | None = None,
    farewell: bool = True,
    **plan: Any,
) -> AsyncIterator[tuple[Connection, Heard]]:
    """Hold a connection to the server while the block lasts; by itself it is never too late.

    ``farewell``: without it, the end is insisted on before the closing handshake is over.
    """
    terms: dict[str, Any] = {
        "url": server.url,
        "login": True,
        "channels": ("orders", "account"),
        "ping": "ping",
        "ping_after_s": 600.0,
        "dead_after_s": 1_200.0,
    }
    heard = Heard()
    connection = Connection(
        "trade",
        SocketPlan(**terms | plan),
        cast(Venue, FakeVenue()),
        credentials,
        clock or Clock(),
        instruments=Instruments,
        on_event=lambda event, session: heard.events.append((event, session)),
        on_ready=lambda session, why: heard.ready.append(session),
        on_lost=lambda session, why: heard.lost.append((session, why)),
        reconnect_s=reconnect_s,
        ask=ask,
        open_timeout_s=open_timeout_s,
        connects=Connects(connects, time.monotonic),
    )
    holding = asyncio.create_task(connection.run())
    try:
        yield connection, heard
    finally:
        holding.cancel()
        if not farewell:
            await asyncio.sleep(0)
            holding.cancel()
        await asyncio.wait({holding})
        if not holding.cancelled() and (error := holding.exception()) is not None:
            raise error


def order(number: int | str) -> str:
    return json.dumps({"op": "order", "id": str(number)})


def connection_is_at(connection: Connection, number: int) -> bool:
    return connection.session_number == number


async def all_heard(visit: Visit, heard: Heard) -> None:
    """Return once the connection has heard all that the server said so far."""
    so_far = len(heard.answers)
    await visit.say("answer", id="so far")
    await until(lambda: len(heard.answers) > so_far)
