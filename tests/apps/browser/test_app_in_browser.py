"""The application in a real browser: from photos, and recordings, to the finished zip file, and shut to strangers."""

import hashlib
import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from urllib.parse import urlsplit

import pytest
from PIL import Image
from sound_files import tone, wav

from workbench.config import ConfigError
from workbench.files import places

pytest.importorskip("voila")
pytest.importorskip("ipywidgets")
nbformat = pytest.importorskip("nbformat")
sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

EVIL = "<img src=x onerror=alert(1)>.png"
START = """
import sys
from workbench.apps import server
server.NOTEBOOK = sys.argv[1]  # an absolute path takes the folder's place
sys.exit(server.serve(0, open_browser=False))
"""
QUICK = "from workbench.apps.photos.panel import Panel\n\nPanel.method = 'random'  # drawn: a search takes a minute\n"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
LONG = 300  # seconds: nothing here depends on speed, but nothing may hang


@pytest.fixture(scope="module")
def folder():
    """A temporary folder with a short name: the names of sockets in it must not get long."""
    path = f"/tmp/app-{os.getpid()}"
    os.mkdir(path, 0o700)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    """The application, on a port of its own: its address with the token."""
    book = nbformat.read(places.own("notebooks") / "app" / "protect_my_photos.ipynb", as_version=4)
    book.cells[-1].source = QUICK + book.cells[-1].source
    copy = tmp_path_factory.mktemp("app") / "page.ipynb"
    nbformat.write(book, copy)
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(copy)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("Open http://127.0.0.1:"), line + process.stderr.read()
        yield line.split()[1]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 0, process.stderr.read()
            assert "Traceback" not in process.stderr.read()
            assert private_folders(folder) == []  # neither photos nor sockets are left
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Real photographs, small."""
    from sklearn.datasets import load_sample_images

    folder = tmp_path_factory.mktemp("photos")
    temple, flower = (Image.fromarray(pixels) for pixels in load_sample_images().images)
    temple.resize((320, 213)).save(folder / "temple.jpg", quality=92)
    flower.crop((200, 100, 328, 228)).save(folder / "flower.png")
    flower.crop((100, 100, 164, 164)).save(folder / EVIL)
    (folder / "notes.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Three recordings of half a second."""
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(3):
        (folder / f"{number}.wav").write_bytes(wav(tone(4000, 1), 16))
    return sorted(map(str, folder.iterdir()))


def ask(address, path, method="GET", **headers):
    """Status and text that the server answers with."""
    link = http.client.HTTPConnection(urlsplit(address).netloc, timeout=LONG)
    link.request(method, path, headers=headers)
    answer = link.getresponse()
    text = answer.read().decode(errors="replace")
    link.close()
    return answer.status, text


@pytest.mark.parametrize("path", [
    "/", "/?token=", "/?token=wrong", "/voila/static/voila.js", "/voila/files/page.ipynb",
    "/voila/files/a.png", "/api/kernels/00000000-0000-0000-0000-000000000000",
    "/api/kernels/00000000-0000-0000-0000-000000000000/channels", "/photos/workbench-photos-abc/copies.zip", "/login",
])  # fmt: skip
def test_without_the_token_nothing_answers(server, path):
    status, text = ask(server, path)
    assert status == 403
    assert "workbench app" in text
    assert "kernel" not in text
    forged = f"username-{urlsplit(server).netloc.replace('.', '-').replace(':', '-')}=2|1:0|10:1|4:user|4:e30=|0"
    assert ask(server, path, Cookie=forged)[0] == 403
    assert ask(server, path, "POST")[0] == 403


def test_with_the_token_neither_files_nor_a_foreign_name_are_served(server):
    token = urlsplit(server).query
    assert ask(server, f"/voila/files/page.ipynb?{token}")[0] == 403
    assert ask(server, f"/voila/files/a.png?{token}")[0] == 403
    assert ask(server, f"/photos/../../../etc/passwd?{token}")[0] in (302, 403, 404)
    assert ask(server, f"/?{token}", Host="evil.example")[0] == 403


def test_a_port_in_use_is_one_line(server):
    from workbench.apps.server import serve

    with pytest.raises(ConfigError, match=r"port \d+ cannot be used \(.*\): name another one with --port") as caught:
        serve(urlsplit(server).port, open_browser=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="port is 99999"):
        serve(99999, open_browser=False)


