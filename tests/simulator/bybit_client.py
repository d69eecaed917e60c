"""A second reading of the Bybit sheet: raw clients that sign by themselves."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import requests
from websockets.asyncio.client import connect

from simulator.client import AccountKeys
from simulator.server import RunningSimulator
from tests.simulator.raw_socket import PATIENCE_S, Frame, RawSocket

DEMO = AccountKeys("bybit-demo", "demo-key", "demo-secret", "")
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
# Longer than any test: what is late by this much does not come.
WINDOW_MS = 60_000


def hmac_hex(secret: str, text: str) -> str:
    """Return the HMAC-SHA256 of ``text`` in hex, as the sheet's section 2 says."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def now_ms() -> int:
    """Return the time in milliseconds."""
    return int(time.time() * 1000)


def order(client_id: str = "", **fields: Any) -> Frame:
    """Return a limit order to buy 0.01 BTC far below the market, with ``fields`` changed."""
    given = {
        **LINEAR,
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": "88000",
        "orderLinkId": client_id,
    }
    return {name: value for name, value in {**given, **fields}.items() if value not in (None, "")}


def market(client_id: str = "", **fields: Any) -> Frame:
    """Return a market order to buy 0.01 BTC, with ``fields`` changed."""
    return order(client_id, **{"orderType": "Market", "price": None, **fields})


class Rest:
    """Signed REST requests of one account."""

    def __init__(
        self, url: str, keys: AccountKeys = DEMO, time_ms: Callable[[], int] = now_ms
    ) -> None:
        self.url = url
        self.keys = keys
        self.time_ms = time_ms
        self.session = requests.Session()
        self.session.trust_env = False

    def headers(self, payload: str, **changed: str) -> dict[str, str]:
        """Return the headers that sign ``payload``; ``changed`` replaces some."""
        stamp, window = changed.get("stamp", str(self.time_ms())), changed.get("window", "60000")
        text = f"{stamp}{self.keys.api_key}{window}{payload}"
        return {
            "X-BAPI-API-KEY": changed.get("key", self.keys.api_key),
            "X-BAPI-TIMESTAMP": stamp,
            "X-BAPI-RECV-WINDOW": window,
            "X-BAPI-SIGN": changed.get("sign", hmac_hex(self.keys.secret, text)),
        }

    def raw(
        self, method: str, path: str, given: Frame | None = None, **changed: str
    ) -> requests.Response:
        """Send a signed request, its parameters in the query or in a JSON body."""
        url, body = self.url + path, ""
        if method == "GET":
            payload = urlencode(given or {})
            url += f"?{payload}" if payload else ""
        else:
            payload = body = json.dumps(given or {})
        headers = {**self.headers(payload, **changed), "Content-Type": "application/json"}
        return self.session.request(
            method, url, data=body or None, headers=headers, timeout=PATIENCE_S
        )

    def post(self, path: str, given: Frame) -> Frame:
        """Return the reply to a signed POST."""
        return dict(self.raw("POST", f"/v5/{path}", given).json())

    def done(self, path: str, given: Frame) -> Frame:
        """Return the result of a signed POST that must succeed."""
        reply = self.post(path, given)
        assert reply["retCode"] == 0, reply
        return dict(reply["result"])

    def get(self, path: str, **given: Any) -> Frame:
        """Return the result of a signed query that must succeed."""
        reply = self.raw("GET", f"/v5/{path}", given).json()
        assert reply["retCode"] == 0, reply
        return dict(reply["result"])

    def rows(self, path: str, **given: Any) -> list[Frame]:
        """Return the list of a signed query that must succeed; linear BTC unless told."""
        return list(self.get(path, **{**LINEAR, **given})["list"])


