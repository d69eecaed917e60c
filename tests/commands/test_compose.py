"""docker-compose.yml: well-formed, and its commands really make a stack when run by hand."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import typer.main
import yaml

from commands.main import app
from demo.children import ROOT, Children
from demo.redis_server import free_port
from router.settings import ENV_PREFIX, Settings, load

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, one in SERVICES.items() if "build" in one)
CONFIG = ROOT / "config" / "compose"
DEADLINE_S = 120.0
METRICS_PORT = "ORDER_ROUTER_METRICS__PORT"

# The Compose Specification, "Services top-level element": those that make sense for this stack.
SERVICE_KEYS = {
    "build", "image", "command", "entrypoint", "environment", "depends_on", "healthcheck", "init",
    "ports", "restart", "stop_grace_period", "volumes",
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "start_interval"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def expanded(value: str) -> str:
    """Return the text with each ``${NAME:-default}`` replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def environment(name: str) -> dict[str, str]:
    return {key: expanded(str(one)) for key, one in SERVICES[name].get("environment", {}).items()}


def test_the_top_level_is_known() -> None:
    plain = {key for key in COMPOSE if not key.startswith("x-")}
    assert plain == {"name", "services", "volumes"}


def test_the_stack_is_whole() -> None:
    commands = [SERVICES[name]["command"][0] for name in OURS]
    assert sorted(commands) == ["jobs", "run", "run", "simulator", "worker", "worker"]
    workers = [one["command"] for one in SERVICES.values() if one["command"][0] == "worker"]
    assert workers[0] == workers[1], "one account: one owner, one standby"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_well_formed(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    assert "build" in service or "image" in service
    assert service["restart"] == "unless-stopped"
    health = service["healthcheck"]
    assert set(health) <= HEALTH_KEYS
    assert health["test"][0] == "CMD"
    for key in ("interval", "timeout", "start_period"):
        assert re.fullmatch(r"\d+s", health.get(key, "1s"))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_dependencies_exist_and_can_be_met(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        assert how["condition"] in CONDITIONS
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_volumes_and_ports(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"]
    for port in SERVICES[name].get("ports", []):
        assert expanded(port).startswith("127.0.0.1:"), "nothing is open to the network"


def test_whoever_serves_metrics_has_a_port_of_its_own_on_the_host() -> None:
    serving = {name: environment(name).get(METRICS_PORT) for name in OURS}
    there = {name for name, one in serving.items() if one}
    assert there == {"worker-1", "worker-2", "jobs"}
    ports = [expanded(SERVICES[name]["ports"][0]).split(":") for name in sorted(there)]
    assert {inside for _, _, inside in ports} == {serving["jobs"]}
    assert len({outside for _, outside, _ in ports}) == 3


def test_redis_keeps_what_it_was_told() -> None:
    words = " ".join(SERVICES["redis"]["command"])
    for setting in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert setting in words


def parse(arguments: list[str]) -> None:
    """Parse a command line as the real command does, without running it."""
    group = typer.main.get_command(app)
    with group.make_context("order-router", list(arguments), resilient_parsing=False) as context:
        name, command, rest = group.resolve_command(context, arguments)  # type: ignore[attr-defined]
        command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("name", OURS)
def test_commands_parse_with_the_real_command_line(name: str) -> None:
    parse(SERVICES[name]["command"])
    check = SERVICES[name]["healthcheck"]["test"]
    if check[1] == "order-router":
        parse(check[2:])


@pytest.mark.parametrize("name", OURS)
def test_files_and_settings_that_it_names_exist(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in SERVICES[name]["command"]:
        if word.endswith(".toml"):
            assert (ROOT / Path(word).relative_to("/app")).is_file()
        if word.startswith("examples/"):
            file, _, class_name = word.partition(":")
            assert f"class {class_name}(" in (ROOT / file).read_text(encoding="utf-8")
    for key, value in environment(name).items():
        monkeypatch.setenv(key, value)
        if key.startswith(ENV_PREFIX) and not key.endswith("CONFIG_DIR"):
            assert key.removeprefix(ENV_PREFIX).lower().split("__")[0] in Settings.model_fields
    assert load(CONFIG).redis_url == "redis://redis:6379/0"


def test_secrets_come_from_the_environment_only() -> None:
    accounts = tomllib.loads((CONFIG / "accounts.toml").read_text(encoding="utf-8"))["accounts"]
    wanted = {
        account[field].removeprefix("env:")
        for account in accounts.values()
        for field in ("api_key", "api_secret", "passphrase")
    }
    for name in OURS:
        if SERVICES[name]["command"][0] in ("worker", "jobs"):
            assert wanted <= set(environment(name))
        else:
            assert not wanted & set(environment(name)), "a strategy needs no exchange keys"
    for name in wanted:
        assert f"${{{name}:-" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


# --- the same commands as processes


class LocalStack:
    """The compose file's processes on this host: same commands and variables, local addresses."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self._ports = {"8080": str(free_port()), "8081": str(free_port())}
        self._redis_url = redis_url
        self.metrics_ports = {name: str(free_port()) for name in OURS}
        self.children = Children(folder, dict(os.environ))
        for file in CONFIG.glob("*.toml"):
            (folder / file.name).write_text(self._local(file.read_text(encoding="utf-8")))

    def _local(self, text: str) -> str:
        local = text.replace("/data/archive", str(self.folder / "archive"))
        local = local.replace("//simulator:", "//127.0.0.1:").replace("0.0.0.0", "127.0.0.1")
        local = local.replace("/app/config/compose", str(self.folder))
        for there, here in self._ports.items():
            local = local.replace(there, here)
        return local.replace("redis://redis:6379/0", self._redis_url)

    def variables(self, name: str) -> dict[str, str]:
        """Return a service's variables; here all share one host, so each has a port of its own."""
        found = {key: self._local(value) for key, value in environment(name).items()}
        if METRICS_PORT in found:
            found[METRICS_PORT] = self.metrics_ports[name]
        return found

    def start(self, name: str) -> None:
        words = [self._local(word) for word in SERVICES[name]["command"]]
        words = [f"{ROOT}/{word}" if word.startswith("examples/") else word for word in words]
        self.children.start(name, words, self.variables(name))

    def healthy(self, name: str) -> bool:
        """Whether the service's own health check passes."""
        test = [self._local(word) for word in SERVICES[name]["healthcheck"]["test"][1:]]
        start = {
            "order-router": [sys.executable, "-m", "commands.main"],
            "python": [sys.executable],
        }
        done = subprocess.run(
            [*start[test[0]], *test[1:]],
            cwd=ROOT,
            env={**os.environ, **self.variables(name)},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def metrics(self, name: str) -> str:
        """Return what Prometheus would read of a service."""
        url = f"http://127.0.0.1:{self.metrics_ports[name]}/metrics"
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(url, timeout=10)
            reply.raise_for_status()
            return reply.text

    def ask(self, *command: str) -> Any:
        """Return what a command says in JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "commands.main", *command, "--json"],
            cwd=ROOT,
            env={**os.environ, **self.variables("worker-1")},
            capture_output=True,
            check=True,
        )
        return json.loads(done.stdout)

    def owner(self) -> dict[str, Any]:
        """Return the account as the status shows it, once somebody owns it."""
        while not (account := self.ask("status")["accounts"][0])["pid"]:
            time.sleep(0.05)
        return dict(account)


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def stack(tmp_path: Path, redis_url: str) -> Iterator[LocalStack]:
    made = LocalStack(tmp_path, redis_url)
    yield made
    made.children.stop()


def test_the_commands_make_a_stack_that_survives_its_owner(stack: LocalStack) -> None:
    for name in ("simulator", "worker-1", "worker-2", "jobs"):
        stack.start(name)
        wait_until(lambda name=name: stack.healthy(name))  # type: ignore[misc]
    strategies = [name for name in OURS if SERVICES[name]["command"][0] == "run"]
    assert not any(stack.healthy(name) for name in strategies), "a strategy that never ran"
    for name in strategies:
        stack.start(name)
    for name in strategies:
        wait_until(lambda name=name: stack.healthy(name))  # type: ignore[misc]
    wait_until(lambda: len(stack.ask("orders", "--all")["orders"]) >= 1)

    assert 'order_router_owner{account="okx-main",venue="okx"} 1.0' in stack.metrics("worker-1")
    assert 'order_router_owner{account="okx-main",venue="okx"} 0.0' in stack.metrics("worker-2")
    wait_until(lambda: 'order_router_jobs_total{end="done",job="sweep"}' in stack.metrics("jobs"))

    before = stack.owner()
    stack.children.kill(stack.children.name_of(int(before["pid"])))
    wait_until(lambda: stack.ask("status")["accounts"][0]["epoch"] > before["epoch"])
    wait_until(lambda: stack.healthy("worker-1"))
    stack.children.check()
