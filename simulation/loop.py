"""The scheduler: one event loop for all simulated processes, on a time that jumps.

Invariants:
1. Within a process callbacks run in the order asyncio promises; which process runs next, when a
   message arrives and how late a timer fires is drawn from the seed, and from nothing else.
2. Code takes (next to) no time; waiting takes none of ours.
3. A paused process runs nothing, while its timers fall due and its messages arrive. A dead one
   never runs again, its ``finally`` blocks included as far as anybody else can see.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from router.errors import RouterError
from simulation.strands import Killed, Strand

#: Far beyond any server's own clock, so that its real time never ends a key of ours.
EPOCH_S = 4_102_444_800.0
_TURN_S = 2e-5
_TIMER_LATE_S = 5e-4
_CLOSINGS = 20


class Stuck(Exception):
    """Nothing would ever happen again."""


class Process:
    """One simulated operating system process: what is ready to run there, and its own luck."""

    def __init__(self, name: str, seed: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.waits = False
        """Whether it is among those that the scheduler may choose."""
        self.paused = False
        self.dead = False
        self.random = random.Random(f"{seed}/{name}")
        self.skew_s = 0.0
        """How wrong its wall clock is."""
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        self.strands: dict[Strand, None] = {}
        self.at_death: list[Callable[[], None]] = []
        self.fuse: tuple[int, Callable[[], None]] | None = None
        """After so many more callbacks, do this to it."""

    def __repr__(self) -> str:
        return f"Process({self.name}{', dead' if self.dead else ''})"

    def burn(self) -> None:
        """Count one callback towards what is to happen to the process."""
        if self.fuse is None:
            return
        left, act = self.fuse
        self.fuse = (left - 1, act) if left > 1 else None
        if left <= 1:
            act()


class NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on where it lies in memory."""

    number = 0
    process: "Process | None" = None

    def __hash__(self) -> int:
        return self.number


