"""A user's mistake is one line on stderr and exit code 2, never a traceback."""

import socket
import sys
from pathlib import Path

import pytest

from commands.main import MISTAKE, main
from tests.commands.conftest import CONFIG, Scene

NOWHERE = ("--redis-url", "redis://:geheim@127.0.0.1:1/0")
RUN = ("run", "examples/robust_entry.py:RobustEntry")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TEST_KEY", "TEST_SECRET", "TEST_PASSPHRASE", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "accounts.toml").write_text(CONFIG)
    return tmp_path


def complaint(
    *words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Return the one line that the command says."""
    monkeypatch.setattr(sys, "argv", ["order-router", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == MISTAKE, said
    assert said.count("\n") == 1, said
    return said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", *NOWHERE), "Redis does not answer at redis://:***@127.0.0.1:1/0"),
        (("orders", *NOWHERE), "--redis-url or REDIS_URL"),
        (("status", "--redis-url", "nonsense"), "redis url"),
        (("worker",), "TEST_KEY is not set"),
        (("worker", "--account", "nope"), "configured: okx-main"),
        ((*RUN, "--account", "nope-1"), "nope"),
        (("run", "nowhere.py:Entry"), "there is no file"),
        (("run", "nowhere.py"), "my/entry.py:Entry"),
        (("simulator", "--config", "nowhere.toml"), "nowhere.toml cannot be read"),
    ],
)
def test_one_line(
    words: tuple[str, ...],
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = complaint(*words, "--config-dir", str(folder), monkeypatch=monkeypatch, capsys=capsys)
    assert said in line
    assert "geheim" not in line


def test_a_wrong_key_in_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "router.toml").write_text("[orders]\nack_timeout = 3\n")
    line = complaint("status", "--config-dir", str(folder), monkeypatch=monkeypatch, capsys=capsys)
    assert "orders.ack_timeout" in line


def test_a_folder_that_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("status", "--config-dir", str(folder / "nowhere"))
    assert "there is no folder" in complaint(*words, monkeypatch=monkeypatch, capsys=capsys)


@pytest.mark.parametrize(
    "words",
    [
        ("order", "nope"),
        ("status", "--account", "nope"),
        ("halt", "nope", "--why", "x"),
        ("orders", "--strategy", "nope"),
    ],
)
def test_things_that_are_not_there(
    words: tuple[str, ...],
    scene: Scene,
    redis_url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--redis-url", redis_url, "--config-dir", str(folder))
    assert "nope" in complaint(*words, *options, monkeypatch=monkeypatch, capsys=capsys)


@pytest.mark.parametrize("command", ["worker", "jobs"])
def test_a_port_for_metrics_that_is_in_use(
    command: str,
    redis_url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("TEST_KEY", "TEST_SECRET", "TEST_PASSPHRASE"):
        monkeypatch.setenv(name, "geheim")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = (command, "--metrics-port", port, "--redis-url", redis_url)
        line = complaint(
            *words, "--config-dir", str(folder), monkeypatch=monkeypatch, capsys=capsys
        )
    assert f"metrics.port: cannot listen at 127.0.0.1 port {port}" in line
    assert "ORDER_ROUTER_METRICS__PORT" in line
