"""One run of a strategy: registered, loaded, told its results until it is stopped."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from redis import ConnectionPool

from router import settings as router_settings
from router.contracts import ResultsGap
from router.errors import ConfigError, RouterError
from router.ids import check_name
from router.servers import Servers
from router.settings import CRASH_VARIABLE, Settings
from strategy_sdk.accounts import Account, Accounts, AccountsArgument
from strategy_sdk.alive import SignsOfLife
from strategy_sdk.cache import Cache
from strategy_sdk.callbacks import Callbacks
from strategy_sdk.context import Context
from strategy_sdk.desk import OrderDesk
from strategy_sdk.dispatch import Dispatcher
from strategy_sdk.gateway import Gateway, Registered
from strategy_sdk.instruments import Instruments
from strategy_sdk.link import Link, open_pool
from strategy_sdk.loading import load_account
from strategy_sdk.market_data import Books
from strategy_sdk.reader import Reader
from strategy_sdk.reading import Reading
from strategy_sdk.schedule import Schedule
from strategy_sdk.strategy import Strategy
from strategy_sdk.timing import Timing


class Runner:
    """Runs one strategy, in the calling thread (``run``) or in one of its own (``start``).

    Raises:
        InvalidArgument: If the strategy id, the instance or an account name is illegal.
        ConfigError: If the accounts or settings are wrong, or the strategy runs already.
    """

    def __init__(
        self,
        strategy: Strategy,
        strategy_id: str,
        accounts: AccountsArgument,
        *,
        instance: str = "main",
        redis_url: str | None = None,
        settings: Settings | None = None,
        timing: Timing | None = None,
        stop_event: threading.Event | None = None,
        pool: ConnectionPool | None = None,
    ) -> None:
        if not isinstance(strategy, Strategy):
            raise ConfigError("strategy", f"{strategy!r} is no instance of strategy_sdk.Strategy")
        check_name(strategy_id, "strategy_id")
        check_name(instance, "instance")
        self._settings = settings or router_settings.load()
        self._timing = timing or Timing()
        self._strategy = strategy
        self.strategy_id = strategy_id
        self.log = logging.getLogger(f"strategy.{strategy_id}")
        self.accounts = Accounts.read(accounts, self._settings)
        self._link = _link(redis_url or self._settings.redis_url, pool, self._timing)
        self._stopping = stop_event or threading.Event()
        self._build(instance)
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._ended: BaseException | None = None
        self.error: BaseException | None = None
        """What ended the run in its own thread; None if it ended well or still runs."""

    def _build(self, instance: str) -> None:
        timing, log, accounts = self._timing, self.log, self.accounts
        self.gateway = Gateway(self._link, self._settings, timing, self.strategy_id, instance)
        self.gateway.forgotten = self._forgotten
        self.cache = Cache(accounts)
        self.callbacks = Callbacks(log)
        self._instruments = Instruments(self.gateway, accounts)
        self._schedule = Schedule(self.callbacks, self._stopping)
        places = self._places()
        self.books = Books(
            *(self.gateway, accounts, self._instruments, self.cache, timing, self._stopping),
            *(log, places.keys()),
        )
        self._dispatcher = Dispatcher(
            self._strategy, self.strategy_id, self.cache, self.callbacks, log
        )
        self._readings = [self._reading(place, these) for place, these in places.items()]
        self.reader = self._readings[0].reader
        self._alive = SignsOfLife(
            self.gateway, accounts, self.books, self._instruments, timing, log
        )
        desk = OrderDesk(self.gateway, accounts, self._instruments, self.cache, log)
        self._context = Context(
            desk=desk,
            cache=self.cache,
            books=self.books,
            instruments=self._instruments,
            schedule=self._schedule,
            stopping=self._stopping,
            log=log,
        )

    def _places(self) -> dict[int, list[Account]]:
        """Return where there is something to read, and the accounts whose results are there."""
        found: dict[int, list[Account]] = {}
        for account in self.accounts.all:
            place = self._link.place(account.keys.results(self.strategy_id))
            found.setdefault(place, []).append(account)
        for account in self.accounts.all:
            books = self.accounts.venue(account.exchange).wanted
            found.setdefault(self._link.place(books), [])
        return found

    def _reading(self, place: int, accounts: list[Account]) -> Reading:
        reader = Reader(
            *(self._link, self.gateway, self.books, self._dispatcher, self._timing),
            *(self._stopping, self.log, place),
        )
        reader.on_gap = self._results_lost
        return Reading(reader, accounts, self.gateway, self._timing, self._stopping, self.log)

    def _reader_of(self, account: Account) -> Reader:
        return next(one.reader for one in self._readings if account in one.accounts)

    def __repr__(self) -> str:
        return f"Runner({self.strategy_id}, {self.accounts!r})"

    # --- in a thread of its own

    def start(self, timeout_s: float = 70.0) -> "Runner":
        """Run in a thread; return when ``on_start`` has ended.

        Raises:
            BaseException: What the run raised before that.
            TimeoutError: If ``on_start`` took longer than ``timeout_s``.
        """
        self._thread = threading.Thread(target=self._run_caught, name=self.strategy_id, daemon=True)
        self._thread.start()
        if not self._started.wait(timeout_s):
            raise TimeoutError(f"on_start of {self.strategy_id} took longer than {timeout_s:g} s")
        if self.error is not None:
            raise self.error
        return self

    def stop(self) -> None:
        """Ask the run to end; it does after the callback under way, within ``block_s``."""
        self._stopping.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Return when the run in its thread has ended.

        Raises:
            BaseException: What ended the run.
            TimeoutError: If it still runs after ``timeout_s``.
        """
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                raise TimeoutError(f"{self.strategy_id} still runs after {timeout_s} s")
        if self.error is not None:
            raise self.error

    def _run_caught(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001  # join hands it to the starter
            self.error = error
        finally:
            self._started.set()

    # --- in the calling thread

    def run(self) -> None:
        """Run until stopped: ``on_start``, results and books, ``on_stop``.

        Raises:
            Exception: What ``on_start`` raised.
            RedisUnavailable: If Redis does not answer at the start.
            ConfigError: If the server lacks the functions and this user may not load them.
        """
        self.open()
        try:
            for number, reading in enumerate(self._readings[1:], 2):
                reading.start(f"{self.strategy_id}-reader-{number}", self._end_with)
            self._readings[0].run()
        finally:
            self.close()
        if self._ended is not None:
            raise self._ended

    def open(self) -> None:
        """Register, load the cache, run ``on_start``; on any error, leave nothing behind."""
        self._strategy._attach(self._context)
        try:
            for account in self.accounts.all:
                registered = self.gateway.register(account, wake=True)
                self._alive.warn_of_a_twin(account, registered)
                self._alive.warn_of_no_owner(account)
                loaded = self._load(account)
                self._reader_of(account).start(account, registered, loaded)
            self._alive.start()
            self._run_on_start()
        except BaseException:  # an interrupt, too, must leave no thread and connection behind
            self._release()
            raise
        self._context.started = True
        self._started.set()

    def turn(self, *, block: bool = True) -> bool:
        """Read and tell once, all in this thread; after an outage, come back."""
        came = False
        for reading in self._readings:
            came |= reading.turn(block=block)
        return came

    def close(self) -> None:
        """Run ``on_stop``, store the place in the results, end the threads and connections."""
        try:
            self._stopping.set()
            for reading in self._readings:
                reading.join()
            self._schedule.stop()
            self._run_on_stop()
            for reading in self._readings:
                reading.reader.store()
        except RouterError as error:
            self.log.warning("the last results handled will be told once more: %s", error)
        finally:
            self._release()

    # --- how

    def _run_on_start(self) -> None:
        with self.callbacks.lock:
            try:
                self._strategy.on_start()
            except BaseException:
                self.callbacks.end()  # what it scheduled waits for the lock already
                raise

    def _run_on_stop(self) -> None:
        with self.callbacks.lock:  # over both, so that nothing waiting runs in between
            try:
                self.callbacks.run(self._strategy.on_stop)
            finally:
                self.callbacks.end()

    def _release(self) -> None:
        self._stopping.set()
        self.callbacks.end()  # an interrupt may have come before on_stop
        self._schedule.stop()
        self._link.close()  # first, so that no call under way is repeated any more
        self._alive.stop()
        for reading in self._readings:
            reading.reader.close()
        self._strategy._detach()

    def _end_with(self, error: BaseException) -> None:
        """End the run: what ended one reader, such as SystemExit, ends them all."""
        self._ended = error
        self._stopping.set()

    def _load(self, account: Account) -> str:
        return load_account(self.gateway, self.cache, account, self.log)

    def _results_lost(self, account: Account, gap: ResultsGap) -> None:
        """Load what the missing results would have said, then tell that they are missing.

        Raises:
            RedisUnavailable: If Redis does not answer; all of it is done again then.
        """
        self.log.error(
            "results %d to %d of %s are lost: %s; orders and positions are loaded again",
            *(gap.first_seq, gap.last_seq, account.id, gap.reason),
        )
        try:
            self._reader_of(account).loaded(account, self._load(account))
            self._dispatcher.results_lost(account, gap)
            self.gateway.forget_gap(account)
        except ConfigError as error:  # a right was taken away; results are told all the same
            self.log.error("the lost results of %s could not be made good: %s", account.id, error)

    def _forgotten(self, account: Account, registered: Registered) -> None:
        # "0-0": the results' stream is new, too, so every entry in it is unread.
        if registered.cursor == "0-0":
            self._reader_of(account).restart(account)


def run(
    strategy: Strategy,
    strategy_id: str,
    accounts: AccountsArgument,
    *,
    instance: str = "main",
    redis_url: str | None = None,
    settings: Settings | None = None,
    timing: Timing | None = None,
    stop_event: threading.Event | None = None,
) -> None:
    """Run the strategy until SIGINT, SIGTERM, ``stop()`` or ``stop_event``.

    ``accounts``: exchange → account id(s), for example ``{"okx": "okx-main"}``, or account ids.
    Signals are handled in the main thread only. Logs go to stderr unless logging is set up.

    Raises:
        InvalidArgument, ConfigError: If an argument or setting is wrong.
        RedisUnavailable: If Redis does not answer at the start.
        Exception: What ``on_start`` raised.
    """
    if crash := os.environ.get(CRASH_VARIABLE):
        from strategy_sdk import crash_points

        crash_points.arm(crash)
    settings = settings or router_settings.load()
    if not logging.getLogger().handlers:
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
    runner = Runner(
        strategy,
        strategy_id,
        accounts,
        instance=instance,
        redis_url=redis_url,
        settings=settings,
        timing=timing,
        stop_event=stop_event,
    )
    with _stopped_by_signals(runner):
        runner.run()


def _link(url: str, pool: ConnectionPool | None, timing: Timing) -> Link:
    """Return the link to the servers at ``url``, or by the pool alone where one is given."""
    if pool is not None:
        return Link(lambda key: pool, timing)
    servers = Servers(url)
    place = None if servers.one_for_all else servers.place
    return Link(lambda key: open_pool(servers, key, timing), timing, place)


@contextlib.contextmanager
def _stopped_by_signals(runner: Runner) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    def stop(number: int, frame: FrameType | None) -> None:
        runner.stop()
        restore()  # a second signal ends a callback that never returns

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
