"""Sweeps on real Dask workers: complete jobs are skipped, failures stay alone, killed workers cost nothing."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml
from filelock import FileLock

from workbench.cli import main
from workbench.config import DataError
from workbench.records import run_folder
from workbench.records import table as results
from workbench.records.record import code_fingerprint
from workbench.sweep import experiment as experiments
from workbench.sweep import run

PARAMETERS = 'epsilon = 1\nseed = 0\nwait_for = ""\nout = ""\nstore = ""'
# A job that needs no torch: it leaves a table like any other, counts how often it was started, and can fail or wait.
WORK = """
import os, pathlib, signal, time
from workbench.files import atomic
from workbench.records import table as results
folder = pathlib.Path(out)
with open(folder / "starts", "a") as file:
    file.write("x")
starts = len((folder / "starts").read_text())
if epsilon == 3:
    raise ValueError("no such\\nepsilon")
if epsilon == 4 and starts == 1:
    os.kill(os.getpid(), signal.SIGKILL)
"""
WAIT = """
while wait_for and not pathlib.Path(wait_for).exists():
    time.sleep(0.05)
"""
LEAVE = """
def rows(run, method, epsilon, value):
    identity = {"run": run, "data": "folder", "method": method, "epsilon": epsilon, "surrogate": "none", "victim": "v",
        "defence": "none", "protected_fraction": 1.0, "seed": seed}
    identity["kind"] = "none" if method == "clean" else "classwise"
    point = {"epoch": 1, "metric": "accuracy", "value": value}
    return results.table(results.Identity(**identity), [{**point, "split": split} for split in ("test", "train")])
