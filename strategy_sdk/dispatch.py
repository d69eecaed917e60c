"""One result entry: into the cache, then to the callback it belongs to."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from router.contracts import ResultsGap, ResultType
from router.enums import OrderStatus
from strategy_sdk import decode
from strategy_sdk.accounts import Account
from strategy_sdk.cache import Cache
from strategy_sdk.callbacks import Callbacks
from strategy_sdk.schema import BookL1

if TYPE_CHECKING:
    from strategy_sdk.strategy import Strategy

#: Statuses are told by the method named after them; an order is INITIALIZED before any result.
ORDER_CALLBACKS = {
    OrderStatus.PENDING: "on_pending_order",
    OrderStatus.ACCEPTED: "on_accepted_order",
    OrderStatus.PARTIALLY_FILLED: "on_partially_filled_order",
    OrderStatus.FILLED: "on_filled_order",
    OrderStatus.CANCELING: "on_canceling_order",
    OrderStatus.CANCELED: "on_canceled_order",
    OrderStatus.EXPIRED: "on_expired_order",
    OrderStatus.FAILED: "on_failed_order",
    OrderStatus.CANCEL_FAILED: "on_cancel_failed_order",
}


class Dispatcher:
    """Tells one strategy its results, in the thread that calls it."""

    def __init__(
        self,
        strategy: "Strategy",
        name: str,
        cache: Cache,
        callbacks: Callbacks,
        log: logging.Logger,
    ) -> None:
        self._name = name
        self._cache = cache
        self._callbacks = callbacks
        self._log = log
        self._strategy = strategy
        self._kinds: dict[str, Callable[[Mapping[str, str], Account, bool], None]] = {
            ResultType.ORDER: self._order,
            ResultType.REQUEST: self._request,
            ResultType.STATUS: self._status,
            ResultType.DIFF: self._diff,
            ResultType.BALANCE: self._balance,
            ResultType.POSITION: self._position,
        }

    def result(
        self, account: Account, entry_id: str, fields: Mapping[str, str], *, history: bool
    ) -> None:
        """Handle one entry; an unknown or unreadable one is logged and left.

        ``history``: the entry is older than what the cache was loaded with.
        """
        handle = self._kinds.get(fields.get("type", ""))
        if handle is None:
            self._log.error(
                "result %s of %s has the unknown type %r and is skipped: %s",
                *(entry_id, account.id, fields.get("type"), dict(fields)),
            )
            return
        try:
            handle(fields, account, history)
        except decode.UNREADABLE as error:
            # Only reading can raise here: what a callback raises is caught where it is run.
            self._log.error(
                "result %s of %s is unreadable (%r) and is skipped: %s",
                *(entry_id, account.id, error, dict(fields)),
            )

    def book(self, book: BookL1) -> None:
        """Hand over a book."""
        self._tell(self._strategy.on_bookl1, book)

    def results_lost(self, account: Account, gap: ResultsGap) -> None:
        """Hand over that results are missing."""
        self._tell(
            self._strategy.on_results_lost,
            {
                "exchange": account.exchange.value,
                "account": account.id,
                "first_seq": gap.first_seq,
                "last_seq": gap.last_seq,
                "reason": gap.reason,
                "timestamp": gap.cut_ms,
            },
        )

    def _tell(self, function: Callable[..., object], argument: Any) -> None:
        self._callbacks.run(function, argument)

    def _order(self, fields: Mapping[str, str], account: Account, history: bool) -> None:
        known = self._cache.get_order(fields["oid"])
        order = decode.order_from_result(fields, account, self._name, known)
        callback = getattr(self._strategy, ORDER_CALLBACKS[order.status])
        self._cache.told(order, history=history)
        self._tell(callback, order)

    def _request(self, fields: Mapping[str, str], account: Account, history: bool) -> None:
        result = decode.request_dict(fields, account)
        if not history:
            self._cache.request_ended(result["oid"], result["request"])
        self._tell(self._strategy.on_ws_order_request_result, result)

    def _status(self, fields: Mapping[str, str], account: Account, history: bool) -> None:
        self._tell(self._strategy.on_private_ws_status, decode.status_dict(fields, account))

    def _diff(self, fields: Mapping[str, str], account: Account, history: bool) -> None:
        self._tell(self._strategy.on_private_ws_resync_diff, decode.diff_dict(fields, account))

    def _balance(self, fields: Mapping[str, str], account: Account, history: bool) -> None:
        changed = [decode.balance_from_values(one) for one in orjson.loads(fields["balances"])]
        if not history:
            self._cache.set_balances(account.id, changed)
        self._tell(self._strategy.on_balance, self._cache.get_balance(account.id))

    def _position(self, fields: Mapping[str, str], account: Account, history: bool) -> None:
        position = decode.position_from_json(fields["position"], account)
        if not history:
            self._cache.set_position(account.id, position)
        self._tell(self._strategy.on_position, position)
