"""One seed from beginning to end: trade, trouble, quiet, verdict."""

import asyncio
import contextlib
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from router.keyspace import AccountKeys
from simulation import traders, verdict
from simulation.diary import Diary
from simulation.jobs import Jobs, runs_a_loop
from simulation.loop import Process
from simulation.scene import ACCOUNT, Scene
from simulation.sends import Sends
from simulation.store import Store
from simulation.traders import INSTANCES, Trader
from simulation.trouble import Scenery, Trouble

BUSY_S = 8.0
_READY_S = 1.5
_LOOK_S = 0.25
_QUIET_S = 90.0
_STILL_S = 1.5
_SUPERVISED_S = 0.5
_RESTARTS = 0.15
WORKERS = ("worker-a", "worker-b")


@dataclass
class Outcome:
    """What one seed came to."""

    seed: int
    orders: int
    trace: int
    differences: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    checked: dict[str, int] = field(default_factory=dict)
    virtual_s: float = 0.0


class Story:
    """Plays one seed."""

    def __init__(self, seed: int, store: Store, orders: int, only: Sequence[str] = ()) -> None:
        self.seed = seed
        self.scene = Scene(str(seed), store)
        self.diary = Diary()
        self.outcome = Outcome(seed, 0, 0)
        self.keys = AccountKeys(ACCOUNT, self.scene.settings.prefix)
        self._lives: dict[str, int] = {}
        self._traders: dict[str, Trader] = {}
        self._alive: dict[str, Process] = {}
        self._names: dict[Process, str] = {}
        loop = self.scene.loop
        self.jobs = Jobs(self.scene.redis, self.scene.settings)
        self.sends = Sends(self.scene)
        luck = random.Random(f"{seed}/plan")
        self.signals = traders.plan(luck, orders, BUSY_S)
        # Hosts' clocks differ.
        self._skews = {name: luck.uniform(-0.3, 0.3) for name in (*WORKERS, *INSTANCES)}
        self.restarts = luck.random() < _RESTARTS
        """Whether all processes are restarted in the end, when everything is quiet."""
        self.restarted_s = 0.0
        self.trouble = Trouble(
            Scenery(
                *(loop, self.scene.redis, self.scene.venue, self.scene.venue_link),
                *(self.scene.network.weather, self.keys, self.scene.faults),
            ),
            self,
            _READY_S + BUSY_S,
            only,
        )

    # --- the cast --------------------------------------------------------------------------------

    def workers(self) -> list[Process]:
        return [self._alive[name] for name in WORKERS if name in self._alive]

    def strategies(self) -> list[Process]:
        return [self._alive[name] for name in INSTANCES if name in self._alive]

    def revive(self, process: Process) -> None:
        """Start a dead process again."""
        name = self._names[process]
        if process.dead and self._alive.get(name) is process:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a process; the last of this name is dead."""
        scene = self.scene
        if name in WORKERS:
            process, worker = scene.start_worker(name, self._gave_up)
            self.sends.workers[process] = worker
            # Before it is buried: a coroutine that is torn down counts as a defect there.
            process.at_death.append(lambda: self._note_defects(process, worker))
        else:
            self.diary.new_life(name)
            # After the last restart nobody trades: what happens then is the restart's doing.
            signals = [one for one in self.signals if name in one.by and not self.restarted_s]
            trader = Trader(scene.loop, scene.venue, self.diary, name, signals)
            self._traders[name] = trader
            strategy, _, instance = name.partition("@")
            process = scene.start_strategy(trader, strategy, instance, self._gave_up)
        process.skew_s = self._skews[name]
        self._alive[name] = process
        self._names[process] = name

    def _note_defects(self, process: Process, worker: Any) -> None:
        if worker.defects:
            self.scene.loop.problems.append(
                f"{process.name}: {worker.defects} defects; --trace shows its log"
            )

    def _gave_up(self, process: Process) -> None:
        """Restart a process that ended by itself, as whoever supervises it would."""
        loop = self.scene.loop
        loop.kill(process)
        loop.at(loop.now_s + _SUPERVISED_S, loop.director, self.revive, process)

    # --- the plot --------------------------------------------------------------------------------

    def concerned(self) -> list[str]:
        """Return the oids that the differences name."""
        text = " ".join(self.outcome.differences)
        return list(dict.fromkeys(re.findall(r"[0-9a-f]{32}", text)))

    def play(self) -> None:
        """Play it all; ``outcome`` then says what it came to."""
        scene = self.scene
        scene.store.empty()
        random.seed(self.seed)
        problems: list[str] = []
        with self._told():
            try:
                main = scene.loop.start(scene.loop.director, self._plot())
                scene.loop.run_until_complete(main)
                differences = verdict.differences(self)
                problems = scene.loop.problems
            finally:
                scene.loop.close()
        hits = Counter(scene.faults)
        for fault in self.trouble.venue_faults:
            if fault.hits:
                hits[f"venue {fault.name}"] += fault.hits
        self.outcome = Outcome(
            self.seed,
            sum(len(calls) for calls in self.diary.submitted.values()),
            scene.trace,
            [*problems, *differences.found],
            dict(hits),
            dict(differences.checked),
            scene.loop.now_s,
        )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        loop = self.scene.loop
        with (
            self.scene.standing_in(
                enqueue_resolve=self.jobs.enqueue,
                run=lambda work: runs_a_loop(loop, work),
            ),
            self.diary.kept(loop),
        ):
            yield

    async def _plot(self) -> None:
        scene = self.scene
        for name in WORKERS:
            self.start(name)
        self.jobs.start()
        await asyncio.sleep(_READY_S)
        # Signals are timed from here on.
        self.signals = [replace(one, at_s=one.at_s + scene.loop.now_s) for one in self.signals]
        for name in INSTANCES:
            self.start(name)
        trouble = scene.loop.start(scene.loop.director, self.trouble.run())
        await asyncio.sleep(BUSY_S)
        await trouble
        await self._calm_down()
        if self.restarts:
            self.restarted_s = scene.loop.now_s
            for process in [*self.workers(), *self.strategies()]:
                scene.loop.kill(process)
                self.revive(process)
            await self._quiet()
        scene.loop.end_processes()

    async def _calm_down(self) -> None:
        """End all trouble; return when nothing is left to happen."""
        scene = self.scene
        self.trouble.end()
        for process in [*self.workers(), *self.strategies()]:
            process.fuse = None
            scene.loop.resume(process)
            self.revive(process)
        if any(one.name == "lose_push" and one.hits for one in self.trouble.venue_faults):
            # A push that the venue never sent shows at the next reconnect, which comes sooner or
            # later. Where each was sent, all must be known without one.
            for socket in list(scene.venue_link.sockets):
                socket.cut(arrives=True)
        scene.venue.frozen = True
        await self._quiet()

    async def _quiet(self) -> None:
        """Return when nothing is left to happen, or it takes too long."""
        scene = self.scene
        still_s = 0.0
        end_s = scene.loop.now_s + _QUIET_S
        while scene.loop.now_s < end_s and still_s < _STILL_S:
            await asyncio.sleep(_LOOK_S)
            still_s = still_s + _LOOK_S if self._is_quiet() else 0.0

    def _is_quiet(self) -> bool:
        idle = all(one.is_idle for one in self._traders.values())
        waits = self._awaits_resync() or verdict.unfinished(self) or self._awaits_audit()
        return idle and not waits

    def _awaits_resync(self) -> bool:
        """Whether the owner is still to learn what happened while nobody listened.

        A venue that answers no query makes its pauses grow to seconds, in which all else is still.
        """
        [status] = self.scene.store.ask_all(
            [["HMGET", self.keys.status, "private", "private_since_ms", "resynced_ms"]]
        )
        private, since_ms, resynced_ms = status
        return private != "connected" or int(resynced_ms or 0) < int(since_ms or 0)

    def _awaits_audit(self) -> bool:
        """Whether truth is left to the next audit: lists were older than the venue promises.

        A resync and the audit soon after it may both have been given such a list. The audits that
        follow come every minute, so a difference has that long to go away.
        """
        stale = any(one.name == "stale_snapshot" and one.hits for one in self.trouble.venue_faults)
        return stale and bool(verdict.differences(self).found)
