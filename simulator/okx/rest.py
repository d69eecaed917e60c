"""The REST endpoint: checks signatures, applies faults, hands requests to their handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context, Fault
from simulator.exchange.ledger import RequestRow
from simulator.okx import rest_account, rest_orders, rest_public
from simulator.okx.auth import check_request
from simulator.okx.codes import HTTP_STATUS, Problem, envelope, text
from simulator.okx.dead_man import DeadMan
from simulator.okx.rest_query import Query
from simulator.okx.rest_trading import RestTrading
from simulator.okx.venue import Venue
from simulator.rest_faults import Reply, respond


class Endpoint(NamedTuple):
    """One REST call; ``op`` is its name in faults and in the ledger."""

    op: str
    group: str
    private: bool
    handler: Callable[[Query], dict[str, Any]] | None


def _endpoints() -> dict[tuple[str, str], Endpoint]:
    """Return every endpoint by method and path; order operations have no handler here."""
    table = {
        ("POST", f"/api/v5/trade/{path}"): Endpoint(op, group, True, None)
        for path, op, group in (
            ("order", "order", "place"),
            ("batch-orders", "batch-orders", "place"),
            ("cancel-order", "cancel-order", "cancel"),
            ("cancel-batch-orders", "batch-cancel-orders", "cancel"),
            ("amend-order", "amend-order", "amend"),
            ("amend-batch-orders", "batch-amend-orders", "amend"),
            ("cancel-all-after", "cancel-all-after", "cancel-all-after"),
        )
    }
    for group, private, handlers in (
        ("query", True, rest_orders.HANDLERS),
        ("query", True, rest_account.HANDLERS),
        ("public", False, rest_public.HANDLERS),
    ):
        for path, (op, handler) in handlers.items():
            table["GET", f"/api/v5/{path}"] = Endpoint(op, group, private, handler)
    return table


class RestEndpoint:
    """Serves /api/v5/..."""

    def __init__(self, venue: Venue, trading: RestTrading, dead_man: DeadMan) -> None:
        self._venue = venue
        self._trading = trading
        self._dead_man = dead_man
        self._endpoints = _endpoints()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None:
            return Reply(b'{"code":"404","msg":"Not Found","data":[]}', 404).response()
        body = await request.read()
        now_ms = self._venue.exchange.clock.now_ms()
        account = None
        if endpoint.private:
            try:
                account = self._authenticate(request, body, now_ms)
            except Problem as problem:
                self._trading.write_down_refused(endpoint.op, endpoint.group, body, problem.code)
                return _problem_reply(problem).response()
        query = Query(self._venue, account, dict(request.query), now_ms)
        return await respond(_Job(self, endpoint, query, body, request), request)

    def perform(self, job: _Job) -> Reply:
        """Execute ``job`` and return its reply."""
        try:
            if job.endpoint.handler is not None:
                return Reply(orjson.dumps(job.endpoint.handler(job.query)))
            if job.endpoint.op == "cancel-all-after":
                answer = self._dead_man.set(job.required_account(), job.payload())
                return Reply(orjson.dumps(answer))
            body, status = self._trading.execute(
                job.endpoint.op,
                job.required_account(),
                job.items(),
                job.rows,
                expires=job.headers.get("expTime"),
                received_ms=job.query.now_ms,
            )
            return Reply(body, status)
        except Problem as problem:
            for row in job.rows:
                row.code = problem.code
            return _problem_reply(problem)

    def write_down(self, job: _Job) -> list[RequestRow]:
        """Return the ledger's rows of ``job``."""
        if job.endpoint.group in ("place", "cancel", "amend"):
            return self._trading.write_down(
                job.endpoint.op,
                job.required_account(),
                job.peek_items(),
                job.headers.get("expTime"),
            )
        account = job.query.account
        if account is None:
            return []
        params = job.query.params
        row = self._venue.ledger.request(
            account.name,
            "rest",
            job.endpoint.op,
            client_id=params.get("clOrdId", ""),
            venue_id=params.get("ordId", ""),
            symbol=params.get("instId", ""),
            query=job.endpoint.group == "query",
        )
        return [row]

    def _context(self, job: _Job) -> Context:
        """Return what faults are matched against."""
        orders = self._venue.exchange.orders
        clients = [row.client_id for row in job.rows]
        clients += [orders[row.venue_id].client_id for row in job.rows if row.venue_id in orders]
        account = job.query.account
        return Context(
            op=job.endpoint.op,
            group=job.endpoint.group,
            transport="rest",
            account=account.name if account is not None else "",
            path=job.path,
            symbols=tuple({row.symbol for row in job.rows}),
            client_ids=tuple(clients),
        )

    def take(self, names: tuple[str, ...], job: _Job) -> Fault | None:
        """Return the fault that meets ``job``, if any does."""
        faults = self._venue.faults
        if not faults:
            return None
        return faults.take(names, self._context(job), self._venue.exchange.clock.true_ms())

    def refuse(self, job: _Job, fault: Fault) -> Reply:
        """Return the refusal that the fault ``reject`` or ``throttle`` orders."""
        if fault.name == "throttle":
            self._venue.ledger.throttled += 1
            code = fault.text("code", "50011")
            return _problem_reply(_problem(code, fault))
        code = fault.text("code", "51000")
        for row in job.rows:
            row.code = code
        if job.endpoint.group not in ("place", "cancel", "amend"):
            return _problem_reply(_problem(code, fault))
        body = self._trading.refuse(
            job.endpoint.op, job.peek_items(), code, _problem(code, fault).text
        )
        return Reply(body)

    def _authenticate(self, request: web.Request, body: bytes, now_ms: int) -> Account:
        def signed(stamp: str) -> str:
            return f"{stamp}{request.method}{request.raw_path}{body.decode(errors='replace')}"

        return check_request(request.headers, signed, self._venue.by_key, now_ms)


