"""Waiting for a client to go away, for connections that are kept open in silence."""

from __future__ import annotations

import asyncio
import math

from aiohttp import web

_POLL_S = 0.02


async def gone(request: web.Request, most_s: float = math.inf) -> None:
    """Return when the client has closed its connection, or after ``most_s``."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + most_s
    # The server gives handlers no event for this, so the transport is looked at.
    while loop.time() < until_s:
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(_POLL_S)
