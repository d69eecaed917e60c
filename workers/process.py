"""The worker process: one task an account, each owner or standby, until a signal."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import redis.exceptions

from router import functions
from router.errors import ConfigError, LeaseLost, RedisUnavailable
from router.keyspace import AccountKeys
from router.redis_url import shown
from router.servers import Servers
from router.settings import CRASH_VARIABLE, Settings
from workers import exposition
from workers.account import AccountWorker
from workers.clients import Clients
from workers.clock import Clock
from workers.connects import Connects
from workers.job_queue import queue_servers
from workers.metrics import AccountMetrics
from workers.outbox import NO_ANSWER
from workers.setup import AccountSetup, account_setup
from workers.venue import Venue

log = logging.getLogger(__name__)

_AGAIN_S = 0.5
_ONE_CALL = {"retry": None, "socket_timeout": 5.0, "socket_connect_timeout": 2.0}


async def load_functions(servers: Servers, key: str = "") -> None:
    """Load the functions library on the server that has ``key``, or on every one that has keys.

    Replicas get it from their masters. Of several servers some may be away: whoever needs one of
    those waits for it.

    Raises:
        RedisUnavailable: If Redis does not answer at this address.
        ConfigError: If a server has no functions (older than Redis 7) or forbids loading them.
    """
    await asyncio.to_thread(_load_functions, servers, key)


def _load_functions(servers: Servers, key: str) -> None:
    url = shown(servers.url)
    try:
        clients = (
            [servers.client(key, **_ONE_CALL)]
            if key
            else [servers.client_at(node, **_ONE_CALL) for node in servers.masters()]
        )
    except NO_ANSWER as error:
        raise _no_answer(url, error) from error
    away: list[Exception] = []
    for client in clients:
        with closing(client):
            try:
                _load_at(client, url)
            except NO_ANSWER as error:
                log.warning("a server of %s does not answer: %s", url, error)
                away.append(error)
    if len(away) == len(clients):
        raise _no_answer(url, away[0]) from away[0]


def _no_answer(url: str, error: Exception) -> RedisUnavailable:
    return RedisUnavailable(
        f"Redis does not answer at {url}: {error}. Start it or give --redis-url"
    )


def _load_at(client: Any, url: str) -> None:
    """Load the functions on one server; where its memory is full, those that it has must do."""
    try:
        client.function_load(functions.source(), replace=True)
    except redis.exceptions.OutOfMemoryError as error:
        if not client.function_list(functions.LIBRARY):
            raise RedisUnavailable(
                f"Redis at {url} has no memory left for the functions ({error}). Free memory or "
                "raise maxmemory"
            ) from error
        log.error("Redis at %s has no memory left; going on with the functions it has", url)
    except redis.exceptions.ResponseError as error:
        raise ConfigError(url, f"functions cannot be loaded ({error}); Redis 7 is needed") from None


class WorkerProcess:
    """Serves several accounts in one event loop."""

    def __init__(self, settings: Settings, accounts: Sequence[str]) -> None:
        self._settings = settings
        self._servers = Servers(settings.redis_url)
        queue_servers(settings)  # before the first unknown order needs a resolver
        self.setups = [account_setup(name, settings) for name in accounts]
        self.workers: dict[str, AccountWorker] = {}
        self._connects: dict[str, Connects] = {}
        now_ms = Clock().now_ms()
        self.metrics = {
            one.name: AccountMetrics(one.venue.exchange, one.name, now_ms) for one in self.setups
        }
        self.defects = 0
        self._stop = asyncio.Event()

    def __repr__(self) -> str:
        return f"WorkerProcess({[setup.name for setup in self.setups]})"

    def stop(self) -> None:
        """Ask ``run`` to end cleanly."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until ``stop``; a lost lease turns an account into a standby again.

        Raises:
            ConfigError: If the metrics cannot be served at their address.
        """
        collector = exposition.AccountCollector(self.metrics.values)
        with exposition.served(self._settings.metrics, exposition.registry(collector)):
            await self._run()

    async def _run(self) -> None:
        await load_functions(self._servers)
        tasks = [asyncio.create_task(self._account(setup)) for setup in self.setups]
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *tasks):
            if not task.done():
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _account(self, setup: AccountSetup) -> None:
        known_epoch = 0
        while True:
            clients = Clients.open(self._servers, setup)
            worker = AccountWorker(
                setup,
                clients,
                self._connects_to(setup.venue),
                enqueue_unknown=self._enqueue,
                metrics=self.metrics[setup.name],
                load_functions=partial(load_functions, self._servers, self._key_of(setup)),
                known_epoch=known_epoch,
            )
            self.workers[setup.name] = worker
            try:
                await worker.run()
            except LeaseLost as error:
                log.warning("%s; standing by", error)
            except ConfigError:
                raise
            except (redis.exceptions.RedisError, OSError) as error:
                log.error("%s: %s; starting over", setup.name, error)
                await asyncio.sleep(_AGAIN_S)
                await self._load_missing(setup, error)
            except Exception:
                # It ends this epoch, not the other accounts; unresolved requests are pending.
                self.defects += 1
                log.exception("%s: a defect; a new epoch recovers by the ladder", setup.name)
                await asyncio.sleep(_AGAIN_S)
            finally:
                known_epoch = worker.lease.known
                await clients.aclose()

    @staticmethod
    def _key_of(setup: AccountSetup) -> str:
        """Return one of the account's keys, all of which one server has."""
        return AccountKeys(setup.name, setup.settings.prefix).epoch

    async def _load_missing(self, setup: AccountSetup, error: Exception) -> None:
        """Load the functions where the server lost them with its data, or a new one lacks them."""
        if functions.is_missing(error):
            try:
                await load_functions(self._servers, self._key_of(setup))
            except RedisUnavailable as trouble:
                log.warning("%s", trouble)

    def _connects_to(self, venue: Venue) -> Connects:
        """Return what all accounts at one venue share: it counts connects by address."""
        if venue.exchange not in self._connects:
            self._connects[venue.exchange] = Connects(venue.limits.connects, time.monotonic)
        return self._connects[venue.exchange]

    def _enqueue(self, account: str, strategy: str, oid: str) -> None:
        """Hand an unknown order to the durable resolver; the sweep finds it if this fails."""
        work = asyncio.to_thread(enqueue_resolve, self._settings, account, strategy, oid)
        task = asyncio.ensure_future(work)
        task.add_done_callback(_log_failure)


