"""A whole stack for one test: simulator, worker, strategies; real sockets, real Redis."""

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import redis

from router.enums import OrderStatus, WsOrderResultType
from router.keyspace import AccountKeys
from router.settings import AccountSettings, OrderSettings, Settings, WorkerSettings
from simulator.client import ControlClient, Ledger
from simulator.server import RunningSimulator
from strategy_sdk import Runner, Strategy, Timing
from strategy_sdk.schema import Order
from tests.scenarios.keyed_redis import KeyedRedis
from tests.scenarios.venues import OKX, VenueUnderTest
from workers.process import WorkerProcess

SYMBOL = OKX.symbol
VENUE_SYMBOL = OKX.venue_symbol
FAR_PRICE = OKX.far_price
THROUGH_PRICE = Decimal("91000")  # takes what the book offers
DEADLINE_S = 90.0  # for what must come; only a failing test waits that long

T = TypeVar("T")
_numbers = itertools.count(1)


def until(
    condition: Callable[[], T],
    what: str | Callable[[], str] = "",
    deadline_s: float = DEADLINE_S,
) -> T:
    """Return the first true value of ``condition``; fail loudly when it never comes."""
    end, pause_s = time.monotonic() + deadline_s, 0.002
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause_s)
        pause_s = min(0.05, pause_s * 1.2)
    missing = what() if callable(what) else what or condition
    raise AssertionError(f"not within {deadline_s} s: {missing}")


#: The limits of production, for a machine that may stand still for seconds; only what merely costs
#: time is shorter. A test in which a time must run out says so: ``rules(ack_timeout_ms=…)``.
FAST = OrderSettings(
    ack_timeout_ms=5_000,
    expiry_ms=2_000,
    clock_skew_ms=50,
    visibility_lag_ms=100,
    ladder_budget_ms=5_000,
    valid_for_ms=60_000,
    reconcile_grace_ms=150,
    terminal_check_ms=200,
)
#: For absence that is proven and then acted on: however long the proof takes, it is in time.
PATIENT_MS = 60_000
#: For tests whose every order is to be unknown: nothing answers, so nobody misses an answer.
IN_VAIN = {"ack_timeout_ms": 1_000, "ladder_budget_ms": 300}

_CALLS = Timing(retry_for_s=10.0, socket_timeout_s=5.0)


def rules(**changes: int) -> OrderSettings:
    """Return ``FAST`` with some settings changed."""
    return OrderSettings(**FAST.model_dump() | changes)


@dataclass
class Told:
    """One callback: its name, a copy of what it was given, and when."""

    name: str
    what: Any
    at_s: float = field(default_factory=time.monotonic)


