"""The way from a worker to the venue: its WebSocket client and its REST client, simulated.

A frame written to a connection that was cut meanwhile may have arrived, as anywhere. What a client
sees of it is what ``websockets`` and ``requests`` would show.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import requests
import urllib3.exceptions
import websockets.exceptions as ws_errors
from websockets.protocol import State

from simulation.loop import Process
from simulation.network import Network, Pipe
from simulation.standins import running
from simulation.strands import TIMED_OUT
from simulation.venue import Venue

_TOLD_OF_CUT_S = 0.01
_TEXT, _MEDIUM, _LONG = 0x81, 126, 127


class ClientSocket:
    """What a worker holds: the part of ``websockets.asyncio.client`` that it uses."""

    def __init__(self, venue: Venue, process: Process, path: str) -> None:
        self._venue = venue
        self._network: Network = venue.network
        self.process = process
        self.path = path
        self._hears, self._sends = f"{process.name} hears", f"{process.name} sends"
        self.state = State.OPEN
        self._up = Pipe(self._network, venue.process)
        self._down = Pipe(self._network, process)
        self._frames: deque[str] = deque()
        self._awaited: asyncio.Future[None] | None = None
        self._ended: Exception | None = None
        self._server = _ServerTransport(self)
        self._session, self._socket = venue.accept(path, self._server)
        self._left = False
        self.on_send: Callable[[ClientSocket, str], None] = lambda socket, text: None
        self.transport = SimpleNamespace(abort=self.abort, get_write_buffer_size=lambda: 0)
        process.at_death.append(self._abandon)

    def __repr__(self) -> str:
        return f"ClientSocket({self.process.name}, {self.path}, {self.state.name})"

    # --- the client's side -----------------------------------------------------------------------

    async def send(self, text: str) -> None:
        self.send_at_once(text)

    def send_at_once(self, text: str) -> bool:
        if self.state is not State.OPEN:
            raise ws_errors.ConnectionClosedError(None, None)
        self.on_send(self, text)
        self._network.trace(self._sends, text.encode())
        self._up.send(self._arrived, text.encode())
        return True

    def __aiter__(self) -> "ClientSocket":
        return self

    async def __anext__(self) -> str:
        while not self._frames:
            if self._ended is not None:
                if isinstance(self._ended, ws_errors.ConnectionClosedOK):
                    raise StopAsyncIteration
                raise self._ended
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        return self._frames.popleft()

    async def close(self) -> None:
        if self.state is State.OPEN:
            self._up.send(self._leave)
            await asyncio.sleep(self._network.delay_s())
        self._end(ws_errors.ConnectionClosedOK(None, None))

    def abort(self) -> None:
        if self.state is State.OPEN:
            self._up.send(self._leave)
        self._end(ws_errors.ConnectionClosedError(None, None))

    def _abandon(self) -> None:
        self.state = State.CLOSED
        self._down.closed = True
        self._up.send(self._leave)

    def _end(self, why: Exception) -> None:
        self.state = State.CLOSED
        self._ended = self._ended or why
        self._stir()

    def _came(self, data: bytes) -> None:
        if self.state is State.OPEN:
            self._network.trace(self._hears, data)
            self._frames.extend(_texts(data))
            self._stir()

    def _stir(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    # --- between ---------------------------------------------------------------------------------

    def cut(self, *, arrives: bool) -> None:
        """Break the connection; ``arrives``: what is under way to the venue still gets there."""
        loop = self._network.loop
        self._down.closed = True
        if arrives:
            self._up.send(self._leave)
        else:
            self._up.closed = True
            loop.at(loop.now_s, self._venue.process, self._leave)
        lost = ws_errors.ConnectionClosedError(None, None)
        loop.at(loop.now_s + _TOLD_OF_CUT_S, self.process, self._end, lost)

    def fall_silent(self) -> None:
        """Let nothing through any more, and tell nobody."""
        self._up.closed = self._down.closed = True

    # --- the venue's side ------------------------------------------------------------------------

    def _arrived(self, raw: bytes) -> None:
        if not self._left:
            self._session.received(raw)

    def _leave(self) -> None:
        if not self._left:
            self._left = self._server.closing = True
            self._venue.left(self._session, self._socket)

    def written(self, data: bytes) -> None:
        """Carry the frames that the venue wrote."""
        self._down.send(self._came, data)

    def hung_up(self) -> None:
        """Tell the client that the venue has closed the connection."""
        self._down.send(self._end, ws_errors.ConnectionClosedError(None, None))
        self._leave()


class _ServerTransport:
    """What the simulator's ``Socket`` writes to."""

    def __init__(self, client: ClientSocket) -> None:
        self._client = client
        self.closing = False

    def write(self, data: bytes) -> None:
        self._client.written(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._client.hung_up()

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0


def _texts(data: bytes) -> list[str]:
    """Return the texts of the unmasked frames in ``data``."""
    found, at = [], 0
    while at < len(data):
        kind, size, begin = data[at], data[at + 1], at + 2
        if size == _MEDIUM:
            size, begin = int.from_bytes(data[at + 2 : at + 4]), at + 4
        elif size == _LONG:
            size, begin = int.from_bytes(data[at + 2 : at + 10]), at + 10
        if kind == _TEXT:
            found.append(data[begin : begin + size].decode())
        at = begin + size
    return found


class VenueLink:
    """Opens connections and makes REST calls for workers."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.sockets: list[ClientSocket] = []
        self.on_send: Callable[[ClientSocket, str], None] = lambda socket, text: None
        self.on_rest: Callable[[Process, str, str, str], None] = lambda *what: None

    async def connect(self, url: str, *, open_timeout: float, **options: Any) -> ClientSocket:
        """Do as ``websockets.asyncio.client.connect`` does."""
        network, process = self.venue.network, self.venue.loop.current
        await asyncio.sleep(network.delay_s() * 2)
        path = "/ws/v5/" + url.rpartition("/")[2]
        if network.refuses() or self.venue.refuses(path):
            raise OSError("the simulated venue refuses the connection")
        socket = ClientSocket(self.venue, process, path)
        socket.on_send = self.on_send
        self.sockets = [one for one in self.sockets if one.state is State.OPEN] + [socket]
        return socket

    def session(self) -> "RestSession":
        """Return a stand-in for ``requests.Session``."""
        return RestSession(self)

    def rest(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout: tuple[float, float],
    ) -> Any:
        """Make one REST call in the running strand; return or raise as ``requests`` does."""
        venue, network, loop = self.venue, self.venue.network, self.venue.loop
        strand = running(loop)
        if network.refuses():
            strand.wait(network.delay_s())
            reason = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
            error = urllib3.exceptions.MaxRetryError(None, url, reason)  # type: ignore[arg-type]
            raise requests.ConnectionError(error)
        self.on_rest(strand.process, method, url, body.decode())
        text = f"{method} {url} {body.decode()}".encode()
        network.trace(f"{strand.process.name} calls", text)
        process, ticket = strand.process, strand.ticket

        async def serve() -> None:
            response = await venue.rest(method, url, headers, body)
            back_s = loop.now_s + network.delay_s()
            loop.at(back_s, process, strand.wake, ticket, response)

        def arrived() -> None:
            loop.start(venue.process, serve())

        loop.at(loop.now_s + network.delay_s(), venue.process, arrived)
        response = strand.wait(timeout[1])
        if response is TIMED_OUT:
            raise requests.ReadTimeout("the simulated venue does not answer")
        if response is None:
            raise requests.ConnectionError("the simulated venue hung up")
        network.trace(f"{process.name} is answered", response.body)
        return SimpleNamespace(
            status_code=response.status, text=response.text, headers=response.headers
        )


class RestSession:
    """What is used of ``requests.Session``."""

    def __init__(self, link: VenueLink) -> None:
        self._link = link
        self.trust_env = False

    def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        allow_redirects: bool,
    ) -> Any:
        return self._link.rest(method, url, headers, data or b"", timeout)

    def close(self) -> None:
        pass
