"""The REST endpoint: reads queries and bodies, checks signatures, hands calls to their handlers."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from simulator.bybit import calls
from simulator.bybit.codes import Problem, envelope
from simulator.bybit.operations import REST
from simulator.bybit.signing import Stamp, check_request
from simulator.bybit.trading import Batch
from simulator.bybit.venue import Call, Operation, Venue
from simulator.exchange.faults import Fault
from simulator.rest_faults import Reply, respond

_FORBIDDEN = 403


class RestEndpoint:
    """Serves /v5/..."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request."""
        operation = REST.get((request.method, request.path))
        body = await request.read()
        if not self._venue.limits.request(request.remote or "", self._venue.now_ms()):
            self._venue.floor.ledger.throttled += 1
            return web.Response(status=_FORBIDDEN, text="access too frequent")
        if request.method == "GET" and body:
            # A query with a body is not let in: the sheet, 5.
            return web.Response(status=_FORBIDDEN, text="Forbidden")
        if operation is None:
            return self._reply(Problem(10017)).response()
        return await self._serve(operation, request, body)

    async def _serve(self, operation: Operation, request: web.Request, body: bytes) -> web.Response:
        headers, text = request.headers, body.decode(errors="replace")
        payload = request.raw_path.partition("?")[2] if request.method == "GET" else text
        stamp = Stamp(headers.get("X-BAPI-TIMESTAMP"), headers.get("X-BAPI-RECV-WINDOW"))
        call = Call(self._venue, operation, {}, None, "rest", stamp)
        job = _Job(call, request.path)
        try:
            call.given = dict(request.query) if request.method == "GET" else _object(body)
            if operation.private:
                by_key, now_ms = self._venue.floor.by_key, self._venue.now_ms()
                call.account = check_request(headers, payload, stamp, by_key, now_ms)
        except Problem as problem:
            calls.write_down(call, request.remote or "")
            calls.refuse(call, problem)
            job.left()
            return self._reply(problem).response()
        calls.write_down(call, request.remote or "")
        return await respond(job, request)

    def _reply(self, problem: Problem) -> Reply:
        return _refusal(problem, self._venue.now_ms(), {})


class _Job:
    """One REST call on its way through the faults."""

    def __init__(self, call: Call, path: str) -> None:
        self._call = call
        self._path = path
        self.left = call.left

    def take(self, names: tuple[str, ...]) -> Fault | None:
        """Return the fault of ``names`` that meets this request, if any does."""
        floor = self._call.venue.floor
        if not floor.faults:
            return None
        at = calls.context(self._call, path=self._path)
        return floor.faults.take(names, at, floor.clock.true_ms())

    def process(self) -> Reply:
        """Execute the request and return its reply."""
        try:
            result = calls.execute(self._call)
        except Problem as problem:
            return self._refusal(problem)
        ext = None
        if isinstance(result, Batch):
            result, ext = result
        said = self._call.operation.said
        body = envelope(result, self._call.venue.now_ms(), ext, said=said)
        return Reply(orjson.dumps(body), headers=self._headers())

    def refused(self, fault: Fault) -> Reply:
        """Return the reply of ``reject`` or ``throttle``; one that comes late begins with a 0."""
        if calls.is_late(self._call, fault):
            return self.process()
        return self._refusal(calls.ordered(self._call, fault))

    def unknown(self, fault: Fault) -> Reply:
        """Return a code that proves nothing."""
        return self._refusal(calls.problem_of(fault, 10000))

    def failed(self, fault: Fault) -> Reply | None:
        """Return None: only the load balancer answers 5xx, in HTML."""
        return None

    def _refusal(self, problem: Problem) -> Reply:
        return _refusal(problem, self._call.venue.now_ms(), self._headers())

    def _headers(self) -> dict[str, str]:
        spent = self._call.spent
        return {} if spent is None else spent.headers()


def _refusal(problem: Problem, now_ms: int, headers: dict[str, str]) -> Reply:
    body = orjson.dumps(envelope({}, now_ms, said=problem.text, code=problem.code))
    return Reply(body, problem.status, headers=headers)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise Problem(10001, message="Request parameter error: the body is no JSON object")
    return given
