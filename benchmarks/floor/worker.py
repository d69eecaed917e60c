"""``python -m benchmarks.floor.worker URL WS_URL PREFIX STRATEGY…``: XREADGROUP, send, XADD, XACK.

Three loops as in any worker that pipelines: read, hear, write; each takes all that is there.
"""

import asyncio
import contextlib
import sys
from typing import Any

import redis.asyncio
import redis.exceptions
import uvloop
import websockets.asyncio.client as ws_client

from benchmarks.floor import keys

_COUNT = 200
_BLOCK_MS = 1_000
Ack = tuple[str, str, str]  # strategy, entry id, oid


class FloorWorker:
    """Carries entries to the venue and its answers back."""

    def __init__(self, client: Any, socket: ws_client.ClientConnection, prefix: str) -> None:
        self._client = client
        self._socket = socket
        self._prefix = prefix
        self._acks: list[Ack] = []
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
                    frame = f"{name} {entry_id.decode()} {fields[b'oid'].decode()} "
                    await self._socket.send(frame + fields[b"order"].decode())

    async def hear(self) -> None:
        """Take the venue's answers."""
        async for frame in self._socket:
            strategy, entry_id, oid, _ = str(frame).split(" ", 3)
            self._acks.append((strategy, entry_id, oid))
            self._came.set()

    async def write(self) -> None:
        """Write all answers that came, in one pipeline at a time."""
        while True:
            await self._came.wait()
            self._came.clear()
            acks, self._acks = self._acks, []
            pipe = self._client.pipeline(transaction=False)
            for strategy, entry_id, oid in acks:
                fields = {"oid": oid, "status": "PENDING"}
                pipe.xadd(keys.results(self._prefix, strategy), fields, maxlen=10_000)
                pipe.xack(keys.intents(self._prefix, strategy), keys.GROUP, entry_id)
            await pipe.execute()


async def main(url: str, ws_url: str, prefix: str, strategies: list[str]) -> None:
    """Say that it is ready, then work until killed."""
    client = redis.asyncio.Redis.from_url(url, retry=None, socket_timeout=10.0)
    for name in strategies:
        with contextlib.suppress(redis.exceptions.ResponseError):
            await client.xgroup_create(keys.intents(prefix, name), keys.GROUP, "0", mkstream=True)
    async with ws_client.connect(
        ws_url, compression=None, ping_interval=None, proxy=None
    ) as socket:
        worker = FloorWorker(client, socket, prefix)
        sys.stdout.write("{}\n")
        sys.stdout.flush()
        await asyncio.gather(worker.read(strategies), worker.hear(), worker.write())


if __name__ == "__main__":
    redis_url, venue_url, key_prefix, *names = sys.argv[1:]
    uvloop.run(main(redis_url, venue_url, key_prefix, names))
