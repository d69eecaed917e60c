"""The account's balances and positions: kept, published to Redis, told when they change."""

from collections.abc import Iterable

from router import results
from router.evidence import ZERO, BalanceReport, PositionReport
from router.keyspace import AccountKeys
from workers.teller import Teller


class Holdings:
    """Balances and positions of one account."""

    def __init__(self, keys: AccountKeys, teller: Teller, exchange: str) -> None:
        self._keys = keys
        self._teller = teller
        self._exchange = exchange
        self.balances: dict[str, BalanceReport] = {}
        self.positions: dict[str, PositionReport] = {}

    def __repr__(self) -> str:
        return f"Holdings({len(self.balances)} assets, {len(self.positions)} positions)"

    def take_balances(
        self, reports: Iterable[BalanceReport], *, complete: bool, now_ms: int
    ) -> None:
        """Take what the venue said; an asset missing from a complete list is zero."""
        changed: list[BalanceReport] = []
        seen: set[str] = set()
        for report in reports:
            seen.add(report.asset)
            old = self.balances.get(report.asset)
            if old is not None and report.ts_ms < old.ts_ms:
                continue
            if old is None or (old.free, old.locked) != (report.free, report.locked):
                changed.append(report)
            self.balances[report.asset] = report
        if complete:
            for asset in self.balances.keys() - seen:
                gone = self.balances.pop(asset)
                if gone.free or gone.locked:
                    changed.append(BalanceReport(asset, ZERO, ZERO, now_ms))
        if changed:
            self._teller.hash(
                self._keys.balances, {one.asset: results.balance_json(one) for one in changed}
            )
            self._teller.broadcast(results.balances_result(self._exchange, changed, now_ms))

    def take_positions(
        self, reports: Iterable[PositionReport], *, complete: bool, now_ms: int
    ) -> None:
        """Take what the venue said; a symbol missing from a complete list is flat."""
        changed: list[PositionReport] = []
        seen: set[str] = set()
        for report in reports:
            seen.add(report.symbol)
            old = self.positions.get(report.symbol)
            if old is not None and report.ts_ms < old.ts_ms:
                continue
            if old is None or _size(old) != _size(report):
                changed.append(report)
            self.positions[report.symbol] = report
        if complete:
            gone = [self.positions.pop(symbol) for symbol in self.positions.keys() - seen]
            changed += [
                PositionReport(one.symbol, ZERO, ZERO, ZERO, ZERO, now_ms)
                for one in gone
                if one.signed_amount
            ]
        for one in changed:
            text = results.position_json(one) if one.signed_amount else ""
            self._teller.hash(self._keys.positions, {one.symbol: text})
            self._teller.broadcast(results.position_result(self._exchange, one, now_ms))


def _size(report: PositionReport) -> tuple[object, ...]:
    """Return what counts as a change; marks and unrealized profit move all the time."""
    return report.signed_amount, report.entry_price, report.realized_pnl