def test_from_photos_and_recordings_to_a_checked_zip_file(server, photos, sounds, folder):
    expect = sync_api.expect
    expect.set_options(timeout=LONG * 1000)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.set_default_timeout(LONG * 1000)
        dialogs, went_out = [], []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.accept()))
        page.on("response", lambda answer: went_out.append(answer.url))
        page.goto(server)
        expect(page.get_by_role("heading", name="Make my photos or recordings harder to learn from")).to_be_visible()
        expect(page.get_by_text("cannot be upgraded once it is published")).to_be_visible()
        expect(page.get_by_role("button", name="Make the copies")).to_be_hidden()

        page.get_by_label("Whose are they?").fill("Anna")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose photos").focus()
            page.keyboard.press("Enter")
        chooser.value.set_files([str(path) for path in sorted(photos.iterdir())])
        expect(page.get_by_text("Added 3 photos of Anna. 1 file cannot be used: the list says why.")).to_be_visible()
        listing = page.get_by_role("region", name="List of photos")
        expect(listing).to_contain_text(f"Anna/{EVIL}")
        expect(listing.get_by_role("row").nth(1)).to_contain_text("notes.jpgcannot be used")  # below the heads
        for slider in ("Strength", "Left to right"):
            expect(page.get_by_role("slider", name=slider, include_hidden=True)).to_have_count(1)
        expect(page.get_by_text("preview of the size").first).to_be_visible()

        page.get_by_role("button", name="Make the copies").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text(re.compile("^Step . of 3"))).to_be_visible()
        expect(page.get_by_role("button", name="Make the copies")).to_be_focused()
        expect(page.get_by_text("Done: 3 copies made.")).to_be_visible()
        page.get_by_label("Photo", exact=True).select_option("Anna/temple.jpg")
        expect(page.get_by_role("img", name="Anna/temple.jpg: changed copy")).to_have_count(2)
        expect(page.get_by_text(re.compile("Largest change 8 of 255")).first).to_be_visible()
        (private,) = private_folders(folder)
        (kernel,) = private_folders(private)
        assert [os.stat(path).st_mode & 0o777 for path in (private, kernel)] == [0o700, 0o700]

        assert violations(page) == []
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the copies").click()
        check(download.value.path(), photos)
        page.get_by_role("button", name="Start again").click()
        expect(page.get_by_text("All files are removed from here.")).to_be_visible()
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose photos").click()
        chooser.value.set_files(sounds)
        expect(page.get_by_text("Added 3 recordings.")).to_be_visible()
        expect(page.get_by_text("This is a preview with a chord").first).to_be_visible()
        page.get_by_role("button", name="Make the copies").click()
        expect(page.get_by_text("Done: 3 copies made.")).to_be_visible()
        expect(page.get_by_text("Measured on the finished file: Largest change 2").first).to_be_visible()
        expect(page.get_by_role("slider", name="Strength")).to_be_hidden()
        heard = page.get_by_label(re.compile("^(original|copy|difference, played 20 dB louder), 0.wav$"))
        expect(heard).to_have_count(3)
        for number in range(3):
            expect(heard.nth(number)).to_be_visible()
            heard.nth(number).evaluate("one => one.play()")  # fails where the browser cannot, or may not
            assert heard.nth(number).evaluate("one => one.duration") == pytest.approx(0.5)
        assert violations(page) == []
        assert dialogs == []
        assert all(url.startswith((f"http://{urlsplit(server).netloc}/", "data:", "blob:")) for url in went_out)
        page.goto("about:blank")
        assert dialogs == ["beforeunload"]  # half an hour of work is not lost to F5
        end = time.monotonic() + LONG
        while private_folders(private) and time.monotonic() < end:
            time.sleep(0.2)
        assert private_folders(private) == []  # the page is left: its photos are gone
        browser.close()


def violations(page):
    """What a checker of accessibility finds wrong with the page."""
    found = axe.Axe().run(page).response["violations"]
    return [(one["impact"], one["help"]) for one in found if one["impact"] in ("serious", "critical", "moderate")]


def private_folders(folder):
    return [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("workbench-photos-")]


def check(path, photos):
    """The zip file holds a copy of every photo, as its manifest says, changed by at most 8 of 255."""
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        entries = {entry["original"]: entry for entry in manifest["files"]}
        assert set(entries) == {f"Anna/{name}" for name in ("temple.jpg", "flower.png", EVIL)}
        assert set(archive.namelist()) == {"manifest.json", *(entry["file"] for entry in entries.values())}
        for name, entry in entries.items():
            content = archive.read(entry["file"])
            assert hashlib.sha256(content).hexdigest() == entry["sha256"]
            before = Image.open(photos / name.removeprefix("Anna/")).convert("RGB")
            after = Image.open(io.BytesIO(content)).convert("RGB")
            assert before.size == after.size
            changes = [abs(a - b) for a, b in zip(before.tobytes(), after.tobytes(), strict=True)]
            assert 0 < max(changes) <= 8
            assert entry["linf"] == max(changes)
