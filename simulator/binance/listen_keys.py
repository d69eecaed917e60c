"""Listen keys: one for each account, good for an hour, renewed on request: the sheet, A5.1."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from simulator.binance.codes import Problem
from simulator.exchange.accounts import Account
from simulator.exchange.clock import Clock

_KEY_BYTES = 32


@dataclass(slots=True, eq=False)
class ListenKey:
    """One key and the venue's time, in milliseconds, at which it dies."""

    key: str
    account: Account
    until_ms: int


class ListenKeys:
    """Gives keys out; ``expired`` hears of each that dies of age."""

    def __init__(self, clock: Clock, life_ms: int, expired: Callable[[ListenKey], None]) -> None:
        self._clock = clock
        self._life_ms = life_ms
        self._expired = expired
        self._by_account: dict[str, ListenKey] = {}

    def start(self, account: Account) -> ListenKey:
        """Return the account's key, alive for its full time again; a new one if it has none."""
        found = self._alive(account)
        if found is None:
            found = ListenKey(secrets.token_hex(_KEY_BYTES), account, 0)
            self._by_account[account.name] = found
        found.until_ms = self._clock.now_ms() + self._life_ms
        return found

    def keep(self, account: Account) -> ListenKey:
        """Extend the account's key; -1125 if it has none that lives."""
        found = self._alive(account)
        if found is None:
            raise Problem(-1125)
        found.until_ms = self._clock.now_ms() + self._life_ms
        return found

    def stop(self, account: Account) -> ListenKey | None:
        """Kill the account's key for everybody; return it, or None if there was none."""
        return self._by_account.pop(account.name, None)

    def find(self, key: str) -> ListenKey | None:
        """Return the living key of that text; None if there is none."""
        for found in self._by_account.values():
            if found.key == key and self._clock.now_ms() < found.until_ms:
                return found
        return None

    def expire(self, account: str = "") -> int:
        """Let the keys of ``account`` ("" = all) die now; return how many."""
        dead = [one for one in self._by_account.values() if account in ("", one.account.name)]
        for one in dead:
            self._die(one)
        return len(dead)

    def sweep(self) -> None:
        """Let the keys die whose time is over."""
        now_ms = self._clock.now_ms()
        for one in list(self._by_account.values()):
            if now_ms >= one.until_ms:
                self._die(one)

    def _alive(self, account: Account) -> ListenKey | None:
        found = self._by_account.get(account.name)
        if found is not None and self._clock.now_ms() >= found.until_ms:
            self._die(found)
            return None
        return found

    def _die(self, one: ListenKey) -> None:
        del self._by_account[one.account.name]
        self._expired(one)
