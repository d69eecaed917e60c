"""What happens around a crash: actions, troubles, a worker that dies, and one that goes on.

An action is something that a worker, a jobs process or a strategy has to do; a trouble is what the
venue's sockets do to it meanwhile. Whoever dies in between, the end must be the same: each intent
has one outcome, the venue at most one order for it, and the strategy was told what is true.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from router.enums import WsOrderResultType as Result
from router.settings import JobSettings, OrderSettings
from simulator.server import RunningSimulator
from tests.crashes.nursery import Forked, Nursery
from tests.scenarios.stack import (
    FAR_PRICE,
    PATIENT_MS,
    SYMBOL,
    Recorder,
    Stack,
    rules,
    running_stack,
    until,
)

NEW_PRICE = FAR_PRICE - 100
AMOUNT = Decimal("0.001")
#: One worker lives at a time, so nobody takes a short lease from one that stands still.
LEASE_MS = 500

HAPPY, SOCKET_LOST, ACK_LOST, NOTHING_HEARD = "happy", "socket lost", "ack lost", "nothing heard"
TROUBLES = (HAPPY, SOCKET_LOST, ACK_LOST)


def settings_of(trouble: str) -> OrderSettings:
    """Return settings under which what is awaited comes soon and nothing else runs out."""
    quick = {"expiry_ms": 1_000, "visibility_lag_ms": 50, "reconcile_grace_ms": 50}
    if trouble in (ACK_LOST, NOTHING_HEARD):
        return rules(**quick, ack_timeout_ms=400, ladder_budget_ms=300)
    return rules(**quick, ack_timeout_ms=PATIENT_MS)


@dataclass
class Scene:
    """One account with a strategy in this process, and a worker in one of its own."""

    stack: Stack
    nursery: Nursery
    folder: Path
    trouble: str
    strategy: Recorder = field(default_factory=Recorder)
    oid: str = ""
    beside: str = ""  # an order placed beside the action, to meet the trouble
    seen: int = 0  # how often that by which the action ends had been told before

    @property
    def go(self) -> Path:
        """Passes of crash points count as long as this file exists."""
        return self.folder / "go"

    def start_worker(self, crash: str = "", *, recording: bool = False) -> Forked:
        return self.nursery.start(
            "worker",
            self.stack.settings,
            crash=crash,
            recording=recording,
            account=self.stack.account,
        )

    def start_jobs(self, crash: str = "", *, recording: bool = False) -> Forked:
        """Start a jobs process, so much later that what the last one left undone counts as lost."""
        redis, started = self.stack.redis, f"rq:wip:{self.stack.settings.jobs.queue}"
        for execution in redis.zrange(started, 0, -1):
            redis.zadd(started, {execution: 1})
        if not crash:  # one that is to die at a point of the chain needs the chain
            redis.delete(self.stack.keys.resolving("alpha", self.oid))
        return self.nursery.start("jobs", self.stack.settings, crash=crash, recording=recording)

    def wait_serving(self, worker: Forked) -> None:
        """Return when it serves, its sockets connected."""
        until(lambda: f"{self.stack.account}: serving" in worker.text(), worker.text)
        self.stack.wait_connected()

    def wait_dead(self, one: Forked, point: str) -> None:
        """Return when the process has ended itself at the point."""
        until(lambda: one.ended_by is not None, lambda: f"{point} is passed:\n{one.text()}")
        assert one.ended_by == signal.SIGKILL, one.text()
        assert f"crash point {point}: ended here" in one.text(), one.text()

    @property
    def settled(self) -> bool:
        return not self.stack.redis.xlen(self.stack.keys.intents("alpha"))

    def check(self, *strategies: Recorder) -> None:
        """Compare everything that was told with the ledger, and its numbers with each other."""
        until(lambda: self.settled, "every intent is settled")
        self.stack.check(*(strategies or (self.strategy,)))
        for row in self.stack.ledger().orders:
            assert len(self.stack.ledger().orders_of(row["client_id"])) == 1, row
        stored = self.stack.redis.xrange(self.stack.keys.results("alpha"))
        numbers = [int(row["seq"]) for _, row in stored]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


@contextmanager
def scene(
    redis_url: str,
    simulator: RunningSimulator,
    nursery: Nursery,
    folder: Path,
    trouble: str,
    *,
    strategy: bool = True,
) -> Iterator[Scene]:
    """Yield a scene without a worker yet; ``strategy``: with one that runs in this process."""
    with running_stack(
        redis_url, simulator, orders=settings_of(trouble), lease_ttl_ms=LEASE_MS
    ) as stack:
        jobs = JobSettings(
            queue=stack.account,
            resolve_first_s=0.1,
            sweep_every_s=0.1,
            tidy_every_s=0.1,
            keep_ended_s=0,
            keep_results_s=0,
            max_result_age_s=0.1 if not strategy else 3_600,
            archive_dir=str(folder / "archive"),
        )
        stack.settings = stack.settings.model_copy(update={"jobs": jobs})
        one = Scene(stack, nursery, folder, trouble)
        if strategy:
            stack.start_strategy(strategy=one.strategy)
        yield one


# --- troubles -------------------------------------------------------------------------------------


@contextmanager
def in_trouble(scene: Scene, op: str, *, pushes: bool) -> Iterator[None]:
    """Let the next request of this kind meet the scene's trouble.

    ``pushes``: whether those about orders are lost as well where the ack is. What has not met its
    request when the block ends still waits for it, as a venue's trouble does; what would last for
    good ends with the block.
    """
    control, here = scene.stack.control, scene.stack.here
    lasting = []
    if scene.trouble == SOCKET_LOST:
        control.arm("hangup_before", count=1, match=here | {"op": op, "transport": "ws"})
    elif scene.trouble in (ACK_LOST, NOTHING_HEARD):
        control.arm("lose_ack", count=1, match=here | {"op": op})
        if pushes:
            lasting.append(control.arm("lose_push", match=here))
    if scene.trouble == NOTHING_HEARD:
        rest = here | {"transport": "rest"}
        lasting.append(control.arm("rest_5xx", match=rest, status=503, processed=False))
    try:
        yield
    finally:
        for fault in lasting:
            control.disarm(fault)


# --- actions --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Action:
    """``prepare`` brings about what it needs, ``act`` does it, ``ended`` awaits its end.

    ``op``: the operation that troubles meet, in the simulator's words. ``pushes``: whether pushes
    get lost with an ack.
    """

    name: str
    op: str
    prepare: Callable[[Scene], None]
    act: Callable[[Scene, Forked], None]
    ended: Callable[[Scene], None]
    pushes: bool = True


def _nothing(scene: Scene) -> None:
    scene.oid = ""


def _rest(scene: Scene) -> None:
    scene.oid = scene.strategy.buy(amount=3 * AMOUNT)
    scene.strategy.wait_for(scene.oid, "accepted")


def _create(scene: Scene, worker: Forked) -> None:
    """Place an order that fills at once: its id is free then, so a second copy would fill, too."""
    scene.oid = scene.strategy.buy(type="MARKET")


def _created(scene: Scene) -> None:
    _told(scene, scene.oid, "filled")


def _told(scene: Scene, oid: str, end: str) -> None:
    """Return when the order is told as it should be, or failed where that may be."""
    told = scene.strategy
    until(lambda: {end, "failed"} & set(told.of(oid)), lambda: f"its end: {told.told[-8:]}")
    if "failed" not in told.of(oid):
        return
    expired = any(row["code"] == "50037" for row in scene.stack.ledger().requests_of(oid))
    absent = Result.ACK_TIMEOUT in told.result_types(oid) and scene.trouble != HAPPY
    assert expired or absent, told.results(oid)


def _cancel(scene: Scene, worker: Forked) -> None:
    scene.strategy.cancel_order_ws(SYMBOL, scene.oid)


def _canceled(scene: Scene) -> None:
    scene.strategy.wait_for(scene.oid, "canceled")


def _modify(scene: Scene, worker: Forked) -> None:
    scene.strategy.modify_order_ws(SYMBOL, scene.oid, price=NEW_PRICE)


def _modified(scene: Scene) -> None:
    until(lambda: scene.settled, "the modify is settled")
    [row] = scene.stack.ledger().orders_of(scene.oid)
    assert Decimal(row["price"] or 0) == NEW_PRICE
    until(lambda: scene.strategy.orders(scene.oid)[-1].price == NEW_PRICE, "the new price is told")


def _cancel_unheard(scene: Scene) -> None:
    """Let an order end at the venue without a push, so that a resync has something to find."""
    _rest(scene)
    stack = scene.stack
    with stack.control.fault("lose_push", match=stack.here):
        stack.control.cancel_order(scene.oid, account=stack.account, source="system")


def _reconnect(scene: Scene, worker: Forked) -> None:
    if scene.trouble != HAPPY:
        scene.beside = scene.strategy.buy()
    if scene.trouble == ACK_LOST:
        # Its push and the cut would race each other.
        until(lambda: worker.ended_by is not None or "accepted" in scene.strategy.of(scene.beside))
    scene.stack.cut("private")


def _resynced(scene: Scene) -> None:
    _canceled(scene)
    if scene.beside:
        _told(scene, scene.beside, "accepted")


def _fill(scene: Scene, worker: Forked) -> None:
    if scene.trouble != HAPPY:
        scene.beside = scene.strategy.buy()
    scene.stack.control.fill_order(scene.oid, account=scene.stack.account, amount=AMOUNT)


def _filled(scene: Scene) -> None:
    scene.strategy.wait_for(scene.oid, "partially_filled")
    if scene.beside:
        _told(scene, scene.beside, "accepted")


def _stop(scene: Scene, worker: Forked) -> None:
    _create(scene, worker)
    worker.signal(signal.SIGTERM)


ACTIONS = {
    one.name: one
    for one in (
        Action("create", "place", _nothing, _create, _created),
        Action("cancel", "cancel", _rest, _cancel, _canceled),
        Action("modify", "amend", _rest, _modify, _modified),
        Action("resync", "place", _cancel_unheard, _reconnect, _resynced, pushes=False),
        Action("apply", "place", _rest, _fill, _filled, pushes=False),
        Action("stop", "place", _nothing, _stop, _created),
    )
}
