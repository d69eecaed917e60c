"""A second reading of the Binance sheet: raw clients that sign by themselves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import connect

from simulator.client import AccountKeys
from simulator.server import RunningSimulator
from tests.simulator.raw_socket import PATIENCE_S, Frame, RawSocket

FUTURES = AccountKeys("binance-demo", "demo-key", "demo-secret", "")
SPOT = AccountKeys("binance-spot-demo", "demo-key", "demo-secret", "")


# A moment in the middle of a minute: windows of limits never end while it lasts.
STILL_MS = 1_795_000_005_000


def still_ms() -> int:
    """Return the same moment again and again."""
    return STILL_MS


def hmac_hex(secret: str, text: str) -> str:
    """Return the HMAC-SHA256 of ``text`` in hex, as the sheet's A2.1 says."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def now_ms() -> int:
    """Return the time in milliseconds."""
    return int(time.time() * 1000)


def order(client_id: str = "", **fields: Any) -> Frame:
    """Return a limit order to buy 0.01 BTC far below the market, with ``fields`` changed."""
    given = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.010",
        "price": "88000",
        "newClientOrderId": client_id,
    }
    return {name: value for name, value in {**given, **fields}.items() if value not in (None, "")}


def market(client_id: str = "", **fields: Any) -> Frame:
    """Return a market order to buy 0.01 BTC, with ``fields`` changed."""
    return order(client_id, **{"type": "MARKET", "timeInForce": None, "price": None, **fields})


class Rest:
    """Signed REST requests of one account."""

    def __init__(
        self, url: str, keys: AccountKeys = FUTURES, time_ms: Callable[[], int] = now_ms
    ) -> None:
        self.url = url
        self.time_ms = time_ms
        self.keys = keys
        self.session = requests.Session()
        self.session.trust_env = False

    def raw(
        self, method: str, path: str, given: Frame | None = None, *, form: bool = False
    ) -> requests.Response:
        """Send a signed request, its parameters in the query or in a form."""
        text = urlencode({"timestamp": self.time_ms(), **(given or {})})
        text += f"&signature={hmac_hex(self.keys.secret, text)}"
        url = self.url + path + ("" if form else f"?{text}")
        headers = {"X-MBX-APIKEY": self.keys.api_key}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        data = text if form else None
        return self.session.request(method, url, data=data, headers=headers, timeout=PATIENCE_S)

    def call(self, method: str, path: str, **given: Any) -> Any:
        """Return the JSON reply to a signed request."""
        return self.raw(method, path, given).json()

    def keyed(self, method: str, path: str) -> Any:
        """Return the JSON reply to a request that bears the key and no signature."""
        headers = {"X-MBX-APIKEY": self.keys.api_key}
        url = self.url + path
        return self.session.request(method, url, headers=headers, timeout=PATIENCE_S).json()

    def public(self, path: str) -> Any:
        """Return the JSON reply to a request without a key."""
        return self.session.get(self.url + path, timeout=PATIENCE_S).json()


class Api(RawSocket):
    """One connection of the WebSocket API."""

    keys = FUTURES
    time_ms = staticmethod(now_ms)

    def signed(self, given: Frame, **changed: Any) -> Frame:
        """Return ``given`` with key, timestamp and signature; ``changed`` replaces some."""
        params = {"apiKey": self.keys.api_key, "timestamp": self.time_ms(), **given, **changed}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return params | {"signature": hmac_hex(self.keys.secret, text)}

    async def post(self, method: str, params: Frame) -> str:
        """Send a request as it is and return its id."""
        request_id = f"r{next(self._ids)}"
        await self.send({"id": request_id, "method": method, "params": params})
        return request_id

    async def reply(self, request_id: str) -> Frame:
        """Return the reply with that id."""
        return await self.until(lambda frame: frame.get("id") == request_id)

    async def call(self, method: str, given: Frame | None = None, **more: Any) -> Frame:
        """Send a signed request and return its reply."""
        return await self.reply(await self.post(method, self.signed({**(given or {}), **more})))

    async def unsigned(self, method: str, **given: Any) -> Frame:
        """Send a request without key and signature, and return its reply."""
        return await self.reply(await self.post(method, given))

    async def result(self, method: str, given: Frame | None = None, **more: Any) -> Frame:
        """Send a signed request that must succeed, and return its result."""
        reply = await self.call(method, given, **more)
        assert reply["status"] == 200, reply
        return dict(reply["result"])


class Events(RawSocket):
    """A connection on which events come."""

    async def event(self, word: str = "ORDER_TRADE_UPDATE") -> Frame:
        """Return the next event of that name, read or not yet read, out of any wrapper."""
        while True:
            while self._passed < len(self.seen):
                frame = self.seen[self._passed]
                self._passed += 1
                event = dict(frame.get("data") or frame.get("event") or frame)
                if event.get("e") == word:
                    return event
            await self.next()


class Stream(Events):
    """One connection of the stream hosts."""

    async def update(self, execution: str = "") -> Frame:
        """Return the order in the next ORDER_TRADE_UPDATE, or in the next of that execution."""
        while True:
            shown = dict((await self.event())["o"])
            if execution in ("", shown["x"]):
                return shown

    async def settled(self) -> None:
        """Read on until a question sent now is answered: all sent before has then been seen."""
        await self.send({"method": "LIST_SUBSCRIPTIONS", "id": "settled"})
        await self.until(lambda frame: frame.get("id") == "settled")


class SpotApi(Api, Events):
    """One connection of spot's WebSocket API: requests, and user data once they are subscribed."""

    async def subscribe(self) -> int:
        """Subscribe to user data by a signature; return the subscription's number."""
        return int((await self.result("userDataStream.subscribe.signature"))["subscriptionId"])

    async def report(self, execution: str = "") -> Frame:
        """Return the next executionReport, or the next of that execution."""
        while True:
            report = await self.event("executionReport")
            if execution in ("", report["x"]):
                return report


async def dial(url: str) -> Any:
    """Return an open connection."""
    return await connect(url, compression=None, proxy=None, ping_interval=None)


async def open_api(sim: RunningSimulator, keys: AccountKeys = FUTURES, query: str = "") -> Api:
    """Return an open connection of the futures' WebSocket API."""
    api = Api(await dial(f"{sim.ws_url}/ws-fapi/v1{query}"))
    api.keys = keys
    return api


async def open_spot(sim: RunningSimulator, keys: AccountKeys = SPOT) -> SpotApi:
    """Return an open connection of spot's WebSocket API."""
    api = SpotApi(await dial(f"{sim.ws_url}/ws-api/v3"))
    api.keys = keys
    return api


async def open_stream(sim: RunningSimulator, path: str) -> Stream:
    """Return an open stream connection."""
    return Stream(await dial(sim.ws_url + path))


async def open_user(sim: RunningSimulator, rest: Rest, query: str = "") -> Stream:
    """Return a connection that hears all events of an account."""
    key = rest.keyed("POST", "/fapi/v1/listenKey")["listenKey"]
    stream = await open_stream(sim, f"/private/ws?listenKey={key}{query}")
    await stream.settled()
    return stream


def ed25519_pair() -> tuple[Ed25519PrivateKey, str]:
    """Return a fresh key and its public half as PEM."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return key, public.decode()


def ed25519_signed(key: Ed25519PrivateKey, params: Frame) -> Frame:
    """Return ``params`` with their signature by ``key``."""
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return params | {"signature": base64.b64encode(key.sign(text.encode())).decode()}
