"""A real JupyterLab, as `workbench lab` starts it, in a real browser: the explorer by keyboard, pictures with words."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from html import unescape
from pathlib import Path

import nbconvert
import nbformat
import pytest
from matplotlib.figure import Figure

from workbench import figures

pytest.importorskip("jupyterlab")
pytest.importorskip("ipywidgets")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "00_explore.ipynb"
TINY = {
    "data": "photo-digits:60",
    "limit_test": 20,
    "network": "convnet-w2",
    "epochs": 3000,  # so long that it is still training when it is stopped
    "device": "cpu",
}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONG = 120  # seconds: nothing here depends on speed, but nothing may hang
WORDS = 'Accuracy by epoch: "clean" ends at 0.96 <b>'
NO_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'


@pytest.fixture
def laboratory(tmp_path):
    """The address, token included, of a JupyterLab of its own, with a tiny copy of the notebook."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    (cell,) = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in TINY.items())
    work = tmp_path / "work"
    (work / "notebooks").mkdir(parents=True)
    nbformat.write(book, work / "notebooks" / NOTEBOOK.name)
    nbformat.write(with_a_figure(), work / "from_elsewhere.ipynb")
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(NO_NEWS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    folders = {
        "HOME": tmp_path / "home",
        "IPYTHONDIR": tmp_path / "ipython",
        "JUPYTER_CONFIG_DIR": tmp_path / "config",
        "JUPYTER_DATA_DIR": tmp_path / "data",
        "JUPYTER_RUNTIME_DIR": tmp_path / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": tmp_path / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": tmp_path / "workspaces",
    }
    given = {"JUPYTER_TOKEN": token, "OMP_NUM_THREADS": "1", **{name: str(path) for name, path in folders.items()}}
    environment = {name: value for name, value in os.environ.items() if name != "WORKBENCH_PROGRESS"} | given
    where = ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "workbench", "lab", "--", "--no-browser", "--allow-root", *where],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=work,
            start_new_session=True,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, tmp_path / "server.log")
            yield f"http://127.0.0.1:{port}/?token={token}"
        finally:
            server.send_signal(signal.SIGTERM)  # the server ends its kernels first
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def with_a_figure() -> nbformat.NotebookNode:
    """A notebook from elsewhere, so that JupyterLab does not trust it, with a figure as figures.show gives it."""
    shown: list[dict[str, str]] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("IPython.display.display", lambda data, raw: shown.append(data))
        figure = Figure()
        figure.set_label(WORDS)
        figures.show(figure)
    cell = nbformat.v4.new_code_cell("show()", outputs=[nbformat.v4.new_output("display_data", shown[0])])
    return nbformat.v4.new_notebook(cells=[cell])


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def page(laboratory):
    """The notebook in the browser, all cells run."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.set_default_timeout(LONG * 1000)
        sync_api.expect.set_options(timeout=LONG * 1000)
        page.goto(laboratory)  # which opens the explorer by itself
        sync_api.expect(page.locator(".jp-NotebookPanel-toolbar .jp-Toolbar-kernelName")).to_contain_text("Python 3")
        sync_api.expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Run All Cells")).click()
        yield page
        browser.close()


def face(page, button: str):
    """The output of the cell that holds this button."""
    return page.locator(".jp-Cell-outputArea").filter(has=page.get_by_role("button", name=button))


def test_the_notebook_is_explored_by_keyboard_and_a_training_is_stopped(page, tmp_path):
    expect = sync_api.expect
    look = face(page, "Search noise at this ε")
    expect(look.get_by_role("status").filter(has_text="Found the em-joint")).to_be_visible()
    expect(look.get_by_text("was found on all 60 training images")).to_be_visible()
    both = look.locator("img").nth(2)
    before = both.get_attribute("src")

    slider = look.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(look.get_by_text("found at ε = 8 and only scaled to 9")).to_be_visible()
    expect(both).not_to_have_attribute("src", before)
    expect(both).to_have_attribute("alt", re.compile("changed by at most"))

    look.get_by_role("button", name="random").focus()
    page.keyboard.press("Space")
    expect(look.get_by_text("This random, class-wise noise at ε = 9 was found")).to_be_visible()

    train = face(page, "Train the pair")
    learner = train.get_by_label("learner uses")
    learner.focus()
    page.keyboard.press("Space")  # opens the list; the plain arrow keys would be JupyterLab's
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(train.get_by_text("Both learners use crop-flip (random crops and flips).")).to_be_visible()
    expect(train.get_by_text("Chosen: random, class-wise noise at ε = 9.")).to_be_visible()
    button = train.get_by_role("button", name="Train the pair")
    button.focus()
    page.keyboard.press("Enter")
    curve = train.locator("img")
    expect(curve).to_have_attribute("alt", re.compile("^Accuracy by epoch"))
    expect(train.get_by_role("status").filter(has_text="epoch")).to_be_visible()
    stop = train.get_by_role("button", name="Stop")
    stop.focus()
    page.keyboard.press("Space")
    expect(train.get_by_role("status").filter(has_text="Stopped after")).to_be_visible()
    expect(page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    expect(page.locator(".jp-OutputArea-output[data-mime-type*='error']")).to_have_count(0)
    assert (tmp_path / "work" / "runs" / "00_explore").is_dir()  # beside the notebooks, where the command line looks

    page.goto(page.url.replace("notebooks/00_explore.ipynb", "from_elsewhere.ipynb"))
    figure = page.locator(".jp-OutputArea-output img")
    expect(figure).to_have_attribute("alt", WORDS)
    assert figure.evaluate("image => image.complete && image.naturalWidth") > 100


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_nbconvert_keeps_the_words(template):
    html, _ = nbconvert.HTMLExporter(template_name=template).from_notebook_node(with_a_figure())
    (image,) = re.findall(r"<img [^>]*src=.data:image/png[^>]*>", html)
    assert WORDS in unescape(image)
    assert "No description has been provided" not in html
