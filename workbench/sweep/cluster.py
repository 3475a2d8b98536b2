"""Where a sweep's jobs run: a Dask cluster of this machine's own, or one that was started elsewhere."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workbench.config import DataError

MEMORY = 2 << 30  # bytes a job is expected to need, for the default number of workers
WORKER_DEATHS = 5  # local workers that may die under a job before it counts as failed


@contextmanager
def client(scheduler: str | None, workers: int, jobs: int) -> Iterator[tuple[Any, list[str]]]:
    """A Dask client, and the GPUs of this machine when the cluster is a local one with one worker for each."""
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            there = Client(scheduler, timeout="20s")
        except (OSError, ValueError, TypeError) as error:
            line = " ".join(str(error).split())
            raise DataError(f"no Dask scheduler answers at {scheduler} ({line}): start one, or leave it out") from error
        with there:
            if not there.scheduler_info()["workers"]:
                print(f"no workers yet: start some with `dask worker {scheduler}`", flush=True)
            yield there, []
        return
    cards = gpus()
    count = min(jobs, workers or len(cards) or _workers_for_cpu())
    settings = {"distributed.scheduler.allowed-failures": WORKER_DEATHS, "distributed.admin.log-format": "%(message)s"}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            security=True,  # others on this machine could run code through an open scheduler
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local) as there,
    ):
        yield there, cards


def gpus() -> list[str]:
    """The GPUs that jobs may use, as CUDA_VISIBLE_DEVICES names them: those that PyTorch sees."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (list(map(str, range(count))) if named is None else [name.strip() for name in named.split(",")])[:count]


def _workers_for_cpu() -> int:
    import psutil

    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(processors, psutil.virtual_memory().available // MEMORY))
