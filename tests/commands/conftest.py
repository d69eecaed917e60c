"""An account in a real Redis, as strategies and a worker would have left it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from commands.main import app
from router import functions, ids
from router.contracts import CreateIntent, Registration
from router.enums import Exists, OrderSide, OrderType, RequestKind, WsOrderResultType
from router.evidence import Fill
from router.functions import Batch, Call
from router.keyspace import AccountKeys, index
from router.orders import OrderRecord, Told, acked, add_fill
from router.results import order_result, request_result
from router.state import State

CONFIG = """\
[accounts.okx-main]
exchange = "okx"
environment = "demo"
api_key = "env:TEST_KEY"
api_secret = "env:TEST_SECRET"
passphrase = "env:TEST_PASSPHRASE"
rest_url = "http://127.0.0.1:9"
ws_url = "ws://127.0.0.1:9"
"""


@dataclass
class Shell:
    """Runs commands against the test's Redis and config."""

    redis_url: str
    folder: Path

    def run(self, *words: str, code: int = 0) -> str:
        """Return what the command prints on stdout."""
        options = ["--redis-url", self.redis_url, "--config-dir", str(self.folder)]
        result = CliRunner().invoke(app, [*words, *options], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        """Return what the command prints in JSON."""
        return orjson.loads(self.run(*words, "--json", code=code))


@pytest.fixture
def shell(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The command line with an account okx-main whose secrets are set."""
    (tmp_path / "accounts.toml").write_text(CONFIG)
    for name in ("TEST_KEY", "TEST_SECRET", "TEST_PASSPHRASE"):
        monkeypatch.setenv(name, "geheim")
    return Shell(redis_url, tmp_path)


class Scene:
    """Plays the strategy and the owner of okx-main."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.keys = AccountKeys("okx-main")
        self.epoch, self._number = 0, 0
        client.sadd(index(), "okx-main")

    def call(self, call: Call) -> Any:
        return self.client.fcall(*call.fcall())

    def register(self, strategy: str) -> None:
        text = Registration(tag=ids.strategy_tag(strategy)).json_text()
        self.call(functions.register(self.keys, strategy, "main", text, "host 1", wake=True))

    def own(self, ttl_ms: int = 60_000) -> None:
        reply = self.call(
            functions.lease(self.keys, "acquire", owner="host-7", epoch=0, ttl_ms=ttl_ms, host="h")
        )
        self.epoch = int(reply[1])
        now = str(time.time_ns() // 1_000_000)
        status = {"worker": "serving", "trade": "connected", "trade_since_ms": now}
        self.write(lambda batch: batch.hash(self.keys.status, status))

    def write(self, fill: Callable[[Batch], None]) -> None:
        batch = Batch()
        fill(batch)
        self._number += 1
        assert self.call(batch.call(self.keys, self.epoch, self._number))[0] == "applied"

    def admit(self, strategy: str, key: str = "") -> OrderRecord:
        oid = ids.new_oid(ids.strategy_tag(strategy))
        intent = CreateIntent(
            oid=oid,
            client_id=oid,
            idem=key,
            symbol="BTCUSDT.OKX",
            side=OrderSide.BUY,
            type=OrderType.LIMIT,
            amount=Decimal("0.002"),
            price=Decimal(89_500),
        )
        call = functions.admit(
            self.keys,
            strategy,
            [functions.Admission(intent.fields(), strategy, 10_000)],
            caps=functions.Caps(),
        )
        answer = self.call(call)
        record = OrderRecord.from_intent(strategy, replace(intent, created_ms=1, expires_ms=2))
        record.oid = answer[1]
        return record

    def tell(self, record: OrderRecord, told: list[Told]) -> None:
        """Write the record and its events, as the owner does."""

        def fill(batch: Batch) -> None:
            fields = record.hash_fields()
            for one in told:
                if one.fill:
                    fields[f"fill:{one.fill.trade_id}"] = f"{one.fill.amount}@{one.fill.price}"
            place = "ended" if record.ended else "open"
            now_ms = time.time_ns() // 1_000_000
            batch.order(self.keys, record.strategy, record.oid, fields)
            batch.place(self.keys, record.strategy, record.oid, place, end_ms=record.ended_ms)
            for one in told:
                batch.result(self.keys, record.strategy, order_result(record, one, now_ms))

        self.write(fill)

    def fill(self, record: OrderRecord) -> None:
        """Acknowledge and fill an order."""
        now_ms = time.time_ns() // 1_000_000
        record.sent_ms = now_ms
        told = acked(record, "v1", now_ms)
        told += add_fill(record, Fill("t1", record.amount, record.price or record.amount, now_ms))
        self.tell(record, told)

    def lose(self, record: OrderRecord) -> None:
        """Let an order's outcome be unknown."""
        record.state = State.UNKNOWN
        self.tell(record, [])
        result = request_result(
            record.oid,
            record.symbol,
            RequestKind.CREATE,
            WsOrderResultType.ACK_TIMEOUT,
            "no answer in time",
            exists=Exists.UNKNOWN,
            exchange="okx",
            now_ms=time.time_ns() // 1_000_000,
        )
        self.write(lambda batch: batch.result(self.keys, record.strategy, result))


@pytest.fixture
def scene(redis_client: Any) -> Scene:
    """An account that is owned, with one strategy."""
    made = Scene(redis_client)
    made.register("maker")
    made.own()
    return made
