"""Imports go one way, figures and tables need no torch, and the program needs no laboratory packages."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "workbench"

# Two lines of modules; each may import what stands before it on its line. The line of records knows nothing of torch's.
BASE = ("config", "progress", "board", "arguments", "cluster", "disk", "locks", "untrusted", "plain_yaml")
RECORDS = (("runs",), ("results",), ("figures", "notebooks", "report"), ("experiments", "sweeps"))
SCIENCE = (
    ("budget", "finite", "checkpoints", "stores"),
    ("device", "photo_digits", "synthetic_people", "folders", "images", "reading", "watch"),
    ("augment", "batches", "models", "quality"),
    ("noise",),
    ("protected", "verify", "defences", "published"),
    ("recipes", "trained", "fitting", "victim", "matching"),
    ("tasks", "study"),
    ("photos",),
)
TOP = ("app", "explore", "commands", "cli", "__main__")
WITHOUT_TORCH = (*BASE, *(name for level in RECORDS for name in level), "cli")
HEAVY = ("torch", "torchvision", "lightning", "torchmetrics", "safetensors")
LABORATORY = ("papermill", "nbformat", "nbclient", "dask", "distributed", "ipywidgets", "ipykernel", "IPython", "voila")


def name_of(file: Path) -> str:
    """The module's name below the package, as "images" or "noise.rounds"; "" for the package."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def imports(name: str) -> set[str]:
    """The modules of this package that a module imports anywhere, functions included."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    inner = {full.removeprefix("workbench.") for full in found if full.startswith("workbench.")}
    return {next(part for part in (each, each.rpartition(".")[0]) if part in FILES) for each in inner}


def place(name: str) -> tuple[str, int]:
    """The line and level of a module; a new module must be given its place above."""
    top = name.split(".")[0]
    for line, levels in (("base", (BASE,)), ("records", RECORDS), ("science", SCIENCE), ("top", (TOP,))):
        for level, names in enumerate(levels):
            if top in names:
                return line, level
    raise AssertionError(f"workbench.{name} has no place in the order of imports")


def allowed(importer: str, imported: str) -> bool:
    (line, level), (other, below) = place(importer), place(imported)
    if line == other:
        return below <= level
    return other == "base" or line == "top" or (line == "science" and other == "records")


@pytest.mark.parametrize("name", [name for name in FILES if name])
def test_module_imports_only_what_stands_before_it(name):
    assert [other for other in imports(name) if other and not allowed(name, other)] == []


def test_records_and_figures_stay_apart_from_the_science():
    assert not allowed("figures", "images")
    assert not allowed("runs", "results")
    assert not allowed("images", "noise.rounds")
    assert allowed("protected", "runs")
    assert imports("tasks") >= {"noise", "runs", "results", "victim"}


def test_no_module_imports_itself_in_a_circle():
    state: dict[str, str] = {}

    def visit(name, path):
        assert state.get(name) != "open", " → ".join([*path, name])
        if name not in state:
            state[name] = "open"
            for other in imports(name):
                visit(other, [*path, name])
            state[name] = "done"

    for name in FILES:
        visit(name, [])


def test_noise_methods_are_known_to_the_table_alone():
    methods = {name for name in FILES if name.startswith("noise.")} - {"noise.perturbation"}
    others = [name for name in FILES if not name.startswith("noise")]
    assert {name: methods & imports(name) for name in others if methods & imports(name)} == {}


@pytest.mark.parametrize("name", [name for name in WITHOUT_TORCH if name in FILES])
def test_module_names_no_torch(name):
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    assert found.isdisjoint(HEAVY)


@pytest.fixture(scope="module")
def loaded():
    """What a fresh interpreter has loaded after two steps of imports, when the laboratory is not installed."""
    light = [name for name in WITHOUT_TORCH if name in FILES]
    code = f"""
import importlib, json, sys

from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] not in {(*LABORATORY, "sklearn")!r}:
            return super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
assert Without in sys.meta_path
import workbench
for name in {light!r}:
    importlib.import_module("workbench." + name)
first = sorted(sys.modules)
import workbench.tasks, workbench.cli
workbench.cli.parser()
print(json.dumps([first, sorted(sys.modules)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PACKAGE.parent, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return [set(names) for names in json.loads(done.stdout.splitlines()[-1])]


def test_figures_tables_records_and_command_line_load_no_torch(loaded):
    first, _ = loaded
    assert {"workbench.figures", "workbench.results", "workbench.runs", "workbench.cli"} <= first
    assert first.isdisjoint(HEAVY)


def test_tasks_load_without_the_laboratory(loaded):
    _, second = loaded
    assert {"workbench.tasks", "workbench.victim", "torch", "lightning"} <= second
    assert second.isdisjoint((*LABORATORY, "sklearn"))


def test_lightning_is_never_mixed_with_its_other_name(loaded):
    assert "pytorch_lightning" not in loaded[1]
    assert [name for name, file in FILES.items() if "pytorch_lightning" in file.read_text(encoding="utf-8")] == []


def test_no_file_is_over_250_lines_and_none_unpickles():
    for name, file in FILES.items():
        source = file.read_text(encoding="utf-8")
        assert len(source.splitlines()) <= 250, name
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("weights_only") == "True", name
            assert not (isinstance(node, ast.Import) and "pickle" in {alias.name for alias in node.names}), name
