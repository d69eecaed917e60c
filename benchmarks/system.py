"""What Linux knows about processes and the machine; None or "" where it is not Linux."""

import os
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_PROC = Path("/proc")
_IDLE, _IOWAIT = 3, 4  # columns of /proc/stat, proc(5)
LIBRARIES = ("redis", "hiredis", "websockets", "uvloop", "aiohttp", "orjson", "pydantic")


def cpu_ns(pid: int) -> int | None:
    """Return the time that all threads of a process ran on a core, in ns."""
    try:
        texts = [one.read_text() for one in (_PROC / str(pid) / "task").glob("*/schedstat")]
    except OSError:
        return None
    return sum(int(text.split()[0]) for text in texts) if texts else None


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process."""
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    kib = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(kib[0]) * 1024 if kib else None


def machine() -> dict[str, str]:
    """Return the kind of machine and the versions that matter; nothing that names the machine."""
    return {
        "cores": str(os.cpu_count() or ""),
        "processor": _processor(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds so far: of the machine, and of this process with its ended children."""

    machine_s: float
    own_s: float
    at_s: float

    def others_share(self, later: "Usage") -> float:
        """Return which share of all cores others used between two readings."""
        cores = os.cpu_count() or 1
        others_s = (later.machine_s - self.machine_s) - (later.own_s - self.own_s)
        return max(0.0, others_s / ((later.at_s - self.at_s) * cores))


def usage() -> Usage | None:
    """Return the processor time used so far."""
    try:
        first = (_PROC / "stat").read_text().splitlines()[0].split()
    except OSError:
        return None
    ticks = [int(one) for one in first[1:9]]
    busy = sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT]
    own_s = sum(os.times()[:4])
    return Usage(busy / os.sysconf("SC_CLK_TCK"), own_s, time.monotonic())


def _processor() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _memory() -> str:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return ""
    return f"{total / 2**30:.0f} GiB"
