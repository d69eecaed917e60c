"""halt, resume and doctor."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from commands import checkup_redis, halt
from demo.children import ROOT
from demo.redis_server import temporary_server
from router.contracts import ControlKind
from router.errors import Denied
from router.keyspace import AccountKeys
from tests.commands.conftest import CONFIG, Scene, Shell


def test_halt_and_resume_set_the_key_and_wake_the_owner(shell: Shell, scene: Scene) -> None:
    assert shell.json("halt", "okx-main", "--why", "too much")["halted"] == "too much"
    assert scene.client.get(scene.keys.halt) == "too much"
    assert shell.json("status")["accounts"][0]["halted"] == "too much"
    assert "HALTED" in shell.run("status")
    assert shell.json("resume", "okx-main")["halted"] is None
    assert not scene.client.exists(scene.keys.halt)
    kinds = [fields["kind"] for _, fields in scene.client.xrange(scene.keys.control)]
    assert kinds[-2:] == [ControlKind.HALT, ControlKind.HALT]


@pytest.fixture
def memory_full(scene: Scene) -> Iterator[None]:
    """Redis has reached its maxmemory."""
    scene.client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        scene.client.config_set("maxmemory", 0)


@pytest.mark.usefixtures("memory_full")
def test_halt_and_resume_pass_when_memory_is_full(shell: Shell, scene: Scene) -> None:
    shell.run("halt", "okx-main", "--why", "stop")
    assert scene.client.get(scene.keys.halt) == "stop"
    shell.run("resume", "okx-main")
    assert not scene.client.exists(scene.keys.halt)
    notes = [fields for _, fields in scene.client.xrange(scene.keys.control)]
    assert notes == [{"kind": "halt", "why": "stop"}, {"kind": "halt", "why": ""}]


def test_halt_and_resume_need_no_function(shell: Shell, scene: Scene) -> None:
    """No worker ever started there, or one of an older version did."""
    scene.client.function_flush()
    shell.run("halt", "okx-main", "--why", "stop")
    assert scene.client.get(scene.keys.halt) == "stop"
    shell.run("resume", "okx-main")
    assert not scene.client.exists(scene.keys.halt)
    notes = [fields for _, fields in scene.client.xrange(scene.keys.control)]
    assert notes == [{"kind": "halt", "why": "stop"}, {"kind": "halt", "why": ""}]


@pytest.mark.usefixtures("memory_full")
def test_a_halt_that_is_refused_says_what_to_do(scene: Scene) -> None:
    scene.client.function_flush()
    with pytest.raises(Denied, match=r"REDIS_FULL: .*nothing was changed\. Raise maxmemory"):
        halt.write(scene.client, scene.keys, "stop")
    assert not scene.client.exists(scene.keys.halt, scene.keys.control)


def test_an_operator_without_the_right_to_functions_may_halt(shell: Shell, scene: Scene) -> None:
    """So were the rights documented before there was a function."""
    rights = [one.replace(" +fcall|or1_halt", "") for one in documented_rights("halt")]
    assert rights != documented_rights("halt")
    scene.client.execute_command("ACL", "SETUSER", "operator", "on", ">stop", *rights)
    try:
        shell.redis_url = shell.redis_url.replace("redis://", "redis://operator:stop@")
        shell.run("halt", "okx-main", "--why", "stop")
        assert scene.client.get(scene.keys.halt) == "stop"
    finally:
        scene.client.acl_deluser("operator")


@pytest.mark.usefixtures("memory_full")
def test_the_documented_rights_suffice_to_halt_when_memory_is_full(
    shell: Shell, scene: Scene
) -> None:
    rights = documented_rights("halt")
    scene.client.execute_command("ACL", "SETUSER", "operator", "on", ">stop", *rights)
    try:
        shell.redis_url = shell.redis_url.replace("redis://", "redis://operator:stop@")
        shell.run("halt", "okx-main", "--why", "stop")
        assert scene.client.get(scene.keys.halt) == "stop"
    finally:
        scene.client.acl_deluser("operator")


def grades(found: Any) -> dict[str, str]:
    return {one["check"]: one["grade"] for one in found["findings"]}


def test_doctor_sees_a_sound_server(shell: Shell, scene: Scene) -> None:
    found = grades(shell.json("doctor", "--only", "redis", "--only", "worker"))
    assert found == {
        "redis": "ok",
        "redis version": "ok",
        "append-only file": "ok",
        "appendfsync": "warn",
        "maxmemory-policy": "ok",
        "functions": "ok",
        "redis clock": "ok",
        "okx-main worker": "ok",
    }


@pytest.mark.parametrize(
    ("took_ms", "ahead_ms", "grade"),
    [
        (0, 500, "ok"),
        (0, 501, "warn"),
        (0, -5_001, "fail"),
        (3_000, 1_900, "ok"),  # the server may have looked at the end of them
        (3_000, 2_100, "warn"),
    ],
)
def test_doctor_blames_a_clock_beyond_what_a_slow_answer_hides(
    took_ms: int, ahead_ms: int, grade: str
) -> None:
    class Server:
        def time(self) -> tuple[int, int]:
            server_ms = 1_000_000 + took_ms // 2 + ahead_ms
            return server_ms // 1000, server_ms % 1000 * 1000

    times = iter([1_000_000, 1_000_000 + took_ms])
    assert checkup_redis._clock(Server(), lambda: next(times)).grade == grade


def test_doctor_tells_what_is_wrong_and_fails(shell: Shell, scene: Scene) -> None:
    scene.client.delete(scene.keys.lease)
    scene.client.set(scene.keys.halt, "why not")
    scene.lose(scene.admit("maker"))
    scene.client.function_flush()
    found = grades(shell.json("doctor", code=1))
    assert found["functions"] == "fail"
    assert found["okx-main worker"] == "fail"
    assert found["okx-main halt"] == "warn"
    assert found["okx-main orders"] == "warn"
    assert found["okx-main venue"] == "fail"
    assert found["okx-main maker"] == "ok"
    assert found["jobs"] == "fail"


def test_doctor_never_shows_a_secret(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    assert "geheim" not in shell.run("doctor", code=1)
    monkeypatch.delenv("TEST_SECRET")
    found = shell.json("doctor", "--only", "config", code=1)
    assert "TEST_SECRET is not set" in found["findings"][-1]["seen"]


def test_doctor_shows_a_name_as_it_is(shell: Shell, scene: Scene) -> None:
    scene.register("maker[/a]")
    assert "okx-main maker[/a]" in shell.run("doctor", "--only", "strategies")


def test_doctor_of_a_strategy(shell: Shell, scene: Scene) -> None:
    words = ("doctor", "--only", "strategies", "--strategy")
    assert grades(shell.json(*words, "maker"))["okx-main maker"] == "ok"
    assert grades(shell.json(*words, "ghost", code=1))["strategy ghost"] == "fail"


def test_doctor_of_a_strategy_that_trades_at_one_of_several_accounts(
    shell: Shell, scene: Scene
) -> None:
    second = CONFIG.replace("okx-main", "okx-two")
    (shell.folder / "accounts.toml").write_text(CONFIG + second)
    words = ("doctor", "--only", "strategies", "--strategy", "maker")
    assert grades(shell.json(*words))["okx-main maker"] == "ok"
    assert grades(shell.json(*words, "--account", "okx-two", code=1))["strategy maker"] == "fail"
    scene.client.hset(AccountKeys("okx-two").strategies, "maker", "{}")
    assert grades(shell.json(*words))["okx-two maker"] == "warn"
    scene.client.hset(scene.keys.strategies, "maker@main", "1 host 1")
    assert set(grades(shell.json(*words, code=1)).values()) == {"ok", "fail"}


def test_doctor_names_the_jobs_own_server_when_that_is_down(shell: Shell, scene: Scene) -> None:
    (shell.folder / "router.toml").write_text('[jobs]\nredis_url = "redis://:geheim@127.0.0.1:1"\n')
    found = shell.json("doctor", "--only", "jobs", code=1)["findings"]
    assert [(one["check"], one["grade"]) for one in found] == [("redis", "ok"), ("jobs", "fail")]
    assert "redis://:***@127.0.0.1:1" in found[1]["seen"]


def test_doctor_of_a_server_that_forgets(shell: Shell) -> None:
    with temporary_server("everysec", "--appendonly", "no") as server:
        shell.redis_url = server.url
        found = grades(shell.json("doctor", "--only", "redis", code=1))
    assert found["append-only file"] == "fail"
    assert found["functions"] == "fail"


def test_doctor_without_redis(shell: Shell) -> None:
    shell.redis_url = "redis://:geheim@127.0.0.1:1/0"
    text = shell.run("doctor", "--only", "redis", code=1)
    assert "does not answer" in text
    assert "geheim" not in text


def documented_rights(command: str) -> list[str]:
    """Return the ACL rules of a command's user as docs/access.md has them."""
    text = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (`.+?) \| (.+) \|$", text, re.MULTILINE))
    mine = next(rights for names, rights in rows.items() if f"`{command}`" in names)
    inherited = documented_rights("status") if mine.startswith("as `status`, and ") else []
    [rules] = re.findall(r"`([^`]*\+[^`]*)`", mine.partition(" (with ")[0])
    return inherited + re.findall(r"\([^)]*\)|\S+", rules.replace("\\|", "|"))


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("orders", "--all"),
        ("tail", "--no-follow"),
        ("halt", "okx-main", "--why", "x"),
        ("doctor", "--only", "redis", "--only", "worker", "--only", "strategies"),
        ("doctor", "--only", "jobs"),
    ],
)
def test_the_documented_rights_of_a_command_suffice(
    shell: Shell, scene: Scene, words: tuple[str, ...]
) -> None:
    scene.admit("maker")
    scene.client.sadd("rq:workers", "rq:worker:killed")  # rq takes it off when it is read
    scene.client.acl_setuser("looker", reset=True)
    rules = ("on", ">looking", *documented_rights(words[0]))
    scene.client.execute_command("ACL", "SETUSER", "looker", *rules)
    shell.redis_url = shell.redis_url.replace("redis://", "redis://looker:looking@")
    result = shell.run(*words, code=1 if "jobs" in words else 0)
    assert "NOPERM" not in result
    assert "no permissions" not in result
    scene.client.acl_deluser("looker")
