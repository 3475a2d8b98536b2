"""environment.yml, pyproject.toml and constraints.txt name one environment; the README's commands are there."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"torch": "pytorch"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["lab"], *PROJECT["optional-dependencies"]["dev"]]


def split(requirement: str) -> tuple[str, str]:
    name, bound = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", requirement).groups()
    return name.lower(), bound


def test_conda_environment_is_that_of_pyproject():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert listed.pop() == {"pip": ["-e ."]}
    conda = dict(split(entry) for entry in listed)
    assert conda.pop("python") == ">=3.11,<3.14"
    assert PROJECT["requires-python"] == ">=3.11"
    conda.pop("pip")
    assert conda == {CONDA_NAMES.get(name, name): bound for name, bound in map(split, WANTED)}


def test_conda_environment_never_asks_the_dead_pytorch_channel():
    assert yaml.safe_load((ROOT / "environment.yml").read_text())["channels"] == ["conda-forge", "nodefaults"]


def test_every_direct_dependency_is_pinned():
    pinned = dict(line.lower().split("==") for line in (ROOT / "constraints.txt").read_text().split())
    missing = {split(requirement)[0] for requirement in WANTED} - set(pinned)
    assert not missing
    for requirement in map(Requirement, WANTED):
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement
    assert (pinned["torch"], pinned["torchvision"]) == ("2.15.0", "0.29.2")  # a pair that works together


def test_readme_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "lab", "app", "bench", "lint"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    readme = (ROOT / "README.md").read_text()
    assert readme.index("make demo") < readme.index("make test") < 200
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_no_file_names_a_package_registry_or_a_home():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    files = listed.stdout.split() if listed.returncode == 0 else ["README.md", "Makefile", "pyproject.toml"]
    forbidden = re.compile(r"pypi\.org|pythonhosted|anaconda\.org|/home/\w+|/root/|--index-url|--extra-index-url")
    for name in files:
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".txt", ".yml", ".md", ".ipynb", ".json"} and path != Path(__file__):
            assert not forbidden.search(path.read_text(encoding="utf-8")), name
