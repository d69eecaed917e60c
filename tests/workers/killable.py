"""A worker in a process of its own, to be paused and killed, and another that stands by."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.redis_server import die_with_parent
from tests.scenarios.stack import Stack, WorkerThread, until


@dataclass
class Killable:
    """A worker in a process of its own."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def said(self, text: str) -> bool:
        return text in self.log.read_text(errors="replace")


def _toml(values: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def write_config(stack: Stack, folder: Path) -> None:
    """Write the stack's settings as a user would."""
    settings = stack.settings
    orders, worker = settings.orders.model_dump(), settings.worker.model_dump()
    router = f"[orders]\n{_toml(orders)}[worker]\n{_toml(worker)}"
    (folder / "router.toml").write_text(router)
    account = settings.accounts[stack.account].model_dump(mode="json", exclude={"options"})
    (folder / "accounts.toml").write_text(f"[accounts.{stack.account}]\n{_toml(account)}")


@contextmanager
def killable_worker(stack: Stack, folder: Path) -> Iterator[Killable]:
    """Run ``order-router worker`` as a process, serving; kill it at the end."""
    write_config(stack, folder)
    command = [sys.executable, "-m", "commands.main", "worker", "--account", stack.account]
    command += ["--config-dir", str(folder), "--redis-url", stack.settings.redis_url]
    log = folder / "worker.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stderr=out, stdout=out, preexec_fn=die_with_parent) as process,
    ):
        try:
            one = Killable(process, log)
            until(lambda: stack.redis.hget(stack.keys.status, "worker") == "serving", log.read_text)
            yield one
        finally:
            process.kill()


def standby(stack: Stack) -> WorkerThread:
    """Return a second worker that has seen that the account has an owner."""
    thread = stack.start_worker(wait=False)
    until(lambda: thread.process and thread.process.workers, "the worker began")
    until(lambda: lease_of(thread, stack).holder, "the standby found the owner")
    assert not thread.serving
    return thread


def lease_of(thread: WorkerThread, stack: Stack) -> Any:
    assert thread.process is not None
    return thread.process.workers[stack.account].lease


def epoch_of(stack: Stack) -> int:
    """Return the owner's epoch, or the last owner's; 0 if Redis knows of none."""
    return int(stack.redis.get(stack.keys.epoch) or 0)


def redis_ms(stack: Stack) -> int:
    seconds, micros = stack.redis.time()
    return int(seconds) * 1_000 + int(micros) // 1_000
