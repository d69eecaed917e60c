"""Pushes on their way out: in order, at the end of the loop's turn, and as faults say.

1. Frames are built when the change happens, since orders go on changing, and leave at the end of
   the turn: an acknowledgement written in the same turn leaves first.
2. Whoever gathers changes within a turn is called back once, after the frames of that turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from simulator.delivery import deliver_push
from simulator.exchange.clock import Clock
from simulator.exchange.faults import PUSH, Context, FaultBook
from simulator.sockets import Socket


class Push(NamedTuple):
    """One frame for one connection; the rest is what faults are matched against.

    ``op`` is the channel in words that all venues share, ``word`` in the venue's own.
    """

    socket: Socket
    payload: bytes
    op: str
    account: str
    symbol: str = ""
    client_id: str = ""
    word: str = ""


class PushQueue:
    """Sends pushes; ``gathered`` is called after the frames of each turn that ``wake`` was."""

    def __init__(
        self,
        faults: FaultBook,
        clock: Clock,
        restamp: Callable[[bytes, int], bytes],
        gathered: Callable[[], None],
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._restamp = restamp
        self._gathered = gathered
        self._queue: list[Push] = []
        self._scheduled = False
        # While a request is processed under the fault ack_before_push: how long pushes wait.
        self.delay_s = 0.0
        self.loop: asyncio.AbstractEventLoop | None = None

    def add(self, push: Push, *, before: Push | None = None) -> None:
        """Send ``push`` at the end of this turn, ahead of ``before`` if that still waits."""
        if self.delay_s and self.loop is not None:
            self.loop.call_later(self.delay_s, self._deliver, push)
            return
        queue = self._queue
        at = len(queue)
        if before is not None:
            at = next((i for i in range(at - 1, -1, -1) if queue[i] is before), at)
        queue.insert(at, push)
        self.wake()

    def wake(self) -> None:
        """Come to the end of this turn even if nothing was added."""
        if not self._scheduled and self.loop is not None:
            self._scheduled = True
            # In the turn after the next: the loop writes what acknowledges in the next one.
            self.loop.call_soon(self.loop.call_soon, self._flush)

    def send(self, push: Push) -> None:
        """Send ``push`` now."""
        # One that waits to be overtaken is overtaken by this one, armed faults or none.
        if self._faults or push.socket.held_push is not None:
            self._deliver(push)
        else:
            push.socket.send(push.payload)

    def _flush(self) -> None:
        self._scheduled = False
        queue, self._queue = self._queue, []
        for push in queue:
            self.send(push)
        self._gathered()

    def _deliver(self, push: Push) -> None:
        """Send one push, unless a fault says otherwise."""
        socket = push.socket
        context = Context(
            op=push.op,
            group="push",
            transport="ws",
            socket="private" if socket.plays("private") else socket.role,
            account=push.account,
            path=socket.path,
            symbols=(push.symbol,) if push.symbol else (),
            client_ids=(push.client_id,) if push.client_id else (),
            word=push.word,
        )
        now_ms = self._clock.true_ms()
        garbage = self._faults.take(("garbage_frame",), context, now_ms)
        if garbage is not None:
            socket.send(garbage.text("text", "{not json").encode())
        fault = self._faults.take(PUSH, context, now_ms)
        deliver_push(socket, push.payload, fault, self._restamp)