class Recorder(Strategy):
    """Remembers every callback. ``symbol`` is what it trades unless told otherwise.

    Where there are no ``market_buys`` it buys through the book instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.symbol = SYMBOL
        self.market_buys = True
        self.told: list[Told] = []
        self.begin: Callable[[Recorder], None] | None = None

    def _note(self, name: str, what: Any) -> None:
        self.told.append(Told(name, what))

    def on_start(self) -> None:
        if self.begin is not None:
            self.begin(self)

    def on_pending_order(self, order: Order) -> None:
        self._note("pending", order)

    def on_accepted_order(self, order: Order) -> None:
        self._note("accepted", order)

    def on_partially_filled_order(self, order: Order) -> None:
        self._note("partially_filled", order)

    def on_filled_order(self, order: Order) -> None:
        self._note("filled", order)

    def on_canceling_order(self, order: Order) -> None:
        self._note("canceling", order)

    def on_canceled_order(self, order: Order) -> None:
        self._note("canceled", order)

    def on_expired_order(self, order: Order) -> None:
        self._note("expired", order)

    def on_failed_order(self, order: Order) -> None:
        self._note("failed", order)

    def on_cancel_failed_order(self, order: Order) -> None:
        self._note("cancel_failed", order)

    def on_private_ws_status(self, status: dict[str, Any]) -> None:
        self._note("status", status)

    def on_private_ws_resync_diff(self, payload: dict[str, Any]) -> None:
        self._note("diff", payload)

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        self._note("result", result)

    # --- what tests ask -------------------------------------------------------------------------

    def of(self, oid: str) -> list[str]:
        """Return the names of the order callbacks for one order, in order."""
        return [
            one.name
            for one in list(self.told)
            if isinstance(one.what, Order) and one.what.oid == oid
        ]

    def orders(self, oid: str) -> list[Order]:
        """Return the orders as the callbacks got them."""
        return [
            one.what
            for one in list(self.told)
            if isinstance(one.what, Order) and one.what.oid == oid
        ]

    def fills(self, oid: str) -> list[tuple[str, Decimal, Decimal]]:
        """Return (trade id, amount, price) of each fill told."""
        return [
            (order.trade_id, order.last_filled, order.last_filled_price)
            for order in self.orders(oid)
            if order.trade_id and order.last_filled is not None and order.last_filled_price
        ]

    def results(self, oid: str) -> list[dict[str, Any]]:
        """Return the request results for one order."""
        return [
            one.what for one in list(self.told) if one.name == "result" and one.what["oid"] == oid
        ]

    def result_types(self, oid: str) -> list[WsOrderResultType]:
        return [one["result_type"] for one in self.results(oid)]

    def events(self) -> list[str]:
        """Return the private socket's events told, without the worker's own."""
        names = [one.what["event"] for one in list(self.told) if one.name == "status"]
        return [name for name in names if not name.startswith("worker_")]

    def diffs(self) -> list[dict[str, Any]]:
        return [one.what["diff"] for one in list(self.told) if one.name == "diff"]

    def wait_for(self, oid: str, name: str) -> Order:
        """Return the order of the first callback ``name`` for ``oid``; wait for it."""
        until(lambda: name in self.of(oid), lambda: f"{name} of {oid}; told: {self.told[-8:]}")
        return next(
            one.what
            for one in list(self.told)
            if one.name == name and isinstance(one.what, Order) and one.what.oid == oid
        )

    def wait_result(self, oid: str, kind: WsOrderResultType) -> dict[str, Any]:
        """Return the first request result of this type; wait for it."""
        until(lambda: kind in self.result_types(oid), lambda: f"{kind}; told: {self.told[-8:]}")
        return next(one for one in self.results(oid) if one["result_type"] == kind)

    def buy(self, **changes: Any) -> str:
        """Place a resting limit order by WS unless told otherwise; return its oid."""
        terms: dict[str, Any] = {
            "symbol": self.symbol,
            "side": "BUY",
            "type": "LIMIT",
            "amount": Decimal("0.001"),
            "price": FAR_PRICE,
        }
        terms |= changes
        if terms["type"] == "MARKET":
            terms.pop("price")
            if not self.market_buys:
                terms |= {"type": "LIMIT", "time_in_force": "IOC", "price": THROUGH_PRICE}
        return self.create_order_ws(**terms)


class WorkerThread:
    """A worker in a thread with its own event loop; real sockets, real Redis."""

    def __init__(self, settings: Settings, *accounts: str) -> None:
        self._settings = settings
        self._accounts = accounts
        self._loop: asyncio.AbstractEventLoop | None = None
        self.process: WorkerProcess | None = None
        self.error: BaseException | None = None
        self._made = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"worker-{accounts[0]}", daemon=True)

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self.process = WorkerProcess(self._settings, list(self._accounts))
            self._made.set()
            await self.process.run()

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - kept for the test to look at
            self.error = error
            self._made.set()

    def start(self) -> "WorkerThread":
        self._thread.start()
        assert self._made.wait(DEADLINE_S), "the worker did not begin"
        return self

    @property
    def serving(self) -> bool:
        if self.error is not None:
            raise AssertionError("the worker failed") from self.error
        workers = self.process.workers if self.process is not None else {}
        return all(name in workers and workers[name].serving.is_set() for name in self._accounts)

    def wait_serving(self) -> "WorkerThread":
        until(lambda: self.serving, "the worker serves")
        return self

    def stop(self) -> None:
        if self._loop is not None and self.process is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.process.stop)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the worker did not stop"
        assert self.process is None or self.process.defects == 0, "see the worker's log"
        if self.error is not None:
            raise AssertionError("the worker failed") from self.error


@dataclass
class Stack:
    """What one test has at hand. ``account`` is the first of ``accounts``."""

    accounts: dict[str, VenueUnderTest]
    settings: Settings
    simulator: RunningSimulator
    redis: Any
    workers: list[WorkerThread] = field(default_factory=list)
    runners: list[Runner] = field(default_factory=list)

    @property
    def account(self) -> str:
        return next(iter(self.accounts))

    @property
    def venue(self) -> VenueUnderTest:
        return self.accounts[self.account]

    @property
    def symbol(self) -> str:
        return self.venue.symbol

    @property
    def keys(self) -> AccountKeys:
        return self.keys_of(self.account)

    def keys_of(self, account: str) -> AccountKeys:
        return AccountKeys(account, self.settings.prefix)

    @property
    def control(self) -> ControlClient:
        return self.simulator.control

    @property
    def here(self) -> dict[str, str]:
        """The match of a fault that concerns this test's account only."""
        return {"account": self.account}

    def ledger(self, account: str = "") -> Ledger:
        """Return what truly happened at one account; the first if none is named."""
        return self.control.ledger(account or self.account)

    def start_worker(self, *, wait: bool = True) -> WorkerThread:
        """Start one worker process that serves all the stack's accounts."""
        worker = WorkerThread(self.settings, *self.accounts).start()
        self.workers.append(worker)
        return worker.wait_serving() if wait else worker

    def wait_connected(self) -> None:
        """Return when the trade and the private sockets are up."""
        for account, name in itertools.product(self.accounts, ("trade", "private")):
            self.wait_socket(name, "connected", account)

    def wait_resynced(self) -> None:
        """Return when the owner's first look at the venue is over: it sees what a push does not."""
        for account in self.accounts:
            status = self.keys_of(account).status
            until(lambda status=status: self.redis.hget(status, "resynced_ms"))  # type: ignore[misc]

    def wait_audited(self) -> None:
        """Return when the owner asks the venue nothing more on account of its last resync."""

        def looked(status: str) -> bool:
            first, second = self.redis.hmget(status, "resynced_ms", "audited_ms")
            return bool(first) and int(second or 0) >= int(first)

        for account in self.accounts:
            until(partial(looked, self.keys_of(account).status), "an audit")

    def sockets(self, kind: str, account: str = "") -> list[str]:
        """Return the account's open connections that play this role.

        A socket on which nobody has yet logged in or asked for anything belongs to no account.
        """
        account = account or self.account
        venue = self.accounts[account]
        return [
            str(row["connection"])
            for row in self.control.connections()
            if row["venue"] == venue.name
            and row["account"] in ("", account)
            and kind in venue.roles(row["role"])
        ]

    def cut(self, kind: str, account: str = "") -> None:
        """Close the account's sockets of this role."""
        for connection in self.sockets(kind, account):
            self.control.close_sockets(connection=connection)

    def wait_socket(self, kind: str, state: str, account: str = "") -> None:
        """Return when Redis says that the socket of this kind is ``connected``, or otherwise."""
        key = self.keys_of(account or self.account).status
        until(lambda: self.redis.hget(key, kind) == state, f"the {kind} socket is {state}")

    def start_strategy(
        self, name: str = "alpha", strategy: Recorder | None = None, *, instance: str = "main"
    ) -> Recorder:
        strategy = strategy or Recorder()
        strategy.symbol = self.symbol
        strategy.market_buys = self.venue.market_buys
        accounts: dict[str, list[str]] = {}
        for account, venue in self.accounts.items():
            accounts.setdefault(venue.exchange, []).append(account)
        runner = Runner(
            strategy,
            name,
            accounts,
            instance=instance,
            settings=self.settings,
            redis_url=self.settings.redis_url,
            timing=_CALLS,
        )
        runner.start()
        self.runners.append(runner)
        until(lambda: self.knows(name), "the worker reads the strategy's intents")
        return strategy

    def knows(self, name: str) -> bool:
        """Whether the worker reads this strategy (true too while no worker is up)."""
        owners = [
            worker
            for thread in self.workers
            for worker in (thread.process.workers.values() if thread.process is not None else ())
            if worker.serving.is_set()
        ]
        return all(name in worker.strategies for worker in owners)

    def all_told(self, name: str = "alpha", instance: str = "main") -> None:
        """Return when the strategy has handled all that was written for it so far."""
        newest = self.redis.xrevrange(self.keys.results(name), count=1)
        if newest:
            [(last_id, _)] = newest
            cursor = self.keys.cursor(name)
            until(
                lambda: entry_order(self.redis.hget(cursor, instance)) >= entry_order(last_id),
                f"{name} handled its results up to {last_id}",
            )

    def market_price(self, symbol: str = "") -> tuple[Decimal, Decimal]:
        """Return best bid and ask at the simulator."""
        book = self.control.market(symbol or self.venue.venue_symbol, venue=self.venue.name)
        return Decimal(book["bid"]), Decimal(book["ask"])

    def close(self) -> None:
        for runner in reversed(self.runners):
            runner.stop()
            runner.join()
        for worker in reversed(self.workers):
            worker.stop()

    # --- the truth ------------------------------------------------------------------------------

    def check(self, *strategies: Recorder) -> None:
        """Compare what the strategies were told with the ledger, order by order."""
        until(
            lambda: self._differences(strategies) == [],
            lambda: "\n".join(self._differences(strategies)),
        )

    def _differences(self, strategies: tuple[Recorder, ...]) -> list[str]:
        ledger, out = self._whole_ledger(), []
        told = {
            order.oid: (strategy, order)
            for strategy in strategies
            for one in list(strategy.told)
            if isinstance(order := one.what, Order)
        }
        by_client = {self.client_id(strategy, oid): oid for oid, (strategy, _) in told.items()}
        by_venue = {order.eid: oid for oid, (_, order) in told.items() if order.eid}
        for row in ledger.orders:
            if row["external"]:
                continue
            oid = by_venue.get(row["venue_id"]) or by_client.get(row["client_id"])
            if oid is None:
                out.append(f"the ledger has {row['client_id']}, nobody was told of it")
                continue
            strategy, last = told[oid]
            out += self._order_differences(row, ledger, strategy, last)
        for oid, (strategy, last) in told.items():
            copies = [
                row
                for row in ledger.orders_of(self.client_id(strategy, oid))
                if by_venue.get(row["venue_id"], oid) == oid
            ]
            if len(copies) > 1:
                out.append(f"{oid}: {len(copies)} orders at the venue")
            if not copies and last.status is not OrderStatus.FAILED:
                out.append(f"{oid}: told {last.status}, the ledger has no such order")
        return out

    def _whole_ledger(self) -> Ledger:
        """Return the ledger of all the stack's accounts."""
        ledgers = [self.ledger(account) for account in self.accounts]
        return replace(
            ledgers[0],
            orders=[row for ledger in ledgers for row in ledger.orders],
            fills=[row for ledger in ledgers for row in ledger.fills],
        )

    def client_id(self, strategy: Recorder, oid: str) -> str:
        """Return the id under which the venue knows an order."""
        for runner, account in itertools.product(self.runners, self.accounts):
            key = self.keys_of(account).order(runner.strategy_id, oid)
            if found := self.redis.hget(key, "client_id"):
                return str(found)
        return oid

    def _order_differences(
        self, row: Any, ledger: Ledger, strategy: Recorder, last: Order
    ) -> list[str]:
        oid, out = last.oid, []
        fills = sorted(
            (fill["trade_id"], Decimal(fill["amount"]), Decimal(fill["price"]))
            for fill in ledger.fills
            if fill["venue_id"] == row["venue_id"]
        )
        if sorted(strategy.fills(oid)) != fills:
            out.append(f"{oid}: fills told {strategy.fills(oid)}, ledger {fills}")
        open_at_venue = row["state"] in ("live", "partially_filled")
        ends = [name for name in strategy.of(oid) if name in ENDS]
        if open_at_venue and ends and ends[-1] != "failed":
            out.append(f"{oid}: told {ends}, the ledger says {row['state']}")
        true_ends = {row["state"].removeprefix("mmp_")}
        if row["cancel_source"] in ("ioc", "fok", "system"):
            true_ends = {self.accounts[row["account"]].own_end}
        elif row["cancel_source"] == "rejected":  # after it was taken
            true_ends = {"failed"}
        if not open_at_venue and not true_ends & set(ends[-1:]):
            out.append(f"{oid}: told {strategy.of(oid)}, the ledger says {row['state']}")
        return out


