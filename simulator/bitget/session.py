"""One WebSocket connection of the Bitget dialect: frames in, frames out.

Orders, their answers and an account's pushes share the private connection.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from simulator.bitget.codes import Problem, text
from simulator.bitget.listing import CATEGORIES
from simulator.bitget.signing import check_login
from simulator.bitget.subscriptions import Subscriptions
from simulator.bitget.trading import MAX_BATCH, OPS, Call, Op, Trading, Verdict
from simulator.bitget.venue import Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context, Fault
from simulator.sockets import Socket
from simulator.ws_faults import Passage

# One connection for orders and pushes; it plays the second part once it subscribed.
MAY_PLAY = "trade+private"
_REQUEST_ID = re.compile(r"[0-9A-Za-z_:#\-+\s]{1,40}")
_TOO_MANY = 1008


class Session:
    """The protocol state of one connection; ``private`` is one that may log in."""

    def __init__(self, venue: Venue, trading: Trading, socket: Socket, *, private: bool) -> None:
        self._venue = venue
        self._trading = trading
        self._socket = socket
        self._private = private
        self._subscriptions = Subscriptions(venue, socket, private=private)
        clock = venue.floor.clock
        self._passage = Passage(socket, venue.faults, clock.true_ms, venue.private.pushes)
        self.account: Account | None = None

    def received(self, raw: bytes) -> None:
        """Act on one text frame."""
        socket = self._socket
        socket.last_traffic_s = socket.loop.time()
        # All messages count, orders and pings too; who sends more is cut: the sheet, "Session".
        limit = self._venue.own.messages_per_s
        if self._venue.throttles(("messages", socket.connection), limit):
            socket.hang_up(_TOO_MANY)
            return
        if raw == b"ping":
            # Here it is the client who pings.
            socket.pinged_s = socket.last_traffic_s
            socket.send(b"pong")
            return
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            self._error("30002")
            return
        if not isinstance(message, dict):
            self._error("30002")
        elif message.get("op") == "trade":
            self._trade(message)
        elif not socket.muted:
            self._manage(message)

    def closed(self) -> None:
        """Forget the connection's subscriptions."""
        self._subscriptions.clear()

    def _manage(self, message: dict[str, Any]) -> None:
        name, args = message.get("op"), message.get("args")
        if name not in ("login", "subscribe", "unsubscribe"):
            self._error("30003")
        elif not isinstance(args, list) or not args or not all(isinstance(a, dict) for a in args):
            self._error("30016")
        elif name == "login":
            self._login(args[0])
        elif name == "subscribe":
            self._subscriptions.subscribe(args, self.account)
        else:
            self._subscriptions.unsubscribe(args)

    def _login(self, argument: dict[str, Any]) -> None:
        try:
            if not self._private:
                raise Problem("30003")
            account = check_login(argument, self._venue.by_key, self._venue.now_ms())
            self._check_login_fault(account)
        except Problem as problem:
            self._error(problem.code, problem.text)
            # A login that failed ends the connection: Bitget documents, "WebSocket", Login.
            self._socket.hang_up()
            return
        self.account = account
        self._socket.account = self._socket.row.account = account.name
        self._socket.send(b'{"event":"login","code":0,"msg":""}')

    def _check_login_fault(self, account: Account) -> None:
        context = Context(
            op="login",
            group="login",
            transport="ws",
            socket=MAY_PLAY,
            account=account.name,
            path=self._socket.path,
        )
        clock = self._venue.floor.clock
        fault = self._venue.faults.take(("refuse_login",), context, clock.true_ms())
        if fault is not None:
            raise _ordered(fault, "30005")

    def _trade(self, message: dict[str, Any]) -> None:
        request_id, op = message.get("id"), OPS.get(str(message.get("topic")))
        args, category = message.get("args"), message.get("category")
        if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
            self._error("30016")
            return
        if op is None:
            problem = Problem("41101", f"topic={message.get('topic')}")
            self._socket.send(_bare(request_id, problem.code, problem.text))
            return
        items = _items(args, MAX_BATCH if op.batch else 1)
        spelt = category if isinstance(category, str) else ""
        given = items or [{}]
        rows = self._trading.write_down(
            op,
            given,
            [spelt] * len(given),
            self.account,
            "ws",
            request_time=message.get("requestTime"),
            connection=self._socket.connection,
            request_id=request_id,
        )
        misread = self._misread(op, items, spelt)
        if misread is not None or self.account is None:
            problem = misread or Problem("30004")
            for row in rows:
                row.code, row.replied = problem.code, True
            self._socket.send(_bare(request_id, problem.code, problem.text))
            return
        call = Call(
            op, items, [spelt] * len(items), self.account, "ws", message.get("requestTime"), rows
        )
        request = _Request(self._trading, self._venue, call, request_id, self._socket)
        if self._venue.faults or self._socket.muted:
            context = self._trading.context(call, socket=self._role(), path=self._socket.path)
            self._passage.take(request, context)
        else:
            self._passage.answer(request, request.process())

    def _misread(self, op: Op, items: list[Any], category: str) -> Problem | None:
        """Return why a trade frame is refused before its items are looked at."""
        if self.account is None:
            return Problem("30004")
        if not items:
            return Problem("30016")
        # A cancel may leave the category out; capitals are refused: recorded 2025-08.
        if category not in CATEGORIES and (category or op.group == "place"):
            return Problem("41101", f"category={category}")
        return None

    def _role(self) -> str:
        return MAY_PLAY if self._socket.role == "trade" else self._socket.role

    def _error(self, code: str, message: str = "") -> None:
        self._socket.send(_unnamed(code, message or text(code)))


