"""What the benchmarks share: peak memory of a part of a process, and the record beside a table."""

import json
import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from workbench import device, installation
from workbench.records import record


@dataclass
class Memory:
    """mib: the most resident memory, MiB; known when the block has ended."""

    mib: float = 0.0


@contextmanager
def peak_memory() -> Iterator[Memory]:
    """Measure the most resident memory inside the block, where Linux lets a process forget its earlier peak;
    elsewhere it is the peak since the process began.
    """
    memory = Memory()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    yield memory
    try:
        status = Path("/proc/self/status").read_text()
        kib = int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError, ValueError):
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory.mib = round(kib / 1024, 1)


def provenance(path: Path, settings: Mapping[str, Any]) -> None:
    """Write beside a table what it was measured with: settings, device, versions, commit, load, time."""
    facts = {
        "settings": {name: value for name, value in settings.items() if not isinstance(value, Path)},
        "device": device.describe(device.pick("auto")),
        "threads": torch.get_num_threads(),
        "versions": record.versions(),
        "git": installation.commit(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.write_text(json.dumps(facts, indent=2) + "\n")
