"""Imports go one way along the line of the folders; tables and figures need no torch, the program no laboratory."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "workbench"

# Each may import what stands before it, and its own folder. `files` and `records` stand beside the line of the data:
# every stage reads, writes and records, so they know nothing of the science.
LINE = (
    ("budgets",),
    ("config", "progress"),
    ("installation",),
    ("catalogue",),
    ("registry",),
    ("files",),
    ("device",),
    ("records",),
    ("data",),
    ("models",),
    ("noise",),
    ("victim",),
    ("export", "figures"),
    ("stages",),
    ("judging",),
    ("study", "library", "parameters"),
    ("teaching",),
    ("sweep",),
    ("apps",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
# What is read to know what the program does to data, in the order of reading.
CORE = (
    "config", "catalogue", "device", "progress", "stages",
    "data.dataset", "data.sources", "data.folder", "data.batches", "data.augment", "data.photo_digits",
    "models", "models.images",
    "noise", "noise.budget", "noise.perturbation", "noise.surrogate", "noise.search", "noise.run", "noise.em",
    "noise.em_joint", "noise.em_max", "noise.random",
    "victim.exposure", "victim.module", "victim.train", "victim.recipes", "victim.defence",
    "records.table", "records.run_folder",
)  # fmt: skip
CORE_LINES = 3300
PLACE = {name: level for level, names in enumerate(LINE) for name in names}
TORCH_FREE = (
    "config",
    "progress",
    "catalogue",
    "registry",
    "records.table",
    "records.run_folder",
    "figures",
    "cli",
    "judging.config",
)
HEAVY = ("torch", "torchvision", "lightning", "torchmetrics", "safetensors")
LABORATORY = ("papermill", "nbformat", "nbclient", "dask", "distributed", "ipywidgets", "ipykernel", "IPython", "voila")


def name_of(file: Path) -> str:
    """The module's name below the package, as "device" or "noise.search"; "" for the package."""
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


def allowed(importer: str, imported: str) -> bool:
    here, there = importer.split(".")[0], imported.split(".")[0]
    return here == there or PLACE[there] < PLACE[here]


@pytest.mark.parametrize("name", [name for name in FILES if name])
def test_module_imports_only_what_stands_before_it(name):
    assert name.split(".")[0] in PLACE, "give the new room its place in LINE"
    assert [other for other in imports(name) if other and not allowed(name, other)] == []


def test_the_order_can_be_violated():
    assert not allowed("figures", "noise.search") or PLACE["noise"] < PLACE["figures"]
    assert not allowed("records.run_folder", "data.dataset")
    assert not allowed("data.sources", "noise.search")
    assert not allowed("study", "apps.photos.protect")
    assert allowed("export.write", "noise.perturbation")


def test_the_catalogue_imports_the_configuration_alone():
    assert imports("catalogue") <= {"config"}


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


def test_figures_draw_from_tables_alone():
    drawing = [name for name in FILES if name.startswith("figures")]
    science = {"data", "models", "noise", "victim", "export"}
    assert {n: imports(n) for n in drawing if {other.split(".")[0] for other in imports(n)} & science} == {}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(TORCH_FREE)])
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
    light = [name for name in FILES if name.startswith(TORCH_FREE) and name]
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
import workbench.study, workbench.cli
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
    assert {"workbench.figures", "workbench.records.table", "workbench.records.run_folder", "workbench.cli"} <= first
    assert first.isdisjoint(HEAVY)


def test_stages_load_without_the_laboratory(loaded):
    _, second = loaded
    assert {"workbench.study", "workbench.victim.module", "torch", "lightning"} <= second
    assert second.isdisjoint((*LABORATORY, "sklearn"))


def test_the_core_can_be_read_in_one_sitting():
    lines = {name: len(FILES[name].read_text(encoding="utf-8").splitlines()) for name in CORE}
    assert sum(lines.values()) <= CORE_LINES, lines


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
