"""How long an account is without a worker: its owner killed, or the only one started again.

Rows of the outages' table. Each takes seconds, so they are repeated less often than the others.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence

from benchmarks.children import BenchFailed, Child
from benchmarks.outages import Kind, Scene
from benchmarks.stack.start import ACCOUNT, start_worker

LEASE_MS = 3_000
_WITHIN_S = 30.0
_LOOK_S = 0.005
_SUBMIT_EVERY_S = 0.02


def _owner_killed(scene: Scene) -> Sequence[float]:
    """The owner is killed; of the orders that are submitted on and on, one is the first to leave.

    Not the first that was submitted: a read of the dead owner may still have been given that one,
    so the next owner asks the venue for it first.
    """
    standby = start_worker(scene.children, scene.place)
    _wait(lambda: _stands_by(scene), standby, "stand by")
    killed_ms = time.time_ns() / 1e6
    os.kill(scene.worker.pid, signal.SIGKILL)
    scene.worker.process.wait()
    oids: list[str] = []
    while int(scene.client.hget(scene.place.keys.lease, "pid") or 0) != standby.pid:
        standby.check()
        oids += scene.submit()
        time.sleep(_SUBMIT_EVERY_S)
    oids += scene.submit()
    scene.worker = standby
    scene.told(oids[-1:], "ACCEPTED")
    since_ms = int(scene.client.hget(scene.place.keys.lease, "since_ms"))
    orders = [row for oid in oids for row in scene.control.orders(oid, account=ACCOUNT)]
    first_ms = min(row["created_ms"] for row in orders if row["created_ms"] >= since_ms)
    return [first_ms - killed_ms]


def _stands_by(scene: Scene) -> bool:
    """Whether a worker waits to be handed the account; it has done all else that it can do."""
    return any(one["cmd"] == "blpop" for one in scene.client.client_list())


def _started_again(scene: Scene) -> Sequence[float]:
    """The only worker is stopped; another one is started, as a process, on its open orders."""
    fresh = [*scene.submit(scene.open_orders - scene.kept_open)]
    scene.told(fresh, "ACCEPTED")
    scene.kept_open += len(fresh)
    scene.worker.process.terminate()
    scene.worker.process.wait()
    begun_s = time.monotonic()
    scene.worker = start_worker(scene.children, scene.place)
    _wait(lambda: _serves(scene), scene.worker, "serve")
    return [(time.monotonic() - begun_s) * 1_000]


def _serves(scene: Scene) -> bool:
    return bool(scene.client.hget(scene.place.keys.status, "worker") == "serving")


def _wait(look: Callable[[], bool], worker: Child, what: str) -> None:
    until_s = time.monotonic() + _WITHIN_S
    while not look():
        worker.check()
        if time.monotonic() > until_s:
            raise BenchFailed(f"the worker did not {what} within {_WITHIN_S:.0f} s")
        time.sleep(_LOOK_S)


KINDS: tuple[Kind, ...] = (
    (
        f"owner killed → standby sends (lease {LEASE_MS} ms)",
        "kill -9 → first order of the next owner at the venue",
        _owner_killed,
        None,
        LEASE_MS + 1_000,
    ),
    (
        "worker start → serving",
        "process started → serving, on its open orders",
        _started_again,
        None,
        1_000,
    ),
)
