"""One WebSocket connection of the OKX dialect: frames in, frames out."""

from __future__ import annotations

import re
from typing import Any

import orjson

from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context, Fault
from simulator.exchange.ledger import RequestRow
from simulator.okx.auth import check_login
from simulator.okx.codes import Problem, text
from simulator.okx.frames import Verdict, overall_code, quoted, verdict_json
from simulator.okx.subscriptions import Subscriptions
from simulator.okx.trading import (
    MAX_BATCH,
    OPS,
    Call,
    Op,
    Trading,
    expiry_ms,
    fault_verdict,
)
from simulator.okx.venue import Venue
from simulator.sockets import Socket
from simulator.ws_faults import Passage

_REQUEST_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TRADE_KEYS = frozenset(("id", "op", "args", "expTime"))
_LOGIN_FAILED = 4001
_HOUR_MS = 3_600_000
# What subscribes to a private channel is a trade socket no more.
MAY_PLAY = {"trade": "trade+private"}


class Session:
    """The protocol state of one connection. ``kind`` is the last part of its path."""

    def __init__(self, venue: Venue, trading: Trading, socket: Socket, kind: str) -> None:
        self._venue = venue
        self._trading = trading
        self._socket = socket
        self._kind = kind
        self._clock = venue.exchange.clock
        self._subscriptions = Subscriptions(venue, socket)
        self._passage = Passage(socket, venue.faults, self._clock.true_ms, venue.private.pushes)
        self.account: Account | None = None

    def received(self, raw: bytes) -> None:
        """Act on one text frame."""
        socket = self._socket
        if raw == b"ping":
            socket.send(b"pong")
            socket.last_traffic_s = socket.loop.time()
            return
        socket.last_traffic_s = socket.loop.time()
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            self._invalid(raw)
            return
        if not isinstance(message, dict) or not isinstance(message.get("op"), str):
            self._invalid(raw)
            return
        op = OPS.get(message["op"])
        if op is not None:
            self._trade(op, message, raw)
        elif not socket.muted:
            self._manage(message, raw)

    def closed(self) -> None:
        """Forget the connection's subscriptions."""
        self._subscriptions.clear()

    def _manage(self, message: dict[str, Any], raw: bytes) -> None:
        name, args = message["op"], message.get("args")
        if name not in ("login", "subscribe", "unsubscribe"):
            self._error("60019", name)
        elif not isinstance(args, list) or not args or not all(isinstance(a, dict) for a in args):
            self._invalid(raw, message.get("id"))
        elif self._too_frequent():
            self._error("60014")
        elif name == "login":
            self._login(args[0])
        elif name == "subscribe":
            self._subscriptions.subscribe(args, message.get("id"), self._kind, self.account)
        else:
            self._subscriptions.unsubscribe(args, message.get("id"))

    def _too_frequent(self) -> bool:
        limit = self._venue.config.limits.subscribes_per_hour
        return self._venue.throttles(("manage", self._socket.connection), limit, _HOUR_MS)

    def _login(self, argument: dict[str, Any]) -> None:
        try:
            if self._kind == "public":
                raise Problem("60018", "login")
            if self.account is not None:
                self._error("60031")
                return
            account = check_login(argument, self._venue.by_key, self._clock.now_ms())
            self._check_login_fault(account)
        except Problem as problem:
            self._error(problem.code, message=problem.text)
            self._socket.hang_up(_LOGIN_FAILED, "Login Failed.")
            return
        self.account = account
        self._socket.account = self._socket.row.account = account.name
        reply = f'{{"event":"login","code":"0","msg":"","connId":"{self._socket.connection}"}}'
        self._socket.send(reply.encode())

    def _check_login_fault(self, account: Account) -> None:
        context = Context(
            op="login",
            group="login",
            transport="ws",
            socket=MAY_PLAY.get(self._socket.role, self._socket.role),
            account=account.name,
            path=self._socket.path,
        )
        fault = self._venue.faults.take(("refuse_login",), context, self._clock.true_ms())
        if fault is not None:
            problem = Problem(fault.text("code", "60009"))
            problem.text = fault.text("msg") or problem.text
            raise problem

    def _trade(self, op: Op, message: dict[str, Any], raw: bytes) -> None:
        request_id, args = message.get("id"), message.get("args")
        if (
            not isinstance(request_id, str)
            or not _REQUEST_ID.fullmatch(request_id)
            or args is None
            or not _TRADE_KEYS.issuperset(message)
        ):
            self._invalid(raw)
            return
        account, connection = self.account, self._socket.connection
        name = account.name if account is not None else ""
        items = args if _are_items(args, MAX_BATCH if op.batch else 1) else []
        expires = message.get("expTime")
        rows = self._trading.write_down(
            op, items or [{}], name, "ws", connection, request_id, expires=expires
        )
        for row in rows:
            row.address = self._socket.row.address
        if account is None:
            _close_rows(rows, "60011")
            self._error("60011", request_id=request_id)
            return
        if not items:
            _close_rows(rows, "60013")
            now_us = self._clock.now_us()
            self._socket.send(_bare_reply(op, request_id, "60013", text("60013"), now_us))
            return
        call = Call(op, items, account, "ws", self._clock.now_ms(), None, rows)
        try:
            if op.group != "cancel":
                call.expires_ms = expiry_ms(expires)
        except Problem as problem:
            self._refuse(call, request_id, problem.code, problem.text)
            return
        request = _Request(self._trading, call, request_id, raw, self._socket)
        if self._venue.faults or self._socket.muted:
            context = self._trading.context(call, socket=self._socket.role, path=self._socket.path)
            self._passage.take(request, context)
        else:
            self._passage.answer(request, request.process())

    def _refuse(self, call: Call, request_id: str, code: str, message: str) -> None:
        """Answer each item with the same refusal; nothing is processed."""
        request = _Request(self._trading, call, request_id, b"", self._socket)
        self._passage.answer(request, request.refusal(code, message))

    def _invalid(self, raw: bytes, request_id: object = None) -> None:
        """Send the error frame that has no id but for a subscription's: the sheet, 4.1."""
        self._error("60012", message=_invalid_text(raw), request_id=request_id)

    def _error(self, code: str, *detail: str, message: str = "", request_id: object = None) -> None:
        frame = _error_frame(self._socket, code, message or text(code, *detail), request_id)
        self._socket.send(frame)


