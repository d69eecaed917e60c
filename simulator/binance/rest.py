"""The REST endpoint: reads query and form, checks signatures, hands calls to their handlers."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from simulator.binance import calls
from simulator.binance.codes import Problem
from simulator.binance.signing import check_query, check_time
from simulator.binance.venue import Call, Operation, Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Fault
from simulator.rest_faults import Reply, respond

Table = Mapping[tuple[str, str], Operation]


class RestEndpoint:
    """Serves every path of ``table``."""

    def __init__(self, venue: Venue, table: Table) -> None:
        self._venue = venue
        self._table = table

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request."""
        operation = self._table.get((request.method, request.path))
        if operation is None:
            message = f"Path {request.path}, Method {request.method} is invalid"
            problem = Problem(-5000, message=message, status=404)
            return _reply(problem, {}).response()
        query = request.raw_path.partition("?")[2]
        body = (await request.read()).decode(errors="replace")
        # The query wins where both name a parameter: the sheet, A2.1.
        given = dict(parse_qsl(body, keep_blank_values=True))
        given |= parse_qsl(query, keep_blank_values=True)
        now_ms, address = self._venue.now_ms(), request.remote or ""
        call = Call(self._venue, operation, given, None, "rest", address, now_ms)
        job = _Job(call, request)
        try:
            self._venue.limits.spend(address, operation.cost(given), now_ms)
            call.account = self._authenticate(operation, request, query, body, given)
            calls.check_login(call, path=request.path)
        except Problem as problem:
            calls.write_down(call)
            if problem.code == -1003:
                self._venue.floor.ledger.throttled += 1
            calls.refuse(call, problem)
            job.left()
            return job.reply(problem).response()
        calls.write_down(call)
        return await respond(job, request)

    def _authenticate(
        self,
        operation: Operation,
        request: web.Request,
        query: str,
        body: str,
        given: dict[str, str],
    ) -> Account | None:
        if operation.security == "public":
            return None
        account = calls.account_of(self._venue, request.headers.get("X-MBX-APIKEY", ""))
        if operation.security == "signed":
            check_time(given, self._venue.now_ms())
            check_query(account, query, body)
        return account


class _Job:
    """One REST call on its way through the faults."""

    def __init__(self, call: Call, request: web.Request) -> None:
        self._call = call
        self._path = request.path
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
            return self.reply(problem)
        return Reply(orjson.dumps(result), headers=self._headers())

    def refused(self, fault: Fault) -> Reply:
        """Return the reply of ``reject`` or ``throttle``."""
        return self.reply(calls.ordered(self._call, fault))

    def unknown(self, fault: Fault) -> Reply:
        """Return a code that proves nothing."""
        return self.reply(calls.problem_of(fault, -1007))

    def failed(self, fault: Fault) -> Reply | None:
        """Return one of the four faces of 503, if the fault names one."""
        return self.reply(calls.problem_of(fault, -1000)) if fault.text("face") else None

    def reply(self, problem: Problem) -> Reply:
        """Return what the venue answers to a request that it refuses."""
        return _reply(problem, self._headers())

    def _headers(self) -> dict[str, str]:
        call = self._call
        return call.venue.limits.headers(
            call.address,
            call.account.name if call.account is not None else "",
            call.venue.now_ms(),
            orders=bool(call.operation.orders),
        )


def _reply(problem: Problem, headers: dict[str, str]) -> Reply:
    if problem.retry_after_s is not None:
        headers = headers | {"Retry-After": str(problem.retry_after_s)}
    return Reply(orjson.dumps(problem.body), problem.status, headers=headers)
