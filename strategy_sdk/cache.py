"""What the strategy knows, answered from memory: orders, positions, balances, books, keys.

Invariants:
1. An order is in exactly one of: open (by standing), ended, unknown here.
2. What was loaded at start is newer than results written before; such a result is told to the
   callbacks and changes no loaded order.
3. Memory is bounded: ended orders and idempotency keys are forgotten oldest first.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable

from router.enums import ExchangeType, OrderStatus, RequestKind
from strategy_sdk.accounts import Accounts
from strategy_sdk.schema import AccountBalance, Balance, BookL1, Order, Position

MAX_ENDED = 10_000
MAX_KEYS = 50_000
_NOT_YET_LIVE = frozenset({OrderStatus.INITIALIZED, OrderStatus.PENDING})
#: Told of an order that a modify may still be on its way to: they speak of a fill or a cancel.
_NO_WORD_OF_A_MODIFY = frozenset(
    {OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELING, OrderStatus.CANCEL_FAILED}
)


class Cache:
    """Safe from any thread; every answer is a copy or immutable."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = threading.Lock()
        self._open: dict[str, Order] = {}
        self._ended: OrderedDict[str, Order] = OrderedDict()
        self._loaded: set[str] = set()
        self._canceling: set[str] = set()
        self._modifying: set[str] = set()
        self._keys: OrderedDict[str, dict[str, str]] = OrderedDict()  # key → account → oid
        self._positions: dict[tuple[str, str], Position] = {}
        self._balances: dict[str, dict[str, Balance]] = {}
        self._books: dict[str, BookL1] = {}

    def __repr__(self) -> str:
        return f"Cache({len(self._open)} open, {len(self._ended)} ended orders)"

    # --- answers

    def get_order(self, oid: str) -> Order | None:
        """Return the order as last known; None if it is unknown here or long ended."""
        with self._lock:  # while an order moves, it is in neither place
            return self._open.get(oid) or self._ended.get(oid)

    def get_open_orders(
        self,
        symbol: str | None = None,
        exchange: ExchangeType | None = None,
        *,
        include_canceling: bool = False,
    ) -> set[str]:
        """Return the oids of orders not ended; those being canceled only if asked for."""
        with self._lock:
            return {
                oid
                for oid, order in self._open.items()
                if (symbol is None or order.symbol == symbol)
                and (exchange is None or order.exchange == exchange)
                and (include_canceling or not self._is_canceling(order))
            }

    def get_inflight_orders(self, symbol: str) -> set[str]:
        """Return the oids with a request on its way: not yet on the book, or being changed."""
        with self._lock:
            return {
                oid
                for oid, order in self._open.items()
                if order.symbol == symbol
                and (
                    order.standing in _NOT_YET_LIVE
                    or self._is_canceling(order)
                    or oid in self._modifying
                )
            }

    def get_position(self, symbol: str, account_type: str | None = None) -> Position | None:
        """Return the position; None if there is none.

        Raises:
            InvalidArgument: If no or several accounts trade the symbol and none is named.
        """
        account = self._accounts.of_symbol(symbol, account_type)
        return self._positions.get((account.id, symbol))

    def get_all_positions(self, exchange: ExchangeType | None = None) -> dict[str, Position]:
        """Return the open positions by symbol (of the last account, where two hold one)."""
        with self._lock:
            return {
                symbol: position
                for (_, symbol), position in self._positions.items()
                if exchange is None or position.exchange == exchange
            }

    def get_balance(self, account_type: str) -> AccountBalance:
        """Return the balances of an account, named by its id or its exchange.

        Raises:
            InvalidArgument: If the strategy has no such account.
        """
        account = self._accounts.named(account_type)
        with self._lock:
            return AccountBalance(dict(self._balances.get(account.id, {})), account.id)

    def bookl1(self, symbol: str) -> BookL1 | None:
        """Return the latest book read; None before the first."""
        return self._books.get(symbol)

    def get_idempotent_create_order_oid(
        self, key: str, account_type: str | None = None
    ) -> str | None:
        """Return the canonical oid of a key used here or held by an order open at start.

        A key makes one order at each account: without ``account_type``, the one used last.

        Raises:
            InvalidArgument: If the strategy has no such account.
        """
        account = None if account_type is None else self._accounts.named(account_type).id
        with self._lock:
            held = self._keys.get(key)
            if not held:
                return None
            return held.get(account) if account is not None else held[next(reversed(held))]

    # --- changes, by the SDK

    def open_of(self, account: str) -> set[str]:
        """Return the oids of the account's open orders."""
        with self._lock:
            return {oid for oid, order in self._open.items() if order.account == account}

    def load(self, orders: Iterable[tuple[Order, str]], gone: Iterable[str] = ()) -> None:
        """Take the open orders of one account as stored, each with its idempotency key or "".

        ``gone``: oids that were open here and that Redis no longer counts as open.
        """
        with self._lock:
            for oid in gone:
                self._open.pop(oid, None)
            for order, key in orders:
                self._put(order)
                self._loaded.add(order.oid)
                if key:
                    self._remember(key, order.account, order.oid)

    def load_account(
        self, account: str, positions: Iterable[Position], balances: Iterable[Balance]
    ) -> None:
        """Take all positions and balances of one account; what is not named is gone."""
        with self._lock:
            for place in [place for place in self._positions if place[0] == account]:
                del self._positions[place]
            for position in positions:
                if position.is_opened:
                    self._positions[(account, position.symbol)] = position
            self._balances[account] = {balance.asset: balance for balance in balances}

    def admitted(self, order: Order, key: str | None) -> None:
        """Take an order just admitted, unless a result was faster."""
        with self._lock:
            if order.oid not in self._open and order.oid not in self._ended:
                self._put(order)
            if key is not None:
                self._remember(key, order.account, order.oid)

    def key_used(self, key: str, account: str, oid: str) -> None:
        """Remember a key's canonical oid at an account."""
        with self._lock:
            self._remember(key, account, oid)

    def key_released(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._keys.pop(key, None)

    def told(self, order: Order, *, history: bool) -> None:
        """Take an order event; ``history``: it was written before the orders were loaded."""
        with self._lock:
            if history:
                if order.oid in self._loaded:
                    return
                # Not among the open ones when they were loaded: it has ended, whatever this says.
                self._put_ended(order)
                return
            self._loaded.discard(order.oid)
            self._settle_marks(order)
            if order.status is not order.standing:
                order = order._replace(status=order.standing)
            self._put(order)

    def mark_canceling(self, oid: str) -> None:
        """Note that a cancel is on its way."""
        with self._lock:
            if oid in self._open:
                self._canceling.add(oid)

    def mark_modifying(self, oid: str) -> None:
        """Note that a modify is on its way."""
        with self._lock:
            if oid in self._open:
                self._modifying.add(oid)

    def request_ended(self, oid: str, request: str) -> None:
        """Note that a request, one of ``RequestKind``, came to a result; others go on."""
        with self._lock:
            if request == RequestKind.CANCEL:
                self._canceling.discard(oid)
            elif request == RequestKind.MODIFY:
                self._modifying.discard(oid)

    def set_position(self, account: str, position: Position) -> None:
        """Take a position; a flat one is forgotten."""
        with self._lock:
            if position.is_closed:
                self._positions.pop((account, position.symbol), None)
            else:
                self._positions[(account, position.symbol)] = position

    def set_balances(self, account: str, balances: Iterable[Balance]) -> None:
        """Take the balances of the assets named; others stay."""
        with self._lock:
            mine = self._balances.setdefault(account, {})
            mine.update((balance.asset, balance) for balance in balances)

    def set_book(self, book: BookL1) -> None:
        """Take the latest book."""
        self._books[book.symbol] = book

    def forget_book(self, symbol: str) -> None:
        """Drop a book that is no longer subscribed."""
        self._books.pop(symbol, None)

    # --- inside the lock

    def _is_canceling(self, order: Order) -> bool:
        return order.standing is OrderStatus.CANCELING or order.oid in self._canceling

    def _settle_marks(self, order: Order) -> None:
        if order.is_closed or order.status is OrderStatus.CANCEL_FAILED:
            self._canceling.discard(order.oid)
        if order.is_closed or order.status not in _NO_WORD_OF_A_MODIFY:
            self._modifying.discard(order.oid)

    def _put(self, order: Order) -> None:
        if order.is_closed:
            self._open.pop(order.oid, None)
            self._canceling.discard(order.oid)
            self._put_ended(order)
        else:
            self._ended.pop(order.oid, None)
            self._open[order.oid] = order

    def _put_ended(self, order: Order) -> None:
        self._ended[order.oid] = order
        self._ended.move_to_end(order.oid)
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def _remember(self, key: str, account: str, oid: str) -> None:
        held = self._keys.setdefault(key, {})
        held.pop(account, None)
        held[account] = oid  # last, as the one used last
        self._keys.move_to_end(key)
        while len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)
