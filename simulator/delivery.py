"""How an answer or a push leaves when a fault meets it: late, twice, out of order, or never."""

from __future__ import annotations

from collections.abc import Callable

from simulator.exchange.faults import Fault
from simulator.sockets import Socket

_DELAYS_MS = {"delay_ack": 50.0, "push_before_ack": 20.0, "delay_push": 50.0}
_HOLD_MS = 500.0

Act = Callable[[], None]


def deliver_ack(socket: Socket, payload: bytes, fault: Fault | None, sent: Act) -> None:
    """Send an answer as ``fault`` says; call ``sent`` once if and when it leaves."""

    def send() -> None:
        if socket.send(payload):
            sent()

    def again() -> None:
        send()
        socket.send(payload)

    if fault is not None and fault.name == "hangup_after":
        code = fault.params.get("code")
        socket.hang_up(None if code is None else int(code))
    elif fault is not None and fault.name == "reorder_acks" and socket.held_ack is None:
        socket.held_ack = send
        _after(socket, fault.number("hold_ms", _HOLD_MS), lambda: release_ack(socket))
    elif _deliver(socket, fault, send, again):
        release_ack(socket)


def deliver_push(
    socket: Socket,
    payload: bytes,
    fault: Fault | None,
    restamp: Callable[[bytes, int], bytes],
) -> None:
    """Send a push as ``fault`` says; ``restamp`` shifts its update time by milliseconds."""

    def send() -> None:
        socket.send(payload)

    def again() -> None:
        send()
        shift_ms = int(fault.number("utime_shift_ms", 0)) if fault is not None else 0
        socket.send(restamp(payload, shift_ms) if shift_ms else payload)

    if fault is not None and fault.name == "reorder_pushes" and socket.held_push is None:
        socket.held_push = send
        _after(socket, fault.number("hold_ms", _HOLD_MS), lambda: release_push(socket))
    elif _deliver(socket, fault, send, again):
        release_push(socket)


def release_ack(socket: Socket) -> None:
    """Send the answer that was held back for being overtaken, if there is one."""
    held, socket.held_ack = socket.held_ack, None
    if held is not None:
        held()


def release_push(socket: Socket) -> None:
    """Send the push that was held back for being overtaken, if there is one."""
    held, socket.held_push = socket.held_push, None
    if held is not None:
        held()


def _deliver(socket: Socket, fault: Fault | None, send: Act, again: Act) -> bool:
    """Send now, later, twice or never; return whether something left now."""
    name = fault.name if fault is not None else ""
    if fault is not None and name in _DELAYS_MS:
        _after(socket, fault.number("delay_ms", _DELAYS_MS[name]), send)
        return False
    if name.startswith("lose_"):
        return False
    if name.startswith("duplicate_"):
        again()
    else:
        send()
    return True


def _after(socket: Socket, delay_ms: float, act: Act) -> None:
    socket.loop.call_later(delay_ms / 1000, act)