def enqueue_resolve(settings: Settings, account: str, strategy: str, oid: str) -> bool:
    """Enqueue the resolver of an unknown order, as ``workers.jobs`` does it."""
    # Loading rq takes a tenth of a worker's start; here, in a thread, nobody waits for it.
    from workers import jobs

    return jobs.enqueue_resolve(settings, account, strategy, oid)


def _log_failure(task: "asyncio.Future[bool]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the resolver was not enqueued (the sweep will do it): %s", error)


def serve(settings: Settings, accounts: Sequence[str]) -> None:
    """Run a worker for these accounts until SIGINT or SIGTERM.

    Raises:
        ConfigError: If a setting, secret or account is wrong.
        RedisUnavailable: If Redis does not answer at the start.
    """

    async def main() -> None:
        process = WorkerProcess(settings, accounts)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, process.stop)
        await process.run()

    if crash := os.environ.get(CRASH_VARIABLE):
        from workers import crash_points

        crash_points.arm("worker", crash)
    # Thousands of live orders make a full collection a pause of 100 ms; reference counts free all
    # that an order leaves behind, so collections may be rare.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    with contextlib.suppress(KeyboardInterrupt):
        _runner()(main())


def _runner() -> Callable[..., None]:
    """Return uvloop's runner where it is installed, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run