both = [rows(f"clean{seed}", "clean", 0, 0.9), rows(f"em{epsilon}{seed}", "em", epsilon, 1 / epsilon)]
results.write(results.merged(both), folder)
atomic.write_atomically(folder / "study.json", '{"chance": 0.1, "classes": [], "stages": {}}')
"""


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """Local workers are forked from a server that has loaded what each would load anew."""
    import dask
    import distributed

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distributed", "papermill", "workbench.sweep.run"])
    monkeypatch.setattr(distributed.utils, "_forkserver_preload_set", True)
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield


@pytest.fixture
def make(tmp_path):
    """Writes an experiment with these budgets and seeds, whose jobs may wait for a file; returns its path."""

    def write(*epsilons: int, seeds: tuple[int, ...] = (0,), wait_for: str = "", name: str = "try") -> Path:
        first = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        cells = [first, *map(nbformat.v4.new_code_cell, (WORK, WAIT, LEAVE))]
        book = nbformat.v4.new_notebook(cells=cells)
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, tmp_path / "book.ipynb")
        size = {"parameters": {"wait_for": wait_for}, "grid": {"epsilon": list(epsilons)}, "seeds": list(seeds)}
        content = {"title": "Try <b>", "text": "Words.", "notebook": "book.ipynb", "figures": ["budget"]}
        path = tmp_path / f"{name}.yml"
        path.write_text(yaml.safe_dump({**content, "sizes": {"quick": size}}))
        return path

    return write


def sweep(path: Path, out: Path, *words: str) -> int:
    return main(["sweep", str(path), "--out", str(out), "--workers", "2", *words])


def starts(out: Path) -> dict[str, int]:
    """How often each job was started, by its name without the key."""
    return {file.parent.name.rpartition("-")[0]: len(file.read_text()) for file in out.glob("jobs/*/starts")}


def test_a_sweep_runs_once_and_then_only_what_is_missing(make, tmp_path, capsys):
    path, out = make(1, 2, seeds=(0, 1)), tmp_path / "out"
    assert sweep(path, out, "--dry-run") == 0
    listed = capsys.readouterr().out
    assert listed.count("to run   ") == 4
    assert listed.endswith("4 to run: how long is known when one of them is complete\n")
    assert not out.exists()
    assert sweep(path, out) == 0
    assert set(starts(out).values()) == {1}
    rows = results.read(out)
    assert len(rows) == 2 * (2 + 4)  # the clean twin of a seed comes from two jobs and counts once
    assert not rows.duplicated(list(results.COLUMNS[:-1])).any()
    record = run_folder.read(out)
    assert [job["state"] for job in record.jobs] == ["complete"] * 4
    assert (out / "figures" / "budget.png").stat().st_size > 5000
    report = (out / "report.html").read_text()
    assert "Try &lt;b&gt;" in report
    assert "epsilon=2 seed=1" in report
    table = (out / "results.csv").read_bytes()

    capsys.readouterr()
    assert sweep(path, out) == 0
    assert "4 complete already, 0 to run" in capsys.readouterr().out
    assert set(starts(out).values()) == {1}

    (out / "results.csv").unlink()
    for file in out.glob("jobs/epsilon-2-seed-0-*/run.json"):
        file.unlink()
        (file.parent / "results.csv").unlink()
        (file.parent / "notebook.ipynb").unlink()
        (file.parent / "study.json").unlink()
        (file.parent / "starts").unlink()
    assert sweep(path, out, "--dry-run") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"1 to run: about 0\.\d minutes one after .* ones took \d+ s each \(\d+ to \d+ s\)", last)
    assert sweep(path, out) == 0
    assert "3 complete already, 1 to run" in capsys.readouterr().out
    assert (out / "results.csv").read_bytes() == table
    assert sweep(make(1, 2, 5, seeds=(0, 1)), out) == 0  # a grid that grew: only the new jobs run
    assert set(starts(out).values()) == {1}
    assert len(run_folder.read(out).jobs) == 6
    assert sweep(make(1, 2, 5, seeds=(0, 1)), out, "--dry-run") == 0
    assert capsys.readouterr().out.endswith("nothing is left to run\n")


def test_a_failing_job_is_named_and_the_others_go_on(make, tmp_path, capsys):
    out = tmp_path / "out"
    assert sweep(make(3, 1), out) == 1
    printed = capsys.readouterr().err
    assert "1 of 2 jobs failed" in printed
    assert "epsilon=3 seed=0: book.ipynb, cell 3 failed: ValueError: no such epsilon" in printed
    assert "Traceback" not in printed
    assert len(results.read(out)) == 4
    record = json.loads((out / "run.json").read_text())
    assert (record["state"], record["error"][:30]) == ("failed", "JobsFailed: 1 of 2 jobs failed")
    assert sweep(make(3, 1), out) == 1
    assert starts(out) == {"epsilon-1-seed-0": 1, "epsilon-3-seed-0": 2}


def test_a_killed_kernel_is_tried_again(make, tmp_path):
    out = tmp_path / "out"
    assert sweep(make(4), out) == 0
    assert starts(out) == {"epsilon-4-seed-0": 2}


def test_two_sweeps_in_one_folder_refuse_and_so_does_a_folder_of_something_else(make, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"):
        assert sweep(make(1), out) == 2
    assert "another process is at work in" in capsys.readouterr().err
    (out / ".lock").unlink()
    assert list(out.iterdir()) == []
    (out / "precious").write_text("x")
    assert sweep(make(1), out) == 2
    assert "holds no run" in capsys.readouterr().err
    assert [file.name for file in out.iterdir()] == ["precious"]
    assert sweep(make(1), tmp_path / "other") == 0
    assert sweep(make(1, name="different"), tmp_path / "other") == 2
    assert "holds another run" in capsys.readouterr().err


def test_a_job_counts_by_its_own_record_only(make, tmp_path):
    """papermill marks the cells of a killed kernel as completed; an executed notebook proves nothing."""
    experiment = experiments.load(make(1))
    job = experiment.jobs("quick", {})[0]
    one = experiments.Sweep(experiment, "quick", [job], tmp_path / "out")
    folder = one.folder(job)
    folder.mkdir(parents=True)
    (folder / "notebook.ipynb").write_text("{}")
    assert not one.done(job)
    record = {"command": "run", "key": job.key, "config": {}, "seconds": {}, "state": "running"}
    record["code"] = code_fingerprint()
    for changed, done in [({}, False), ({"state": "complete"}, True), ({"state": "complete", "key": "other"}, False)]:
        (folder / "run.json").write_text(json.dumps(record | changed))
        assert one.done(job) == done
    (folder / "run.json").write_text('{"state": "complete"')
    assert not one.done(job)


def test_no_scheduler_at_the_address_is_said_in_one_line(make, tmp_path, capsys, monkeypatch):
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert sweep(make(1), tmp_path / "out", "--scheduler", "nonsense address") == 2
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert printed.startswith("workbench sweep: no Dask scheduler answers at nonsense address")


def wait_until(condition, seconds: float = 120) -> None:
    """Wait for something that will happen, however slow the machine."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def process():
    """Starts processes in a group of their own and ends them with the test."""
    begun = []

    def start(*words: str, **options) -> subprocess.Popen:
        begun.append(subprocess.Popen([sys.executable, "-m", *words], start_new_session=True, **options))
        return begun[-1]

    yield start
    for one in begun:
        if one.poll() is None:
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()


