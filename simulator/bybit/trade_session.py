"""One connection of ``/v5/trade``: orders in, acknowledgements out: the sheet, 3.

Its frames are in camel case; those of the private and public connections are not.
"""

from __future__ import annotations

import random
from typing import Any

import orjson

from simulator.bybit import calls
from simulator.bybit.codes import Problem
from simulator.bybit.login import log_in
from simulator.bybit.operations import TRADE
from simulator.bybit.signing import Stamp
from simulator.bybit.trading import Batch
from simulator.bybit.venue import Call, Operation, Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Fault
from simulator.sockets import Socket
from simulator.ws_faults import Passage

_LONGEST_ID = 36


class TradeSession:
    """The protocol state of one connection."""

    def __init__(self, venue: Venue, socket: Socket, address: str, idle_s: float) -> None:
        self.socket = socket
        self.idle_s = idle_s
        self._venue = venue
        self._address = address
        self._account: Account | None = None
        # Whether ids must differ within a connection or an account, and for how long, is not
        # documented: here within a connection, for its life.
        self._used: set[str] = set()
        # No more requests are taken then (10019); what was taken goes on.
        self.restarting = False
        floor = venue.floor
        self._passage = Passage(socket, floor.faults, floor.clock.true_ms, venue.private.pushes)

    def received(self, raw: bytes) -> None:
        """Act on one text frame."""
        socket = self.socket
        socket.last_traffic_s = socket.loop.time()
        if socket.muted:
            return
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("op"), str):
            self._fail({}, Problem(10001, message="Params Error"))
            return
        name = message["op"]
        if name == "ping":
            self._answer(message, "pong", data=[str(self._venue.now_ms())])
        elif name == "auth":
            self._log_in(message)
        elif name in TRADE:
            self._order(TRADE[name], message)
        else:
            self._fail(message, Problem(10404))

    def closed(self) -> None:
        """Forget the connection."""
        self._venue.sessions.pop(self.socket.connection, None)

    def _log_in(self, message: dict[str, Any]) -> None:
        try:
            if self._account is not None:
                raise Problem(20001)
            self._account = log_in(self._venue, self.socket, message.get("args"))
        except Problem as problem:
            self._fail(message, problem)
            return
        self._answer(message, "auth")

    def _order(self, operation: Operation, message: dict[str, Any]) -> None:
        args, header = message.get("args"), message.get("header")
        header = header if isinstance(header, dict) else {}
        given = args[0] if isinstance(args, list) and len(args) == 1 else None
        call = Call(
            self._venue,
            operation,
            given if isinstance(given, dict) else {},
            self._account,
            "ws",
            Stamp(header.get("X-BAPI-TIMESTAMP"), header.get("X-BAPI-RECV-WINDOW")),
        )
        request = _Request(self, call, message.get("reqId"))
        shown_id = message.get("reqId")
        told_id = shown_id if isinstance(shown_id, str) else ""
        calls.write_down(call, self.socket.row.address, self.socket.connection, told_id)
        try:
            self._check(message, well_formed=isinstance(given, dict))
        except Problem as problem:
            calls.refuse(call, problem)
            self._passage.answer(request, request.frame(problem=problem))
            return
        if self._venue.floor.faults:
            self._passage.take(request, calls.context(call, socket="trade", path=self.socket.path))
        else:
            self._passage.answer(request, request.process())

    def _check(self, message: dict[str, Any], *, well_formed: bool) -> None:
        """Refuse what does not reach the trade service."""
        if self._account is None:
            # Which code this is, the sheet does not say.
            raise Problem(10007)
        if not self._venue.limits.frame(self._address, self._venue.now_ms()):
            raise Problem(10403)
        if self.restarting:
            raise Problem(10019)
        request_id = message.get("reqId")
        if request_id is not None:
            if not isinstance(request_id, str) or len(request_id) > _LONGEST_ID:
                raise Problem(10001, "reqId")
            if request_id in self._used:
                raise Problem(20006)
            self._used.add(request_id)
        if not well_formed:
            raise Problem(10001, message="Params Error")

    def _answer(self, message: dict[str, Any], word: str, **more: Any) -> None:
        frame = {**_echo(message.get("reqId")), "retCode": 0, "retMsg": "OK", "op": word, **more}
        self.socket.send(orjson.dumps(frame | {"connId": self.socket.connection}))

    def _fail(self, message: dict[str, Any], problem: Problem) -> None:
        frame = {
            **_echo(message.get("reqId")),
            "retCode": problem.code,
            "retMsg": problem.text,
            "op": message.get("op", ""),
            "connId": self.socket.connection,
        }
        self.socket.send(orjson.dumps(frame))


class _Request:
    """One order operation on its way through the faults."""

    def __init__(self, session: TradeSession, call: Call, request_id: object) -> None:
        self._session = session
        self._call = call
        self._request_id = request_id
        self.left = call.left

    def process(self) -> bytes:
        """Execute the operation and return the answer."""
        try:
            return self.frame(calls.execute(self._call))
        except Problem as problem:
            return self.frame(problem=problem)

    def refused(self, fault: Fault) -> bytes:
        """Return the answer of ``reject`` or ``throttle``; one that comes late begins with a 0."""
        if calls.is_late(self._call, fault):
            return self.process()
        return self.frame(problem=calls.ordered(self._call, fault))

    def unknown(self, fault: Fault) -> bytes:
        """Return a code that proves nothing, whatever became of the operation."""
        return self.frame(problem=calls.problem_of(fault, 10016))

    def without_id(self, fault: Fault) -> bytes:
        """Return the failure that bears neither id nor code: the sheet, 3.3."""
        frame = {
            "success": False,
            "ret_msg": fault.text("msg", "Params Error"),
            "op": self._call.operation.word,
            "conn_id": self._session.socket.connection,
        }
        return orjson.dumps(frame)

    def frame(self, result: Any = None, problem: Problem | None = None) -> bytes:
        """Return the answer; a refusal's names no order."""
        call, batch = self._call, isinstance(result, Batch)
        spent = call.spent
        header = {} if spent is None else spent.headers()
        header |= {
            "Traceid": f"{random.getrandbits(128):032x}",
            "Timenow": str(call.venue.now_ms()),
        }
        frame = {
            **_echo(self._request_id),
            "retCode": 0 if problem is None else problem.code,
            "retMsg": "OK" if problem is None else problem.text,
            "op": call.operation.word,
            "data": {} if result is None else result.result if batch else result,
            "retExtInfo": result.verdicts if batch else {},
            "header": header,
            "connId": self._session.socket.connection,
        }
        return orjson.dumps(frame)


def _echo(request_id: object) -> dict[str, object]:
    """Return the id as an answer repeats it: as it came, or not at all."""
    return {} if request_id is None else {"reqId": request_id}
