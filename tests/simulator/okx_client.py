"""A second reading of the protocol sheet: raw clients that sign by themselves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import requests
from websockets.asyncio.client import connect

from simulator.client import AccountKeys
from simulator.server import RunningSimulator
from tests.simulator.raw_socket import PATIENCE_S as PATIENCE_S
from tests.simulator.raw_socket import Frame as Frame
from tests.simulator.raw_socket import RawSocket
from tests.simulator.raw_socket import eventually as eventually
from tests.simulator.raw_socket import wait_until as wait_until

DEMO = AccountKeys("okx-demo", "demo-key", "demo-secret", "demo-pass")
CODES = {
    "BTC-USDT": 10457,
    "BTC-USD-SWAP": 10458,
    "ETH-USDT": 10459,
    "BTC-USDT-SWAP": 10461,
    "ETH-USDT-SWAP": 10462,
}


def signature(secret: str, text: str) -> str:
    """Return Base64(HMAC_SHA256(secret, text)), as the sheet's section 2 says."""
    return base64.b64encode(
        hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    ).decode()


def spot(client_id: str = "", **fields: Any) -> Frame:
    """Return a limit order to buy 0.1 BTC far below the market, with ``fields`` changed."""
    item = {
        "instIdCode": CODES["BTC-USDT"],
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "sz": "0.1",
        "px": "80000",
        "clOrdId": client_id,
    }
    return {key: value for key, value in {**item, **fields}.items() if value is not None}


def swap(client_id: str = "", **fields: Any) -> Frame:
    """Return a limit order to buy 10 contracts of 0.01 BTC, with ``fields`` changed."""
    base = {"instIdCode": CODES["BTC-USDT-SWAP"], "tdMode": "cross", "sz": "10"}
    return spot(client_id, **{**base, **fields})


def by_rest(item: Frame, symbol: str = "BTC-USDT") -> Frame:
    """Return a WebSocket order item as REST wants it: ``instId`` for the code."""
    return {"instId": symbol, **{key: item[key] for key in item if key != "instIdCode"}}


class Rest:
    """Signed REST requests of one account."""

    def __init__(self, url: str, keys: AccountKeys = DEMO) -> None:
        self.url = url
        self.keys = keys
        self.session = requests.Session()
        self.session.trust_env = False

    def headers(self, method: str, path: str, body: str, **changed: str) -> dict[str, str]:
        """Return the headers that sign a request; ``changed`` replaces some."""
        now = datetime.now(UTC)
        stamp = changed.pop(
            "stamp", now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
        )
        sign = signature(self.keys.secret, stamp + method + path + body)
        headers = {
            "OK-ACCESS-KEY": self.keys.api_key,
            "OK-ACCESS-SIGN": sign,
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": self.keys.passphrase,
            "Content-Type": "application/json",
        }
        return headers | {name.replace("_", "-"): value for name, value in changed.items()}

    def raw(self, method: str, path: str, body: Any = None, **changed: str) -> requests.Response:
        """Send a request and return the response as it is."""
        text = "" if body is None else json.dumps(body)
        headers = self.headers(method, path, text, **changed)
        return self.session.request(
            method, self.url + path, data=text or None, headers=headers, timeout=PATIENCE_S
        )

    def get(self, path: str) -> Frame:
        """Return the reply to a signed GET."""
        reply: Frame = self.raw("GET", "/api/v5/" + path).json()
        return reply

    def post(self, path: str, body: Any, **headers: str) -> Frame:
        """Return the reply to a signed POST."""
        reply: Frame = self.raw("POST", "/api/v5/" + path, body, **headers).json()
        return reply

    def place(self, item: Frame, symbol: str = "BTC-USDT") -> Frame:
        """Place an order; return its item of the reply."""
        return dict(self.post("trade/order", by_rest(item, symbol))["data"][0])

    def order(self, client_id: str, symbol: str = "BTC-USDT") -> Frame:
        """Return the reply to an order query."""
        return self.get(f"trade/order?instId={symbol}&clOrdId={client_id}")


