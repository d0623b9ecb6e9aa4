"""What the figures were measured on."""

import os
import platform
import sqlite3
import time
from importlib import metadata
from pathlib import Path

PACKAGES = ("sqlalchemy", "aiosqlite", "asyncpg", "apscheduler", "procrastinate", "psycopg", "celery", "redis")
BLOCK = b"\0" * 4096


def facts(folder: Path) -> dict[str, str]:
    """Cores, versions, and how many durable appends a second the disk under `folder` takes."""
    found = {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{int((_first('/proc/meminfo', 'MemTotal') or '0').split()[0]) / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "4 KiB append + fdatasync": f"{durable_appends(folder):.0f}/s",
    }
    return found | {name: version(name) for name in PACKAGES}


def load() -> str:
    """How busy the machine is with everything: the load average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def version(package: str) -> str:
    """Its version, or that it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def durable_appends(folder: Path, seconds: float = 0.5) -> float:
    """How many blocks a second can be appended and made durable, one after another."""
    path = folder / "append"
    count, start = 0, time.monotonic()
    with path.open("wb", buffering=0) as file:
        while time.monotonic() - start < seconds:
            file.write(BLOCK)
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
            count += 1
    path.unlink()
    return count / (time.monotonic() - start)


def _first(path: str, name: str) -> str | None:
    if not Path(path).exists():
        return None
    lines = (line.partition(":") for line in Path(path).read_text(encoding="utf-8").splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), None)
