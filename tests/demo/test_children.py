"""No process outlives the demo: neither a child nor a child's child, however the demo ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from demo import redis_server
from demo.children import ROOT, ChildEnded, Children
from demo.redis_server import RedisServer, free_port
from router.errors import ConfigError

# Starts a child with a grandchild (both sleep) and a server, prints their pids, then waits.
_PARENT = """
import subprocess, sys, time
from pathlib import Path
from demo.children import Children
from demo.redis_server import RedisServer, free_port
folder = Path(sys.argv[1])
children = Children(folder, {})
server = RedisServer(folder / "redis", free_port())
server.start()
children.watch(server.process.pid)
grandparent = (
    "import subprocess, sys, time;"
    "sleeper = [sys.executable, '-c', 'import time; time.sleep(600)'];"
    "print(subprocess.Popen(sleeper).pid, flush=True);"
    "time.sleep(600)"
)
child = subprocess.Popen(
    [sys.executable, "-c", grandparent], stdout=subprocess.PIPE, start_new_session=True
)
children.watch(child.pid)
print(server.process.pid, child.pid, int(child.stdout.readline()), flush=True)
time.sleep(600)
"""


DEADLINE_S = 60.0


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether the process is there and not merely waiting to be reaped by its new parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_everything_ends_with_a_killed_demo(number: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(folder)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(runs(pid) for pid in pids)
        parent.send_signal(number)
        parent.wait()
    wait_until(lambda: not any(runs(pid) for pid in pids))
    wait_until(lambda: not folder.exists())


def test_a_child_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    children = Children(tmp_path, dict(os.environ))
    try:
        child = children.start("lost", ["order", "--no-such-option"])
        wait_until(lambda: not child.alive)
        with pytest.raises(ChildEnded, match=r"lost.*code 2"):
            children.check()
    finally:
        children.stop()
    assert tmp_path.exists(), "a demo that ends well keeps its folder until it removes it itself"


def test_one_server_for_one_folder(tmp_path: Path) -> None:
    with RedisServer(tmp_path, free_port()):
        second = RedisServer(tmp_path, free_port())
        with pytest.raises(ConfigError, match="another server"):
            second.start()


def test_a_taken_port_is_no_server_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisServer(tmp_path / "first", free_port()) as first:
        stranger = RedisServer(tmp_path / "second", first.port)
        with pytest.raises(ConfigError, match="did not start"):
            stranger.start()
        stranger.stop()
        ports = iter([first.port, free_port()])
        monkeypatch.setattr(redis_server, "free_port", lambda: next(ports))
        second = redis_server.start_server(tmp_path / "second")
        try:
            assert second.port != first.port
            with redis.Redis.from_url(second.url) as client:
                assert client.ping()
        finally:
            second.stop()


def test_the_embedded_server_keeps_its_data(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, free_port(), appendfsync="always")
    for value in (None, "kept"):
        with server, redis.Redis.from_url(server.url, decode_responses=True) as client:
            assert client.get("one") == value
            client.set("one", "kept")
