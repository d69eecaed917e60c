"""Threads of simulated processes, of which exactly one runs at a time.

A strand runs until it waits; then the scheduler goes on, and wakes it when what it waits for has
come about. So code that blocks (the SDK's, ``requests``) runs unchanged, and its interleavings are
the scheduler's choice. Strands are greenlets: changing from one to another takes no system call.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from simulation.loop import Process, VirtualLoop

TIMED_OUT = object()


class Killed(BaseException):
    """The process that this strand belongs to is dead: unwind, touching nothing."""


class Strand:
    """One thread of a simulated process."""

    def __init__(self, loop: "VirtualLoop", process: "Process", work: Callable[[], None]) -> None:
        self._loop = loop
        self.process = process
        self._work = work
        self._greenlet = greenlet(self._run)
        self._ticket = 0
        self._value: Any = None
        self.done = False
        self.error: BaseException | None = None
        self.at_end: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"Strand({self.process.name}, done={self.done})"

    # --- called by the scheduler -----------------------------------------------------------------

    def run_on(self) -> None:
        """Let it run until it waits or ends."""
        before, self._loop.strand = self._loop.strand, self
        self._greenlet.parent = getcurrent()
        self._greenlet.switch()
        self._loop.strand = before
        if self.done:
            self._ended()

    def wake(self, ticket: int, value: Any) -> None:
        """End the wait that has this ticket; do nothing if it ended by another way."""
        if ticket == self._ticket and not self.done:
            self._ticket += 1
            self._value = value
            self.run_on()

    def kill(self) -> None:
        """Unwind it; its process is dead."""
        if self._greenlet and not self.done:
            self.run_on()

    def _ended(self) -> None:
        if self.error is not None and not self.process.dead:
            error, self.error = self.error, None
            raise error
        for act in self.at_end:
            act()

    # --- called by the strand itself -------------------------------------------------------------

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
        self._greenlet.parent.switch()
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
