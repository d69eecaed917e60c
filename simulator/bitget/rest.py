"""The REST endpoint: checks signatures, applies faults, hands requests to their handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from simulator.bitget import lookups, rest_account
from simulator.bitget.codes import HTTP_STATUS, Problem, envelope, text
from simulator.bitget.dead_man import DeadMan
from simulator.bitget.query import Query
from simulator.bitget.rest_trading import PATHS, RestTrading
from simulator.bitget.signing import check_age, check_request
from simulator.bitget.trading import Call, Op
from simulator.bitget.venue import Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context, Fault
from simulator.exchange.ledger import RequestRow
from simulator.rest_faults import Reply, respond

_MINUTE_MS = 60_000
_REFUSED = 400


class Endpoint(NamedTuple):
    """One REST call; ``op`` is its name in faults and in the ledger."""

    op: str
    group: str
    private: bool = True
    handler: Callable[[Query], Any] | None = None
    trading: Op | None = None


def _endpoints() -> dict[tuple[str, str], Endpoint]:
    """Return every endpoint by method and path."""
    table = {
        ("POST", f"/api/{path}"): Endpoint(op.name, op.group, trading=op)
        for path, op in PATHS.items()
    }
    after = Endpoint("cancel-all-after", "cancel-all-after")
    table["POST", "/api/v3/trade/countdown-cancel-all"] = after
    for group, private, handlers in (
        ("query", True, lookups.HANDLERS),
        ("query", True, rest_account.PRIVATE),
        ("public", False, rest_account.PUBLIC),
    ):
        for path, (op, handler) in handlers.items():
            table["GET", f"/api/{path}"] = Endpoint(op, group, private, handler)
    return table


class RestEndpoint:
    """Serves /api/..."""

    def __init__(self, venue: Venue, trading: RestTrading, dead_man: DeadMan) -> None:
        self._venue = venue
        self._trading = trading
        self._dead_man = dead_man
        self._endpoints = _endpoints()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None:
            return self._problem_reply(Problem("40404")).response()
        body = await request.read()
        account = None
        try:
            limit = self._venue.own.requests_per_minute
            if self._venue.throttles(("address", request.remote or ""), limit, _MINUTE_MS):
                raise Problem("429")
            if endpoint.private:
                account = self._authenticate(request, body)
        except Problem as problem:
            if endpoint.trading is not None:
                self._trading.write_down_refused(endpoint.trading, _loaded(body), problem.code)
            return self._problem_reply(problem).response()
        return await respond(_Job(self, endpoint, account, _loaded(body), request), request)

    def call(self, endpoint: Endpoint, account: Account | None, payload: Any) -> Call | None:
        """Return an order operation, written in the ledger; None if it is none."""
        if endpoint.trading is None or account is None:
            return None
        return self._trading.call(endpoint.trading, account, payload)

    def query_rows(self, endpoint: Endpoint, query: Query) -> list[RequestRow]:
        """Return the ledger's rows of a request that is no order operation."""
        if query.account is None:
            return []
        row = self._venue.ledger.request(
            query.account.name,
            "rest",
            endpoint.op,
            client_id=query.get("clientOid"),
            venue_id=query.get("orderId"),
            symbol=query.get("symbol"),
            query=endpoint.group == "query",
        )
        return [row]

    def perform(self, job: _Job) -> Reply:
        """Execute ``job`` and return its reply."""
        try:
            if job.endpoint.private:
                # A request that took long on its way is as late as one that was sent late.
                check_age(job.headers, self._venue.now_ms())
            data = self._data(job)
        except Problem as problem:
            for row in job.rows:
                row.code = problem.code
            return self._problem_reply(problem)
        return Reply(orjson.dumps(envelope(self._venue.now_ms(), data)))

    def take(self, names: tuple[str, ...], job: _Job) -> Fault | None:
        """Return the fault that meets ``job``, if any does."""
        faults = self._venue.faults
        if not faults:
            return None
        return faults.take(names, self._context(job), self._venue.floor.clock.true_ms())

    def refuse(self, job: _Job, fault: Fault) -> Reply:
        """Return the refusal that the fault ``reject`` or ``throttle`` orders."""
        if fault.name == "throttle":
            self._venue.ledger.throttled += 1
            return self._problem_reply(_ordered(fault, "429"))
        problem = _ordered(fault, "25204" if job.endpoint.group == "cancel" else "41101")
        if job.call is None:
            return self._problem_reply(problem)
        try:
            data = self._trading.refuse(job.call, problem)
        except Problem as refusal:
            return self._problem_reply(refusal)
        return Reply(orjson.dumps(envelope(self._venue.now_ms(), data)))

    def unknown(self, fault: Fault) -> Reply:
        """Return a code that proves nothing."""
        return self._problem_reply(_ordered(fault, "40725"))

    def query(self, account: Account | None, request: web.Request) -> Query:
        """Return what a handler is given."""
        return Query(self._venue, account, dict(request.query), self._venue.now_ms())

    def _data(self, job: _Job) -> Any:
        endpoint = job.endpoint
        if job.call is not None:
            return self._trading.execute(job.call, job.payload)
        job.query.now_ms = self._venue.now_ms()
        if endpoint.handler is None:
            payload = job.payload if isinstance(job.payload, dict) else {}
            data: Any = self._dead_man.set(job.query.owner, payload)
        else:
            if endpoint.private:
                key = ("query", job.query.owner.name, endpoint.op)
                if self._venue.throttles(key, self._venue.own.queries_per_s):
                    raise Problem("429")
            data = endpoint.handler(job.query)
        for row in job.rows:
            row.processed, row.code = True, "0"
        return data

    def _context(self, job: _Job) -> Context:
        account = job.query.account
        op = job.endpoint.trading
        return Context(
            op=job.endpoint.op,
            group=job.endpoint.group,
            transport="rest",
            account=account.name if account is not None else "",
            path=job.path,
            symbols=tuple({row.symbol for row in job.rows}),
            client_ids=tuple(self._client_id(row) for row in job.rows),
            word=op.topic if op is not None else "",
        )

    def _client_id(self, row: RequestRow) -> str:
        order = self._venue.exchange.orders.get(row.venue_id)
        return row.client_id or (order.client_id if order is not None else "")

    def _authenticate(self, request: web.Request, body: bytes) -> Account:
        def signed(stamp: str) -> str:
            return f"{stamp}{request.method}{request.raw_path}{body.decode(errors='replace')}"

        return check_request(request.headers, signed, self._venue.by_key, self._venue.now_ms())

    def _problem_reply(self, problem: Problem) -> Reply:
        body = envelope(self._venue.now_ms(), None, problem.code, problem.text)
        return Reply(orjson.dumps(body), HTTP_STATUS.get(problem.code, _REFUSED))


