"""Inputs: every file a person gives is a source or a refusal, and the names of the copies suit every system."""

import hashlib
import json
import os
import unicodedata

import pytest
from photographs import encoded, photograph
from PIL import Image

from workbench.apps.photos.sources import gather
from workbench.config import DataError
from workbench.files import tree
from workbench.files.pictures import Refused, decode

PNG = encoded(Image.fromarray(photograph()))


def put(path, content=PNG):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(root):
    return [source.name for source in gather(root)[0]]


def reasons(root) -> dict[str, str]:
    return {refusal.name: refusal.reason for refusal in gather(root)[1]}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def test_sources_are_sorted_and_know_their_person(root):
    for name in ("zoe/b.png", "zoe/2024/a.png", "anna/x.jpg", "top.png"):
        put(root / name)
    sources, refusals, _ = gather(root)
    assert refusals == []
    assert [(source.name, source.person) for source in sources] == [
        ("anna/x.jpg", "anna"), ("top.png", ""), ("zoe/2024/a.png", "zoe"), ("zoe/b.png", "zoe")
    ]  # fmt: skip
    assert all(source.read() == PNG for source in sources)


def test_a_single_photo_is_its_own_folder(root):
    sources, refusals, _ = gather(put(root / "me.png"))
    assert ([(source.name, source.person) for source in sources], refusals) == ([("me.png", "")], [])
    assert decode(sources[0].read()).pixels.shape == (48, 64, 3)


def test_every_file_is_in_one_of_the_lists(root):
    for name, content in (("a.png", PNG), ("b.txt", b"Dear diary"), ("c.jpg", b""), ("d.png", PNG[:40]),
                          ("e.pdf", b"%PDF-1.7"), ("f.zip", b"PK\3\4"), ("no suffix", PNG)):  # fmt: skip
        put(root / name, content)
    assert names(root) == ["a.png", "d.png", "no suffix"]
    found = reasons(root)
    assert list(found) == ["b.txt", "c.jpg", "e.pdf", "f.zip"]
    for name, part in (("b.txt", "is not an image"), ("c.jpg", "empty"), ("e.pdf", "PDF"), ("f.zip", "unpack")):
        assert part in found[name]
        assert "\n" not in found[name]


def test_what_systems_leave_behind_is_counted_alone(root):
    for name in (".DS_Store", "._a.png", "Thumbs.db", "anna/desktop.ini", ".git/a.png", "__MACOSX/a.png",
                 "anna/@eaDir/a.png"):  # fmt: skip
        put(root / name)
    assert gather(root) == ([], [], {tree.HIDDEN: 3, tree.SYSTEM: 3, tree.THUMBNAIL: 1})


@pytest.mark.parametrize("name", ["missing", "missing/photo.png"])
def test_a_missing_root_is_refused(root, name):
    with pytest.raises(DataError, match=r"missing.*No such file"):
        gather(root / name)


def test_special_files_are_refused_without_being_opened(root):
    os.mkfifo(root / "pipe.png")
    put(root / "a.png")
    assert names(root) == ["a.png"]
    assert "pipe" in reasons(root)["pipe.png"]
    with pytest.raises(DataError, match="neither"):
        gather(root / "pipe.png")


def test_links_are_never_followed(root, tmp_path):
    put(tmp_path / "secret" / "photo.png")
    put(root / "a.png")
    (root / "out.png").symlink_to(tmp_path / "secret" / "photo.png")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "twice.png").symlink_to("a.png")
    (root / "nowhere.png").symlink_to(root / "gone.png")
    (root / "circle").symlink_to("circle")
    assert names(root) == ["a.png"]
    found = reasons(root)
    assert set(found) == {"out.png", "folder", "twice.png", "nowhere.png", "circle"}
    assert "out of the folder" in found["out.png"]
    assert "out of the folder" in found["folder"]
    assert "within the folder" in found["twice.png"]


def test_a_file_that_became_a_link_or_a_pipe_is_not_read(root, tmp_path):
    put(tmp_path / "secret.png")
    put(root / "a.png")
    put(root / "b.png")
    first, second = gather(root)[0]
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(tmp_path / "secret.png")
    (root / "b.png").unlink()
    os.mkfifo(root / "b.png")
    for source in (first, second):
        with pytest.raises(Refused):
            source.read()


def test_a_root_that_is_a_link_is_what_it_leads_to(root, tmp_path):
    put(root / "a.png")
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "link.png").symlink_to(root / "a.png")
    assert names(tmp_path / "link") == ["a.png"]
    assert names(tmp_path / "link.png") == ["link.png"]
    assert gather(tmp_path / "link.png")[0][0].read() == PNG


def test_names_that_are_not_utf8_are_refused_in_a_form_that_can_be_printed(root):
    put(root / "a.png")
    with open(os.path.join(os.fsencode(root), b"caf\xe9.png"), "wb") as file:
        file.write(PNG)
    (name, reason), *_ = reasons(root).items()
    assert name.encode() == b"caf\\udce9.png"
    assert "UTF-8" in reason


def test_odd_names_are_kept_as_they_are(root):
    odd = ["-rf.png", "Ünï.png", unicodedata.normalize("NFD", "é.png"), "a b.png", "😀.png", "new\nline.png", "x.y.png"]
    for name in odd:
        put(root / name)
    assert sorted(odd) == names(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_refused(root):
    put(root / "a.png").chmod(0)
    assert "permissions" in reasons(root)["a.png"]


def test_files_that_grow_beyond_the_cap_are_refused(root):
    path = put(root / "a.png")
    os.truncate(path, 256 * 2**20 + 1)
    with pytest.raises(Refused, match="256 MiB"):
        gather(root)[0][0].read()


def test_copies_with_noise_are_refused_and_the_programs_own_files_skipped(root):
    copy = encoded(Image.fromarray(photograph(seed=1)))
    put(root / "done" / "anna" / "a.png", copy)
    put(root / "done" / "anna" / "renamed.jpg", copy)
    put(root / "done" / "anna" / "other.png")
    entry = {"file": "anna/a.png", "original": "anna/a.png", "sha256": hashlib.sha256(copy).hexdigest()}
    put(root / "done" / "manifest.json", json.dumps({"epsilon": 8, "files": [entry], "refused": []}).encode())
    put(root / "done" / "README.md", b"# copies")
    put(root / "README.md", b"# mine")
    assert names(root) == ["done/anna/other.png"]
    found = reasons(root)
    assert set(found) == {"README.md", "done/anna/a.png", "done/anna/renamed.jpg"}
    assert "carries noise already" in found["done/anna/a.png"]
    for part in (root / "done" / "anna", root / "done" / "anna" / "a.png"):  # a part of such a folder, too
        assert all("carries noise already" in reason for reason in reasons(part).values())
        assert names(part) in (["other.png"], [])


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"epsilon": 8, "files": [1]}', b'{"name": "app"}'])
def test_other_manifests_are_files_like_any(root, content):
    put(root / "manifest.json", content)
    put(root / "a.png")
    assert names(root) == ["a.png"]
    assert list(reasons(root)) == ["manifest.json"]