class _Job:
    """One request on its way through the faults."""

    def __init__(
        self,
        owner: RestEndpoint,
        endpoint: Endpoint,
        query: Query,
        body: bytes,
        request: web.Request,
    ) -> None:
        self._owner = owner
        self.endpoint = endpoint
        self.query = query
        self.headers = request.headers
        self.path = request.path
        self._body = body
        self.rows = owner.write_down(self)
        for row in self.rows:
            row.address = request.remote or ""

    def take(self, names: tuple[str, ...]) -> Fault | None:
        """Return the fault of ``names`` that meets this request, if any does."""
        return self._owner.take(names, self)

    def process(self) -> Reply:
        """Execute the request and return its reply."""
        reply = self._owner.perform(self)
        for row in self.rows:
            if self.endpoint.handler is not None:
                row.processed, row.code = True, "0"
        return reply

    def refused(self, fault: Fault) -> Reply:
        """Return the refusal that ``reject`` or ``throttle`` orders."""
        return self._owner.refuse(self, fault)

    def unknown(self, fault: Fault) -> Reply:
        """Return a code that proves nothing."""
        return _problem_reply(_problem(fault.text("code", "50004"), fault))

    def failed(self, fault: Fault) -> Reply | None:
        """Return None: only the load balancer answers 5xx, in HTML."""
        return None

    def left(self) -> None:
        """Note that the reply left the server."""
        for row in self.rows:
            row.replied = True

    def required_account(self) -> Account:
        """Return the account; order operations always have one."""
        if self.query.account is None:
            raise Problem("50103")
        return self.query.account

    def payload(self) -> Any:
        """Return the body as JSON."""
        try:
            return orjson.loads(self._body)
        except orjson.JSONDecodeError:
            raise Problem("50002") from None

    def items(self) -> list[dict[str, Any]]:
        """Return the items of an order operation."""
        payload = self.payload()
        items = payload if isinstance(payload, list) else [payload]
        batch = self.endpoint.op.startswith("batch-")
        if isinstance(payload, list) is not batch or not items or len(items) > 20:
            raise Problem("50002")
        if not all(isinstance(item, dict) for item in items):
            raise Problem("50002")
        return items

    def peek_items(self) -> list[dict[str, Any]]:
        """Return the items of an order operation as far as they can be read."""
        try:
            return self.items()
        except Problem:
            return [{}]


def _problem(code: str, fault: Fault) -> Problem:
    problem = Problem(code)
    problem.text = fault.text("msg") or text(code)
    return problem


def _problem_reply(problem: Problem) -> Reply:
    body = orjson.dumps(envelope(problem.code, problem.text))
    return Reply(body, HTTP_STATUS.get(problem.code, 200))
