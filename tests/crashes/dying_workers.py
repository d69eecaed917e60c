"""Chains of workers that die, each at another point, and finish what the last one had begun.

After each death what was told is compared with the ledger. So a chain costs one start a point.
"""

from collections.abc import Iterable, Sequence

from router.enums import WsOrderResultType as Result
from tests.crashes.nursery import Forked
from tests.crashes.scene import (
    ACTIONS,
    HAPPY,
    NOTHING_HEARD,
    Action,
    Scene,
    in_trouble,
)
from tests.scenarios.stack import until

Step = tuple[str, str]
"""An action, and the point of it at which somebody dies."""


def workers_die(scene: Scene, steps: Sequence[Step]) -> None:
    """Let a worker die at each step's point, and the next one finish what it had begun."""
    worker = scene.start_worker(f"{steps[0][1]}@{scene.go}")
    scene.wait_serving(worker)
    for (name, point), then in zip(steps, [point for _, point in steps[1:]] + [""], strict=True):
        action = ACTIONS[name]
        action.prepare(scene)
        with in_trouble(scene, action.op, pushes=action.pushes):
            scene.go.touch()
            action.act(scene, worker)
            scene.wait_dead(worker, point)
            scene.go.unlink()
        worker = scene.start_worker(f"{then}@{scene.go}" if then else "")
        scene.wait_serving(worker)
        action.ended(scene)
        scene.check()
        scene.stack.control.disarm()  # what nobody met
    worker.stop()


def worker_passes(
    scene: Scene, action: Action, points: Iterable[str], expected: frozenset[str]
) -> set[str]:
    """Return which of the points a worker passes that lives through the action."""
    worker = scene.start_worker(f"{','.join(points)}@{scene.go}", recording=True)
    scene.wait_serving(worker)
    action.prepare(scene)
    with in_trouble(scene, action.op, pushes=action.pushes):
        scene.go.touch()
        action.act(scene, worker)
        if scene.trouble == NOTHING_HEARD:
            scene.strategy.wait_result(scene.oid, Result.ACK_TIMEOUT)
            until(lambda: scene.settled, "it is settled as unknown")
        elif action.name != "stop":
            action.ended(scene)
        worker.wait_passed(expected)
    if action.name == "stop":
        until(lambda: worker.ended_by is not None, worker.text)
        worker, recorded = scene.start_worker(), worker
        action.ended(scene)
    else:
        recorded = worker
    scene.go.unlink()
    scene.check()
    worker.stop()
    return recorded.passed


#: Where the last owner died, so that its successor finds the venue as the trouble would leave it.
_LAST_DEATHS = {HAPPY: "worker.lease_asked"}
_IN_DOUBT = "worker.doubt_begun"


def _owner_dies(scene: Scene, worker: Forked, point: str) -> None:
    create = ACTIONS["create"]
    create.prepare(scene)
    with in_trouble(scene, create.op, pushes=True):
        scene.go.touch()
        create.act(scene, worker)
        scene.wait_dead(worker, point)
        scene.go.unlink()


def successors_die(scene: Scene, points: Sequence[str]) -> None:
    """Let the owner die in a create, its successor at each point, and a third one finish."""
    last = _LAST_DEATHS.get(scene.trouble, _IN_DOUBT)
    worker = scene.start_worker(f"{last}@{scene.go}")
    for point, then in zip(points, [*points[1:], ""], strict=True):
        scene.wait_serving(worker)
        _owner_dies(scene, worker, last)
        successor = scene.start_worker(point)
        scene.wait_dead(successor, point)
        worker = scene.start_worker(f"{last}@{scene.go}" if then else "")
        scene.wait_serving(worker)
        ACTIONS["create"].ended(scene)
        scene.check()
        scene.stack.control.disarm()
    worker.stop()


def successor_passes(scene: Scene, points: Iterable[str], expected: frozenset[str]) -> set[str]:
    """Return which of the points a worker passes that takes over and lives."""
    last = _LAST_DEATHS.get(scene.trouble, _IN_DOUBT)
    worker = scene.start_worker(f"{last}@{scene.go}")
    scene.wait_serving(worker)
    _owner_dies(scene, worker, last)
    scene.go.touch()
    worker = scene.start_worker(f"{','.join(points)}@{scene.go}", recording=True)
    scene.wait_serving(worker)
    ACTIONS["create"].ended(scene)
    worker.wait_passed(expected)
    scene.check()
    scene.go.unlink()
    worker.stop()
    return worker.passed
