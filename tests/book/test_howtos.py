"""What the how-to pages show is run: their Python as it stands, the commands of the export with its folder."""

import re
from pathlib import Path

import pytest
from registered import as_before  # noqa: F401 (a fixture for every test)
from torchvision.datasets import ImageFolder

import workbench as wb
from workbench import registry
from workbench.cli import main

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "howto").glob("*.md"))
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks(name: str) -> list[str]:
    (page,) = [page for page in PAGES if page.stem == name]
    return PYTHON.findall(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder that the page of the export makes."""
    place = tmp_path_factory.mktemp("export")
    noise, data = place / "noise", ["--data", "photo-digits:200"]
    assert main(["noise", *data, "--method", "bands", "--kind", "classwise", "--out", str(noise)]) == 0
    assert main(["export", *data, "--noise", str(noise), "--out", str(place / "protected")]) == 0
    return place


def test_data_of_ones_own_takes_noise():
    (code,) = blocks("own-data")
    names: dict = {}
    exec(code, names)
    assert names["noise"].delta.shape == (2, 3, 32, 32)


def test_the_loader_gives_what_is_published(exported, monkeypatch):
    monkeypatch.chdir(exported)
    first, second = blocks("export")
    names: dict = {}
    exec(first, names)
    assert names["images"].shape == (64, 3, 32, 32)
    assert 0 <= float(names["images"].min()) < float(names["images"].max()) <= 1
    exec(second, names)
    assert isinstance(names["data"], ImageFolder)
    assert (len(names["data"]), len(names["data"].classes)) == (len(names["pair"].train), 10)


def test_the_exported_folder_has_the_layout_of_imagefolder(exported):
    """Labels are the folders' names, so nothing may lie at the top but these, and nothing in them but pictures."""
    protected = exported / "protected"
    assert {path.name for path in protected.iterdir() if path.is_file()} == {"manifest.json", "README.md"}
    folders = [path for path in protected.iterdir() if path.is_dir()]
    assert len(folders) == 10
    assert {path.suffix for folder in folders for path in folder.iterdir()} == {".png"}
    assert not list(protected.rglob("metadata.*"))  # which would replace the folders' names


@pytest.mark.parametrize(("page", "kind", "name"), [
    ("own-network", "network", "tiny"),
    ("own-method", "method", "stripes"),
    ("own-defence", "defence", "sixteen-levels"),
])  # fmt: skip
def test_ones_own_code_is_taken(page, kind, name, tmp_path):
    (code,) = blocks(page)
    mine = tmp_path / "mine.py"
    mine.write_text(code, encoding="utf-8")
    registry.load([mine])
    assert name in registry.TABLES[kind]
    pair = wb.load("photo-digits:60")
    if kind == "method":
        made = wb.make_noise(pair.train, method=name, kind="classwise", epsilon=8)
        assert int(made.delta.abs().max()) == 8
    else:
        asked = {"victim": name} if kind == "network" else {"victim": "convnet-w2", "defence": name}
        rows = wb.train(pair, epochs=1, **asked)
        assert set(rows["victim" if kind == "network" else "defence"]) == {name}
