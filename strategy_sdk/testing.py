"""A strategy under test: the real SDK on an in-memory Redis, with the worker played by the test.

    with StrategyHarness(Entry(), [instrument]) as harness:
        harness.book("BTCUSDT-PERP.OKX", bid=89_400, ask=89_500)
        [create] = harness.creates
        harness.fill(create.oid, "0.001", "89500")

Every statement is told before the method returns, in the test's own thread. Needs
``pip install "fakeredis[lua]"``.
"""

import importlib
import threading
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any

from router import functions
from router.contracts import (
    CancelIntent,
    CreateIntent,
    Intent,
    ModifyIntent,
    QueryIntent,
    QueryReply,
)
from router.enums import ExchangeType
from router.instruments import Instrument
from router.settings import Settings
from strategy_sdk.accounts import AccountsArgument
from strategy_sdk.errors import HarnessMissing, InvalidArgument
from strategy_sdk.runner import Runner
from strategy_sdk.scripted_worker import Number, ScriptedWorker
from strategy_sdk.strategy import Strategy
from strategy_sdk.timing import Timing

__all__ = ["StrategyHarness", "linear_perpetual"]


def linear_perpetual(
    symbol: str = "BTCUSDT-PERP.OKX",
    *,
    tick: Number = "0.1",
    lot: Number = "0.0001",
    min_cost: Number = 0,
) -> Instrument:
    """Return a linear perpetual with plausible steps, for tests that need just one."""
    name, _, exchange = symbol.rpartition(".")
    return Instrument(
        symbol=symbol,
        exchange=ExchangeType(exchange.lower()),
        kind="linear",
        base=name.removesuffix("-PERP").removesuffix("USDT"),
        quote="USDT",
        settle="USDT",
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        min_amount=Decimal(lot),
        min_cost=Decimal(min_cost),
        venue_symbol=name,
    )


