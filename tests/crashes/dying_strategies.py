"""Strategies that die, each at another point, and do the same again in their next life."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.crashes.nursery import Forked
from tests.crashes.scene import AMOUNT, NEW_PRICE, Scene, in_trouble
from tests.crashes.strategies import in_one, runs
from tests.scenarios.stack import Recorder, Told, until


class Lives(Recorder):
    """All that a strategy was told in all its lives, each thing once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__()

    @property
    def told(self) -> list[Told]:
        return in_one(runs(self.file))

    @told.setter
    def told(self, nothing: list[Told]) -> None:
        pass


def strategies_die(scene: Scene, steps: Sequence[tuple[str, str]]) -> None:
    """Let a strategy die at each action's point; started again, it does the same again."""
    lives = Lives(scene.folder / "told")
    scene.strategy = lives
    worker = scene.start_worker()
    scene.wait_serving(worker)
    for number, (action, point) in enumerate(steps):
        does = _prepare(scene, action, f"signal-{number}")
        op = {"cancel": "cancel", "modify": "amend"}.get(action, "place")
        with in_trouble(scene, op, pushes=action in ("create", "cancel", "modify")):
            one = _strategy(scene, does, f"{point}@{scene.go}")
            scene.go.touch()
            _act(scene, action)
            scene.wait_dead(one, point)
            scene.go.unlink()
        one = _strategy(scene, does)
        _ended(scene, action, does)
        scene.check()
        scene.stack.control.disarm()
        one.stop()
    worker.stop()


def strategy_passes(
    scene: Scene, action: str, points: Iterable[str], expected: frozenset[str]
) -> set[str]:
    """Return which of the points a strategy passes that lives through the action."""
    scene.strategy = Lives(scene.folder / "told")
    worker = scene.start_worker()
    scene.wait_serving(worker)
    does = _prepare(scene, action, "signal")
    scene.go.touch()
    one = _strategy(scene, does, f"{','.join(points)}@{scene.go}", recording=True)
    _act(scene, action)
    _ended(scene, action, does)
    one.wait_passed(expected)
    scene.check()
    scene.go.unlink()
    one.stop()
    worker.stop()
    return one.passed


def _strategy(
    scene: Scene, does: dict[str, Any], crash: str = "", *, recording: bool = False
) -> Forked:
    return scene.nursery.start(
        "strategy",
        scene.stack.settings,
        crash=crash,
        recording=recording,
        account=scene.stack.account,
        told=str(scene.folder / "told"),
        does=does,
    )


def _prepare(scene: Scene, action: str, key: str) -> dict[str, Any]:
    """Return what the strategy is to do at its start, everything else being in place."""
    if action == "create":
        return {"call": "create", "key": key}
    one = _strategy(scene, {"call": "create", "key": f"{key}-before"})
    scene.oid = _holder(scene, f"{key}-before")
    scene.strategy.wait_for(scene.oid, "accepted")
    one.stop()
    if action == "modify":
        return {"call": "modify", "oid": scene.oid, "price": str(NEW_PRICE)}
    scene.seen = _awaited(scene, action)
    if action == "trim":
        _cut_unread(scene)
    return {"call": action, "oid": scene.oid}


def _awaited(scene: Scene, action: str) -> int:
    """Return how often that was told by which a resync, or a trim, ends."""
    if action == "trim":
        return [one.name for one in scene.strategy.told].count("lost")
    return scene.strategy.events().count("resynced")


def _holder(scene: Scene, key: str) -> str:
    name = scene.stack.keys.idem("alpha", key)
    return str(until(lambda: scene.stack.redis.get(name), f"the oid of {key}"))


def _act(scene: Scene, action: str) -> None:
    if action == "resync":
        scene.stack.cut("private")
    elif action in ("apply", "trim"):
        scene.stack.control.fill_order(scene.oid, account=scene.stack.account, amount=AMOUNT / 2)


def _ended(scene: Scene, action: str, does: dict[str, Any]) -> None:
    told = scene.strategy
    if action == "create":
        scene.oid = _holder(scene, does["key"])
        told.wait_for(scene.oid, "accepted")
    elif action == "cancel":
        told.wait_for(scene.oid, "canceled")
    elif action == "modify":
        until(lambda: told.orders(scene.oid)[-1].price == NEW_PRICE, "the new price is told")
    elif action == "apply":
        told.wait_for(scene.oid, "partially_filled")
    else:
        until(lambda: _awaited(scene, action) > scene.seen, f"the end of {action} is told")


def _cut_unread(scene: Scene) -> None:
    """Let the jobs cut results that the strategy, being down, has not read: a socket's events."""
    stack, results = scene.stack, scene.stack.keys.results("alpha")
    [(before, _)] = stack.redis.xrevrange(results, count=1)
    stack.cut("private")
    until(
        lambda: any(
            row.get("event") == "resynced" for _, row in stack.redis.xrange(results, before)
        ),
        "the resync is written",
    )
    jobs = scene.start_jobs()
    until(lambda: stack.redis.exists(stack.keys.gaps("alpha")), jobs.text)
    jobs.kill()
