"""environment.yml, pyproject.toml and requirements.lock name one environment; the README's commands are there."""

import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"torch": "pytorch"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [*PROJECT["dependencies"], *EXTRAS["lab"], *EXTRAS["dev"]]


def split(requirement: str) -> tuple[str, str]:
    name, bound = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", requirement).groups()
    return name.lower(), bound


def test_conda_environment_is_that_of_pyproject():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert listed.pop() == {"pip": ["-e .[pretrained,faces]"]}
    conda = dict(split(entry) for entry in listed)
    assert conda.pop("python") == ">=3.11,<3.14"
    assert PROJECT["requires-python"] == ">=3.11"
    conda.pop("pip")
    assert conda == {CONDA_NAMES.get(name, name): bound for name, bound in map(split, WANTED)}


def test_conda_environment_never_asks_the_dead_pytorch_channel():
    assert yaml.safe_load((ROOT / "environment.yml").read_text())["channels"] == ["conda-forge", "nodefaults"]


def locked(name: str = "requirements.lock") -> dict[str, tuple[str, str, int]]:
    """Version, marker and number of hashes of every distribution in a lock."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
        first, *hashes = block.replace("\\", "").splitlines()
        requirement = Requirement(first)
        assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64} *", line) for line in hashes), first
        (version,) = requirement.specifier
        assert version.operator == "=="
        found[canonicalize_name(requirement.name)] = (version.version, str(requirement.marker or ""), len(hashes))
    return found


def test_every_dependency_is_locked_with_hashes():
    found = locked()
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for requirement in map(
        Requirement, [*WANTED, *EXTRAS["book"], *EXTRAS["browser"], *EXTRAS["pretrained"], *EXTRAS["faces"], *build]
    ):
        assert requirement.specifier.contains(found[canonicalize_name(requirement.name)][0]), requirement
    assert (found["torch"][0], found["torchvision"][0]) == ("2.15.0", "0.29.2")  # a pair that works together
    for lock in (found, locked(".ci/tools.lock")):
        assert all(hashes for _, _, hashes in lock.values())


def test_lock_covers_the_pythons_and_systems_that_are_promised():
    found = locked()
    assert found["numpy"][2] > 30  # wheels of three Pythons for Linux, macOS and Windows, and the source
    assert found["pillow"][2] > 30
    for name in ("triton", "nvidia-cublas"):
        assert "linux" in found[name][1]
    assert "win32" in found["colorama"][1]
    assert "darwin" in found["appnope"][1]
    assert "3.12" in found["overrides"][1]


def test_make_installs_what_is_locked_and_nothing_else():
    makefile = (ROOT / "Makefile").read_text()
    installs = [line for line in makefile.splitlines() if "pip install" in line]
    assert installs
    for line in installs:
        assert ("--require-hashes" in line and "--only-binary :all:" in line) or (
            "--no-deps" in line and "--no-build-isolation" in line
        ), line


@pytest.mark.parametrize(("printed", "error", "code", "part"), [
    ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', "", 0, "1 packages, no known vulnerability"),
    ('{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X", "fix_versions": []}]}]}', "", 1, "X"),
    ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', "", 2, "1 of 1 packages could not be looked up"),
    ('{"dependencies": []}', "", 2, "no package"), ("", "Traceback\nConnectionError: no route", 2, "no route"),
])  # fmt: skip
def test_an_audit_that_looked_nothing_up_is_no_good_news(printed, error, code, part):
    audit = runpy.run_path(str(ROOT / ".ci" / "audit.py"))
    found, lines = audit["report"](subprocess.CompletedProcess([], 0, printed, error))
    assert found == code
    assert len(lines) == 1
    assert part in lines[0]


def test_readme_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "lab", "app", "book", "bench", "lint"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    readme = (ROOT / "README.md").read_text()
    assert readme.index("make demo") < readme.index("make test") < 500
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_no_file_names_a_package_registry_or_a_home():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    files = listed.stdout.split() if listed.returncode == 0 else ["README.md", "Makefile", "pyproject.toml"]
    forbidden = re.compile(r"pypi\.org|pythonhosted|anaconda\.org|/home/\w+|/root/|--index-url|--extra-index-url")
    for name in files:
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".txt", ".lock", ".yml", ".md", ".ipynb", ".json"} and path != Path(
            __file__
        ):
            assert not forbidden.search(path.read_text(encoding="utf-8")), name