def test_a_killed_worker_of_a_separate_cluster_loses_and_doubles_nothing(make, tmp_path, process):
    """A scheduler and two workers started on their own; one worker is killed with signal 9 while its job runs."""
    address = tmp_path / "scheduler.json"
    process("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address",
            "127.0.0.1:0", "--scheduler-file", str(address), stderr=subprocess.DEVNULL)  # fmt: skip
    wait_until(address.exists)
    worker = ("distributed.cli.dask_worker", "--scheduler-file", str(address), "--nthreads", "1", "--no-nanny",
              "--no-dashboard", "--local-directory", str(tmp_path / "dask"))  # fmt: skip
    workers = [process(*worker, stderr=subprocess.DEVNULL) for _ in range(2)]
    wait_until(lambda: "address" in json.loads(address.read_text()))
    gate, out = tmp_path / "gate", tmp_path / "out"
    path = make(1, 2, 5, wait_for=str(gate))
    running = process("workbench", "sweep", str(path), "--out", str(out), "--scheduler",
                      json.loads(address.read_text())["address"], stdout=subprocess.DEVNULL)  # fmt: skip
    wait_until(lambda: len(starts(out)) == 2)
    workers[0].send_signal(signal.SIGKILL)
    gate.touch()
    assert running.wait(timeout=240) == 0
    assert sorted(starts(out).values()) == [1, 1, 2]  # the job of the killed worker, and no other, began twice
    rows = results.read(out)
    assert not rows.duplicated(list(results.COLUMNS[:-1])).any()
    found = {(row.method, row.epsilon, row.split): row.value for row in rows.itertuples()}
    asked = {("clean", 0): 0.9, ("em", 1): 1.0, ("em", 2): 0.5, ("em", 5): 0.2}
    assert found == {(*which, split): value for which, value in asked.items() for split in ("test", "train")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])  # SIGTERM is handled as SIGINT: test_nothing_lost
