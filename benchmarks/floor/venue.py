"""``python -m benchmarks.floor.venue``: answers each WebSocket frame with itself, at once."""

import asyncio
import contextlib
import signal
import socket
import sys

import uvloop
from aiohttp import WSMsgType, web


async def answer(request: web.Request) -> web.StreamResponse:
    """Echo until the client goes."""
    stream = web.WebSocketResponse(compress=False)
    await stream.prepare(request)
    async for message in stream:
        if message.type is WSMsgType.TEXT:
            await stream.send_str(message.data)
    return stream


async def main() -> None:
    """Listen on any port, write it as one line, serve until a signal."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    sys.stdout.write(f'{{"port":{listener.getsockname()[1]}}}\n')
    sys.stdout.flush()
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
