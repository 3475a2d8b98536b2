"""How notebooks get their kernels: always this interpreter with this program's code, spoken to in private."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from workbench.config import DataError
from workbench.files.places import temporary
from workbench.installation import PACKAGE
from workbench.records.record import Record
from workbench.sweep import kernel

LONGEST = 100  # bytes of a socket's path, of which systems take 104 to 108
SHORT = "/tmp"  # noqa: S108 (a private folder is made in it)


class Own(KernelSpecManager):
    """Only this program's kernel, whatever others the user has installed and whatever name a notebook asks for."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Name it."""
        return {"python3": str(PACKAGE)}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Describe it."""
        return KernelSpec(
            argv=[sys.executable, "-P", kernel.__file__, "{connection_file}"],
            display_name="Python 3",
            language="python",
            metadata={"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
        )


@contextmanager
def talking(folder: Path) -> Iterator[dict[str, str]]:
    """How kernels talk, as settings of their managers: over sockets in this private folder, or in one of a shorter name
    if need be, with no ports to clash or to listen on. Over ports of 127.0.0.1 where neither can be, as on Windows.
    """
    with ExitStack() as held:
        if sys.platform != "win32" and not _fits(folder):
            with suppress(OSError):
                folder = Path(held.enter_context(TemporaryDirectory(prefix="workbench-", dir=SHORT)))
        files = sys.platform != "win32" and _fits(folder)
        yield {"transport": "ipc", "ip": str(folder / "kernel")} if files else {}


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "kernel-12345")) <= LONGEST


@contextmanager
def ours(environment: Mapping[str, str], cwd: Path, record: Record) -> Iterator[type]:
    """Kernels that start in `cwd` with variables of their own, so that runs side by side do not disturb each other.

    record: what run.json tells. Raises DataError when a kernel would not be what it tells, or does not start.
    """
    told = {"versions": record.versions, "code": record.code}
    variables = {**os.environ, **environment, kernel.MADE_BY: json.dumps(told)}
    with TemporaryDirectory(prefix="workbench-", dir=temporary()) as private, talking(Path(private)) as talk:

        class Kernels(AsyncKernelManager):
            def __init__(self, **given: Any) -> None:
                own = {"kernel_spec_manager": Own(), "connection_file": str(Path(private) / "kernel.json")}
                super().__init__(**given, **own, **talk)

            async def _async_start_kernel(self, **options: Any) -> None:
                await super()._async_start_kernel(**options | {"env": variables, "cwd": str(cwd)})

            start_kernel = _async_start_kernel

        try:
            yield Kernels
        except RuntimeError as error:
            refusal = Path(private) / kernel.REFUSAL
            if not refusal.is_file():
                raise DataError(f"the notebook's kernel did not start ({error})") from error
            apart = refusal.read_text(encoding="utf-8")
            line = f"the notebook's kernel would not be what run.json tells ({apart}): start the program again"
            raise DataError(line) from error
