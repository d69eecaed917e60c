"""Order operations over REST: the same trading, in REST's envelope."""

from __future__ import annotations

from typing import Any

import orjson

from simulator.exchange.accounts import Account
from simulator.exchange.ledger import RequestRow
from simulator.okx.codes import HTTP_STATUS, Problem, envelope, text
from simulator.okx.frames import Verdict, overall_code, verdict_json
from simulator.okx.trading import OPS, Call, Trading, expiry_ms
from simulator.okx.venue import Venue

_THROTTLED = frozenset(("50011", "50061"))


class RestTrading:
    """Executes order operations that came by REST."""

    def __init__(self, venue: Venue, trading: Trading) -> None:
        self._venue = venue
        self._trading = trading

    def write_down(
        self, op: str, account: Account, items: list[dict[str, Any]], expires: str | None
    ) -> list[RequestRow]:
        """Return the ledger's rows of a request just received."""
        return self._trading.write_down(OPS[op], items, account.name, "rest", expires=expires)

    def write_down_refused(self, op: str, group: str, body: bytes, code: str) -> None:
        """Write down an order operation that failed its authentication."""
        if group not in ("place", "cancel", "amend"):
            return
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            payload = {}
        items = payload if isinstance(payload, list) else [payload]
        known = [item for item in items if isinstance(item, dict)] or [{}]
        for row in self._trading.write_down(OPS[op], known, "", "rest"):
            row.code, row.replied = code, True

    def execute(
        self,
        op: str,
        account: Account,
        items: list[dict[str, Any]],
        rows: list[RequestRow],
        *,
        expires: str | None,
        received_ms: int,
    ) -> tuple[bytes, int]:
        """Execute one request; return the reply's body and HTTP status."""
        known = OPS[op]
        call = Call(known, items, account, "rest", received_ms, None, rows)
        if known.group != "cancel":
            try:
                call.expires_ms = expiry_ms(expires)
            except Problem as problem:
                return self.refuse(op, items, problem.code, problem.text), 200
        verdicts = self._trading.process(call)
        codes = {verdict.code for verdict in verdicts}
        if len(codes) == 1 and codes <= _THROTTLED:
            code = codes.pop()
            return orjson.dumps(envelope(code, text(code))), HTTP_STATUS[code]
        return self._body(known.group, verdicts, received_ms), 200

    def refuse(self, op: str, items: list[dict[str, Any]], code: str, message: str) -> bytes:
        """Return a reply that refuses every item alike."""
        verdicts = [self._trading.refuse(item, code, message) for item in items]
        return self._body(OPS[op].group, verdicts, self._venue.exchange.clock.now_ms())

    def _body(self, group: str, verdicts: list[Verdict], received_ms: int) -> bytes:
        code = overall_code(verdicts)
        # Seen on the real venue: github.com burakoner/OKX.Api#89, iaping/go-okx#3.
        message = "All operations failed" if code == "1" else ""
        data = ",".join([verdict_json(group, verdict) for verdict in verdicts])
        return (
            f'{{"code":"{code}","data":[{data}],"inTime":"{received_ms * 1000}",'
            f'"msg":"{message}","outTime":"{self._venue.exchange.clock.now_us()}"}}'
        ).encode()
