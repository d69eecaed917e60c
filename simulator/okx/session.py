"""One WebSocket connection of the OKX dialect: frames in, frames out."""

from __future__ import annotations

import re
from typing import Any

import orjson

from simulator.delivery import deliver_ack
from simulator.exchange.accounts import Account
from simulator.exchange.faults import AFTER, BEFORE, Context, Fault
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

_REQUEST_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TRADE_KEYS = frozenset(("id", "op", "args", "expTime"))
_LOGIN_FAILED = 4001
_HOUR_MS = 3_600_000


class Session:
    """The protocol state of one connection. ``kind`` is the last part of its path."""

    def __init__(self, venue: Venue, trading: Trading, socket: Socket, kind: str) -> None:
        self._venue = venue
        self._trading = trading
        self._socket = socket
        self._kind = kind
        self._clock = venue.exchange.clock
        self._subscriptions = Subscriptions(venue, socket)
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
            socket=self._socket.role,
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
        if account is None:
            _close_rows(rows, "60011")
            self._error("60011", request_id=request_id)
            return
        if not items:
            _close_rows(rows, "60013")
            self._socket.send(self._bare(op, request_id, "60013", text("60013")))
            return
        call = Call(op, items, account, "ws", self._clock.now_ms(), None, rows)
        try:
            if op.group != "cancel":
                call.expires_ms = expiry_ms(expires)
        except Problem as problem:
            self._refuse(call, request_id, problem.code, problem.text)
            return
        if self._venue.faults or self._socket.muted:
            self._under_faults(call, request_id, raw)
        else:
            self._answer(call, request_id, self._trading.process(call), None)

    def _under_faults(self, call: Call, request_id: str, raw: bytes) -> None:
        """Process ``call`` unless a fault stops it first; a half-open socket stops all."""
        socket = self._socket
        if socket.muted:
            return
        context = self._trading.context(call, socket=socket.role, path=socket.path)
        before = self._take(BEFORE, context)
        name = before.name if before is not None else ""
        if before is None:
            self._process(call, request_id, context)
        elif name == "half_open":
            socket.mute()
        elif name == "hangup_before":
            code = before.params.get("code")
            socket.hang_up(None if code is None else int(code))
        elif name == "throttle":
            self._throttle(call, request_id, before, self._take(AFTER, context))
        elif name == "reject":
            code, message = fault_verdict(before.text("code", "51000"), before.text("msg"))
            self._refuse(call, request_id, code, message, self._take(AFTER, context))
        elif name == "id_less_error":
            self._invalid(raw, code=before.text("code", "60012"))
        elif name == "delay_request":
            delay_s = before.number("delay_ms", 50) / 1000
            socket.loop.call_later(delay_s, self._process, call, request_id, context)

    def _process(self, call: Call, request_id: str, context: Context) -> None:
        garbage = self._take(("garbage_frame",), context)
        if garbage is not None:
            self._socket.send(garbage.text("text", "{not json").encode())
        after = self._take(AFTER, context)
        hold = self._take(("ack_before_push",), context)
        private = self._venue.private
        if hold is not None:
            private.delay_s = hold.number("delay_ms", 20) / 1000
        try:
            verdicts = self._trading.process(call)
        finally:
            private.delay_s = 0.0
        self._answer(call, request_id, verdicts, after)

    def _answer(
        self, call: Call, request_id: str, verdicts: list[Verdict], fault: Fault | None
    ) -> None:
        op = call.op
        received_us = call.received_ms * 1000
        data = ",".join([verdict_json(op.group, verdict) for verdict in verdicts])
        payload = (
            f'{{"id":"{request_id}","op":"{op.name}","data":[{data}],'
            f'"code":"{overall_code(verdicts)}","msg":"","inTime":"{received_us}",'
            f'"outTime":"{self._clock.now_us()}"}}'
        ).encode()
        if fault is None and self._socket.held_ack is None:
            if self._socket.send(payload):
                call.left()
            return
        deliver_ack(self._socket, payload, fault, call.left)

    def _refuse(
        self, call: Call, request_id: str, code: str, message: str, after: Fault | None = None
    ) -> None:
        """Answer each item with the same refusal, delivered as ``after`` says; process nothing."""
        for row in call.rows:
            row.code = code
        verdicts = [self._trading.refuse(item, code, message) for item in call.items]
        self._answer(call, request_id, verdicts, after)

    def _throttle(self, call: Call, request_id: str, fault: Fault, after: Fault | None) -> None:
        self._venue.ledger.throttled += 1
        code, message = fault_verdict(fault.text("code", "50011"), fault.text("msg"))
        if fault.text("shape", "item") != "top":
            self._refuse(call, request_id, code, message, after)
            return
        for row in call.rows:
            row.code = code
        payload = self._bare(call.op, request_id, code, message)
        deliver_ack(self._socket, payload, after, call.left)

    def _bare(self, op: Op, request_id: str, code: str, message: str) -> bytes:
        """Return an answer without items: the request was not even looked at."""
        now_us = self._clock.now_us()
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

    def _invalid(self, raw: bytes, request_id: object = None, code: str = "60012") -> None:
        """Send the error frame that has no id but for a subscription's: the sheet, 4.1."""
        request = raw.decode(errors="replace")
        self._error(code, message=f"Invalid request: {request}", request_id=request_id)

    def _error(self, code: str, *detail: str, message: str = "", request_id: object = None) -> None:
        head = f'"id":{quoted(request_id)},' if isinstance(request_id, str) else ""
        frame = (
            f'{{{head}"event":"error","code":"{code}",'
            f'"msg":{quoted(message or text(code, *detail))},'
            f'"connId":"{self._socket.connection}"}}'
        )
        self._socket.send(frame.encode())

    def _take(self, names: tuple[str, ...], context: Context) -> Fault | None:
        return self._venue.faults.take(names, context, self._clock.true_ms())


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