ENDS = ("filled", "canceled", "expired", "failed")


def entry_order(entry_id: str | None) -> tuple[int, int]:
    """Return a stream entry's id as numbers that sort; None is before all."""
    ms, _, number = (entry_id or "0-0").partition("-")
    return int(ms), int(number)


def account_settings(
    account: str,
    simulator: RunningSimulator,
    venue: VenueUnderTest = OKX,
    options: Mapping[str, Any] | None = None,
) -> AccountSettings:
    """Return an account's settings; the keys come from environment variables as users' do."""
    prefix = account.upper().replace("-", "_")
    for name in ("key", "secret", "pass"):
        os.environ[f"{prefix}_{name.upper()}"] = f"{account}-{name}"
    at = simulator.addresses[venue.name]
    return AccountSettings(
        exchange=venue.exchange,
        environment=venue.environment,
        api_key=f"env:{prefix}_KEY",
        api_secret=f"env:{prefix}_SECRET",
        passphrase=f"env:{prefix}_PASS",
        rest_url=at.url,
        ws_url=at.ws_url,
        options={**venue.options, **(options or {})},
    )


def stack_settings(
    accounts: Mapping[str, AccountSettings],
    redis_url: str,
    orders: OrderSettings = FAST,
    others: Mapping[str, Any] | None = None,
    **worker: Any,
) -> Settings:
    """Return settings of a stack; ``others``: as ``durability`` or ``jobs``."""
    quick: dict[str, Any] = {
        "lease_ttl_ms": 10_000,
        "reconnect_first_s": 0.05,
        "reconnect_most_s": 0.5,
        "rest_connect_timeout_s": 5.0,
        "rest_read_timeout_s": 5.0,
        "open_timeout_s": 10.0,
    }
    return Settings(
        redis_url=redis_url,
        orders=orders,
        worker=WorkerSettings(**quick | worker),
        accounts=dict(accounts),
        **(others or {}),
    )