class _Request:
    """One order operation on its way through the faults."""

    def __init__(
        self, trading: Trading, venue: Venue, call: Call, request_id: str, socket: Socket
    ) -> None:
        self._trading = trading
        self._venue = venue
        self._call = call
        self._request_id = request_id
        self._connection = socket.connection
        self.left = call.left

    def process(self) -> bytes:
        """Execute the operation and return the answer."""
        try:
            return self._frame(self._trading.process(self._call))
        except Problem as problem:
            return _bare(self._request_id, problem.code, problem.text)

    def refused(self, fault: Fault) -> bytes:
        """Return the answer of ``reject`` or ``throttle``; nothing is processed."""
        if fault.name == "throttle":
            self._venue.ledger.throttled += 1
            problem = _ordered(fault, "429")
        else:
            gone = self._call.op.group == "cancel"
            problem = _ordered(fault, "25204" if gone else "41101")
        for row in self._call.rows:
            row.code = problem.code
        if fault.name == "throttle" and fault.text("shape", "top") == "top":
            return _bare(self._request_id, problem.code, problem.text)
        return self._refusal(problem)

    def unknown(self, fault: Fault) -> bytes:
        """Return a code that proves nothing, whatever became of the operation."""
        problem = _ordered(fault, "40725")
        return _bare(self._request_id, problem.code, problem.text)

    def without_id(self, fault: Fault) -> bytes:
        """Return an error frame that nobody can match to its request."""
        problem = _ordered(fault, "30016")
        return _unnamed(problem.code, problem.text)

    def _refusal(self, problem: Problem) -> bytes:
        return self._frame([self._trading.refuse(item, problem) for item in self._call.items])

    def _frame(self, verdicts: list[Verdict]) -> bytes:
        op = self._call.op
        first = verdicts[0]
        if not op.batch and first.code != "0":
            return _bare(self._request_id, first.code, first.message)
        frame: dict[str, Any] = {"event": "trade", "id": self._request_id}
        if op.group == "place":
            frame["category"] = self._call.categories[0]
        frame |= {
            "topic": op.topic,
            "args": [self._item(verdict) for verdict in verdicts],
            "code": "0",
            "msg": "Success",
            "connId": self._connection,
            "ts": str(self._venue.now_ms()),
        }
        return orjson.dumps(frame)

    def _item(self, verdict: Verdict) -> dict[str, str]:
        op = self._call.op
        ids = {"orderId": verdict.venue_id, "clientOid": verdict.client_id}
        if op.group == "place":
            ids = {"symbol": verdict.symbol, **ids}
        if op.batch:
            return {"code": verdict.code, "msg": verdict.message, **ids}
        return ids | ({"cTime": str(verdict.created_ms)} if op.group == "place" else {})


def _ordered(fault: Fault, default: str) -> Problem:
    """Return the refusal that a fault orders; a known code has its own text."""
    problem = Problem(fault.text("code", default))
    problem.text = fault.text("msg") or problem.text
    return problem


def _bare(request_id: str, code: str, message: str) -> bytes:
    """Return a refusal as trading answers it: id, code and text alone, the code as text."""
    return orjson.dumps({"event": "error", "id": request_id, "code": code, "msg": message})


def _unnamed(code: str, message: str) -> bytes:
    """Return an error frame that belongs to no request; its code is a number."""
    number = int(code) if code.isdigit() else code
    return orjson.dumps({"event": "error", "code": number, "msg": message})


def _items(args: object, most: int) -> list[dict[str, Any]]:
    """Return ``args`` if they are 1 to ``most`` JSON objects; else none."""
    if not isinstance(args, list) or len(args) > most:
        return []
    return args if all(isinstance(item, dict) for item in args) else []
