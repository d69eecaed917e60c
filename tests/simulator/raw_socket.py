"""A WebSocket whose every frame is kept: what the raw clients of all dialects have in common."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

Frame = dict[str, Any]
PATIENCE_S = 60.0  # for what must come; only a failing test waits that long


class RawSocket:
    """One WebSocket; every frame ever received stays in ``seen``."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[Frame] = []
        self._ids = itertools.count(1)
        self._passed = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.transport.abort()
        await self.connection.wait_closed()

    async def send(self, frame: Frame | str) -> None:
        """Send a JSON frame, or any text."""
        await self.connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def text(self) -> str:
        """Return the next frame as text."""
        frame = await asyncio.wait_for(self.connection.recv(), PATIENCE_S)
        return frame if isinstance(frame, str) else frame.decode()

    async def next(self) -> Frame:
        """Return the next frame as JSON."""
        frame: Frame = json.loads(await self.text())
        self.seen.append(frame)
        return frame

    async def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Read on until a frame that is wanted, and return it."""
        while True:
            frame = await self.next()
            if wanted(frame):
                return frame

    async def cut(self) -> int | None:
        """Read on until the connection is gone, and return the close code."""
        while True:
            try:
                await self.next()
            except ConnectionClosed:
                return self.connection.close_code


async def eventually(true: Callable[[], bool]) -> None:
    """Return once ``true()``; fail if it never is."""
    until = asyncio.get_running_loop().time() + PATIENCE_S
    while not true():
        assert asyncio.get_running_loop().time() < until, "it never came true"
        await asyncio.sleep(0.002)


def wait_until(true: Callable[[], bool]) -> None:
    """Do what ``eventually`` does, where there is no event loop."""
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.002)
