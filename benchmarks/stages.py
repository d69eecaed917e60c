"""Where the time of one order goes: stamps of strategy and worker put in one line. Pure.

Orders go one at a time, so the stamps of an order are those between its submit and its pending;
of each name the first after the stage before counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import quantile

Stamp = tuple[str, int]

#: Stages along the critical path: the stamp that ends each, its name and what it holds.
STAGES: tuple[tuple[str, str, str], ...] = (
    ("read", "admit, wait", "create_order_ws: check, FCALL admit; XREADGROUP wakes and parses"),
    ("send", "encode", "intent → record → frame"),
    ("sent", "send", "WebSocket write"),
    ("heard", "venue", "simulator takes the order and acks; the frame is read"),
    ("answer", "decode", "frame → answer"),
    ("write", "conclude", "answer → record → batch; the outbox wakes"),
    ("received", "apply, deliver", "FCALL apply; XREAD wakes and parses"),
    ("pending", "dispatch", "result → order → on_pending_order"),
)
_FIRST = "submit"
#: When a call returned, by the stamp of its begin: beside the path, nothing waits for it.
_BESIDE = {"admitted": _FIRST, "written": "write"}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the critical path, or a span beside it."""

    name: str
    holds: str
    p50_us: float
    p99_us: float


def merge(strategy: Sequence[Stamp], worker: Sequence[Stamp]) -> list[dict[str, int]]:
    """Return name → time of each order whose stamps are complete, ``submit`` included."""
    stamps = sorted([*strategy, *worker], key=lambda stamp: stamp[1])
    orders: list[dict[str, int]] = []
    times: dict[str, int] = {}
    wanted = [_FIRST, *(name for name, _, _ in STAGES)]
    at = len(wanted)
    for name, time_ns in stamps:
        if name == _FIRST:
            times, at = {}, 0
        if at < len(wanted) and name == wanted[at]:
            times[name] = time_ns
            at += 1
            if at == len(wanted):
                orders.append(times)
        elif _BESIDE.get(name, "") in times and name not in times:
            times[name] = time_ns
    return orders


def summarize(orders: Sequence[dict[str, int]]) -> list[Stage]:
    """Return the stages in order, then the spans beside them, then the whole."""
    if not orders:
        return []
    out, before = [], _FIRST
    for stamp, name, holds in STAGES:
        out.append(_stage(name, holds, orders, before, stamp))
        before = stamp
    out.append(_stage("create_order_ws", "until it returns (beside)", orders, _FIRST, "admitted"))
    out.append(_stage("apply", "until its reply is read (beside)", orders, "write", "written"))
    out.append(_stage("whole", "submit → on_pending_order", orders, _FIRST, "pending"))
    return out


def _stage(name: str, holds: str, orders: Sequence[dict[str, int]], begin: str, end: str) -> Stage:
    spans = [(one[end] - one[begin]) / 1e3 for one in orders if end in one]
    if not spans:
        return Stage(name, holds, float("nan"), float("nan"))
    return Stage(name, holds, quantile(spans, 0.5), quantile(spans, 0.99))
