"""All writing, renaming and removing goes through files/atomic.py; whoever else does it stands here with a reason."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "workbench"
PLACE = "files/atomic.py"
ALLOWED = {
    "files/lock.py": (2, "says who holds a lock, in the lock's own file, which is not replaced while it is held"),
    "files/mapped.py": (4, "a temporary file without a name; maps a run's own file"),
    "apps/photos/uploads.py": (2, "packs into an open file, unpacks the program's own archive into a new folder"),
    "figures/tables.py": (1, "names a column"),
    "judging/worker.py": (1, "keeps its standard output for answers, on a handle of its own"),
    "cli.py": (2, "puts nowhere in the place of a standard stream"),
}  # how many calls, and why
METHODS = {
    "unlink", "rmdir", "rename", "touch", "mkdir", "write_text", "write_bytes", "symlink_to", "hardlink_to", "chmod",
    "truncate", "extractall", "extract", "tofile",
}  # fmt: skip
OF_MODULES = {
    "os": {"remove", "unlink", "rename", "renames", "replace", "rmdir", "mkdir", "link", "symlink", "truncate", "chmod",
           "ftruncate", "mknod", "makedirs", "removedirs"},
    "shutil": {"rmtree", "move", "copy", "copy2", "copyfile", "copytree", "copyfileobj", "copymode", "make_archive",
               "unpack_archive", "chown"},
    "np": {"save", "savez", "savez_compressed", "memmap"},
}  # fmt: skip
OPENERS = {"open", "os.fdopen", "io.open", "FileIO", "io.FileIO", "zipfile.ZipFile", "tarfile.open", "gzip.open"}
FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}


def writes(tree: ast.AST) -> list[str]:
    """The calls in a module that write to, rename or remove what has a name."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        full = ast.unparse(node.func)
        owner, _, name = full.rpartition(".")
        plain = not node.keywords and len(node.args) == 1
        if full == "os.open":
            writing = any(flag in ast.unparse(node) for flag in FLAGS)
        elif full not in OPENERS and owner in OF_MODULES:
            writing = name in OF_MODULES[owner]
        elif full in OPENERS or name == "open":
            given = [*node.args[: 2 if full in OPENERS else 1], *(w.value for w in node.keywords if w.arg == "mode")]
            modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            writing = any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)
        elif name in ("replace", "rename"):  # of a path: texts take two arguments, tables take columns=
            writing = owner != "" and plain
        else:
            writing = name in METHODS and owner != ""
        if writing:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def sources() -> dict[str, list[str]]:
    files = {file.relative_to(PACKAGE).as_posix(): file for file in sorted(PACKAGE.rglob("*.py"))}
    return {name: writes(ast.parse(file.read_text(encoding="utf-8"))) for name, file in files.items()}


def test_nobody_writes_past_the_one_place_for_it():
    found = sources()
    assert found.pop(PLACE)
    assert {name: calls for name, calls in found.items() if len(calls) > ALLOWED.get(name, (0,))[0]} == {}


def test_no_exception_stands_here_for_nothing():
    found = sources()
    assert {name: len(found[name]) for name in ALLOWED} == {name: count for name, (count, _) in ALLOWED.items()}


@pytest.mark.parametrize("code", [
    "path.unlink()", "os.remove(p)", "shutil.rmtree(p)", "path.rename(q)", "path.replace(q)", "os.replace(p, q)",
    "open(p, 'w')", "open(p, mode='a')", "path.open('xb')", "path.open('r+b')", "path.write_text('x')", "p.mkdir()",
    "path.write_bytes(b'')", "shutil.copyfile(p, q)", "os.makedirs(p)", "os.open(p, os.O_WRONLY | os.O_CREAT)",
    "zipfile.ZipFile(p, 'w')", "np.save(p, a)", "folder.rmdir()", "p.touch()", "np.memmap(p, mode='r+')",
])  # fmt: skip
def test_the_search_finds_what_it_looks_for(code):
    assert writes(ast.parse(code))


@pytest.mark.parametrize("code", [
    "name.replace('a', 'b')", "replace(config, seed=1)", "table.rename(columns={})", "open(p, 'rb')", "path.open('rb')",
    "open(p)", "os.open(p, os.O_RDONLY)", "zipfile.ZipFile(file)", "webbrowser.open(page.as_uri())", "set.remove(x)",
    "archive.open(info)", "path.open(encoding='utf-8')", "Image.open(file)",
])  # fmt: skip
def test_the_search_leaves_reading_alone(code):
    assert writes(ast.parse(code)) == []