class Ws(RawSocket):
    """One WebSocket of the OKX dialect."""

    async def login(self, keys: AccountKeys = DEMO, **changed: Any) -> Frame:
        """Log in and return the answer; ``changed`` replaces fields of the argument."""
        stamp = changed.pop("timestamp", str(int(time.time())))
        sign = signature(keys.secret, f"{stamp}GET/users/self/verify")
        argument = {
            "apiKey": keys.api_key,
            "passphrase": keys.passphrase,
            "timestamp": stamp,
            "sign": sign,
            **changed,
        }
        await self.send({"op": "login", "args": [argument]})
        return await self.until(lambda frame: "event" in frame)

    async def subscribe(self, **arg: Any) -> None:
        """Subscribe and wait for the acknowledgement (and for the count on private channels)."""
        await self.send({"op": "subscribe", "args": [arg]})
        await self.until(lambda frame: frame.get("event") == "subscribe")
        if arg["channel"] in ("orders", "account", "positions", "balance_and_position"):
            await self.until(lambda frame: frame.get("event", "").startswith("channel-conn-count"))

    async def send_op(self, op: str, *items: Frame, **top: Any) -> str:
        """Send an order operation and return its id."""
        request_id = f"r{next(self._ids)}"
        await self.send({"id": request_id, "op": op, "args": list(items), **top})
        return request_id

    async def op(self, op: str, *items: Frame, **top: Any) -> Frame:
        """Send an order operation and return its reply."""
        request_id = await self.send_op(op, *items, **top)
        return await self.reply(request_id)

    async def reply(self, request_id: str) -> Frame:
        """Return the reply with that id."""
        return await self.until(lambda frame: frame.get("id") == request_id)

    async def push(self, channel: str = "orders", *, state: str = "", client_id: str = "") -> Frame:
        """Return the data item of the first push of a channel that fits, read or not yet read.

        A push is returned once; those before it are passed over.
        """
        while True:
            while self._passed < len(self.seen):
                frame = self.seen[self._passed]
                self._passed += 1
                if frame.get("arg", {}).get("channel") != channel or "data" not in frame:
                    continue
                item = dict(frame["data"][0]) if frame["data"] else {}
                if state in ("", item.get("state")) and client_id in ("", item.get("clOrdId")):
                    return item
            await self.next()

    async def ping(self) -> None:
        """Ping and read on until the pong: everything sent before it has then been seen."""
        await self.send("ping")
        while (text := await self.text()) != "pong":
            self.seen.append(json.loads(text))

    def pushes(self, channel: str = "orders") -> list[Frame]:
        """Return the data items of all pushes of a channel seen so far."""
        return [
            item
            for frame in self.seen
            if frame.get("arg", {}).get("channel") == channel
            for item in frame.get("data", ())
        ]


async def open_ws(url: str, kind: str = "private") -> Ws:
    """Return an open WebSocket of ``kind``."""
    return Ws(await connect(f"{url}/{kind}", compression=None, proxy=None, ping_interval=None))


async def open_private(url: str, keys: AccountKeys = DEMO, *channels: Frame) -> Ws:
    """Return a logged-in WebSocket subscribed to ``channels``."""
    ws = await open_ws(url)
    answer = await ws.login(keys)
    assert answer["code"] == "0", answer
    for channel in channels:
        await ws.subscribe(**channel)
    return ws


ORDERS: Frame = {"channel": "orders", "instType": "ANY"}


def truth(sim: RunningSimulator, client_id: str = "a1") -> tuple[bool, bool, int]:
    """Return (processed, replied) of an id's only request, and how many orders it has."""
    ledger = sim.control.ledger()
    (row,) = ledger.requests_of(client_id)
    return row["processed"], row["replied"], len(ledger.orders_of(client_id))