def test_an_interrupted_sweep_keeps_what_is_finished(make, tmp_path, process, number):
    gate, out = tmp_path / "gate", tmp_path / "out"
    path = make(1, 2, wait_for=str(gate))
    words = ("workbench", "sweep", str(path), "--out", str(out), "--workers", "1")
    running = process(*words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    gate.touch()
    wait_until(lambda: len(list(out.glob("jobs/*/study.json"))) >= 1)
    gate.unlink()
    wait_until(lambda: len(starts(out)) >= 2)
    os.killpg(running.pid, number)
    told = running.communicate(timeout=120)[1]
    assert running.returncode == 130
    assert "the same command goes on" in told
    if number != signal.SIGHUP:  # which ends Python's own tracker of resources; what that says, no terminal shows
        assert "Traceback" not in told
    assert json.loads((out / "run.json").read_text())["state"] == "interrupted"
    finished = {
        file.parent for file in out.glob("jobs/*/run.json") if json.loads(file.read_text())["state"] == "complete"
    }
    before = {folder: (folder / "run.json").read_bytes() for folder in finished}
    assert finished
    gate.touch()
    assert sweep(path, out) == 0
    assert {folder: (folder / "run.json").read_bytes() for folder in finished} == before
    assert len(results.read(out)) == 2 + 4


@pytest.mark.parametrize("words", [("--workers", "-1"), ("--threads", "0"), ("--seeds", "-3"), ("-p", "wait", "x")])
def test_settings_that_make_no_sense_start_nothing(make, tmp_path, capsys, words):
    assert main(["sweep", str(make(1)), "--out", str(tmp_path / "out"), *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("visible", "found"), [
    (None, ["0", "1", "2", "3"]), ("2,1", ["2", "1"]), (" 3 , 0", ["3", "0"]), ("0", ["0"]),
    ("", []), ("-1", []), ("NoDevFiles", []), ("none", []), ("0,0", []), ("7", []), ("1,7,2", ["1"]),
    ("0,-1,2", ["0"]), ("GPU-bb", ["GPU-bb"]), ("GPU-cc,GPU-aa", ["GPU-cc", "GPU-aa"]), ("GPU-zz", []),
])  # fmt: skip
def test_gpus_are_those_that_pytorch_sees(monkeypatch, visible, found):
    """PyTorch reads the variable; only the driver's answer, four GPUs, is made up."""
    from workbench.sweep import cluster

    monkeypatch.setattr("torch.cuda._is_compiled", lambda: True)
    monkeypatch.setattr("torch.cuda._raw_device_count_nvml", lambda: 4)
    monkeypatch.setattr("torch.cuda._raw_device_uuid_nvml", lambda: ["GPU-aa", "GPU-bb", "GPU-cc", "GPU-dd"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cluster.gpus() == found


def test_a_folder_that_cannot_be_made_is_refused(make, tmp_path):
    (tmp_path / "file").write_text("x")
    experiment = experiments.load(make(1))
    one = experiments.Sweep(experiment, "quick", experiment.jobs("quick", {}), tmp_path / "file")
    with pytest.raises(DataError, match="is a file"):
        run.run(one)


def other_code(out: Path, name: str) -> None:
    """Let the jobs of that name have been made by other code."""
    for file in out.glob(f"jobs/{name}*/run.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"code": "0" * 12}))


def test_jobs_of_other_code_are_made_again_unless_they_are_asked_for(make, tmp_path, capsys):
    path, out = make(1, seeds=(0, 1)), tmp_path / "out"
    assert sweep(path, out) == 0
    other_code(out, "epsilon-1-seed-0")
    experiment = experiments.load(path)
    jobs = experiment.jobs("quick", {})
    assert [experiments.Sweep(experiment, "quick", jobs, out).done(job) for job in jobs] == [False, True]
    run.run(experiments.Sweep(experiment, "quick", jobs, out, reuse=True))
    assert "2 complete already, 0 to run" in capsys.readouterr().out
    assert sweep(path, out) == 0
    assert "1 complete already, 1 to run, 1 of them made by other code" in capsys.readouterr().out
    assert starts(out) == {"epsilon-1-seed-0": 2, "epsilon-1-seed-1": 1}
    assert "made again; --reuse" in next(out.glob("jobs/epsilon-1-seed-0-*.log")).read_text()


def test_only_the_records_of_jobs_at_work_are_looked_at(make, tmp_path, monkeypatch):
    class Scheduler:
        def processing(self):
            return {"a worker": ("key-1", "key-2"), "another": ()}

    class Future:
        def __init__(self, key):
            self.key = key

    experiment = experiments.load(make(1, 2, 5))
    jobs = experiment.jobs("quick", {})
    one = experiments.Sweep(experiment, "quick", jobs, tmp_path / "out")
    record = {"command": "run", "config": {}, "seconds": {}, "state": "running"}
    for job in jobs[:2]:
        one.folder(job).mkdir(parents=True)
        (one.folder(job) / "run.json").write_text(json.dumps(record | {"key": job.key}))
        Path(f"{one.folder(job)}.log").write_text("epoch 1\nepoch 2\n")
    seen = []
    peek = run_folder.peek
    monkeypatch.setattr(run_folder, "peek", lambda folder: seen.append(folder) or peek(folder))
    waiting = {Future(f"key-{turn}"): job for turn, job in enumerate(jobs)}
    assert run._at_work(one, Scheduler(), waiting) == {jobs[1].name: "epoch 2"}
    assert seen == [one.folder(jobs[1]), one.folder(jobs[2])]
