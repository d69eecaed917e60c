"""``python -m benchmarks.floor.worker URL WS_URL PREFIX STRATEGY…``: XREADGROUP, send, XADD, XACK.

Three loops as in any worker that pipelines: read, hear, write; each takes all that is there. The
venue is an echo, or, where WS_URL is the simulator's, OKX's: then a frame is the order as it is,
and a second socket hears what the account's channels push, which becomes results as well.
"""

import asyncio
import contextlib
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import orjson
import redis.asyncio
import redis.exceptions
import uvloop
import websockets.asyncio.client as ws_client

from benchmarks.floor import keys
from benchmarks.stack.start import CREDENTIALS
from workers.venues.okx.session import PRIVATE_CHANNELS, subscribe
from workers.venues.okx.signing import login_frame

_COUNT = 200
_BLOCK_MS = 1_000
OKX_PATH = "/ws/v5/private"
Ack = tuple[str, str, str]  # strategy, entry id, oid
Result = dict[str, str]


class Echo:
    """A venue that says again what it hears: an answer names its order by itself."""

    async def enter(self, socket: ws_client.ClientConnection) -> None:
        """Say nothing: whoever comes is in."""

    def frame(self, ack: Ack, order: str) -> str:
        """Return the order's frame."""
        return f"{' '.join(ack)} {order}"

    def heard(self, frame: str) -> Ack:
        """Return whose answer this is."""
        strategy, entry_id, oid, _ = frame.split(" ", 3)
        return strategy, entry_id, oid


class Okx:
    """The simulator's OKX: an order's frame is numbered by its oid."""

    def __init__(self) -> None:
        self._sent: dict[str, Ack] = {}

    async def enter(self, socket: ws_client.ClientConnection) -> None:
        """Log in.

        Raises:
            RuntimeError: If the venue refuses.
        """
        await socket.send(login_frame(CREDENTIALS, time.time_ns() // 1_000_000))
        answer = orjson.loads(await socket.recv())
        if answer.get("event") != "login":
            raise RuntimeError(f"the simulator refused the floor's login: {answer}")

    async def listen(self, socket: ws_client.ClientConnection) -> None:
        """Log in and subscribe to what our worker is told, too.

        Raises:
            RuntimeError: If the venue refuses.
        """
        await self.enter(socket)
        for frame in subscribe(PRIVATE_CHANNELS, CREDENTIALS, 0):
            await socket.send(frame)
        missing = len(PRIVATE_CHANNELS)
        while missing:
            event = orjson.loads(await socket.recv()).get("event")
            if event == "error":
                raise RuntimeError("the simulator refused a subscription of the floor")
            missing -= event == "subscribe"

    def frame(self, ack: Ack, order: str) -> str:
        """Return the order's frame."""
        self._sent[ack[2]] = ack
        return order

    def heard(self, frame: str) -> Ack:
        """Return whose answer this is.

        Raises:
            RuntimeError: If the venue refused the order.
        """
        answer = orjson.loads(frame)
        if answer["code"] != "0":
            raise RuntimeError(f"the simulator refused an order of the floor: {frame}")
        return self._sent.pop(answer["id"])

    def pushed(self, frame: str) -> list[Result]:
        """Return what a push is to the strategy: orders on the book, or anything else."""
        push = orjson.loads(frame)
        return [
            {"oid": item.get("clOrdId", ""), "status": keys.ACCEPTED if live else keys.OTHER}
            for item in push.get("data", ())
            for live in [push["arg"]["channel"] == "orders" and item["state"] == "live"]
        ]


class FloorWorker:
    """Carries entries to the venue and its answers back."""

    def __init__(
        self, client: Any, socket: ws_client.ClientConnection, prefix: str, venue: Echo | Okx
    ) -> None:
        self._client = client
        self._socket = socket
        self._prefix = prefix
        self._venue = venue
        self._acks: list[Ack] = []
        self._pushes: list[Result] = []
        self._came = asyncio.Event()

    async def read(self, strategies: list[str]) -> None:
        """Read intents and send each as one frame."""
        by_stream = {keys.intents(self._prefix, name).encode(): name for name in strategies}
        streams: dict[Any, Any] = dict.fromkeys(by_stream, ">")
        while True:
            reply = await self._client.xreadgroup(
                keys.GROUP, "one", streams, count=_COUNT, block=_BLOCK_MS
            )
            for stream, entries in reply or ():
                name = by_stream[stream]
                for entry_id, fields in entries:
                    ack = name, entry_id.decode(), fields[b"oid"].decode()
                    await self._socket.send(self._venue.frame(ack, fields[b"order"].decode()))

    async def hear(self) -> None:
        """Take the venue's answers."""
        async for frame in self._socket:
            self._acks.append(self._venue.heard(str(frame)))
            self._came.set()

    async def listen(self, socket: ws_client.ClientConnection, venue: Okx) -> None:
        """Take what the account's channels push."""
        async for frame in socket:
            self._pushes += venue.pushed(str(frame))
            self._came.set()

    async def write(self, strategies: list[str]) -> None:
        """Write all that came, in one pipeline at a time; a push is the one strategy's."""
        while True:
            await self._came.wait()
            self._came.clear()
            acks, self._acks = self._acks, []
            pushes, self._pushes = self._pushes, []
            pipe = self._client.pipeline(transaction=False)
            for strategy, entry_id, oid in acks:
                fields = {"oid": oid, "status": keys.PENDING}
                pipe.xadd(keys.results(self._prefix, strategy), fields, maxlen=10_000)
                pipe.xack(keys.intents(self._prefix, strategy), keys.GROUP, entry_id)
            for result in pushes:
                pipe.xadd(keys.results(self._prefix, strategies[0]), result, maxlen=10_000)
            await pipe.execute()


async def main(url: str, ws_url: str, prefix: str, strategies: list[str]) -> None:
    """Say that it is ready, then work until killed."""
    client = redis.asyncio.Redis.from_url(url, retry=None, socket_timeout=10.0)
    for name in strategies:
        with contextlib.suppress(redis.exceptions.ResponseError):
            await client.xgroup_create(keys.intents(prefix, name), keys.GROUP, "0", mkstream=True)
    async with AsyncExitStack() as sockets:
        connect = partial(
            ws_client.connect, ws_url, compression=None, ping_interval=None, proxy=None
        )
        venue = Okx() if ws_url.endswith(OKX_PATH) else Echo()
        socket = await sockets.enter_async_context(connect())
        await venue.enter(socket)
        worker = FloorWorker(client, socket, prefix, venue)
        loops = [worker.read(strategies), worker.hear(), worker.write(strategies)]
        if isinstance(venue, Okx):
            private = await sockets.enter_async_context(connect())
            await venue.listen(private)
            loops.append(worker.listen(private, venue))
        sys.stdout.write("{}\n")
        sys.stdout.flush()
        await asyncio.gather(*loops)


if __name__ == "__main__":
    redis_url, venue_url, key_prefix, *names = sys.argv[1:]
    uvloop.run(main(redis_url, venue_url, key_prefix, names))
