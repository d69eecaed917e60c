"""The REST endpoint: checks signatures, applies faults, hands requests to their handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from simulator.exchange.accounts import Account
from simulator.exchange.faults import REST, Context, Fault
from simulator.exchange.ledger import RequestRow
from simulator.okx import rest_account, rest_orders, rest_public
from simulator.okx.auth import check_request
from simulator.okx.codes import HTTP_STATUS, Problem, envelope, text
from simulator.okx.dead_man import DeadMan
from simulator.okx.rest_query import Query
from simulator.okx.rest_trading import RestTrading
from simulator.okx.venue import Venue
from simulator.okx.waiting import gone

_BEFORE = ("hangup_before", "swallow_request", "throttle", "reject", "delay_request", *REST)
_AFTER = ("hangup_after", "lose_ack", "delay_ack", "push_before_ack")
_HTML = (
    "<html><head><title>{status} Bad Gateway</title></head>"
    "<body><center><h1>{status} Bad Gateway</h1></center><hr><center>cloudflare</center>"
    "</body></html>"
)
_HOLD_MS = 30_000.0


class Endpoint(NamedTuple):
    """One REST call; ``op`` is its name in faults and in the ledger."""

    op: str
    group: str
    private: bool
    handler: Callable[[Query], dict[str, Any]] | None


class Reply(NamedTuple):
    """What goes back; ``None`` instead of a Reply hangs up without a word."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


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
            return _response(Reply(b'{"code":"404","msg":"Not Found","data":[]}', 404))
        body = await request.read()
        now_ms = self._venue.exchange.clock.now_ms()
        account = None
        if endpoint.private:
            try:
                account = self._authenticate(request, body, now_ms)
            except Problem as problem:
                self._trading.write_down_refused(endpoint.op, endpoint.group, body, problem.code)
                return _response(_problem_reply(problem))
        query = Query(self._venue, account, dict(request.query), now_ms)
        job = _Job(self, endpoint, query, body, request.headers)
        reply = await job.run(request)
        if reply is None:
            _hang_up(request)
            return web.Response(status=499)
        if request.transport is not None and not request.transport.is_closing():
            job.left()
        return _response(reply)

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

    def context(self, job: _Job) -> Context:
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
        return faults.take(names, self.context(job), self._venue.exchange.clock.true_ms())

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
        headers: Mapping[str, str],
    ) -> None:
        self._owner = owner
        self.endpoint = endpoint
        self.query = query
        self.headers = headers
        self._body = body
        self.path = ""
        self.rows: list[RequestRow] = []

    async def run(self, request: web.Request) -> Reply | None:
        """Return the reply; None if the connection is to be closed without one."""
        self.path = request.path
        self.rows = self._owner.write_down(self)
        before = self._owner.take(_BEFORE, self)
        if before is not None and before.name == "delay_request":
            await asyncio.sleep(before.number("delay_ms", 50) / 1000)
            before = None
        if before is not None:
            return await self._stopped(before, request)
        return await self._finish(request, self._perform())

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

    def _perform(self) -> Reply:
        reply = self._owner.perform(self)
        for row in self.rows:
            if self.endpoint.handler is not None:
                row.processed, row.code = True, "0"
        return reply

    async def _finish(self, request: web.Request, reply: Reply) -> Reply | None:
        after = self._owner.take(_AFTER, self)
        if after is None:
            return reply
        if after.name in ("hangup_after", "lose_ack"):
            return None
        default_ms = 20 if after.name == "push_before_ack" else 50
        await asyncio.sleep(after.number("delay_ms", default_ms) / 1000)
        return reply

    async def _stopped(self, fault: Fault, request: web.Request) -> Reply | None:
        """Return what a fault that stops requests puts in the reply's place."""
        if fault.name in ("throttle", "reject"):
            return self._owner.refuse(self, fault)
        if fault.name in ("hangup_before", "swallow_request"):
            if fault.name == "swallow_request":
                await _hold(request, fault)
            return None
        if fault.flag("processed", False):
            self._perform()
        if fault.name == "rest_timeout":
            await _hold(request, fault)
            return None
        if fault.name == "rest_unknown":
            return _problem_reply(_problem(fault.text("code", "50004"), fault))
        status = int(fault.number("status", 200 if fault.name == "rest_html" else 502))
        body = fault.text("body") or _HTML.format(status=status)
        return Reply(body.encode(), status, "text/html")


async def _hold(request: web.Request, fault: Fault) -> None:
    """Keep the connection open, saying nothing, until it is time or the client goes away."""
    await gone(request, fault.number("hold_ms", _HOLD_MS) / 1000)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def _problem(code: str, fault: Fault) -> Problem:
    problem = Problem(code)
    problem.text = fault.text("msg") or text(code)
    return problem


def _problem_reply(problem: Problem) -> Reply:
    body = orjson.dumps(envelope(problem.code, problem.text))
    return Reply(body, HTTP_STATUS.get(problem.code, 200))


def _response(reply: Reply) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, content_type=reply.content_type)
