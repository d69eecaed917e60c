"""The demo's stack with lines of its own for each process, and Redis that fsyncs always."""

from pathlib import Path
from urllib.parse import urlsplit

from demo.children import Child
from demo.config import STORM_RULES
from demo.options import DemoOptions
from demo.stack import Stack
from router.settings import CONFIG_DIR_VARIABLE
from storm.lines import Host, Lines
from storm.options import TRADERS
from workers.clock import OFFSET_VARIABLE

#: What is capped, and at how many; small enough to be reached while no worker is there.
CAPS = {"intents": 150, "open": 250}
_RULES = f"""
valid_for_ms = 5000
max_intents_per_strategy = {CAPS["intents"]}
max_open_orders_per_strategy = {CAPS["open"]}
[worker]
spool_dir = "{{spool}}"
"""
_SILENT_EXIT = 2
"""A user's mistake or a Redis that does not answer: one line on stderr, no traceback."""


class StormStack(Stack):
    """Starts each process on a host of its own; starts again what had to end."""

    appendfsync = "always"

    def __init__(self, options: DemoOptions, folder: Path, lines: Lines) -> None:
        super().__init__(options, folder)
        self._lines = lines
        self.hosts: dict[str, Host] = {}
        """The host of each running process, by its name."""
        self.addresses: dict[int, str] = {}
        """The address of every process that ever ran, by its id."""
        self.ended: list[tuple[str, str]] = []
        """What ended by itself, and its last words."""
        self.defects: list[str] = []

    def strategies(self) -> list[str]:
        return list(TRADERS[: self.options.strategies])

    def rules(self) -> str:
        """Return the storm's settings; the workers' hosts share one disk, and so one spool."""
        own = _RULES.strip().format(spool=self.folder / "spool")
        return STORM_RULES.replace("[worker]", own)

    def handed(self, name: str) -> dict[str, str]:
        """Return the addresses by which a new process reaches Redis and the venues."""
        redis_port = urlsplit(self.redis_url).port or 0
        host = self._lines.host({"redis": redis_port, **self.ports})
        folder = self.folder / "hosts" / host.address
        folder.mkdir(parents=True)
        url = f"redis://127.0.0.1:{host.ports['redis']}/0"
        self.write_router_config(folder, url, host.ports)
        self.hosts[name] = host
        return {CONFIG_DIR_VARIABLE: str(folder)}

    def start_again(self, name: str, **extra: str) -> None:
        super().start_again(name, **extra)
        self.addresses[self.children.pid(name)] = self.hosts[name].address

    def start_on(self, name: str, clock_ms: int) -> None:
        """Start a process on a host whose clock is ``clock_ms`` wrong."""
        self.start_again(name, **{OFFSET_VARIABLE: str(clock_ms)} if clock_ms else {})

    def supervise(self) -> None:
        """Start again what ended by itself, as a supervisor would, and note why it did."""
        for child in self.children.take_ended():
            said = child.last_lines(3)
            self.ended.append((child.name, said))
            if child.process.returncode != _SILENT_EXIT:
                self.defects.append(_defect(child))
            if child.name in self.hosts:
                self.start_again(child.name)

    def address_of(self, pid: int) -> str:
        """Return the host of a process that runs or ran; "" if it is none of ours."""
        return self.addresses.get(pid, "")


def _defect(child: Child) -> str:
    return (
        f"{child.name} ended by itself with code {child.process.returncode}: {child.last_lines()}"
    )
