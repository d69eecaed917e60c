"""One WebSocket request on its way through the faults: the same for every dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from simulator.delivery import deliver_ack
from simulator.exchange.faults import AFTER, BEFORE, Context, Fault, FaultBook
from simulator.sockets import Socket


class Request(Protocol):
    """A request that was read and written down, as its dialect sees it."""

    def process(self) -> bytes:
        """Execute the request and return the answer."""

    def refused(self, fault: Fault) -> bytes:
        """Return the answer that ``reject`` or ``throttle`` orders; nothing is executed."""

    def unknown(self, fault: Fault) -> bytes:
        """Return the answer that ``ws_unknown`` orders: one that proves nothing."""

    def without_id(self, fault: Fault) -> bytes:
        """Return the frame that ``id_less_error`` orders."""

    def left(self) -> None:
        """Note that an answer left the server."""


class Held(Protocol):
    """What pushes may be held back by."""

    delay_s: float


class Passage:
    """Takes requests of one connection through the faults."""

    def __init__(
        self, socket: Socket, faults: FaultBook, now_ms: Callable[[], int], pushes: Held
    ) -> None:
        self._socket = socket
        self._faults = faults
        self._now_ms = now_ms
        self._pushes = pushes

    def take(self, request: Request, context: Context) -> None:
        """Process ``request`` unless a fault stops it first; a half-open socket stops all."""
        socket = self._socket
        if socket.muted:
            return
        before = self._fault(BEFORE, context)
        name = before.name if before is not None else ""
        if before is None:
            self._process(request, context)
        elif name == "half_open":
            socket.mute()
        elif name == "hangup_before":
            code = before.params.get("code")
            socket.hang_up(None if code is None else int(code))
        elif name in ("throttle", "reject"):
            # A refusal can be late or lost as any answer can.
            self.answer(request, request.refused(before), self._fault(AFTER, context))
        elif name == "ws_unknown":
            if before.flag("processed", False):
                request.process()
            self.answer(request, request.unknown(before))
        elif name == "id_less_error":
            socket.send(request.without_id(before))
        elif name == "delay_request":
            delay_s = before.number("delay_ms", 50) / 1000
            socket.loop.call_later(delay_s, self._process, request, context)

    def answer(self, request: Request, payload: bytes, fault: Fault | None = None) -> None:
        """Send the answer to ``request`` as ``fault`` says."""
        if fault is None and self._socket.held_ack is None:
            if self._socket.send(payload):
                request.left()
            return
        deliver_ack(self._socket, payload, fault, request.left)

    def _process(self, request: Request, context: Context) -> None:
        garbage = self._fault(("garbage_frame",), context)
        if garbage is not None:
            self._socket.send(garbage.text("text", "{not json").encode())
        after = self._fault(AFTER, context)
        hold = self._fault(("ack_before_push",), context)
        if hold is not None:
            self._pushes.delay_s = hold.number("delay_ms", 20) / 1000
        try:
            payload = request.process()
        finally:
            self._pushes.delay_s = 0.0
        self.answer(request, payload, after)

    def _fault(self, names: tuple[str, ...], context: Context) -> Fault | None:
        return self._faults.take(names, context, self._now_ms())
