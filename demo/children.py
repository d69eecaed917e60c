"""Child processes that never outlive the demo, however it ends, nor do their own children.

Each child leads a process group and asks Linux to be killed with its parent. A guard process ends
the groups when the demo is gone: it notices by the end of its stdin, which even SIGKILL closes.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.redis_server import die_with_parent
from router.errors import RouterError

ROOT = Path(__file__).resolve().parent.parent


class ChildEnded(RouterError):
    """A process of the demo ended by itself; that is the finding."""

    def __init__(self, name: str, code: int | None, said: str) -> None:
        super().__init__(f"the demo's process {name} ended by itself with code {code}: {said}")


@dataclass
class Child:
    """One process of the demo and the file that it logs to."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def last_lines(self, count: int = 8) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


class Children:
    """The demo's processes; ``stop`` ends them all."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**environment, "PYTHONPATH": str(ROOT)}
        self._running: dict[str, Child] = {}
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "demo.guard", str(folder)],
            stdin=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )

    def __repr__(self) -> str:
        return f"Children({', '.join(self._running)})"

    def watch(self, pid: int) -> None:
        """Let the guard end the process group that ``pid`` leads."""
        if self._guard.stdin is not None:
            self._guard.stdin.write(f"{pid}\n".encode())
            self._guard.stdin.flush()

    def start(
        self, name: str, arguments: Sequence[str], extra: Mapping[str, str] | None = None
    ) -> Child:
        """Start ``order-router`` with these arguments; call it from the main thread only."""
        log = self._folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "commands.main", *arguments],
                cwd=self._folder,
                env={**self._environment, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
        self.watch(process.pid)
        child = self._running[name] = Child(name, process, log)
        return child

    def name_of(self, pid: int) -> str:
        """Return the name of the process with this id; "" if none has it."""
        return next((one.name for one in self._running.values() if one.process.pid == pid), "")

    def kill(self, name: str) -> None:
        """End a process and its children as a crash would."""
        child = self._running.pop(name)
        _signal_group(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def pause(self, name: str) -> None:
        """Stop a process and its children where they stand, until ``resume``."""
        _signal_group(self._running[name].process.pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        _signal_group(self._running[name].process.pid, signal.SIGCONT)

    def runs(self, name: str) -> bool:
        """Whether there is such a process, be it paused."""
        return name in self._running

    def pid(self, name: str) -> int:
        """Return the id of a running process."""
        return self._running[name].process.pid

    def check(self) -> None:
        """Do nothing while all live.

        Raises:
            ChildEnded: If one ended by itself; the text has the end of its log.
        """
        for child in self.take_ended():
            raise ChildEnded(child.name, child.process.returncode, child.last_lines(3))

    def take_ended(self) -> list[Child]:
        """Return those that ended by themselves, each once: they may be started again."""
        ended = [child for child in self._running.values() if not child.alive]
        for child in ended:
            del self._running[child.name]
        return ended

    def stop(self, names: Sequence[str] | None = None, timeout_s: float = 15.0) -> None:
        """End processes cleanly, then by force; all of them and the guard if none is named."""
        going = [self._running.pop(name) for name in names or list(self._running)]
        for child in going:
            child.process.terminate()
        deadline = time.monotonic() + timeout_s
        for child in going:
            try:
                child.process.wait(max(0.05, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            _signal_group(child.process.pid, signal.SIGKILL)  # what it left behind
        if names is None:
            self._end_guard()

    def _end_guard(self) -> None:
        if self._guard.stdin is not None:
            self._guard.stdin.write(b"keep\n")
            self._guard.stdin.close()
        self._guard.wait()


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return
