"""Jobs processes that die, each at another point, and leave the rest to the next one."""

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import orjson

from router.enums import WsOrderResultType as Result
from tests.crashes.nursery import Forked
from tests.crashes.scene import ACTIONS, Scene, in_trouble
from tests.scenarios.stack import until


def jobs_die_resolving(scene: Scene, points: Sequence[str]) -> None:
    """Let a jobs process die at each point of its way with an unknown order whose owner is dead."""
    worker = scene.start_worker()
    for point in points:
        scene.wait_serving(worker)
        with _unknown_order(scene, worker):
            if "chain" in point:  # it is continued where the venue does not answer
                scene.wait_dead(scene.start_jobs(point), point)
        if "chain" not in point:
            scene.wait_dead(scene.start_jobs(point), point)
        jobs = scene.start_jobs()
        until(lambda: scene.stack.redis.xlen(scene.stack.keys.control), "evidence is handed over")
        worker = scene.start_worker()
        _known(scene)
        jobs.kill()
    worker.stop()


def jobs_pass_resolving(scene: Scene, points: Iterable[str], expected: frozenset[str]) -> set[str]:
    """Return which of the points a jobs process passes that finds out about an unknown order."""
    worker = scene.start_worker()
    scene.wait_serving(worker)
    with _unknown_order(scene, worker):
        jobs = scene.start_jobs(",".join(points), recording=True)
        jobs.wait_passed(one for one in expected if "chain" in one)
    jobs.wait_passed(expected)
    worker = scene.start_worker()
    _known(scene)
    jobs.kill()
    worker.stop()
    return jobs.passed


@contextmanager
def _unknown_order(scene: Scene, worker: Forked) -> Iterator[None]:
    """Leave an unknown order without an owner; the venue answers nothing while the block lasts."""
    with in_trouble(scene, "place", pushes=True):
        scene.oid = scene.strategy.buy()
        scene.strategy.wait_result(scene.oid, Result.ACK_TIMEOUT)
        due = f"rq:scheduled:{scene.stack.settings.jobs.queue}"
        until(lambda: scene.stack.redis.zcard(due), "the resolver is enqueued")
        until(lambda: scene.settled, "its intent is settled")
        worker.signal(signal.SIGKILL)
        yield


def _known(scene: Scene) -> None:
    scene.strategy.wait_result(scene.oid, Result.ACK_TIMEOUT_CONFIRMED)
    scene.check()


def jobs_die_tidying(scene: Scene, points: Sequence[str]) -> None:
    """Let a jobs process die at each point of archiving and trimming."""
    worker = scene.start_worker()
    scene.wait_serving(worker)
    ended: list[str] = []
    for point in points:
        ended.append(_ended_order(scene, worker))
        scene.wait_dead(scene.start_jobs(point), point)
        jobs = scene.start_jobs()
        _tidied(scene, ended)
        jobs.kill()
    worker.stop()


def jobs_pass_tidying(scene: Scene, points: Iterable[str], expected: frozenset[str]) -> set[str]:
    """Return which of the points a jobs process passes that archives and trims."""
    worker = scene.start_worker()
    scene.wait_serving(worker)
    ended = _ended_order(scene, worker)
    jobs = scene.start_jobs(",".join(points), recording=True)
    jobs.wait_passed(expected)
    _tidied(scene, [ended])
    jobs.kill()
    worker.stop()
    return jobs.passed


def _ended_order(scene: Scene, worker: Forked) -> str:
    """Return the oid of an order that has ended in the scene's trouble, all of which was told."""
    cancel = ACTIONS["cancel"]
    cancel.prepare(scene)
    with in_trouble(scene, cancel.op, pushes=True):
        cancel.act(scene, worker)
        cancel.ended(scene)
    scene.check()
    scene.stack.all_told()
    return scene.oid


def _tidied(scene: Scene, oids: Sequence[str]) -> None:
    """Return when these orders are in the archive and gone, and what was told is cut."""
    stack = scene.stack
    results = stack.keys.results("alpha")
    until(lambda: not stack.redis.zcard(stack.keys.ended("alpha")), "ended orders are removed")
    until(lambda: stack.redis.xlen(results) <= 1, "results are cut up to the last one told")
    days = (scene.folder / "archive" / stack.account).iterdir()
    archived = {orjson.loads(line)["oid"] for day in days for line in day.read_bytes().splitlines()}
    assert archived == set(oids), "none is missing; one may stand there twice"
    assert not any(stack.redis.exists(stack.keys.order("alpha", oid)) for oid in oids)
    assert not stack.redis.exists(stack.keys.gaps("alpha")), "nothing unread was cut"
    scene.check()
