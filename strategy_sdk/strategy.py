"""The class a strategy author derives from: order calls, precision, books, schedule, callbacks."""

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from router.enums import ExchangeType, OrderSide, OrderType, TimeInForce, Via
from router.errors import ConfigError
from router.instruments import Instrument, Rounding
from strategy_sdk import precision
from strategy_sdk.cache import Cache
from strategy_sdk.clock import Clock
from strategy_sdk.context import Context
from strategy_sdk.errors import NotRunning
from strategy_sdk.order_form import CreateForm, no_params
from strategy_sdk.schema import AccountBalance, BatchOrder, BookL1, Order, Position


class Strategy:
    """Derive from it, override callbacks, start it with ``run``.

    Order calls return at once, are safe from any thread, and raise in the caller when something is
    wrong (``strategy_sdk.errors``); what the venue makes of an order comes by callback. Callbacks
    run one at a time; what one raises is logged and harms nothing else.
    """

    idempotency_scope = "strategy"
    """The scope of this strategy's keys; "account" shares all of them with the account's others."""

    _context: Context | None = None

    def __init__(self) -> None:
        self._context = None

    def _attach(self, context: Context) -> None:
        if self._context is not None:
            raise ConfigError("strategy", f"this {type(self).__name__} runs already; make another")
        self._context = context

    def _detach(self) -> None:
        self._context = None

    def _running(self, wanted: str) -> Context:
        if self._context is None:
            raise NotRunning(type(self).__name__, wanted)
        return self._context

    # --- orders

    def create_order_ws(
        self,
        symbol: str,
        side: OrderSide,
        type: OrderType,
        amount: Decimal,
        price: Decimal | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        reduce_only: bool = False,
        client_oid: str | None = None,
        idempotency_key: str | None = None,
        account_type: str | None = None,
        *,
        ws_fallback: bool = True,
        valid_for_ms: int | None = None,
        idempotency_scope: str = "strategy",
        **venue_params: Any,
    ) -> str:
        """Return the canonical oid; with a key used before, that of the first call's order.

        ``amount`` in base units. ``valid_for_ms``: how long the request may wait before it must not
        be sent. ``idempotency_scope``: "strategy", or "account" for keys shared by all strategies.
        A key makes one order at *each account*: the same key at another account or venue makes
        another order there.

        Raises:
            InvalidArgument: If an argument is wrong; nothing was admitted.
            Denied: If trading is halted or a cap is reached; nothing was admitted.
            RedisUnavailable: If Redis did not answer; the text says whether it may be admitted.
        """
        form = CreateForm(
            *(symbol, side, type, amount, price, time_in_force, reduce_only),
            *(client_oid, idempotency_key, account_type, ws_fallback, valid_for_ms),
            *(self._scope(idempotency_scope), venue_params),
        )
        return self._running("create_order_ws").desk.create(form, Via.WS)

    def create_order(
        self,
        symbol: str,
        side: OrderSide,
        type: OrderType,
        amount: Decimal,
        price: Decimal | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        reduce_only: bool = False,
        client_oid: str | None = None,
        idempotency_key: str | None = None,
        account_type: str | None = None,
        *,
        ws_fallback: bool = True,
        valid_for_ms: int | None = None,
        idempotency_scope: str = "strategy",
        **venue_params: Any,
    ) -> str:
        """Return the canonical oid like ``create_order_ws``; the request goes by REST."""
        form = CreateForm(
            *(symbol, side, type, amount, price, time_in_force, reduce_only),
            *(client_oid, idempotency_key, account_type, ws_fallback, valid_for_ms),
            *(self._scope(idempotency_scope), venue_params),
        )
        return self._running("create_order").desk.create(form, Via.REST)

    def create_batch_orders(
        self, orders: Sequence[BatchOrder], account_type: str | None = None
    ) -> list[str]:
        """Return the canonical oids of several orders; all are checked before any is sent.

        Raises:
            InvalidArgument: If one order is wrong; none was admitted.
            BatchIncomplete: If some were refused or may be admitted (``.maybe``); it names the oids
                of the others.
            RedisUnavailable: If they could not even be checked; none was admitted.
        """
        scope = self._scope("strategy")
        forms = [CreateForm.of_batch(one, account_type, scope) for one in orders]
        return self._running("create_batch_orders").desk.create_batch(forms, Via.WS)

    def cancel_order_ws(
        self, symbol: str, oid: str, account_type: str | None = None, *, ws_fallback: bool = True
    ) -> str:
        """Return ``oid`` after asking to cancel it; asking for an ended order changes nothing.

        Raises:
            NotYours: If no order of this strategy has that oid.
        """
        desk = self._running("cancel_order_ws").desk
        return desk.cancel(symbol, oid, account_type, Via.WS, ws_fallback=ws_fallback)

    def cancel_order(self, symbol: str, oid: str, account_type: str | None = None) -> str:
        """Return ``oid`` like ``cancel_order_ws``; the request goes by REST."""
        desk = self._running("cancel_order").desk
        return desk.cancel(symbol, oid, account_type, Via.REST, ws_fallback=True)

    def cancel_all_orders(self, symbol: str, account_type: str | None = None) -> list[str]:
        """Return the oids of this strategy's open orders of ``symbol``, each asked to cancel.

        Raises:
            BatchIncomplete: If some could not be, or may be asked to (``.maybe``); it names the
                oids of the others.
            RedisUnavailable: If Redis did not answer; asking again is safe.
        """
        return self._running("cancel_all_orders").desk.cancel_all(symbol, account_type)

    def modify_order(
        self,
        symbol: str,
        oid: str,
        side: OrderSide | None = None,
        price: Decimal | None = None,
        amount: Decimal | None = None,
        account_type: str | None = None,
        *,
        ws_fallback: bool = True,
        **venue_params: Any,
    ) -> str:
        """Return ``oid`` after asking, by REST, to change its price and/or total amount.

        Raises:
            InvalidArgument: If a value is wrong or not the order's, or a venue parameter is given.
            Denied: If the order has ended, trading is halted or the queue is full.
            NotYours: If no order of this strategy has that oid.
        """
        no_params(venue_params)
        desk = self._running("modify_order").desk
        return desk.modify(
            symbol, oid, side, price, amount, account_type, Via.REST, ws_fallback=ws_fallback
        )

    def modify_order_ws(
        self,
        symbol: str,
        oid: str,
        side: OrderSide | None = None,
        price: Decimal | None = None,
        amount: Decimal | None = None,
        account_type: str | None = None,
        *,
        ws_fallback: bool = True,
        **venue_params: Any,
    ) -> str:
        """Return ``oid`` like ``modify_order``; the request goes by WebSocket."""
        no_params(venue_params)
        desk = self._running("modify_order_ws").desk
        return desk.modify(
            symbol, oid, side, price, amount, account_type, Via.WS, ws_fallback=ws_fallback
        )

    def release_idempotency_key(self, key: str) -> bool:
        """Return True once ``key`` is free; its next use makes a new order.

        Raises:
            Denied: If its order is live, unknown or another strategy's.
        """
        return self._running("release_idempotency_key").desk.release(key)

    def fetch_order(
        self,
        symbol: str,
        oid: str,
        account_type: str | None = None,
        force_refresh: bool = False,
    ) -> Order | None:
        """Return the order; with ``force_refresh``, as the venue has it now (blocks for that).

        None: it is proven that the venue never had it. An order that the venue has forgotten, or
        does not show yet though it has acknowledged it, is returned as it is known.

        Raises:
            NotYours: If no order of this strategy has that oid.
            QueryFailed: If the venue could not be asked, or does not show an order whose fate is
                not known: it may exist.
        """
        desk = self._running("fetch_order").desk
        return desk.fetch(symbol, oid, account_type, force_refresh=force_refresh)

    def fetch_open_orders(self, symbol: str, account_type: str | None = None) -> list[Order]:
        """Return this strategy's open orders of ``symbol`` as Redis has them, oldest first."""
        return self._running("fetch_open_orders").desk.fetch_open(symbol, account_type)

    def set_reconnect_reconcile_grace_ms(self, exchange: ExchangeType, grace_ms: int) -> None:
        """Set how long, after a reconnect, a missing order is waited for; the largest value of the
        account's strategies holds.

        Raises:
            ValueError: If it is negative.
        """
        desk = self._running("set_reconnect_reconcile_grace_ms").desk
        desk.set_grace_ms(exchange, grace_ms)

    def _scope(self, asked: str) -> str:
        return self.idempotency_scope if asked == "strategy" else asked

    # --- precision

    def price_to_precision(self, symbol: str, price: Any, mode: Rounding = "round") -> Decimal:
        """Return ``price`` on the tick grid; "round" is half up. Takes a float, too."""
        return self.market(symbol).price_to_precision(precision.exact("price", price), mode)

    def amount_to_precision(self, symbol: str, amount: Any, mode: Rounding = "round") -> Decimal:
        """Return ``amount`` on the lot grid; "round" is half up. Takes a float, too."""
        return self.market(symbol).amount_to_precision(precision.exact("amount", amount), mode)

    def min_order_amount(self, symbol: str, px: Any = None) -> Decimal:
        """Return the least amount an order may have; ``px`` raises it to the least order value."""
        return precision.least_amount(self.market(symbol), px)

    def tick_sz(self, symbol: str) -> Decimal:
        """Return the price step."""
        return self.market(symbol).tick_size

    def lot_sz(self, symbol: str) -> Decimal:
        """Return the amount step in base units."""
        return self.market(symbol).lot_size

    def market(self, symbol: str) -> Instrument:
        """Return the instrument.

        Raises:
            InvalidArgument: If the symbol is malformed or not listed.
            ConfigError: If no worker published the venue's instruments.
        """
        return self._running("market").instruments.get(symbol)

    # --- books, time, the run

    def subscribe_bookl1(
        self, symbols: str | Sequence[str], ready_timeout: float = 60, ready: bool = True
    ) -> None:
        """Deliver ``on_bookl1`` for the symbols; with ``ready``, return when each had a book.

        Raises:
            NotReady: If a first book did not come in ``ready_timeout`` seconds.
            InvalidArgument: If a symbol is malformed or not listed; on a Redis Cluster, if the
                strategy has no account of its exchange.
        """
        books = self._running("subscribe_bookl1").books
        books.subscribe(symbols, ready_timeout, ready=ready)

    def unsubscribe_bookl1(self, symbols: str | Sequence[str]) -> None:
        """Deliver ``on_bookl1`` for the symbols no more."""
        self._running("unsubscribe_bookl1").books.unsubscribe(symbols)

    def schedule(
        self, func: Callable[..., object], trigger: str = "interval", **kwargs: Any
    ) -> None:
        """Run ``func`` by time, never beside a callback: "interval", "cron" or "date".

        ``kwargs`` are APScheduler's, for example ``seconds=1``; times are UTC.

        Raises:
            InvalidArgument: If the trigger or an argument is wrong.
        """
        self._running("schedule").schedule.add(func, trigger, kwargs)

    def stop(self) -> None:
        """End the run after the callback under way; ``on_stop`` comes last."""
        self._running("stop").stopping.set()

    @property
    def ready(self) -> bool:
        """Whether ``on_start`` has ended and each subscribed symbol had a first book."""
        return self._context is not None and self._context.started and self._context.books.ready

    @property
    def log(self) -> logging.Logger:
        """The strategy's logger: ``strategy.<strategy id>`` in a run."""
        if self._context is None:
            return logging.getLogger(f"strategy.{type(self).__name__}")
        return self._context.log

    @property
    def cache(self) -> Cache:
        """What is known from memory: orders, positions, balances, books, keys."""
        return self._running("cache").cache

    @property
    def clock(self) -> Clock:
        """The time."""
        return self._running("clock").clock

    # --- callbacks, to override

    def on_start(self) -> None:
        """Comes first, with the cache loaded; what it raises ends the run."""

    def on_stop(self) -> None:
        """Comes last; orders may still be sent."""

    def on_bookl1(self, bookl1: BookL1) -> None:
        """A subscribed symbol's latest best bid and ask."""

    def on_pending_order(self, order: Order) -> None:
        """The venue acknowledged the order, or the router is at it."""

    def on_accepted_order(self, order: Order) -> None:
        """The order is on the book."""

    def on_partially_filled_order(self, order: Order) -> None:
        """A trade, ``order.last_filled`` at ``order.last_filled_price``; some is left."""

    def on_filled_order(self, order: Order) -> None:
        """A trade that leaves nothing."""

    def on_canceling_order(self, order: Order) -> None:
        """The venue took the cancel request."""

    def on_canceled_order(self, order: Order) -> None:
        """The order was canceled; a trade made before may still be told afterwards."""

    def on_expired_order(self, order: Order) -> None:
        """The venue ended the order by its time in force or its rules."""

    def on_failed_order(self, order: Order) -> None:
        """The order provably does not exist; ``order.reason`` says why."""

    def on_cancel_failed_order(self, order: Order) -> None:
        """A cancel did not work; the order stands as ``order.standing`` says."""

    def on_balance(self, balance: AccountBalance) -> None:
        """Balances changed; all of the account's are given."""

    def on_position(self, position: Position) -> None:
        """A position changed; FLAT when it was closed."""

    def on_private_ws_status(self, status: dict[str, Any]) -> None:
        """An account's connection: ``event``, ``exchange``, ``account`` (its id), ``account_type``
        (its environment), ``timestamp``."""

    def on_private_ws_resync_diff(self, payload: dict[str, Any]) -> None:
        """What changed during an outage: ``diff``, ``exchange``, ``account`` (its id),
        ``account_type`` (its environment), ``timestamp``."""

    def on_results_lost(self, gap: dict[str, Any]) -> None:
        """Results ``first_seq`` to ``last_seq`` were cut before they were read; ``reason`` says
        why. Comes before what follows them, with the cache loaded anew; for orders that ended
        meanwhile ask ``fetch_order``. Also ``exchange``, ``account``, ``timestamp``."""

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        """A request that ended in anything but plain success; ``result_type`` says how, ``request``
        which, of ``oid``. Also ``symbol``, ``exchange``, ``account`` (its id), ``reason``,
        ``exists``, ``timestamp``. The order's own event, if there is one, comes before."""
