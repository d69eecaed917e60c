"""The control API: order faults, move markets, act by hand, read the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Protocol

import orjson
from aiohttp import web
from pydantic import ValidationError

from simulator.by_hand import BadRequest, ByHand
from simulator.config import AccountConfig
from simulator.exchange.faults import BadFault, Fault
from simulator.exchange.ledger import fill_json, order_json
from simulator.sockets import Socket
from simulator.world import World

Body = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.Response]]

_GOING_AWAY = 1001


class Dialect(Protocol):
    """What the control API asks of a dialect."""

    name: str

    def expire_streams(self, account: str) -> int:
        """End what keeps an account's private streams going; return how many streams end."""

    def notice(self, socket: Socket) -> bytes:
        """Return the frame that announces a disconnect; nothing if the venue sends none."""


class Control:
    """Serves /control/..."""

    def __init__(self, world: World, dialects: Iterable[Dialect]) -> None:
        self._world = world
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._by_hand = ByHand(world)

    def routes(self) -> list[web.RouteDef]:
        """Return what the server is to serve."""
        hand = self._by_hand
        posts: dict[str, Callable[[Body], Body]] = {
            "faults": self._arm,
            "sockets/close": self._close,
            "sockets/half_open": self._half_open,
            "sockets/send": self._send,
            "notice": self._notice,
            "streams/expire": self._expire_streams,
            "accounts": self._add_account,
            "reset": self._reset,
            "market": hand.market,
            "orders": hand.place,
            "orders/cancel": hand.cancel,
            "orders/fill": hand.fill,
            "positions": hand.set_position,
            "balances": hand.set_balance,
        }
        gets: dict[str, Callable[[web.Request], Body]] = {
            "health": self._health,
            "ledger": self._ledger,
            "connections": self._connections,
            "faults": self._faults,
            "orders/{client_id}": self._orders,
        }
        return [
            *(web.post(f"/control/{path}", _posted(act)) for path, act in posts.items()),
            *(web.get(f"/control/{path}", _got(ask)) for path, ask in gets.items()),
            web.delete("/control/faults", _got(self._disarm)),
            web.delete("/control/faults/{id}", _got(self._disarm)),
        ]

    def _health(self, request: web.Request) -> Body:
        world = self._world
        floors = world.floors.values()
        return {
            "status": "ok",
            "now_ms": world.clock.now_ms(),
            "dialects": list(self._dialects),
            "accounts": sorted({name for floor in floors for name in floor.exchange.accounts}),
            "symbols": sorted({symbol for floor in floors for symbol in floor.exchange.books}),
            "markets": {name: sorted(floor.exchange.books) for name, floor in world.floors.items()},
            "connections": len(world.sockets),
            "orders": sum(len(floor.exchange.orders) for floor in floors),
            "requests": world.ledger.received,
        }

    def _ledger(self, request: web.Request) -> Body:
        since = request.query.get("since", "0")
        if not since.isdigit():
            raise BadRequest("since: milliseconds since 1970")
        return self._world.ledger.as_json(
            self._world.orders(),
            self._world.fills(),
            account=request.query.get("account", ""),
            since_ms=int(since),
        )

    def _orders(self, request: web.Request) -> Body:
        client_id = request.match_info["client_id"]
        account = request.query.get("account", "")
        orders = [
            order
            for order in self._world.orders()
            if order.client_id == client_id and account in ("", order.account.name)
        ]
        return {
            "orders": [order_json(order) for order in orders],
            "fills": [fill_json(fill) for fill in self._world.fills() if fill.order in orders],
            "requests": [
                row.as_json()
                for row in self._world.ledger.requests
                if row.client_id == client_id and account in ("", row.account)
            ],
        }

    def _connections(self, request: web.Request) -> Body:
        rows = [
            {**socket.row.as_json(), "half_open": socket.muted} for socket in self._world.sockets
        ]
        return {"connections": rows}

    def _faults(self, request: web.Request) -> Body:
        return {"faults": [self._fault_json(fault) for fault in self._world.faults]}

    def _arm(self, body: Body) -> Body:
        world = self._world
        fault = world.faults.arm(body, world.clock.true_ms())
        if fault.name == "clock_skew":
            world.clock.skew_us = int(fault.number("offset_ms", 0) * 1000)
            world.clock.reads_skewed = 0
            if fault.until_ms is not None:
                later_s = (fault.until_ms - world.clock.true_ms()) / 1000
                self._by_hand.later(later_s, lambda: self._end_skew(fault))
        if fault.name == "half_open" and fault.flag("now", False):
            for socket in self._sockets(fault.match):
                fault.hits += 1
                socket.mute()
        return {"id": fault.id}

    def _end_skew(self, fault: Fault) -> None:
        if fault in list(self._world.faults):
            self._world.clock.skew_us = 0

    def _disarm(self, request: web.Request) -> Body:
        gone = self._world.forget_faults(request.match_info.get("id"))
        return {"disarmed": [fault.id for fault in gone]}

    def _fault_json(self, fault: Fault) -> Body:
        row = fault.as_json()
        if fault.name == "clock_skew":
            row["hits"] = self._world.clock.reads_skewed
        return row

    def _close(self, body: Body) -> Body:
        code = body.get("code")
        closed = self._sockets(body)
        for socket in closed:
            socket.hang_up(None if code is None else int(code))
        return {"closed": len(closed)}

    def _half_open(self, body: Body) -> Body:
        muted = self._sockets(body)
        for socket in muted:
            socket.mute()
        return {"half_open": len(muted)}

    def _send(self, body: Body) -> Body:
        sent = [socket.send(str(body.get("text", "")).encode()) for socket in self._sockets(body)]
        return {"sent": sum(sent)}

    def _notice(self, body: Body) -> Body:
        after_s = float(body.get("after_ms", self._world.config.notice_s * 1000)) / 1000
        told = self._sockets(body)
        for socket in told:
            frame = self._dialects[socket.row.venue].notice(socket)
            if frame:
                socket.send(frame)
            self._by_hand.later(after_s, partial(socket.hang_up, _GOING_AWAY))
        return {"told": len(told)}

    def _expire_streams(self, body: Body) -> Body:
        name = str(body.get("account") or "")
        return {"expired": sum(one.expire_streams(name) for one in self._dialects.values())}

    def _add_account(self, body: Body) -> Body:
        first = self._world.config.venues[0]
        config = AccountConfig.model_validate({**body, "venue": body.get("venue") or first})
        if config.venue not in self._world.floors:
            raise BadRequest(f"venue: one of {list(self._world.floors)}")
        account = self._world.floors[config.venue].add_account(config)
        return {"name": account.name, "uid": account.uid}

    def _reset(self, body: Body) -> Body:
        if body.get("sockets", False):
            for socket in self._world.sockets:
                socket.hang_up()
        self._world.reset()
        return {}

    def _sockets(self, body: Body) -> list[Socket]:
        return self._world.sockets.matching(
            role=str(body.get("socket") or ""),
            account=str(body.get("account") or ""),
            connection=str(body.get("connection") or ""),
            venue=str(body.get("venue") or ""),
        )


def _posted(act: Callable[[Body], Body]) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            body = orjson.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise BadRequest("the body must be a JSON object")
            return _json(act(body))
        except (ValidationError, BadFault, BadRequest, ValueError) as problem:
            return _json({"error": str(problem)}, 400)

    return answer


def _got(ask: Callable[[web.Request], Body]) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        try:
            return _json(ask(request))
        except BadRequest as problem:
            return _json({"error": str(problem)}, 400)

    return answer


def _json(body: Body, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
