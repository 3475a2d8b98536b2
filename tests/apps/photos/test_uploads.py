"""What a person chose: uploads are checked for being whole, names are made harmless, originals are never touched."""

import io
import os
import zipfile

import pytest
from pictures import picture, snapshot
from PIL import Image

pytest.importorskip("ipywidgets")

from workbench.apps.photos import private_folder
from workbench.apps.photos.uploads import ACCEPTED, Collection, _kept, copy_into, pack
from workbench.config import DataError


def png(seed: int = 0, side: int = 40) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(seed, side)).save(file, "PNG")
    return file.getvalue()


def sent(*names: str, content: bytes | None = None, size: int | None = None) -> list[dict]:
    """Files as the browser sends them."""
    contents = [png(seed) if content is None else content for seed in range(len(names))]
    return [
        {"name": name, "size": len(each) if size is None else size, "content": memoryview(each)}
        for name, each in zip(names, contents, strict=True)
    ]


def packed(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/") + ".png", content)
    return file.getvalue()


@pytest.fixture
def collection(tmp_path):
    return Collection(tmp_path / "uploads", limit=100_000)


def test_each_batch_lies_in_a_folder_of_its_persons_name(collection):
    assert collection.receive(sent("a.png", "b.png"), " Anna ") == "Added 2 photos of Anna."
    assert collection.receive(sent("a.png")) == "Added 1 photo."
    assert collection.names == ["Anna/a.png", "Anna/b.png", "a.png"]
    assert collection.read("Anna/a.png") == png()
    assert collection.version == 2
    assert not collection.own


def test_a_name_that_is_there_already_gets_a_number(collection):
    for _ in range(3):
        collection.receive(sent("a.png"))
    assert collection.names == ["a (2).png", "a (3).png", "a.png"]


def test_what_did_not_arrive_whole_is_said_and_nothing_of_its_batch_is_kept(collection):
    files = [*sent("a.png"), *sent("b.png", content=b"", size=12_000_000)]
    with pytest.raises(DataError, match=r"b\.png did not arrive whole \(0 of 12,000,000 bytes\)"):
        collection.receive(files)
    assert collection.entries == []
    assert collection.source is None


def test_the_limit_holds_for_all_uploads_together(tmp_path):
    collection = Collection(tmp_path / "uploads", limit=2 * len(png()))
    collection.receive(sent("a.png"))
    with pytest.raises(DataError, match="more than 0 MB in all"):
        collection.receive(sent("b.png", content=b"x" * (len(png()) + 1)))
    collection.receive(sent("b.png", content=png()))
    assert len(collection.names) == 2


def test_what_is_no_picture_is_listed_with_its_reason(collection):
    collection.receive(sent("a.png", "notes.png", content=b"no picture"))
    assert collection.names == []
    assert all("is not an image" in entry.reason for entry in collection.entries)


@pytest.mark.parametrize(("name", "safe"), [
    ("a.png", "a.png"),
    ("../../etc/passwd", "_.._etc_passwd"),
    ("..", "file"),
    (".hidden.png", "hidden.png"),
    ("a\x00b\n.png", "a_b_.png"),
    ("C:\\x.png", "C:_x.png"),
    ("  ", "file"),
    ("ä ♥.png", "ä ♥.png"),
])  # fmt: skip
@pytest.mark.skipif(os.name == "nt", reason="other names are forbidden there")
def test_no_name_leads_anywhere(name, safe):
    assert _kept(name) == safe


def test_a_long_name_keeps_its_suffix():
    short, other = _kept("ü" * 300 + ".jpeg"), _kept("ü" * 301 + ".jpeg")
    assert short.startswith("üüü")
    assert short.endswith(".jpeg")
    assert len(short.encode()) <= 240
    assert short != other


def test_names_that_are_markup_or_paths_stay_below_the_folder(collection, tmp_path):
    collection.receive(sent("<img src=x onerror=alert(1)>.png", "../up.png"), "../../Eve")
    assert all(name.startswith("_.._Eve/") for name in collection.names)
    assert "_.._Eve/<img src=x onerror=alert(1)>.png" in collection.names
    assert [path.name for path in tmp_path.iterdir()] == ["uploads"]


def test_a_zip_is_read_where_it_is_and_taken_alone(collection):
    both = packed(Anna__a=png(1), Ben__b=png(2))
    assert collection.receive(sent("photos.ZIP", content=both)) == "Found 2 photos in the zip file (people: 2)."
    assert collection.names == ["Anna/a.png", "Ben/b.png"]
    assert collection.read("Ben/b.png") == png(2)
    assert collection.source.suffix == ".zip"
    for files in (sent("c.png"), sent("d.zip", content=both)):
        with pytest.raises(DataError, match="Start again"):
            collection.receive(files)
    collection.clear()
    collection.receive(sent("c.png"))
    assert collection.names == ["c.png"]


def test_a_damaged_zip_leaves_the_choice_free(collection):
    with pytest.raises(DataError):
        collection.receive(sent("bad.zip", content=b"PK\x03\x04 and no more"))
    collection.receive(sent("a.png"))
    assert collection.names == ["a.png"]


def test_an_own_folder_is_used_where_it_is_and_never_touched(collection, tmp_path):
    own = tmp_path / "mine" / "Anna"
    own.mkdir(parents=True)
    (own / "a.png").write_bytes(png(5))
    before = snapshot(tmp_path / "mine")
    assert "Found 1 photo in" in collection.use(f'  "{tmp_path / "mine"}" ')
    assert collection.own
    assert collection.read("Anna/a.png") == png(5)
    with pytest.raises(DataError, match="Start again"):
        collection.receive(sent("b.png"))
    collection.clear()
    assert collection.names == []
    assert snapshot(tmp_path / "mine") == before


@pytest.mark.parametrize("text", ["", "   ", "/nowhere/at/all"])
def test_a_path_that_leads_nowhere_is_one_line(collection, text):
    with pytest.raises(DataError) as caught:
        collection.use(text)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_and_a_mix_are_refused(collection, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither photo nor recording"):
        collection.use(str(tmp_path / "empty"))
    collection.receive(sent("a.png"))
    with pytest.raises(DataError, match="Start again"):
        collection.use(str(tmp_path))


def test_the_browser_offers_what_can_be_read():
    assert {".jpg", ".jpeg", ".png", ".heic", ".zip"} <= set(ACCEPTED)
    assert all(suffix.startswith(".") for suffix in ACCEPTED)


def test_a_private_folder_is_private_and_stale_ones_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv(private_folder.PLACE, str(tmp_path))
    left, kept, foreign = (tmp_path / f"{private_folder.PREFIX}{name}" for name in ("leftover", "kept_own", "elsewhat"))
    for folder in (left, kept):
        folder.mkdir()
    (left / private_folder.LOCK).touch()
    foreign.symlink_to(kept)
    folder = private_folder.private_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not left.exists()
    assert kept.exists()  # without a lock it is none of ours
    assert private_folder.clear_stale() == 0  # this one is in use
    private_folder.remove(folder)
    assert not folder.exists()
    private_folder.remove(folder)


@pytest.mark.parametrize("when", [-(10**9), 0, 315_532_799, 315_619_200, 4_354_819_200, 10**10])
def test_copies_of_any_time_are_packed(tmp_path, when):
    """Zip files know the years 1980 to 2107; a clock or a disk may say others."""
    (tmp_path / "out" / "José").mkdir(parents=True)
    (tmp_path / "out" / "José" / "a.png").write_bytes(png())
    os.utime(tmp_path / "out" / "José" / "a.png", (when, when))
    pack(tmp_path / "out", tmp_path / "copies.zip")
    assert copy_into(tmp_path / "copies.zip", str(tmp_path / "mine")).startswith("1 file copied")
    assert snapshot(tmp_path / "mine") == snapshot(tmp_path / "out")