class Trade(RawSocket):
    """One connection of ``/v5/trade``."""

    keys = DEMO
    time_ms = staticmethod(now_ms)

    def header(self, **changed: Any) -> Frame:
        """Return the header of a request."""
        stamp, window = str(self.time_ms()), str(WINDOW_MS)
        return {"X-BAPI-TIMESTAMP": stamp, "X-BAPI-RECV-WINDOW": window, **changed}

    async def post(self, op: str, item: Frame, **fields: Any) -> str:
        """Send a request and return its id; ``fields`` replace some of the frame's."""
        request_id = f"r{next(self._ids)}"
        frame = {"reqId": request_id, "header": self.header(), "op": op, "args": [item], **fields}
        await self.send(frame)
        return str(frame["reqId"])

    async def reply(self, request_id: str) -> Frame:
        """Return the reply with that id."""
        return await self.until(lambda frame: frame.get("reqId") == request_id)

    async def call(self, op: str, item: Frame, **fields: Any) -> Frame:
        """Send a request and return its reply."""
        return await self.reply(await self.post(op, item, **fields))

    async def done(self, op: str, item: Frame) -> Frame:
        """Send a request that must succeed, and return its data."""
        reply = await self.call(op, item)
        assert reply["retCode"] == 0, reply
        return dict(reply["data"])

    async def log_in(self) -> Frame:
        """Log in and return the reply."""
        await self.send({"op": "auth", "args": login_args(self.keys)})
        return await self.until(lambda frame: frame.get("op") == "auth")


class Private(RawSocket):
    """One connection of ``/v5/private``."""

    keys = DEMO

    async def log_in(self) -> Frame:
        """Log in and return the reply."""
        await self.send({"op": "auth", "args": login_args(self.keys)})
        return await self.until(lambda frame: frame.get("op") == "auth")

    async def subscribe(self, *topics: str, word: str = "subscribe") -> Frame:
        """Subscribe and return the reply."""
        await self.send({"op": word, "req_id": "s", "args": list(topics)})
        return await self.until(lambda frame: frame.get("op") == word)

    async def push(self, topic: str = "order") -> Frame:
        """Return the next push of that topic, read or not yet read."""
        while True:
            while self._passed < len(self.seen):
                frame = self.seen[self._passed]
                self._passed += 1
                if frame.get("topic") == topic:
                    return frame
            await self.next()

    async def one(self, topic: str = "order") -> Frame:
        """Return the only row of the next push of that topic."""
        (row,) = (await self.push(topic))["data"]
        return dict(row)

    async def settled(self) -> None:
        """Read on until a ping sent now is answered: all sent before has then been seen."""
        await self.send({"op": "ping"})
        await self.until(lambda frame: frame.get("op") in ("pong", "ping"))

    def told(self, topic: str = "order") -> list[Frame]:
        """Return the rows of all pushes of that topic."""
        return [row for frame in self.seen if frame.get("topic") == topic for row in frame["data"]]

    def statuses(self, client_id: str) -> list[str]:
        """Return the statuses that an order was told in."""
        return [row["orderStatus"] for row in self.told() if row["orderLinkId"] == client_id]


def login_args(keys: AccountKeys, expires_ms: int = 0) -> list[Any]:
    """Return the arguments of ``auth``."""
    expires_ms = expires_ms or now_ms() + WINDOW_MS
    return [keys.api_key, expires_ms, hmac_hex(keys.secret, f"GET/realtime{expires_ms}")]


async def dial(url: str) -> Any:
    """Return an open connection."""
    return await connect(url, compression=None, proxy=None, ping_interval=None)


async def open_trade(sim: RunningSimulator, keys: AccountKeys = DEMO) -> Trade:
    """Return a trade connection that is logged in."""
    trade = Trade(await dial(f"{sim.ws_url}/v5/trade"))
    trade.keys = keys
    reply = await trade.log_in()
    assert reply["retCode"] == 0, reply
    return trade


async def open_private(sim: RunningSimulator, *topics: str, keys: AccountKeys = DEMO) -> Private:
    """Return a private connection that is logged in and subscribed."""
    private = Private(await dial(f"{sim.ws_url}/v5/private"))
    private.keys = keys
    assert (await private.log_in())["success"]
    reply = await private.subscribe(*(topics or ("order", "execution", "position", "wallet")))
    assert reply["success"], reply
    return private


async def open_public(sim: RunningSimulator, category: str, *topics: str) -> Private:
    """Return a public connection that is subscribed."""
    public = Private(await dial(f"{sim.ws_url}/v5/public/{category}"))
    reply = await public.subscribe(*topics)
    assert reply["success"], reply
    return public
