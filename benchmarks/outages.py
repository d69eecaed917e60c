"""How long outages last for an order: faults on the simulator, times by ledger and callbacks.

All times are of one machine's wall clock: the ledger's (whole ms), the callbacks' and the worker's.
Each repetition waits until everything is up again; nothing overlaps.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis

from benchmarks.children import BenchFailed, Child, Children
from benchmarks.comparison import Say
from benchmarks.figures import quantile
from benchmarks.options import Options
from benchmarks.stack.start import (
    ACCOUNT,
    Place,
    start_jobs,
    start_simulator,
    start_strategies,
    start_worker,
    wait_serving,
)
from simulator.client import ControlClient

ACK_TIMEOUT_MS = 1_000
GRACE_MS = 700
#: Only what follows the timeout is measured, so it may be short; and sockets cut every second would
#: be reopened after ever longer pauses, of which nothing is measured. All else is the default.
ROUTER_TOML = """
[worker]
reconnect_most_s = 0.25
[orders]
ack_timeout_ms = {ack_timeout_ms}
ladder_budget_ms = 300
[jobs]
queue = "{queue}"
"""
_UP_S = 30.0
_LOOK_S = 0.001
_AT_ONCE = 5
_OPEN_ORDERS = 20
_CONFIRMED, _TIMEOUT = "ACK_TIMEOUT_CONFIRMED", "ACK_TIMEOUT"
_HERE = {"account": ACCOUNT}


@dataclass(frozen=True, slots=True)
class Outage:
    """One kind of outage: how long it took, and what is aimed at; ms."""

    name: str
    measured: str
    samples: int
    p50_ms: float
    p99_ms: float
    p50_target_ms: float | None
    p99_target_ms: float

    @property
    def met(self) -> bool:
        """Whether it is as quick as is aimed at."""
        quick = self.p50_target_ms is None or self.p50_ms <= self.p50_target_ms
        return quick and self.p99_ms <= self.p99_target_ms


@dataclass
class Scene:
    """A running router with one witness, and the means to disturb it."""

    place: Place
    control: ControlClient
    client: Any
    witness: Child
    children: Children
    worker: Child
    open_orders: int
    open_oids: list[str] = field(default_factory=list)
    kept_open: int = 0
    """How many orders are open for as long as the scene lasts."""

    def submit(self, orders: int = 1) -> dict[str, float]:
        """Return oid → when it was submitted."""
        found: dict[str, float] = self.witness.ask({"do": "submit", "orders": orders})["submitted"]
        return found

    def told(self, oids: Sequence[str], what: str) -> dict[str, float]:
        """Return oid → when it was told ``what``; wait for it."""
        question = {"do": "await", "oids": [*oids], "what": what}
        found: dict[str, float] = self.witness.ask(question)["told"]
        return found

    def event_at(self, event: str, after_ms: float) -> float:
        question = {"do": "await_event", "event": event, "after_ms": after_ms}
        return float(self.witness.ask(question)["at_ms"])

    def clear(self) -> None:
        self.witness.ask({"do": "clear"})

    def wait_socket(self, name: str, state: str) -> float:
        """Return since when the worker knows its socket in that state; wait for it."""
        until_s = time.monotonic() + _UP_S
        while time.monotonic() < until_s:
            found = self.client.hmget(self.place.keys.status, name, f"{name}_since_ms")
            if found[0] == state:
                return float(found[1])
            time.sleep(_LOOK_S)
        raise BenchFailed(f"the {name} socket was not {state} within {_UP_S:.0f} s")

    def all_up(self) -> None:
        for name in ("trade", "private"):
            self.wait_socket(name, "connected")

    @contextmanager
    def no_new_socket(self) -> Iterator[None]:
        """Refuse new trade and private sockets while the block lasts."""
        match = {"path": "/ws/v5/private"}
        with self.control.fault("refuse_connections", match=match):
            yield

    def connection_times(self, role: str) -> list[tuple[int, int | None]]:
        """Return when each connection of this role was opened and closed, by the ledger."""
        rows = self.control.ledger(ACCOUNT, since_ms=2**53).connections
        return [(row["opened_ms"], row["closed_ms"]) for row in rows if row["role"] == role]


Sample = Callable[[Scene], Sequence[float]]
Kind = tuple[str, str, Sample, float | None, float]
"""Name, what is measured, how, and what p50 and p99 are to be at most (ms)."""


def measure(
    children: Children,
    place: Place,
    options: Options,
    say: Say,
    kinds: Sequence[tuple[Kind, int]],
) -> list[Outage]:
    """Return one row for each kind of outage; each is repeated as often as stands with it.

    Raises:
        BenchFailed: If an order was not told what it should have been.
    """
    with ExitStack() as stack:
        scene = stack.enter_context(_scene(children, place, options.open_orders))
        time.sleep(options.settle_s)
        rows = []
        for (name, measured, sample, p50_ms, p99_ms), times in kinds:
            say(f"outages: {name}")
            found: list[float] = []
            while len(found) < times:
                scene.all_up()
                found += sample(scene)
            rows.append(
                Outage(
                    name,
                    measured,
                    len(found),
                    quantile(found, 0.5),
                    quantile(found, 0.99),
                    p50_ms,
                    p99_ms,
                )
            )
        return rows


@contextmanager
def _scene(children: Children, place: Place, open_orders: int) -> Iterator[Scene]:
    start_simulator(children, place)
    worker = start_worker(children, place)
    wait_serving(place, worker)
    start_jobs(children, place)
    [witness] = start_strategies(children, place, ["str0"], kind="witness")
    control = ControlClient(f"http://127.0.0.1:{place.control_port}")
    client = redis.Redis.from_url(place.url, decode_responses=True)
    try:
        yield Scene(place, control, client, witness, children, worker, open_orders)
    finally:
        control.close()
        client.close()


# --- the kinds ------------------------------------------------------------------------------------


def _drop_to_rest(scene: Scene) -> Sequence[float]:
    """The trade socket goes; the worker notices; an order submitted then is at the venue by REST.

    The two spans are added: what lies between them is the benchmark's own looking.
    """
    with scene.no_new_socket():
        scene.control.close_sockets("trade", account=ACCOUNT)
        noticed_ms = scene.wait_socket("trade", "disconnected")
        dropped_ms = max(closed or 0 for _, closed in scene.connection_times("trade"))
        [(oid, submitted_ms)] = scene.submit().items()
        scene.told([oid], "ACCEPTED")
    [order] = scene.control.orders(oid, account=ACCOUNT)
    if order["transport"] != "rest":
        raise BenchFailed(f"order {oid} went by {order['transport']}")
    return [max(0.0, noticed_ms - dropped_ms) + (order["created_ms"] - submitted_ms)]


def _drop_after_processing(scene: Scene) -> Sequence[float]:
    with scene.control.fault("hangup_after", count=1, match=_HERE | {"op": "place"}):
        [(oid, submitted_ms)] = scene.submit().items()
        told = scene.told([oid], _CONFIRMED)
    return [told[oid] - submitted_ms]


def _reconnect_to_resynced(scene: Scene) -> Sequence[float]:
    """Orders are open; one of them was canceled meanwhile, so the grace is waited for."""
    missing = _OPEN_ORDERS - len(scene.open_oids)
    fresh = [*scene.submit(missing)]
    scene.told(fresh, "ACCEPTED")
    scene.open_oids += fresh
    with scene.no_new_socket():
        scene.control.close_sockets("private", account=ACCOUNT)
        scene.wait_socket("private", "disconnected")
        scene.control.cancel_order(scene.open_oids.pop(), account=ACCOUNT)
        before_ms = time.time_ns() / 1e6
    resynced_ms = scene.event_at("resynced", before_ms)
    return [resynced_ms - max(opened for opened, _ in scene.connection_times("private"))]


def _no_ack(scene: Scene) -> Sequence[float]:
    """Neither ack nor push arrives; from the end of the wait for the ack."""
    with (
        scene.control.fault("lose_ack", match=_HERE | {"op": "place"}),
        scene.control.fault("lose_push", match=_HERE),
    ):
        submitted = scene.submit(_AT_ONCE)
        told = scene.told([*submitted], _CONFIRMED)
    scene.clear()
    return [told[oid] - at_ms - ACK_TIMEOUT_MS for oid, at_ms in submitted.items()]


def _unknown_to_known(scene: Scene) -> Sequence[float]:
    """Nothing is heard of the orders until all are told unknown; then the venue answers."""
    with ExitStack() as faults:
        for name, match in (
            ("lose_ack", {"op": "place"}),
            ("lose_push", {}),
            ("rest_5xx", {"transport": "rest"}),
        ):
            faults.enter_context(scene.control.fault(name, match=_HERE | match))
        oids = [*scene.submit(_AT_ONCE)]
        unknown = scene.told(oids, _TIMEOUT)
        answers_ms = time.time_ns() / 1e6  # before the first fault is lifted: it answers at once
    known = scene.told(oids, _CONFIRMED)
    scene.clear()
    return [known[oid] - max(unknown[oid], answers_ms) for oid in oids]


KINDS: tuple[Kind, ...] = (
    (
        "socket drop → by REST",
        "drop noticed + submit → order at the venue",
        _drop_to_rest,
        None,
        50,
    ),
    (
        "drop after processing → confirmed",
        "submit → ACK_TIMEOUT_CONFIRMED",
        _drop_after_processing,
        None,
        1_000,
    ),
    (
        f"reconnect → resynced (grace {GRACE_MS} ms)",
        "socket open at the venue → resynced, one order missing",
        _reconnect_to_resynced,
        None,
        GRACE_MS + 500,
    ),
    ("no ack → known", "ack timeout → ACK_TIMEOUT_CONFIRMED", _no_ack, 500, 2_000),
    (
        "unknown → known",
        "told unknown, venue answers → ACK_TIMEOUT_CONFIRMED",
        _unknown_to_known,
        500,
        2_000,
    ),
)
