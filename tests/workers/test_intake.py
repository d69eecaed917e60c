"""Reading intents from a server that takes connections and says nothing."""

import asyncio
import socket
from typing import Any, cast

import pytest

from router.keyspace import AccountKeys
from router.servers import Servers
from workers import outbox
from workers.clients import connect
from workers.intake import Intake


async def test_a_silent_server_holds_no_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "ANSWER_WITHIN_S", 0.05)
    nothing = cast(Any, None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connect(Servers(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"), "")
        intake = Intake(
            client,
            AccountKeys("okx-main"),
            1,
            count=1,
            on_intents=nothing,
            on_inherited=nothing,
            on_control=nothing,
            after_read=nothing,
            may_read=nothing,
            look_every_s=1,
            forgotten=nothing,
            same_server=nothing,
        )
        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                await intake._read(">", 1)
        await client.aclose()