@contextmanager
def running_stack(
    redis_url: str,
    simulator: RunningSimulator,
    *,
    venue: VenueUnderTest = OKX,
    beside: Sequence[VenueUnderTest] = (),
    orders: OrderSettings = FAST,
    options: Mapping[str, Any] | None = None,
    others: Mapping[str, Any] | None = None,
    names: Sequence[str] = (),
    public_key: str = "",
    **worker: Any,
) -> Iterator[Stack]:
    """Yield a stack with an account of its own at ``venue`` and no process started yet.

    It has one account more for each venue in ``beside``; ``names``: of the accounts, if it matters.
    ``options``: of all accounts at their venues, as ``dead_after_s``; ``others``: settings, as
    ``durability``. ``public_key``: Ed25519, of keys that have no secret.
    """
    accounts, settings = {}, {}
    for number, one in enumerate((venue, *beside)):
        fresh = f"{one.name}-t{next(_numbers)}-{os.getpid()}"
        account = names[number] if number < len(names) else fresh
        simulator.control.create_account(account, venue=one.name, public_key=public_key)
        accounts[account] = one
        settings[account] = account_settings(account, simulator, one, options)
    client: Any = (
        redis.Redis.from_url(redis_url, decode_responses=True, retry=None)
        if redis_url.startswith("redis://")
        else KeyedRedis(redis_url)
    )
    stack = Stack(
        accounts, stack_settings(settings, redis_url, orders, others, **worker), simulator, client
    )
    try:
        yield stack
    finally:
        simulator.control.disarm()
        stack.close()
        client.close()