class NumberedFuture(asyncio.Future[Any]):
    """A future whose place in a set does not depend on where it lies in memory."""

    number = 0
    process: "Process | None" = None

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs all processes of one seed."""

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.seed = seed
        self.now_s = 0.0
        self.turns = 0
        self.director = Process("director", seed)
        self.current = self.director
        self.strand: Strand | None = None
        self.problems: list[str] = []
        """What no part of the product caught: defects."""
        self._processes = [self.director]
        self._waiting: list[Process] = []
        self._random = random.Random(f"{seed}/scheduler")
        self._timers: list[tuple[float, int, Process, asyncio.Handle]] = []
        self._numbers = itertools.count(1)
        self.set_task_factory(self._task)
        self.set_exception_handler(_note_problem)

    # --- time ------------------------------------------------------------------------------------

    def time(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        """Return the wall time as the running process has it."""
        return EPOCH_S + self.now_s + self.current.skew_s

    # --- processes -------------------------------------------------------------------------------

    def process(self, name: str) -> Process:
        """Return a new process."""
        # One that is started anew under its name must not draw what the one before it drew.
        one = Process(name, f"{self.seed}/{next(self._numbers)}")
        self._processes.append(one)
        return one

    def start(self, process: Process, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task of the process."""
        with self._as(process):
            return self.create_task(work)

    def start_strand(self, process: Process, work: Callable[[], None]) -> Strand:
        """Run a function in a thread of the process."""
        strand = Strand(self, process, work)
        process.strands[strand] = None
        strand.at_end.append(lambda: process.strands.pop(strand, None))
        self.post(process, strand.run_on)
        return strand

    def post(self, process: Process, act: Callable[..., object], *args: Any) -> None:
        """Let the process do something at its next turn."""
        if not process.dead:
            self._let_run(process, asyncio.Handle(act, args, self, None))

    def at(self, when_s: float, process: Process, act: Callable[..., object], *args: Any) -> None:
        """Let the process do something at this time: a message arrives there."""
        handle = asyncio.Handle(act, args, self, None)
        heapq.heappush(self._timers, (when_s, next(self._numbers), process, handle))

    def pause(self, process: Process, for_s: float) -> None:
        """Let the process stand still, as SIGSTOP would."""
        process.paused = True
        self.at(self.now_s + for_s, self.director, self.resume, process)

    def resume(self, process: Process) -> None:
        """Let a paused process go on, as SIGCONT would."""
        if not process.dead:
            process.paused = False
            self._choosable(process)

    def kill(self, process: Process) -> None:
        """End the process as SIGKILL would: nothing more of it reaches anybody."""
        if process.dead:
            return
        process.dead = True
        process.fuse = None
        with self._as(process):
            for act in process.at_death:
                act()
            for strand in list(process.strands):
                strand.kill()
            while process.tasks:  # whose ``finally`` may begin others
                _, task = process.tasks.popitem()
                _bury(task)
        process.ready.clear()
        self._processes.remove(process)

    @contextlib.contextmanager
    def _as(self, process: Process) -> Any:
        before, self.current = self.current, process
        try:
            yield
        finally:
            self.current = before

    def _task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> asyncio.Task[Any]:
        process = self.current
        task = NumberedTask(work, loop=loop, **options)
        number = task.number = next(self._numbers)
        task.process = process
        process.tasks[number] = task
        task.add_done_callback(lambda _: process.tasks.pop(number, None))
        return task

    # --- the loop --------------------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        future = NumberedFuture(loop=self)
        future.number = next(self._numbers)
        future.process = self.current
        return future

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._let_run(self.current, handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        due_s = when + self._random.random() * _TIMER_LATE_S
        heapq.heappush(self._timers, (due_s, next(self._numbers), self.current, handle))
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Run ``func`` in a thread of the calling process; its waits are virtual."""
        future = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Killed:
                raise
            except BaseException as error:  # noqa: BLE001 - as an executor hands it over
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        self.start_strand(self.current, work)
        return future

    def _let_run(self, process: Process, handle: asyncio.Handle) -> None:
        process.ready.append(handle)
        if not process.waits:
            self._choosable(process)

    def _choosable(self, process: Process) -> None:
        if process.ready and not process.waits and not process.paused and not process.dead:
            process.waits = True
            self._waiting.append(process)

    def _run_once(self) -> None:
        process = self._choose()
        self.current = process
        ready = process.ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()
                if process.fuse is not None:
                    process.burn()
            if process.dead or process.paused or self._stopping:  # type: ignore[attr-defined]
                break
        self.current = self.director
        self._choosable(process)
        self.turns += 1
        self.now_s += self._random.random() * _TURN_S

    def _choose(self) -> Process:
        """Return the process that runs next; let time pass until there is one."""
        timers, waiting = self._timers, self._waiting
        while True:
            now_s = self.now_s
            while timers and timers[0][0] <= now_s:
                _, _, process, handle = heapq.heappop(timers)
                if not handle.cancelled() and not process.dead:
                    self._let_run(process, handle)
            while waiting:
                at = int(self._random.random() * len(waiting))
                process, waiting[at] = waiting[at], waiting[-1]
                waiting.pop()
                process.waits = False
                if process.ready and not process.paused and not process.dead:
                    return process
            if not timers:
                raise Stuck
            self.now_s = max(now_s, timers[0][0])

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def end_processes(self) -> None:
        """Kill all processes but the director's."""
        for process in list(self._processes):
            if process is not self.director:
                self.kill(process)

    def close(self) -> None:
        """End every process, and the loop."""
        self.end_processes()
        self.kill(self.director)
        self._timers.clear()
        super().close()


def _bury(task: asyncio.Task[Any]) -> None:
    """Unwind a task of a dead process, whatever it still wants to await."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    work: Any = task.get_coro()
    for _ in range(_CLOSINGS):
        try:
            work.close()
        except RuntimeError:
            continue  # it awaits something in a ``finally``
        except (Exception, asyncio.CancelledError, Killed):  # noqa: BLE001 - nobody is left to tell
            pass
        return


def _note_problem(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    # Noticed whenever it is collected, by whoever runs then. What came for a task that was buried
    # with its process nobody fetches.
    future = context.get("future")
    # A future that gathers others is of their process.
    of = next(iter(getattr(future, "_children", ())), future)
    process = getattr(of, "process", None) or loop.current
    # What nobody fetched from a task that was given up is told by its successor's log.
    given_up = "never retrieved" in context["message"]
    if not (process.dead or (given_up and isinstance(context["exception"], RouterError))):
        loop.problems.append(f"{process.name}: {context}")
