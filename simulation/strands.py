"""Threads of simulated processes: real ones, of which exactly one runs at a time.

A strand runs until it waits; then the scheduler goes on, and wakes it when what it waits for has
come about. So code that blocks (the SDK's, ``requests``) runs unchanged, and its interleavings are
the scheduler's choice.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.loop import Process, VirtualLoop

TIMED_OUT = object()


class Killed(BaseException):
    """The process that this strand belongs to is dead: unwind, touching nothing."""


class _Carrier:
    """A real thread that carries one strand after another."""

    def __init__(self, carriers: "Carriers") -> None:
        self._carriers = carriers
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self.work: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="carrier")
        self._thread.start()

    def run_on(self) -> None:
        """Let the carried strand run until it waits or ends (called by the scheduler)."""
        self._go.release()
        self._back.acquire()

    def wait(self) -> None:
        """Hand over to the scheduler until the strand is to go on (called by the strand)."""
        self._back.release()
        self._go.acquire()

    def end(self) -> None:
        self.work = None
        self._go.release()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._go.acquire()
            if self.work is None:
                return
            self.work()
            self.work = None
            self._carriers.idle.append(self)
            self._back.release()


class Carriers:
    """The real threads of one run, used again and again."""

    def __init__(self) -> None:
        self.idle: list[_Carrier] = []

    def take(self) -> _Carrier:
        return self.idle.pop() if self.idle else _Carrier(self)

    def close(self) -> None:
        """End the idle threads; strands that never end keep theirs."""
        while self.idle:
            self.idle.pop().end()


class Strand:
    """One thread of a simulated process."""

    def __init__(self, loop: "VirtualLoop", process: "Process", work: Callable[[], None]) -> None:
        self._loop = loop
        self.process = process
        self._work = work
        self._carrier: _Carrier | None = None
        self._ticket = 0
        self._value: Any = None
        self.done = False
        self.error: BaseException | None = None
        self.at_end: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"Strand({self.process.name}, done={self.done})"

    # --- called by the scheduler ------------------------------------------------------------------

    def begin(self) -> None:
        """Start running."""
        self._carrier = self._loop.carriers.take()
        self._carrier.work = self._run
        self._run_on()

    def wake(self, ticket: int, value: Any) -> None:
        """End the wait that has this ticket; do nothing if it ended by another way."""
        if ticket == self._ticket and not self.done:
            self._ticket += 1
            self._value = value
            self._run_on()

    def kill(self) -> None:
        """Unwind the strand; its process is dead."""
        if self._carrier is not None and not self.done:
            self._run_on()

    def _run_on(self) -> None:
        assert self._carrier is not None
        before, self._loop.strand = self._loop.strand, self
        self._carrier.run_on()
        self._loop.strand = before
        if self.done:
            self._carrier = None
            if self.error is not None and not self.process.dead:
                error, self.error = self.error, None
                raise error
            for act in self.at_end:
                act()

    # --- called by the strand itself --------------------------------------------------------------

    @property
    def ticket(self) -> int:
        """What whoever ends the next wait must show."""
        return self._ticket

    def wait(self, timeout_s: float | None = None) -> Any:
        """Return what ``wake`` brings; TIMED_OUT after ``timeout_s``.

        Raises:
            Killed: If the process died.
        """
        if self.process.dead:
            raise Killed
        if timeout_s is not None:
            self._loop.call_later(max(0.0, timeout_s), self.wake, self._ticket, TIMED_OUT)
        assert self._carrier is not None
        self._carrier.wait()
        if self.process.dead:
            raise Killed
        value, self._value = self._value, None
        return value

    def _run(self) -> None:
        try:
            if not self.process.dead:
                self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the scheduler
            self.error = error
        finally:
            self.done = True
