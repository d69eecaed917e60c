"""The processes of a run: started as in production, asked by JSON lines, ended with the run."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from demo.redis_server import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
ANSWER_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 10.0


class BenchFailed(Exception):
    """A process ended, did not answer or found something wrong; the text has its last words."""


@dataclass(eq=False)
class Child:
    """One process; ``tell`` and ``hear`` carry one JSON value a line."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    _heard: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to one question."""
        self.tell(question)
        return self.hear()

    def tell(self, question: Mapping[str, Any]) -> None:
        """Send a question without waiting, so that several processes work at once."""
        if self.process.stdin is None:
            raise BenchFailed(f"{self.name} takes no questions")
        try:
            self.process.stdin.write(orjson.dumps(question) + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise self._failed("ended") from None

    def hear(self, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Return the next answer.

        Raises:
            BenchFailed: If the process ended, did not answer in time or reports a failure.
        """
        answer: dict[str, Any] = orjson.loads(self._line(time.monotonic() + timeout_s))
        if "error" in answer:
            raise self._failed(str(answer["error"]))
        return answer

    def _line(self, until_s: float) -> bytes:
        if self.process.stdout is None:
            raise BenchFailed(f"{self.name} gives no answers")
        out = self.process.stdout.fileno()
        while b"\n" not in self._heard:
            ready, _, _ = select.select([out], [], [], max(0.0, until_s - time.monotonic()))
            if not ready:
                raise self._failed("did not answer in time")
            piece = os.read(out, 1 << 20)
            if not piece:
                raise self._failed("ended")
            self._heard += piece
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard[:] = rest
        return line

    def _failed(self, what: str) -> BenchFailed:
        words = "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
        return BenchFailed(f"{self.name}: {what}\n{words}")

    def check(self) -> None:
        """Do nothing while it lives.

        Raises:
            BenchFailed: If it ended.
        """
        if self.process.poll() is not None:
            raise self._failed(f"ended with code {self.process.returncode}")


class Children:
    """Starts processes and ends them all; a context manager."""

    def __init__(self, folder: Path, environment: Mapping[str, str], tree: Path = ROOT) -> None:
        self._folder = folder
        self._environment = {**environment, "PYTHONPATH": str(tree)}
        self._running: list[Child] = []

    def __repr__(self) -> str:
        return f"Children({', '.join(child.name for child in self._running)})"

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self, name: str, arguments: Sequence[str]) -> Child:
        """Start ``python -m`` with these arguments; call it from the main thread only."""
        log = self._folder / f"{name}.log"
        with log.open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._running.append(child)
        return child

    def stop(self) -> None:
        """End all, the last started first."""
        for child in reversed(self._running):
            child.process.terminate()
        for child in reversed(self._running):
            try:
                child.process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            for pipe in (child.process.stdin, child.process.stdout):
                if pipe is not None:
                    pipe.close()
        self._running.clear()


Answer = Callable[[dict[str, Any]], Mapping[str, Any]]


def answer_questions(answer: Answer) -> None:
    """Answer the questions on stdin until it ends; run by the child."""
    for line in sys.stdin.buffer:
        reply = orjson.dumps(answer(orjson.loads(line)))
        sys.stdout.buffer.write(reply + b"\n")
        sys.stdout.buffer.flush()