class _Job:
    """One request on its way through the faults."""

    def __init__(
        self,
        owner: RestEndpoint,
        endpoint: Endpoint,
        account: Account | None,
        payload: Any,
        request: web.Request,
    ) -> None:
        self._owner = owner
        self.endpoint = endpoint
        self.payload = payload
        self.headers = request.headers
        self.path = request.path
        self.query = owner.query(account, request)
        self.call = owner.call(endpoint, account, payload)
        if self.call is not None:
            self.rows = self.call.rows
        else:
            self.rows = self.query.rows = owner.query_rows(endpoint, self.query)

    def take(self, names: tuple[str, ...]) -> Fault | None:
        """Return the fault of ``names`` that meets this request, if any does."""
        return self._owner.take(names, self)

    def process(self) -> Reply:
        """Execute the request and return its reply."""
        return self._owner.perform(self)

    def refused(self, fault: Fault) -> Reply:
        """Return the refusal that ``reject`` or ``throttle`` orders."""
        return self._owner.refuse(self, fault)

    def unknown(self, fault: Fault) -> Reply:
        """Return a code that proves nothing."""
        return self._owner.unknown(fault)

    def failed(self, fault: Fault) -> Reply | None:
        """Return None: only the load balancer answers 5xx, in HTML."""
        return None

    def left(self) -> None:
        """Note that the reply left the server."""
        for row in self.rows:
            row.replied = True


def _ordered(fault: Fault, default: str) -> Problem:
    """Return the refusal that a fault orders; a known code has its own text."""
    code = fault.text("code", default)
    problem = Problem(code)
    problem.text = fault.text("msg") or text(code)
    return problem


def _loaded(body: bytes) -> Any:
    """Return the body as JSON; None if it is none."""
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None
