"""What the program never does: unpickle, run what it reads, put names into a page as markup, listen to the network."""

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench import figures
from workbench.config import DataError
from workbench.data.sources import read_folder
from workbench.export import write
from workbench.records import table as results
from workbench.sweep import report

ROOT = Path(__file__).resolve().parent.parent
EVIL = "<img src=x onerror=alert(1)>' onload='alert(2)\" onload=\"alert(3)"
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
FUNCTIONS = {"eval", "exec", "compile", "__import__"}  # Python's own; networks have an eval() of another kind
METHODS = {"read_pickle", "to_pickle", "system", "popen", "mktemp", "extractall"}
OWN_ARCHIVE = "apps/photos/uploads.py"  # unpacks the zip file that the program has just packed


def sources() -> dict[str, ast.Module]:
    """The syntax of every file and notebook that the program consists of."""
    files = [*ROOT.glob("workbench/**/*.py"), *ROOT.glob("experiments/**/*.py"), *ROOT.glob(".ci/*.py")]
    found = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}
    for file in ROOT.glob("notebooks/**/*.ipynb"):
        cells = nbformat.read(file, as_version=4).cells
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        code = [cell.partition("\n")[2] if cell.startswith("%%writefile ") else cell for cell in code]
        found[str(file.relative_to(ROOT))] = "\n".join(code)
    return {name: ast.parse(text) for name, text in found.items()}


def faults(tree: ast.Module) -> list[str]:
    """Uses of what runs code from data, or leaves a door open."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in MODULES]
        elif isinstance(node, ast.Constant) and node.value in ("0.0.0.0", "::"):
            found.append(f"listens on {node.value}")
        elif isinstance(node, ast.Call):
            full = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if full in FUNCTIONS or full.split(".")[-1] in METHODS:
                found.append(full)
            if full == "torch.load" and given.get("weights_only") != "True":
                found.append("torch.load without weights_only=True")
            if full.startswith("yaml.") and full.split(".")[1] in ("load", "load_all", "full_load", "unsafe_load"):
                found.append(full)
            if given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False":
                found.append(f"{full} with {given}")
            if given.get("verify") == "False" or given.get("share") == "True":
                found.append(f"{full} with {given}")
    return found


def test_nothing_is_unpickled_run_from_data_or_opened_to_others():
    found = {name: faults(tree) for name, tree in sources().items()}
    assert found.pop(f"workbench/{OWN_ARCHIVE}") == ["packed.extractall"]
    assert found.pop("workbench/registry.py") == ["exec", "compile"]  # files that the user names by --with
    assert {name: bad for name, bad in found.items() if bad} == {}


@pytest.mark.parametrize("code", [
    "import pickle", "from pickle import loads", "eval('1')", "torch.load(f)", "torch.load(f, weights_only=False)",
    "yaml.load(f, Loader=yaml.Loader)", "np.load(f, allow_pickle=True)", "subprocess.run('ls', shell=True)",
    "pd.read_pickle(f)", "os.system('ls')", "serve('0.0.0.0')", "archive.extractall(p)",
])  # fmt: skip
def test_the_search_finds_what_it_looks_for(code):
    assert faults(ast.parse(code))


def test_servers_keep_to_this_machine_and_keep_their_token():
    for file in (ROOT / "Makefile", ROOT / "workbench" / "commands" / "sweeps.py"):  # where JupyterLab is started
        started = file.read_text(encoding="utf-8")
        assert "lab" in started
        assert not re.search(r"token|password|disable_check_xsrf|allow_remote|--ip|ServerApp\.ip|allow_origin", started)
    served = (ROOT / "workbench" / "apps" / "server.py").read_text()
    assert 'bind_sockets(port, "127.0.0.1")' in served
    assert "secrets.token_urlsafe(32)" in served


class Page(HTMLParser):
    """The tags and attributes of a piece of HTML."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def harmless(text: str) -> bool:
    """Whether a page holds no attribute that runs anything and no picture but inline ones."""
    tags = Page(text).tags
    own = all(not name.startswith("on") for _, attributes in tags for name in attributes)
    return own and all((attributes.get("src") or "data:").startswith("data:") for _, attributes in tags)


def table() -> pd.DataFrame:
    identity = dict.fromkeys(results.IDENTITY, "a") | {
        "epsilon": 8,
        "seed": 0,
        "protected_fraction": 1.0,
        "kind": "classwise",
    }
    points = [("accuracy", 0.5)] + [
        (f"confusion/{one}/{other}", 0.5) for one in ("ant", EVIL) for other in ("ant", EVIL)
    ]
    curve = [{"epoch": 1, "split": "test", "metric": name, "value": value} for name, value in points]
    return results.table(results.Identity(**identity), curve)


