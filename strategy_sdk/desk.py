"""A strategy's order calls: checked, sent, and Redis's answers turned into oids or errors.

Promises kept here: P1 (a repeated key and a lost reply give the same oid), P5 (own orders only:
Redis's keys carry the strategy's name), P6 (a full queue is a clear refusal).
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from router.contracts import CreateIntent, QueryReply, first_problem
from router.enums import ExchangeType, OrderSide, OrderStatus, Via
from router.errors import Denied, InvalidArgument, NotYours, QueryFailed, RouterError
from router.ids import check_idempotency_key, tag_of
from router.settings import MAX_VALID_FOR_MS
from strategy_sdk import decode, order_form
from strategy_sdk.accounts import Account, Accounts
from strategy_sdk.cache import Cache
from strategy_sdk.errors import BatchIncomplete
from strategy_sdk.gateway import Gateway
from strategy_sdk.instruments import Instruments
from strategy_sdk.loading import stored_orders
from strategy_sdk.order_form import ACCOUNT_OWNER, CreateForm
from strategy_sdk.schema import Order


class OrderDesk:
    """Order calls of one strategy; safe from any thread."""

    def __init__(
        self,
        gateway: Gateway,
        accounts: Accounts,
        instruments: Instruments,
        cache: Cache,
        log: logging.Logger,
    ) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._instruments = instruments
        self._cache = cache
        self._log = log
        self._strategy = gateway.strategy

    def __repr__(self) -> str:
        return f"OrderDesk({self._strategy})"

    # --- create

    def create(self, form: CreateForm, via: Via) -> str:
        """Return the canonical oid of the order that ``form`` describes.

        Raises:
            InvalidArgument: If the form is wrong; nothing was admitted.
            Denied: If trading is halted or a cap is reached; nothing was admitted.
            RedisUnavailable: If Redis did not answer; the text says whether it may be admitted.
        """
        account, intent = self._prepare(form, via)
        answer = self._gateway.admit(
            account, intent.fields(), self._owner(intent), self._life(form)
        )
        return self._admitted(account, intent, answer)

    def create_batch(self, forms: Sequence[CreateForm], via: Via) -> list[str]:
        """Return the canonical oids of several orders; all are checked before any is sent.

        Raises:
            InvalidArgument: If one form is wrong; none was admitted.
            BatchIncomplete: If some were refused or may be admitted (``.maybe``); it names the oids
                of the others.
            RedisUnavailable: If they could not even be checked; none was admitted.
        """
        prepared = [(*self._prepare(form, via), self._life(form)) for form in forms]
        oids: list[str | None] = [None] * len(prepared)
        errors: list[RouterError | None] = [None] * len(prepared)
        for account in self._accounts.all:
            mine = [at for at, (owner, _, _) in enumerate(prepared) if owner is account]
            calls = [
                (intent.fields(), self._owner(intent), life)
                for _, intent, life in (prepared[at] for at in mine)
            ]
            try:
                answers = self._gateway.admit_all(account, calls) if calls else []
            except RouterError as error:
                for at in mine:
                    errors[at] = error
                continue
            for at, answer in zip(mine, answers, strict=True):
                try:
                    oids[at] = self._admitted(account, prepared[at][1], answer)
                except RouterError as error:
                    errors[at] = error
        if any(error is not None for error in errors):
            raise BatchIncomplete(oids, errors)
        return [oid for oid in oids if oid is not None]

    def _prepare(self, form: CreateForm, via: Via) -> tuple[Account, CreateIntent]:
        account = self._accounts.of_symbol(form.symbol, form.account_type)
        instrument = self._instruments.get(form.symbol)
        return account, order_form.create_intent(form, instrument, self._gateway.tag, via)

    def _owner(self, intent: CreateIntent) -> str:
        return ACCOUNT_OWNER if intent.scope == "account" else self._strategy

    @staticmethod
    def _life(form: CreateForm) -> int | None:
        life = form.valid_for_ms
        if life is None:
            return None
        if isinstance(life, bool) or not isinstance(life, int) or life < 1:
            raise InvalidArgument("valid_for_ms", f"{life!r} is no whole number of ms above 0")
        if life > MAX_VALID_FOR_MS:
            raise InvalidArgument(
                "valid_for_ms", f"{life} ms is more than a year ({MAX_VALID_FOR_MS}), which is most"
            )
        return life

    def _admitted(
        self, account: Account, intent: CreateIntent, answer: Sequence[str] | RouterError
    ) -> str:
        if isinstance(answer, RouterError):
            raise answer
        word, detail = answer
        key = intent.idem or None
        if word == "admitted":
            self._cache.admitted(self._new_order(account, intent), key)
            return detail
        if word == "repeat" and key is not None:
            self._log.debug("key %s is order %s already; no order was made", key, detail)
            self._cache.key_used(key, account.id, detail)
            return detail
        raise self._refusal(word, detail, intent.client_oid)

    def _refusal(self, word: str, detail: str, client_oid: str = "") -> RouterError:
        if word == "client_oid_live":
            return InvalidArgument(
                "client_oid",
                f"{client_oid!r} names the live order {detail} at the venue; nothing was admitted. "
                "Choose another, or wait until that order has ended",
            )
        if word == "halted":
            return Denied(
                "HALTED",
                f"trading is halted ({detail}); nothing was admitted. It goes on after "
                "`order-router resume`",
            )
        if word == "intents_full":
            return Denied(
                "INTENTS_FULL",
                f"{detail} requests of {self._strategy} wait for a worker, which is the cap "
                "(orders.max_intents_per_strategy); nothing was admitted. See that a worker runs",
            )
        if word == "results_full":
            return Denied(
                "RESULTS_FULL",
                f"{detail} results of {self._strategy} wait to be told, which is the cap "
                "(orders.max_unread_results_per_strategy); nothing was admitted. See that its "
                "callbacks return",
            )
        if word == "open_full":
            return Denied(
                "OPEN_FULL",
                f"{self._strategy} has {detail} open orders, which is the cap "
                "(orders.max_open_orders_per_strategy); nothing was admitted. Cancel some first",
            )
        return Denied(word.upper(), f"{detail or 'no reason given'}; nothing was admitted")

    def _new_order(self, account: Account, intent: CreateIntent) -> Order:
        return Order(  # by position, as in decode.order_from_result
            account.exchange,
            intent.symbol,
            OrderStatus.INITIALIZED,
            OrderStatus.INITIALIZED,
            intent.oid,
            intent.amount,
            intent.side,
            intent.type,
            intent.tif,
            intent.client_oid or None,
            intent.client_id,
            None,  # eid
            intent.amount,  # remaining
            time.time_ns() // 1_000_000,
            intent.price,
            decode.trigger_price(intent.params),
            intent.reduce_only,
            None,  # reason
            self._strategy,
            account.id,
        )

    # --- cancel, modify

    def cancel(
        self, symbol: str, oid: str, account_type: str | None, via: Via, *, ws_fallback: bool
    ) -> str:
        """Return ``oid`` after asking to cancel it; asking for an ended order changes nothing.

        Raises:
            InvalidArgument: If ``oid`` is no oid or ``symbol`` is not the order's.
            NotYours: If no order of this strategy has that oid.
            RedisUnavailable: If Redis did not answer; asking again is safe.
        """
        account = self._account_of(symbol, oid, account_type)
        intent = order_form.cancel_intent(oid, via, ws_fallback)
        return self._canceled(oid, self._gateway.request(account, intent.fields()))

    def cancel_all(self, symbol: str, account_type: str | None) -> list[str]:
        """Return the oids of this strategy's open orders of ``symbol``, each asked to cancel.

        Raises:
            BatchIncomplete: If some could not be, or may be asked to (``.maybe``); it names the
                oids of the others.
            RedisUnavailable: If Redis did not answer; asking again is safe.
        """
        account = self._accounts.of_symbol(symbol, account_type)
        oids = self._gateway.open_oids(account)
        stored = self._gateway.orders(account, oids)
        mine = [
            oid for oid, order in zip(oids, stored, strict=True) if order.get("symbol") == symbol
        ]
        requests = [order_form.cancel_intent(oid, Via.WS, True).fields() for oid in mine]
        answers = self._gateway.request_all(account, requests)
        errors = [self._not_canceled(*each) for each in zip(mine, answers, strict=True)]
        if any(error is not None for error in errors):
            asked = [
                oid if error is None else None for oid, error in zip(mine, errors, strict=True)
            ]
            raise BatchIncomplete(asked, errors, "were asked to cancel")
        return mine

    def _not_canceled(self, oid: str, answer: Sequence[str] | RouterError) -> RouterError | None:
        """Return why one of many is not asked to cancel; None if it is, or if it is gone."""
        try:
            self._canceled(oid, answer)
        except NotYours:
            return None  # ended and archived since the set was read
        except RouterError as error:
            return error
        return None

    def modify(
        self,
        symbol: str,
        oid: str,
        side: OrderSide | None,
        price: Any,
        amount: Any,
        account_type: str | None,
        via: Via,
        *,
        ws_fallback: bool,
    ) -> str:
        """Return ``oid`` after asking to change its price and/or total amount.

        Raises:
            InvalidArgument: If a value is off its grid, or ``symbol`` or ``side`` not the order's.
            Denied: If the order has ended, trading is halted or the queue is full.
            NotYours: If no order of this strategy has that oid.
        """
        asked = None if side is None else order_form.word(OrderSide, "side", side)
        account = self._account_of(symbol, oid, account_type, asked)
        instrument = self._instruments.get(symbol)
        intent = order_form.modify_intent(oid, price, amount, instrument, via, ws_fallback)
        word, detail = self._gateway.request(account, intent.fields())
        if word == "queued":
            self._cache.mark_modifying(oid)
            return oid
        if word == "no_worker":
            return oid  # its result is told as any other
        if word == "ended":
            raise Denied("ENDED", f"order {oid} is {detail}; nothing was sent")
        if word == "not_yours":
            raise NotYours(oid, self._strategy)
        raise self._refusal(word, detail)

    def _canceled(self, oid: str, answer: Sequence[str] | RouterError) -> str:
        if isinstance(answer, RouterError):
            raise answer
        word, detail = answer
        if word == "queued":
            self._cache.mark_canceling(oid)
        elif word == "ended":
            self._log.info("order %s is %s already; there is nothing to cancel", oid, detail)
        elif word == "not_yours":
            raise NotYours(oid, self._strategy)
        elif word != "no_worker":  # that one is told as a result, like any other outcome
            raise self._refusal(word, detail)
        return oid

    def _account_of(
        self, symbol: str, oid: str, account_type: str | None, side: OrderSide | None = None
    ) -> Account:
        """Return the order's account; raise InvalidArgument if its symbol or side is another."""
        account = self._accounts.of_symbol(symbol, account_type)
        known: Sequence[str | None]
        if (order := self._cache.get_order(order_form.own_oid(oid))) is not None:
            known = order.symbol, order.side
        else:  # of another instance, or forgotten here
            known = self._gateway.terms(account, oid)
        if known[0] not in (None, symbol):
            raise InvalidArgument("symbol", f"order {oid} is one of {known[0]}, not {symbol}")
        if side is not None and known[1] not in (None, side):
            raise InvalidArgument(
                "side", f"order {oid} is a {known[1]}; no venue changes an order's side"
            )
        return account

    # --- ask

    def fetch(
        self, symbol: str, oid: str, account_type: str | None, *, force_refresh: bool
    ) -> Order | None:
        """Return the order as known here or, with ``force_refresh``, as the venue has it now.

        None: the venue has no such order (with ``force_refresh``), or it was archived (without).

        Raises:
            NotYours: If no order of this strategy has that oid.
            QueryFailed: If the venue could not be asked; nothing new is known then.
        """
        account = self._account_of(symbol, oid, account_type)
        if force_refresh:
            return self._ask_venue(account, oid)
        known = self._cache.get_order(oid)
        if known is not None:
            return known
        stored = self._gateway.order(account, oid)
        for order, _ in stored_orders([(oid, stored)], account, self._gateway, self._log):
            return order
        if tag_of(oid) != self._gateway.tag:
            raise NotYours(oid, self._strategy)
        return None

    def fetch_open(self, symbol: str, account_type: str | None) -> list[Order]:
        """Return this strategy's open orders of ``symbol`` as Redis has them, oldest first."""
        account = self._accounts.of_symbol(symbol, account_type)
        oids = self._gateway.open_oids(account)
        stored = zip(oids, self._gateway.orders(account, oids), strict=True)
        found = [
            order
            for order, _ in stored_orders(stored, account, self._gateway, self._log)
            if order.symbol == symbol and order.is_opened
        ]
        return sorted(found, key=lambda order: order.oid[10:])  # after the tag comes the time

    def _ask_venue(self, account: Account, oid: str) -> Order | None:
        intent = order_form.query_intent(oid)
        word, detail = self._gateway.request(account, intent.fields())
        if word == "not_yours":
            raise NotYours(oid, self._strategy)
        if word != "queued":
            raise self._refusal(word, detail)
        text = self._gateway.await_reply(account, intent.id)
        if text is None:
            raise QueryFailed(
                f"no worker of {account.id} answered in time, so nothing new is known about order "
                f"{oid}; it may exist. See that a worker runs, then ask again"
            )
        return self._read_reply(account, oid, text)

    def _read_reply(self, account: Account, oid: str, text: str) -> Order | None:
        try:
            reply = QueryReply.model_validate_json(text)
            if reply.found:
                known = self._cache.get_order(oid)
                return decode.order_from_result(reply.order, account, self._strategy, known)
        except decode.UNREADABLE as error:  # pydantic's ValidationError is a ValueError
            shown = first_problem(error) if isinstance(error, ValidationError) else repr(error)
            raise QueryFailed(
                f"the worker's answer about order {oid} is unreadable ({shown}); it may exist. "
                "Ask again"
            ) from None
        if reply.found is None:
            raise QueryFailed(
                f"the venue could not be asked about order {oid} "
                f"({reply.reason or 'no reason given'}); it may exist. Ask again later"
            )
        return None

    # --- keys and settings

    def release(self, key: str) -> bool:
        """Return True once ``key`` is free at every account, in both scopes.

        Raises:
            Denied: If it is held by a live, an unknown or another strategy's order.
        """
        check_idempotency_key(key)
        owners = (self._strategy, ACCOUNT_OWNER)
        refusals = []
        for account in self._accounts.all:
            holders = self._gateway.holders(account, key, owners)
            for owner, oid in zip(owners, holders, strict=True):
                refusal = "" if oid is None else self._release_one(account, owner, key, oid)
                if refusal:
                    refusals.append(f"at {account.id}: {refusal}")
        if refusals:
            raise Denied("KEY_HELD", f"key {key!r} stays taken {'; '.join(refusals)}")
        self._cache.key_released(key)
        return True

    def _release_one(self, account: Account, owner: str, key: str, oid: str) -> str:
        """Return "" when the key is free, else why it stays taken."""
        if tag_of(oid) != self._gateway.tag:
            return f"order {oid} holds it, which is another strategy's; only that one may free it"
        word = self._gateway.release(account, owner, key, oid)
        if word == "changed":
            return "another call took it meanwhile; look at its order first"
        return {
            "live": f"order {oid} is live; cancel it or wait until it has ended",
            "unknown": f"order {oid}'s outcome is unknown and it may exist; wait for its result, "
            "or ask with fetch_order(…, force_refresh=True)",
        }.get(word, "")

    def set_grace_ms(self, exchange: ExchangeType, grace_ms: int) -> None:
        """Set how long after a reconnect a missing order is waited for, in ms.

        Raises:
            ValueError: If it is negative or no whole number.
            InvalidArgument: If ``exchange`` is none.
        """
        if isinstance(grace_ms, bool) or not isinstance(grace_ms, int):
            raise InvalidArgument("grace_ms", f"{grace_ms!r} is no whole number of ms")
        if grace_ms < 0:
            raise ValueError("grace_ms must be >= 0")
        venue = order_form.word(ExchangeType, "exchange", exchange)
        concerned = [account for account in self._accounts.all if account.exchange is venue]
        if not concerned:
            self._log.warning("no account at %s: its grace has no effect", venue.value)
        self._gateway.grace_ms[venue.value] = grace_ms
        for account in concerned:
            self._gateway.register(account, wake=True)
