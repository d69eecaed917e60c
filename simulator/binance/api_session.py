"""One connection of the WebSocket API: requests in, replies out, in JSON envelopes.

1. An ``id`` is echoed as it came; replies are matched by it alone.
2. A request is signed by itself, or it rests on the connection's logon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from simulator.binance import calls
from simulator.binance.codes import Problem
from simulator.binance.params import words
from simulator.binance.signing import check_time, check_words
from simulator.binance.user_streams import UserStream
from simulator.binance.venue import Call, Operation, Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Fault
from simulator.sockets import Socket
from simulator.ws_faults import Passage

_KEYS = frozenset(("id", "method", "params"))


class ApiSession:
    """The protocol state of one connection."""

    def __init__(
        self,
        venue: Venue,
        methods: Mapping[str, Operation],
        socket: Socket,
        address: str,
        *,
        tells_limits: bool,
    ) -> None:
        self.venue = venue
        self.socket = socket
        self.address = address
        self.tells_limits = tells_limits
        self.connected_ms = venue.now_ms()
        self.account: Account | None = None
        self.authorized_ms: int | None = None
        self.streams: dict[int, UserStream] = {}
        self.last_subscription = -1
        self._methods = methods
        floor = venue.floor
        self._passage = Passage(socket, floor.faults, floor.clock.true_ms, venue.users.pushes)

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
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            self._fail(None, Problem(-1135))
            return
        request_id, params = message.get("id"), message.get("params") or {}
        operation = self._methods.get(message["method"])
        if not isinstance(request_id, str | int | None) or not isinstance(params, dict):
            self._fail(None, Problem(-1135))
        elif operation is None or not _KEYS.issuperset(message):
            self._fail(request_id, Problem(-1130, "method"))
        else:
            self._call(operation, request_id, words(params))

    def closed(self) -> None:
        """Forget the connection's user streams."""
        for stream in self.streams.values():
            self.venue.users.remove(stream)
        self.streams.clear()

    def set_role(self) -> None:
        """Be a private connection too while user data come here; forget what has ended."""
        users = self.venue.users
        self.streams = {
            number: stream
            for number, stream in self.streams.items()
            if stream in users.of(stream.account.name)
        }
        self.socket.row.role = "trade+private" if self.streams else "trade"

    def _call(self, operation: Operation, request_id: object, given: dict[str, str]) -> None:
        call = Call(
            self.venue,
            operation,
            given,
            None,
            "ws",
            self.address,
            self.venue.now_ms(),
            session=self,
        )
        request = _Request(self, call, request_id)
        connection = self.socket.connection
        try:
            self.venue.limits.spend(self.address, operation.cost(given), call.received_ms)
            call.account = self._authenticate(operation, given, call.received_ms)
            calls.check_login(call, socket="trade+private", path=self.socket.path)
        except Problem as problem:
            calls.write_down(call, connection)
            if problem.code == -1003:
                self.venue.floor.ledger.throttled += 1
            calls.refuse(call, problem)
            self._passage.answer(request, request.frame(problem=problem))
            return
        calls.write_down(call, connection)
        if self.venue.floor.faults:
            at = calls.context(call, socket="trade", path=self.socket.path)
            self._passage.take(request, at)
        else:
            self._passage.answer(request, request.process())

    def _authenticate(
        self, operation: Operation, given: dict[str, str], now_ms: int
    ) -> Account | None:
        if operation.security == "public":
            return None
        rests_on_logon = self.account is not None and "apiKey" not in given
        if rests_on_logon:
            account = self.account
        else:
            account = calls.account_of(self.venue, given.get("apiKey", ""))
        if operation.security == "signed" and account is not None:
            check_time(given, now_ms)
            if not rests_on_logon:
                check_words(account, given)
        if account is not None and not self.socket.account:
            self.socket.account = self.socket.row.account = account.name
        return account

    def _fail(self, request_id: object, problem: Problem) -> None:
        frame = {"id": request_id, "status": problem.status, "error": problem.body}
        self.socket.send(orjson.dumps(frame))


class _Request:
    """One call of this connection on its way through the faults."""

    def __init__(self, session: ApiSession, call: Call, request_id: object) -> None:
        self._session = session
        self._call = call
        self._request_id = request_id
        self.left = call.left

    def process(self) -> bytes:
        """Execute the call and return the answer."""
        try:
            return self.frame(calls.execute(self._call))
        except Problem as problem:
            return self.frame(problem=problem)

    def refused(self, fault: Fault) -> bytes:
        """Return the answer of ``reject`` or ``throttle``."""
        return self.frame(problem=calls.ordered(self._call, fault))

    def unknown(self, fault: Fault) -> bytes:
        """Return a code that proves nothing, whatever became of the call."""
        return self.frame(problem=calls.problem_of(fault, -1007))

    def without_id(self, fault: Fault) -> bytes:
        """Return the error that comes unasked, as for a key revoked meanwhile: the sheet, A2."""
        problem = calls.problem_of(fault, -2015)
        return orjson.dumps({"id": None, "status": problem.status, "error": problem.body})

    def frame(self, result: Any = None, problem: Problem | None = None) -> bytes:
        """Return the reply's envelope."""
        frame: dict[str, Any] = {"id": self._request_id, "status": 200}
        if problem is None:
            frame["result"] = result
        else:
            frame |= {"status": problem.status, "error": problem.body}
            if problem.retry_after_s is not None:
                # In the spot documents' example of a refused request; the sheet does not show it.
                now_ms = self._session.venue.now_ms()
                after_ms = now_ms + problem.retry_after_s * 1000
                frame["error"]["data"] = {"serverTime": now_ms, "retryAfter": after_ms}
        if self._tells_limits():
            frame["rateLimits"] = calls.rate_limits(self._call)
        return orjson.dumps(frame)

    def _tells_limits(self) -> bool:
        asked = self._call.given.get("returnRateLimits")
        return self._session.tells_limits if asked is None else asked == "true"