def html_of_explore() -> dict[str, str]:
    pytest.importorskip("ipywidgets")
    from workbench.apps import html
    from workbench.apps.explore.panel import sheet

    image = np.zeros((12, 12, 3), np.uint8)
    figure = figures.FIGURES["confusion"](table(), 0.5)
    return {
        "sheet": sheet(image, image + 1, 4, EVIL),
        "words": html.said(EVIL, urgent=True),
        "tried": html.table([EVIL], [[EVIL] * 4], EVIL),
        "drawing": html.drawing(figure),
    }


def html_of_photos(folder: Path) -> dict[str, str]:
    pytest.importorskip("ipywidgets")
    from workbench.apps import html
    from workbench.apps.photos import grouping, proof, views
    from workbench.apps.photos.self_test import SelfTest
    from workbench.apps.photos.viewer import Viewer, in_one_place, sheet

    pixels = np.zeros((40, 40, 3), np.uint8)
    file = folder / "copies.zip"
    file.write_bytes(b"")
    (folder / "manifest.json").write_text(json.dumps({"epsilon": 8, "files": [], "method": EVIL, "refused": []}))
    found = SelfTest(table().assign(method=EVIL, defence=EVIL), [EVIL, EVIL])
    groups = [grouping.Grouped(EVIL, EVIL, pixels), grouping.Grouped(EVIL, EVIL, None)]
    viewer = Viewer(lambda name: b"no picture", lambda name: None)
    viewer.offer([EVIL])
    viewer.draw(8)
    return {
        "line": html.said(EVIL, urgent=True),
        "listing": views.listing([(EVIL, EVIL, (EVIL, EVIL))] * 2),
        "tested": views.tested(found),
        "proof": proof.page(found, folder),
        "groups": grouping._page(groups, folder / EVIL),
        "one place": "".join(in_one_place(pixels, pixels + 1, EVIL, EVIL, (0.5, 0.5), edge) for edge in (None, 0.5)),
        "download": views.download(file, f"/photos/{EVIL}"),
        "sheet": sheet(pixels, pixels + 1, EVIL, EVIL, (0.5, 0.5)),
        "viewer": viewer.text.value + viewer.picture.value + viewer.brief.value,
    }


def html_of_report(folder: Path) -> dict[str, str]:
    rows = table()
    confused = figures.FIGURES["confusion"](rows, 0.5)
    drawn = {name: report.Picture(figures.png(confused), figures.words_of(confused)) for name in (EVIL, "confusion")}
    facts = {EVIL: EVIL, "parameters": {EVIL: [EVIL]}, "experiment": EVIL}
    job = {"name": EVIL, "key": EVIL, "state": EVIL, "seconds": None, "error": EVIL, EVIL: EVIL}
    path = report.write(folder, title=EVIL, text=[EVIL], figures=drawn, rows=rows, jobs=[job], facts=facts)
    return {"report": path.read_text(encoding="utf-8")}


@pytest.mark.parametrize("maker", [lambda _: html_of_explore(), html_of_photos, html_of_report])
def test_no_name_becomes_markup(tmp_path, maker):
    for name, text in maker(tmp_path).items():
        assert harmless(text), name
        assert "alert(1)" in text or name == "tested", name  # it is shown, as the text that it is


def test_the_search_finds_markup():
    assert not harmless(f"<p>{EVIL}</p>")
    assert not harmless(f'<img alt="{EVIL}">')


def test_names_stay_text_in_saved_figures_and_cards(tmp_path):
    figure = figures.FIGURES["confusion"](table(), 0.5)
    figures.save(figure, tmp_path, "confusion")
    tree = ElementTree.parse(tmp_path / "confusion.svg")
    assert {element.tag.rpartition("}")[2] for element in tree.iter()}.isdisjoint({"img", "script", "foreignObject"})
    files = [{"linf": 8, "psnr": 30.0, "class": EVIL}]
    assert EVIL not in write.card({"kind": "classwise", "method": "em", "epsilon": 8, "files": files})


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "\x7f"])
def test_a_class_whose_name_steers_a_terminal_is_refused(tmp_path, name):
    for kind in (name, "ant"):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(tmp_path / kind / "0.png")
    with pytest.raises(DataError, match="control character") as refused:
        read_folder(tmp_path)
    assert str(refused.value).isprintable()


def test_notebooks_carry_no_output_that_a_browser_would_trust():
    for file in ROOT.glob("notebooks/**/*.ipynb"):
        assert not any(cell.get("outputs") for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]), file