class StrategyHarness:
    """Runs one strategy without a server, a worker or a venue. Use it as a context manager.

    It has one account, ``okx-main`` or that of ``exchange``, unless ``accounts`` names others, as
    for ``run``. Orders are known by their oid; where there are several accounts, news of one names
    it by ``account=``. Books may be of any exchange.

    Raises:
        HarnessMissing: If fakeredis with Lua is not installed.
    """

    def __init__(
        self,
        strategy: Strategy,
        instruments: Iterable[Instrument] = (),
        *,
        strategy_id: str = "test",
        exchange: ExchangeType | str = ExchangeType.OKX,
        accounts: AccountsArgument | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.strategy = strategy
        self.client = _fake_client()
        self.client.function_load(functions.source(), replace=True)
        self.runner = Runner(
            strategy,
            strategy_id,
            accounts or {str(exchange): f"{exchange}-main"},
            settings=Settings(),
            timing=timing or Timing(wait_for_books=False, query_timeout_s=2.0),
            pool=self.client.connection_pool,
        )
        self.workers = {
            one.id: ScriptedWorker(self.client, one.keys, strategy_id, one.exchange.value)
            for one in self.runner.accounts.all
        }
        self.worker = next(iter(self.workers.values()))
        self.worker.publish(instruments)
        self._replies: dict[str, tuple[bool | None, str]] = {}
        self._ended = threading.Event()
        self._answerer = threading.Thread(target=self._answer_queries, daemon=True)

    def __repr__(self) -> str:
        return f"StrategyHarness({self.runner.strategy_id})"

    def __enter__(self) -> "StrategyHarness":
        self._answerer.start()
        try:
            self.runner.open()
        except BaseException:  # __exit__ is not called then, not for an interrupt either
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            self.runner.close()
        finally:
            self._end()

    # --- what the strategy asked

    @property
    def intents(self) -> list[Intent]:
        """All requests so far, oldest first."""
        each = (intent for worker in self.workers.values() for intent in worker.intents())
        return sorted(each, key=lambda one: one.created_ms)

    @property
    def creates(self) -> list[CreateIntent]:
        return [one for one in self.intents if isinstance(one, CreateIntent)]

    @property
    def cancels(self) -> list[CancelIntent]:
        return [one for one in self.intents if isinstance(one, CancelIntent)]

    @property
    def modifies(self) -> list[ModifyIntent]:
        return [one for one in self.intents if isinstance(one, ModifyIntent)]

    # --- what happens to it

    def acknowledge(self, oid: str) -> None:
        """The venue took the create request: on_pending_order."""
        self._told(self._of(oid).acknowledge, oid)

    def accept(self, oid: str) -> None:
        """The order is on the book: on_accepted_order."""
        self._told(self._of(oid).accept, oid)

    def fill(self, oid: str, amount: Number, price: Number, **fee: Any) -> None:
        """A trade: on_partially_filled_order or on_filled_order; ``fee``, ``fee_currency`` and
        ``trade_id`` may be named. Never more than the order has left."""
        self._told(self._of(oid).fill, oid, amount, price, **fee)

    def modified(self, oid: str, price: Number | None = None, amount: Number | None = None) -> None:
        """The venue changed the order: on_accepted_order with its new terms, by default those that
        the strategy asked for last."""
        self._told(self._of(oid).modify, oid, price, amount)

    def refuse_modify(self, oid: str, reason: str = "51503 cannot be modified") -> None:
        """The modify failed: on_ws_order_request_result (ACK_REJECTED) alone."""
        self._told(self._of(oid).refuse_modify, oid, reason)

    def canceled(self, oid: str, reason: str = "") -> None:
        """The order was canceled: on_canceled_order."""
        self._told(self._of(oid).cancel, oid, reason)

    def expire(self, oid: str, reason: str = "") -> None:
        """The order ran out: on_expired_order."""
        self._told(self._of(oid).expire, oid, reason)

    def reject(self, oid: str, reason: str = "51008 insufficient balance") -> None:
        """The venue refused: on_failed_order, on_ws_order_request_result (ACK_REJECTED)."""
        self._told(self._of(oid).reject, oid, reason)

    def not_sent(self, oid: str) -> None:
        """Never sent: on_failed_order, on_ws_order_request_result (REQUEST_NOT_SENT)."""
        self._told(self._of(oid).not_sent, oid)

    def canceling(self, oid: str) -> None:
        """The venue took the cancel request: on_canceling_order."""
        self._told(self._of(oid).take_cancel, oid)

    def refuse_cancel(self, oid: str, reason: str = "51410 cannot be canceled") -> None:
        """The cancel failed: on_cancel_failed_order, on_ws_order_request_result (ACK_REJECTED).

        Of an order that has ended, on_ws_order_request_result alone."""
        self._told(self._of(oid).refuse_cancel, oid, reason)

    def lose_ack(self, oid: str, *, confirmed: bool) -> None:
        """No ACK: on_ws_order_request_result (ACK_TIMEOUT_CONFIRMED or ACK_TIMEOUT).

        Confirmed, the order is on the book: on_pending_order and on_accepted_order come before,
        unless they were told. Else it is unknown, until ``accept`` and the like (told with
        ACK_TIMEOUT_CONFIRMED then) or ``prove_absent``."""
        self._told(self._of(oid).lose_ack, oid, confirmed=confirmed)

    def prove_absent(self, oid: str) -> None:
        """No ACK, and it never arrived: on_failed_order, on_ws_order_request_result (ACK_TIMEOUT,
        ``exists`` "false")."""
        self._told(self._of(oid).prove_absent, oid)

    def status(self, event: str, *, account: str | None = None) -> None:
        """The connection changed: on_private_ws_status."""
        self._told(self._at(account).status, event)

    def resync_diff(self, diff: Mapping[str, Any], *, account: str | None = None) -> None:
        """What an outage changed: on_private_ws_resync_diff, with all keys that a diff has; those
        not named say that nothing changed."""
        self._told(self._at(account).resync_diff, diff)

    def balance(
        self, asset: str, free: Number, locked: Number = 0, *, account: str | None = None
    ) -> None:
        """An asset changed: on_balance."""
        self._told(self._at(account).balance, asset, free, locked)

    def position(
        self,
        symbol: str,
        signed_amount: Number,
        entry_price: Number = 0,
        *,
        account: str | None = None,
    ) -> None:
        """A position changed: on_position."""
        holder = self.workers[self.runner.accounts.of_symbol(symbol, account).id]
        self._told(holder.position, symbol, signed_amount, entry_price)

    def book(
        self, symbol: str, bid: Number, ask: Number, bid_size: Number = 1, ask_size: Number = 1
    ) -> None:
        """A new best bid and ask, of any exchange: on_bookl1, if the strategy subscribed."""
        sides = (Decimal(one) for one in (bid, ask, bid_size, ask_size))
        self._told(self.worker.book, symbol, *sides)

    def query_finds(self, oid: str, *, found: bool | None, reason: str = "") -> None:
        """Script ``fetch_order(force_refresh=True)``: True on the book, False not at the venue,
        None the venue cannot be asked. Unscripted, it finds what was told so far, and an unknown
        order raises ``QueryFailed``. Nothing is told by it: ``accept``, ``prove_absent`` and the
        others do that."""
        self._replies[oid] = found, reason

    # --- how

    def _at(self, account: str | None) -> ScriptedWorker:
        """Return the worker of an account; of the only one, if none is named."""
        if account is not None:
            return self.workers[self.runner.accounts.named(account).id]
        if len(self.workers) > 1:
            raise InvalidArgument("account", f"name the one you mean: {', '.join(self.workers)}")
        return self.worker

    def _of(self, oid: str) -> ScriptedWorker:
        """Return the worker of the account that has the order; any, if none has."""
        having = (one for one in self.workers.values() if one.has(oid))
        return next(having, self.worker)

    def _told(self, say: Callable[..., None], *args: Any, **options: Any) -> None:
        say(*args, **options)
        while self.runner.turn(block=False):
            pass

    def _end(self) -> None:
        self._ended.set()
        self._answerer.join()
        self.client.close()
        self.client.connection_pool.disconnect()

    def _answer_queries(self) -> None:
        owners = {one.keys.intents(one.strategy): one for one in self.workers.values()}
        last = dict.fromkeys(owners, "0-0")
        while not self._ended.is_set():
            reply: Any = self.client.xread(last, block=20)
            for stream, entries in reply or ():
                for entry_id, fields in entries:
                    last[stream] = entry_id
                    if fields.get("request") == "query":
                        self._answer(owners[stream], QueryIntent.model_validate(fields))

    def _answer(self, worker: ScriptedWorker, query: QueryIntent) -> None:
        found, reason = self._replies.get(query.oid, (True, ""))
        if found:
            reply = worker.state_of(query.oid, found=query.oid in self._replies)
        else:
            reply = QueryReply(found=found, reason=reason)
        worker.answer(query.id, reply)


def _fake_client() -> Any:
    try:
        import fakeredis

        importlib.import_module("lupa")  # the functions are Lua
    except ImportError as error:
        raise HarnessMissing(
            f'StrategyHarness needs fakeredis with Lua ({error}); pip install "fakeredis[lua]"'
        ) from error
    return fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True, protocol=2)
