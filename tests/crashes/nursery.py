"""Worker, jobs and strategy processes, forked from one that has imported all they need.

``python -m tests.crashes.nursery`` reads one JSON line for each process and answers its pid; a line
with a pid is answered with how that one ended. So a start costs milliseconds instead of a second.
"""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

import strategy_sdk
import workers.crash_points
import workers.jobs
import workers.process
import workers.venues.okx  # by the name in the settings it is loaded later
from demo.redis_server import die_with_parent
from router import crash_points
from router import settings as settings_module
from router.settings import CRASH_VARIABLE, Settings
from tests.crashes.strategies import Durable
from tests.scenarios.stack import until

ROOT = Path(__file__).resolve().parents[2]
PASSED = "passed "


@dataclass
class Forked:
    """One process of the nursery; ``log`` has what it wrote to stderr."""

    pid: int
    log: Path
    _nursery: "Nursery" = field(repr=False)
    _status: int | None = None

    @property
    def ended_by(self) -> int | None:
        """The signal that ended it, 0 if it ended by itself, None as long as it lives."""
        if self._status is None:
            self._status = self._nursery.ask({"pid": self.pid})["status"]
        return None if self._status is None else os.WTERMSIG(self._status)

    def signal(self, number: int) -> None:
        if self.ended_by is None:
            os.kill(self.pid, number)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """Ask it to end; return when it has."""
        self.signal(signal.SIGTERM)
        until(lambda: self.ended_by is not None, self.text)
        # One that was just born may not have begun to listen for signals.
        assert self.ended_by in (0, signal.SIGTERM), self.text()

    def kill(self) -> None:
        """Kill it; return when it is dead."""
        self.signal(signal.SIGKILL)
        until(lambda: self.ended_by is not None, self.text)

    def wait_passed(self, points: Iterable[str]) -> None:
        """Return once a recording process has passed all these points."""
        all_of = set(points)
        until(lambda: all_of <= self.passed, lambda: f"{all_of - self.passed}: {self.text()}")

    @property
    def passed(self) -> set[str]:
        """The crash points that a recording process has passed."""
        lines = self.text().splitlines()
        return {one.removeprefix(PASSED) for one in lines if one.startswith(PASSED)}


class Nursery:
    """Starts processes; ``ask`` is for its own children."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._alive: list[Forked] = []
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )

    def start(
        self, what: str, settings: Settings, *, crash: str = "", recording: bool = False, **how: Any
    ) -> Forked:
        """Start a ``worker``, ``jobs`` or ``strategy`` process with ``ORDER_ROUTER_CRASH`` set.

        ``recording``: crash points are only written to the log, each time one is passed.
        """
        self._count += 1
        log = self._folder / f"{self._count:03}-{what}.log"
        log.touch()
        order = {
            "what": what,
            "settings": settings.model_dump(mode="json"),
            "environment": dict(os.environ) | ({CRASH_VARIABLE: crash} if crash else {}),
            "recording": recording,
            "log": str(log),
            "how": how,
        }
        self._alive.append(one := Forked(self.ask(order)["pid"], log, self))
        return one

    def empty(self) -> None:
        """Kill what a test has left running: it would meddle with the next one's accounts."""
        while self._alive:
            self._alive.pop().kill()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._lock:
            stdin.write(orjson.dumps(question) + b"\n")
            stdin.flush()
            answer: dict[str, Any] = orjson.loads(stdout.readline())
        return answer

    def close(self) -> None:
        """End it and, with it, all its processes."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """Yield a nursery whose processes write their logs to ``folder``."""
    one = Nursery(folder)
    try:
        yield one
    finally:
        one.close()


# --- in the nursery -------------------------------------------------------------------------------


def main() -> None:
    gc.freeze()  # what was imported is shared, and looked through by no child
    for line in sys.stdin.buffer:
        question = orjson.loads(line)
        if "pid" in question:
            pid, status = os.waitpid(question["pid"], os.WNOHANG)
            answer = {"status": status if pid else None}
        else:
            answer = {"pid": os.fork()}
            if answer["pid"] == 0:
                _become(question)
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


def _become(order: Mapping[str, Any]) -> None:
    die_with_parent()
    code = 1
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, new in ((0, null), (1, log), (2, log)):
            os.dup2(new, descriptor)
        os.environ.clear()
        os.environ.update(order["environment"])
        if order["recording"]:
            crash_points.end_here = _note
        settings = Settings(**order["settings"])
        settings_module.load = lambda *args, **more: settings
        STARTS[order["what"]](settings, **order["how"])
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _note(name: str) -> None:
    os.write(2, f"{PASSED}{name}\n".encode())


def _worker(settings: Settings, account: str) -> None:
    _log()
    workers.process.serve(settings, [account])


def _jobs(settings: Settings) -> None:
    _log()
    workers.jobs.run(settings)


def _strategy(settings: Settings, account: str, told: str, does: dict[str, Any]) -> None:
    _log()
    strategy_sdk.run(Durable(Path(told), does), "alpha", [account], settings=settings)


def _log() -> None:
    import logging

    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")


STARTS: dict[str, Callable[..., None]] = {"worker": _worker, "jobs": _jobs, "strategy": _strategy}

if __name__ == "__main__":
    main()