class _Request:
    """One order operation on its way through the faults."""

    def __init__(
        self, trading: Trading, call: Call, request_id: str, raw: bytes, socket: Socket
    ) -> None:
        self._trading = trading
        self._call = call
        self._request_id = request_id
        self._raw = raw
        self._socket = socket
        self.left = call.left

    def process(self) -> bytes:
        """Execute the operation and return the answer."""
        return self._frame(self._trading.process(self._call))

    def refused(self, fault: Fault) -> bytes:
        """Return the answer of ``reject`` or ``throttle``, to each item or on top."""
        throttled = fault.name == "throttle"
        default = "50011" if throttled else "51000"
        code, message = fault_verdict(fault.text("code", default), fault.text("msg"))
        if throttled:
            self._trading.throttled()
            if fault.text("shape", "item") == "top":
                for row in self._call.rows:
                    row.code = code
                now_us = self._trading.now_us()
                return _bare_reply(self._call.op, self._request_id, code, message, now_us)
        return self.refusal(code, message)

    def unknown(self, fault: Fault) -> bytes:
        """Return a code that proves nothing, whatever became of the operation."""
        code, message = fault_verdict(fault.text("code", "51149"), fault.text("msg"))
        verdicts = [self._trading.refuse(item, code, message) for item in self._call.items]
        return self._frame(verdicts)

    def without_id(self, fault: Fault) -> bytes:
        """Return an error frame that nobody can match to its request."""
        return _error_frame(self._socket, fault.text("code", "60012"), _invalid_text(self._raw))

    def refusal(self, code: str, message: str) -> bytes:
        """Return an answer that refuses each item alike; nothing is processed."""
        for row in self._call.rows:
            row.code = code
        verdicts = [self._trading.refuse(item, code, message) for item in self._call.items]
        return self._frame(verdicts)

    def _frame(self, verdicts: list[Verdict]) -> bytes:
        op, received_us = self._call.op, self._call.received_ms * 1000
        data = ",".join([verdict_json(op.group, verdict) for verdict in verdicts])
        return (
            f'{{"id":"{self._request_id}","op":"{op.name}","data":[{data}],'
            f'"code":"{overall_code(verdicts)}","msg":"","inTime":"{received_us}",'
            f'"outTime":"{self._trading.now_us()}"}}'
        ).encode()


def _bare_reply(op: Op, request_id: str, code: str, message: str, now_us: int) -> bytes:
    frame = {
        "id": request_id,
        "op": op.name,
        "data": [],
        "code": code,
        "msg": message,
        "inTime": str(now_us),
        "outTime": str(now_us),
    }
    return orjson.dumps(frame)


def _invalid_text(raw: bytes) -> str:
    return f"Invalid request: {raw.decode(errors='replace')}"


def _error_frame(socket: Socket, code: str, message: str, request_id: object = None) -> bytes:
    head = f'"id":{quoted(request_id)},' if isinstance(request_id, str) else ""
    return (
        f'{{{head}"event":"error","code":"{code}","msg":{quoted(message)},'
        f'"connId":"{socket.connection}"}}'
    ).encode()


def _are_items(args: object, most: int) -> bool:
    """Return whether ``args`` are 1 to ``most`` JSON objects."""
    if not isinstance(args, list) or not 0 < len(args) <= most:
        return False
    for item in args:  # noqa: SIM110 - a generator costs more, and this is on every order's path
        if not isinstance(item, dict):
            return False
    return True


def _close_rows(rows: list[RequestRow], code: str) -> None:
    """Note that a request was answered with ``code`` without being processed."""
    for row in rows:
        row.code, row.replied = code, True
