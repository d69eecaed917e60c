"""The jobs process: resolvers of unknown orders, by the product's own ladder.

rq is not simulated: what is enqueued is kept here, with the pauses of ``workers/jobs.py``. What is
enqueued survives, as it does in Redis; the sweep finds what was not.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import closing
from typing import Any

from redis.exceptions import RedisError

from router.keyspace import AccountKeys
from router.servers import ClientsByKey
from router.settings import Settings
from router.state import State
from simulation.clients import SimulatedServers
from simulation.loop import Process, VirtualLoop
from simulation.redis_link import Server
from simulation.standins import running
from workers.jobs import pause_s
from workers.resolver import resolve

_LOOK_S = 0.5
_SWEEP_S = 4.0


class Jobs:
    """Resolves unknown orders until each is known."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._loop = server.loop
        self._server = server
        self._settings = settings
        self.process: Process = self._loop.process("jobs")
        self.due: dict[tuple[str, str], tuple[float, int]] = {}
        """(strategy, oid) → when its resolver asks next, and which attempt that is."""

    def __repr__(self) -> str:
        return f"Jobs({len(self.due)} unknown)"

    def start(self) -> None:
        """Work until the process ends."""
        self._loop.start_strand(self.process, self._run)

    def enqueue(self, settings: Settings, account: str, strategy: str, oid: str) -> bool:
        """Stand in for ``workers.jobs.enqueue_resolve``."""
        self.due.setdefault((strategy, oid), (self._loop.now_s + self._pause_s(0), 0))
        return True

    def _pause_s(self, attempt: int) -> float:
        return pause_s(self._settings.jobs, attempt)

    def _run(self) -> None:
        swept_s = 0.0
        while True:
            running(self._loop).wait(_LOOK_S)
            try:
                if self._loop.now_s - swept_s > _SWEEP_S:
                    swept_s = self._loop.now_s
                    self._sweep()
                for (strategy, oid), (at_s, attempt) in list(self.due.items()):
                    if at_s <= self._loop.now_s:
                        self._resolve(strategy, oid, attempt)
            except RedisError:
                continue  # asked again at the next look

    def _resolve(self, strategy: str, oid: str, attempt: int) -> None:
        [account] = self._settings.accounts
        with closing(self._clients()) as clients:
            rung = resolve(clients, self._settings, account, strategy, oid)
        if rung is None:
            self.due.pop((strategy, oid), None)
            return
        again_s = self._loop.now_s + self._pause_s(attempt + 1)
        self.due[strategy, oid] = again_s, attempt + 1

    def _sweep(self) -> None:
        with closing(self._clients()) as clients:
            for account in self._settings.accounts:
                keys = AccountKeys(account, self._settings.prefix)
                client = clients.of(keys.epoch)
                strategies = [name for name in client.hkeys(keys.strategies) if "@" not in name]
                for strategy in sorted(strategies):
                    for oid in sorted(client.smembers(keys.open(strategy))):
                        if client.hget(keys.order(strategy, oid), "state") == State.UNKNOWN:
                            self.enqueue(self._settings, account, strategy, oid)

    def _clients(self) -> ClientsByKey:
        """Return what ``workers.jobs.text_clients`` does."""
        servers = SimulatedServers(self._server)
        return ClientsByKey(servers, retry=None, socket_timeout=2.0, decode_responses=True)


def runs_a_loop(loop: VirtualLoop, work: Coroutine[Any, Any, Any]) -> Any:
    """Stand in for ``asyncio.run`` in a strand: the one loop runs it, the strand waits."""
    strand = running(loop)
    ticket = strand.ticket
    task: asyncio.Task[Any] = loop.start(strand.process, work)
    task.add_done_callback(lambda _: strand.wake(ticket, None))
    strand.wait()
    return task.result()
