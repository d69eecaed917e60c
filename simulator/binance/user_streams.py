"""User data: who listens to which account, and how an event is wrapped for each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.binance.listen_keys import ListenKey
from simulator.exchange.accounts import Account
from simulator.exchange.clock import Clock
from simulator.exchange.faults import FaultBook
from simulator.exchange.orders import Order
from simulator.pushes import Push, PushQueue
from simulator.sockets import Socket

_TIMES = re.compile(rb'"(E|T)":(\d+)')

# Events in the words that all venues' faults share.
OPS = {
    "ORDER_TRADE_UPDATE": "orders",
    "executionReport": "orders",
    "TRADE_LITE": "trade-lite",
    "ACCOUNT_UPDATE": "account",
    "outboundAccountPosition": "account",
    "balanceUpdate": "account",
}


@dataclass(slots=True, eq=False)
class UserStream:
    """One account's events on one connection; ``events`` None means all of them."""

    socket: Socket
    account: Account
    head: bytes = b""
    tail: bytes = b""
    events: frozenset[str] | None = None
    rests_on_logon: bool = False


def restamp(payload: bytes, shift_ms: int) -> bytes:
    """Return the frame with its event and transaction times shifted."""

    def shifted(found: re.Match[bytes]) -> bytes:
        return b'"%b":%d' % (found[1], int(found[2]) + shift_ms)

    return _TIMES.sub(shifted, payload)


class UserStreams:
    """The streams of all accounts; events leave in the order in which they are told."""

    def __init__(self, faults: FaultBook, clock: Clock) -> None:
        self.clock = clock
        self.pushes = PushQueue(faults, clock, restamp, self.gathered)
        self._streams: dict[str, list[UserStream]] = {}
        # The id that the cancel being processed bears, where cancels have one; "" outside of one.
        self.cancel_id = ""

    def add(self, stream: UserStream) -> None:
        """Tell ``stream`` all later events of its account."""
        self._streams.setdefault(stream.account.name, []).append(stream)

    def remove(self, stream: UserStream) -> None:
        """Tell ``stream`` nothing more."""
        streams = self._streams.get(stream.account.name, [])
        if stream in streams:
            streams.remove(stream)
        if not streams:
            self._streams.pop(stream.account.name, None)

    def of(self, account: str) -> list[UserStream]:
        """Return the streams of ``account``, or all if it is ""."""
        if account:
            return list(self._streams.get(account, ()))
        return [stream for streams in self._streams.values() for stream in streams]

    def has(self, account: Account) -> bool:
        """Return whether anybody listens to ``account``."""
        return account.name in self._streams

    def tell(
        self,
        account: Account,
        event: Mapping[str, Any],
        order: Order | None = None,
        before: Mapping[Socket, Push] | None = None,
        only: UserStream | None = None,
    ) -> dict[Socket, Push]:
        """Queue ``event`` for each stream of the account, or for ``only`` one.

        Where ``before`` says, it goes ahead of another push. Returns what was queued.
        """
        word, payload = str(event["e"]), orjson.dumps(event)
        queued = {}
        for stream in (only,) if only is not None else self._streams.get(account.name, ()):
            if stream.events is not None and word not in stream.events:
                continue
            push = Push(
                stream.socket,
                stream.head + payload + stream.tail,
                OPS.get(word, word),
                account.name,
                order.instrument.symbol if order is not None else "",
                order.client_id if order is not None else "",
                word,
            )
            self.pushes.add(push, before=None if before is None else before.get(stream.socket))
            queued[stream.socket] = push
        return queued

    def expired(self, key: ListenKey) -> None:
        """Tell a listen key's streams that it is dead, and nothing after that."""
        # E is text here, as in the documents' example: the sheet, A5.5.
        event = {"e": "listenKeyExpired", "E": str(self.clock.now_ms()), "listenKey": key.key}
        self.tell(key.account, event)
        for stream in self.of(key.account.name):
            self.remove(stream)

    def terminate(self, stream: UserStream) -> None:
        """Tell a subscription that it ends, and nothing after that."""
        event = {"e": "eventStreamTerminated", "E": self.clock.now_ms()}
        self.tell(stream.account, event, only=stream)
        self.remove(stream)

    def gathered(self) -> None:
        """Tell what was gathered within this turn; nothing here."""
