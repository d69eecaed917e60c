"""A second reading of the Bitget sheet: raw clients that sign by themselves."""

from __future__ import annotations

import base64
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

DEMO = AccountKeys("bitget-demo", "demo-key", "demo-secret", "demo-pass")
SPOT, FUTURES = "spot", "usdt-futures"
ORDER = {"instType": "UTA", "topic": "order"}
FILL = {"instType": "UTA", "topic": "fill"}
POSITION = {"instType": "UTA", "topic": "position"}
ACCOUNT = {"instType": "UTA", "topic": "account"}


def signature(secret: str, text: str) -> str:
    """Return Base64(HMAC_SHA256(secret, text))."""
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def now_ms() -> int:
    """Return the time in milliseconds."""
    return int(time.time() * 1000)


def order(client_id: str = "", **fields: Any) -> Frame:
    """Return a limit order to buy 0.01 BTC below the market, with ``fields`` changed."""
    given = {
        "symbol": "BTCUSDT",
        "side": "buy",
        "orderType": "limit",
        "timeInForce": "gtc",
        "qty": "0.01",
        "price": "88000",
        "clientOid": client_id,
    }
    return {name: value for name, value in {**given, **fields}.items() if value not in (None, "")}


def market(client_id: str = "", **fields: Any) -> Frame:
    """Return a market order to buy 0.01 BTC of futures, with ``fields`` changed."""
    changed = {"orderType": "market", "timeInForce": None, "price": None, **fields}
    return order(client_id, **changed)


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

    def raw(
        self, method: str, path: str, given: Any = None, *, headers: Frame | None = None
    ) -> requests.Response:
        """Send a signed request; ``headers`` change the usual ones."""
        query, body = "", ""
        if method == "GET" and given:
            query = f"?{urlencode(given)}"
        elif method == "POST":
            body = json.dumps(given)
        target, stamp = f"/api/v3/{path}{query}", str(self.time_ms())
        signed = {
            "ACCESS-KEY": self.keys.api_key,
            "ACCESS-SIGN": signature(self.keys.secret, f"{stamp}{method}{target}{body}"),
            "ACCESS-TIMESTAMP": stamp,
            "ACCESS-PASSPHRASE": self.keys.passphrase,
            "Content-Type": "application/json",
            **(headers or {}),
        }
        return self.session.request(
            method, self.url + target, data=body or None, headers=signed, timeout=PATIENCE_S
        )

    def public(self, path: str) -> Frame:
        """Return the JSON reply to a GET without a key."""
        return dict(self.session.get(self.url + path, timeout=PATIENCE_S).json())

    def get(self, path: str, **given: Any) -> Frame:
        """Return the JSON reply to a signed GET."""
        return dict(self.raw("GET", path, given).json())

    def data(self, path: str, **given: Any) -> Any:
        """Return the data of a signed GET that must succeed."""
        reply = self.get(path, **given)
        assert reply["code"] == "00000", reply
        return reply["data"]

    def post(self, path: str, given: Any) -> Frame:
        """Return the JSON reply to a signed POST."""
        return dict(self.raw("POST", path, given).json())

    def place(self, item: Frame, category: str = "USDT-FUTURES") -> Frame:
        """Place an order that must be taken; return its ids."""
        reply = self.post("trade/place-order", {"category": category, **item})
        assert reply["code"] == "00000", reply
        return dict(reply["data"])


class Private(RawSocket):
    """A private connection: orders, their answers, and pushes."""

    async def login(self, keys: AccountKeys = DEMO, stamp: object = None, **changed: Any) -> Frame:
        """Send a login and return what comes back."""
        stamp = str(now_ms() // 1000) if stamp is None else stamp
        argument = {
            "apiKey": keys.api_key,
            "passphrase": keys.passphrase,
            "timestamp": stamp,
            "sign": signature(keys.secret, f"{stamp}GET/user/verify"),
            **changed,
        }
        await self.send({"op": "login", "args": [argument]})
        return await self.next()

    async def subscribe(self, *args: Frame) -> None:
        """Subscribe and read on until all of it is confirmed."""
        await self.send({"op": "subscribe", "args": [*args]})
        for arg in args:
            confirmed = await self.until(lambda frame: frame.get("event") in ("subscribe", "error"))
            assert confirmed == {"event": "subscribe", "arg": arg}

    async def post(
        self, topic: str, args: list[Frame], category: str = FUTURES, **envelope: Any
    ) -> str:
        """Send a trade request and return its id."""
        request_id = f"r{next(self._ids)}"
        frame = {"op": "trade", "id": request_id, "topic": topic, "args": args}
        await self.send(frame | {"category": category} | envelope)
        return request_id

    async def reply(self, request_id: str) -> Frame:
        """Return the answer with that id."""
        return await self.until(lambda frame: frame.get("id") == request_id)

    async def call(self, topic: str, *args: Frame, category: str = FUTURES, **more: Any) -> Frame:
        """Send a trade request and return its answer."""
        return await self.reply(await self.post(topic, [*args], category, **more))

    async def placed(self, item: Frame, category: str = FUTURES) -> str:
        """Place an order that must be taken; return its orderId."""
        reply = await self.call("place-order", item, category=category)
        assert reply["code"] == "0", reply
        return str(reply["args"][0]["orderId"])

    async def push(self, topic: str = "order") -> Frame:
        """Return the item of the next push of ``topic``, read or not yet read."""
        while True:
            while self._passed < len(self.seen):
                frame = self.seen[self._passed]
                self._passed += 1
                if frame.get("arg", {}).get("topic") == topic and frame.get("data"):
                    return dict(frame["data"][0])
            await self.next()

    async def settled(self) -> None:
        """Read on until a question sent now is answered: all sent before has then been seen."""
        await self.send({"op": "unsubscribe", "args": [{"settled": "1"}]})
        await self.until(lambda frame: frame.get("arg") == {"settled": "1"})

    def pushed(self, topic: str = "order") -> list[Frame]:
        """Return all items of ``topic`` seen so far."""
        return [
            item
            for frame in self.seen
            if frame.get("arg", {}).get("topic") == topic
            for item in frame.get("data", ())
        ]


async def dial(sim: RunningSimulator, kind: str = "private") -> Private:
    """Return an open connection, not logged in."""
    url = f"{sim.addresses['bitget'].ws_url}/{kind}"
    return Private(await connect(url, compression=None, proxy=None, ping_interval=None))


async def enter(sim: RunningSimulator, *args: Frame, keys: AccountKeys = DEMO) -> Private:
    """Return a connection that is logged in and has subscribed to ``args``."""
    ws = await dial(sim)
    assert (await ws.login(keys))["code"] == 0
    if args:
        await ws.subscribe(*args)
    return ws
