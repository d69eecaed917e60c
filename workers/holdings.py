"""The account's balances and positions: kept, published to Redis, told when they change.

A venue pushes balances at each order; telling each of them to each strategy would cost more than
the orders do. Changes are gathered for a moment, and the latest of each asset or symbol is told.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from router import results
from router.evidence import ZERO, BalanceReport, PositionReport
from router.keyspace import AccountKeys
from workers.teller import Teller

log = logging.getLogger(__name__)

GATHER_S = 0.05
Dated = TypeVar("Dated", BalanceReport, PositionReport)


class Holdings:
    """Balances and positions of one account."""

    def __init__(self, keys: AccountKeys, teller: Teller, exchange: str) -> None:
        self._keys = keys
        self._teller = teller
        self._exchange = exchange
        self.balances: dict[str, BalanceReport] = {}
        self.positions: dict[str, PositionReport] = {}
        self._changed_balances: dict[str, BalanceReport] = {}
        self._changed_positions: dict[str, PositionReport] = {}
        self._dirty = asyncio.Event()

    def __repr__(self) -> str:
        return f"Holdings({len(self.balances)} assets, {len(self.positions)} positions)"

    def restore(self, positions: Iterable[str], balances: Iterable[str]) -> None:
        """Take what an earlier owner published (JSON): known, so only what differs is told (D8).

        What has vanished from the venue since is then told, too, rather than kept for ever.
        """
        for text in positions:
            with _unreadable_is_unknown(text):
                position = results.read_position(text)
                self.positions[position.symbol] = position
        for text in balances:
            with _unreadable_is_unknown(text):
                balance = results.read_balance(text)
                self.balances[balance.asset] = balance

    def take_balances(
        self,
        reports: Iterable[BalanceReport],
        *,
        complete: bool,
        now_ms: int,
        asked_ms: int | None = None,
    ) -> None:
        """Take what the venue said; an asset missing from a complete list is zero.

        ``asked_ms``: the venue's time at which it was asked; None: it told by itself. What it has
        told since is no older for being missing from the answer, or for another amount in it: some
        venues date what they list by the time of the answer.
        """
        seen: set[str] = set()
        for report in _dated(reports, asked_ms):
            seen.add(report.asset)
            old = self.balances.get(report.asset)
            if old is not None and report.ts_ms < old.ts_ms:
                continue
            if old is None or (old.free, old.locked) != (report.free, report.locked):
                self._changed_balances[report.asset] = report
            self.balances[report.asset] = report
        if complete:
            for asset in self.balances.keys() - seen:
                if _is_newer(self.balances[asset].ts_ms, asked_ms):
                    continue
                gone = self.balances.pop(asset)
                if gone.free or gone.locked:
                    self._changed_balances[asset] = BalanceReport(asset, ZERO, ZERO, now_ms)
        if self._changed_balances:
            self._dirty.set()

    def take_positions(
        self,
        reports: Iterable[PositionReport],
        *,
        complete: bool,
        now_ms: int,
        asked_ms: int | None = None,
        lag_ms: int = 0,
    ) -> None:
        """Take what the venue said; a symbol missing from a complete list is flat.

        ``asked_ms`` as in ``take_balances``. ``lag_ms``: how old the list may be; what was told
        since is not flat for being missing, or for being listed as such without a newer date.
        """
        seen: set[str] = set()
        for report in _dated(reports, asked_ms):
            old = self.positions.get(report.symbol)
            if old is not None and report.ts_ms < old.ts_ms:
                if report.signed_amount:
                    seen.add(report.symbol)
                continue
            seen.add(report.symbol)
            if old is None or _size(old) != _size(report):
                self._changed_positions[report.symbol] = report
            self.positions[report.symbol] = report
        if complete:
            from_ms = None if asked_ms is None else asked_ms - lag_ms
            for symbol in self.positions.keys() - seen:
                if _is_newer(self.positions[symbol].ts_ms, from_ms):
                    continue
                one = self.positions.pop(symbol)
                if one.signed_amount:
                    flat = PositionReport(one.symbol, ZERO, ZERO, ZERO, ZERO, now_ms)
                    self._changed_positions[one.symbol] = flat
        if self._changed_positions:
            self._dirty.set()

    def newest_missing_ms(self, positions: Iterable[PositionReport]) -> int:
        """Return when the latest of the positions was told that these lack; 0 if they lack none.

        One that is listed as flat is lacking, too, unless that is dated later.
        """
        listed = {one.symbol: one for one in positions}
        lacking = (
            mine
            for name, mine in self.positions.items()
            if (row := listed.get(name)) is None
            or (not row.signed_amount and row.ts_ms < mine.ts_ms)
        )
        return max((one.ts_ms for one in lacking if one.signed_amount), default=0)

    def publish_anew(self) -> None:
        """Write all of it again, where Redis lost it; nobody is told, nothing has changed."""
        balances = {one.asset: results.balance_json(one) for one in self.balances.values()}
        self._teller.hash(self._keys.balances, balances)
        held = [one for one in self.positions.values() if one.signed_amount]
        positions = {one.symbol: results.position_json(one) for one in held}
        self._teller.hash(self._keys.positions, positions)

    async def publish(self) -> None:
        """Tell what changed, gathered for a moment, until cancelled."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(GATHER_S)
            self.flush()

    def flush(self) -> None:
        """Tell now what changed and was not told."""
        self._dirty.clear()
        balances, self._changed_balances = self._changed_balances, {}
        positions, self._changed_positions = self._changed_positions, {}
        if balances:
            changed = list(balances.values())
            now_ms = max(one.ts_ms for one in changed)
            self._teller.hash(
                self._keys.balances, {one.asset: results.balance_json(one) for one in changed}
            )
            self._teller.broadcast(results.balances_result(self._exchange, changed, now_ms))
        for position in positions.values():
            text = results.position_json(position) if position.signed_amount else ""
            self._teller.hash(self._keys.positions, {position.symbol: text})
            self._teller.broadcast(
                results.position_result(self._exchange, position, position.ts_ms)
            )


@contextlib.contextmanager
def _unreadable_is_unknown(text: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        log.error("a stored balance or position is unreadable (%r): %.200s", error, text)


def _dated(reports: Iterable[Dated], asked_ms: int | None) -> Iterator[Dated]:
    """Yield the reports, none of them dated later than the question that they answer."""
    for report in reports:
        if asked_ms is not None and report.ts_ms > asked_ms:
            yield replace(report, ts_ms=asked_ms)
        else:
            yield report


def _is_newer(ts_ms: int, than_ms: int | None) -> bool:
    return than_ms is not None and ts_ms > than_ms


def _size(report: PositionReport) -> tuple[object, ...]:
    """Return what counts as a change; marks and unrealized profit move all the time."""
    return report.signed_amount, report.entry_price, report.realized_pnl
