"""One REST request on its way through the faults: the same for every dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from aiohttp import web

from simulator.exchange.faults import REST, Fault
from simulator.waiting import gone

_BEFORE = ("hangup_before", "swallow_request", "throttle", "reject", "delay_request", *REST)
_AFTER = ("hangup_after", "lose_ack", "delay_ack", "push_before_ack")
_HTML = (
    "<html><head><title>{status} Bad Gateway</title></head>"
    "<body><center><h1>{status} Bad Gateway</h1></center><hr><center>cloudflare</center>"
    "</body></html>"
)
_HOLD_MS = 30_000.0
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Reply(NamedTuple):
    """What goes back."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = _NO_HEADERS

    def response(self) -> web.Response:
        """Return the reply as the server sends it."""
        return web.Response(
            body=self.body,
            status=self.status,
            content_type=self.content_type,
            headers=self.headers,
        )


class Job(Protocol):
    """A request that was read and written down, as its dialect sees it."""

    def process(self) -> Reply:
        """Execute the request and return its reply."""

    def refused(self, fault: Fault) -> Reply:
        """Return the reply that ``reject`` or ``throttle`` orders; nothing is executed."""

    def unknown(self, fault: Fault) -> Reply:
        """Return the reply that ``rest_unknown`` orders: one that proves nothing."""

    def failed(self, fault: Fault) -> Reply | None:
        """Return the venue's own reply to ``rest_5xx``; None for a page of HTML."""

    def take(self, names: tuple[str, ...]) -> Fault | None:
        """Return the fault of ``names`` that meets this request, if any does."""

    def left(self) -> None:
        """Note that the reply left the server."""


async def respond(job: Job, request: web.Request) -> web.Response:
    """Return the response to ``job``; hang up without a word where a fault wants that."""
    reply = await _reply(job, request)
    if reply is None:
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=499)
    if request.transport is not None and not request.transport.is_closing():
        job.left()
    return reply.response()


async def _reply(job: Job, request: web.Request) -> Reply | None:
    before = job.take(_BEFORE)
    if before is not None and before.name == "delay_request":
        await asyncio.sleep(before.number("delay_ms", 50) / 1000)
        before = None
    if before is not None:
        return await _stopped(job, before, request)
    reply = job.process()
    after = job.take(_AFTER)
    if after is None:
        return reply
    if after.name in ("hangup_after", "lose_ack"):
        return None
    default_ms = 20 if after.name == "push_before_ack" else 50
    await asyncio.sleep(after.number("delay_ms", default_ms) / 1000)
    return reply


async def _stopped(job: Job, fault: Fault, request: web.Request) -> Reply | None:
    """Return what a fault that stops requests puts in the reply's place."""
    if fault.name in ("throttle", "reject"):
        return job.refused(fault)
    if fault.name in ("hangup_before", "swallow_request"):
        if fault.name == "swallow_request":
            await _hold(request, fault)
        return None
    if fault.flag("processed", False):
        job.process()
    if fault.name == "rest_timeout":
        await _hold(request, fault)
        return None
    if fault.name == "rest_unknown":
        return job.unknown(fault)
    own = job.failed(fault) if fault.name == "rest_5xx" else None
    if own is not None:
        return own
    status = int(fault.number("status", 200 if fault.name == "rest_html" else 502))
    body = fault.text("body") or _HTML.format(status=status)
    return Reply(body.encode(), status, "text/html")


async def _hold(request: web.Request, fault: Fault) -> None:
    """Keep the connection open, saying nothing, until it is time or the client goes away."""
    await gone(request, fault.number("hold_ms", _HOLD_MS) / 1000)
