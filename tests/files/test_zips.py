"""Zip files: photos come out as they went in, and no member can lead astray, swell or hide."""

import hashlib
import io
import json
import stat
import struct
import threading
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import encoded, photograph
from PIL import Image

from workbench.apps.photos import uploads
from workbench.apps.photos.protect import protect
from workbench.apps.photos.sources import gather
from workbench.cli import main
from workbench.config import DataError, ProtectConfig
from workbench.files import picture_kinds, tree, zips
from workbench.files.pictures import Refused

PNG = encoded(Image.fromarray(photograph()))
JPEG = encoded(Image.fromarray(photograph(seed=2)), "JPEG")


def pack(path, *members, compression=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, content) pairs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name used twice
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in members:
                archive.writestr(name, content, compress_type=compression)
    return path


def reasons(path) -> dict[str, str]:
    return {refusal.name: refusal.reason for refusal in gather(path)[1]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "photos.zip"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_photos_come_out_as_they_went_in(path, tmp_path, compression):
    pack(path, ("zoe/b.jpg", JPEG), ("anna/ä.png", PNG), ("anna/", b""), ("top.png", PNG), compression=compression)
    sources, refusals, _ = gather(path)
    assert [(source.name, source.person) for source in sources] == [
        ("anna/ä.png", "anna"), ("top.png", ""), ("zoe/b.jpg", "zoe")
    ]  # fmt: skip
    assert [source.read() for source in sources] == [PNG, PNG, JPEG]
    assert [source.read() for source in sources] == [PNG, PNG, JPEG]  # and again
    assert refusals == []
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["photos.zip"]


def test_an_archive_is_known_by_its_content(tmp_path):
    assert [source.name for source in gather(pack(tmp_path / "photos", ("a.png", PNG)))[0]] == ["a.png"]


def test_members_can_be_read_from_several_threads(path):
    sources, *_ = gather(pack(path, *((f"{number}.png", PNG + bytes([number])) for number in range(8))))
    found: dict[str, bytes] = {}
    threads = [threading.Thread(target=lambda s=source: found.update({s.name: s.read()})) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"{number}.png": PNG + bytes([number]) for number in range(8)}


@pytest.mark.parametrize(
    "name", ["/etc/a.png", "../a.png", "a/../../b.png", "a\\b.png", "C:/a.png", "c:a.png", "a//b.png", "./a.png"]
)
def test_names_that_lead_astray_are_refused(path, name):
    pack(path, (name, PNG), ("good.png", PNG))
    assert [source.name for source in gather(path)[0]] == ["good.png"]
    assert "name" in reasons(path)[name]


@pytest.mark.parametrize("name", ["aXb.png", "Xab.png", "ab.pngX"])
def test_names_with_a_null_are_refused(path, name):
    pack(path, (name, PNG))
    path.write_bytes(path.read_bytes().replace(name.encode(), name.replace("X", "\0").encode()))
    sources, refusals, _ = gather(path)
    assert sources == []
    assert len(refusals) == 1


def test_links_and_devices_are_refused(path):
    link, pipe = zipfile.ZipInfo("link.png"), zipfile.ZipInfo("pipe.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    pipe.external_attr = (stat.S_IFIFO | 0o777) << 16
    pack(path, (link, "/etc/passwd"), (pipe, PNG))
    assert gather(path)[0] == []
    assert "link" in reasons(path)["link.png"]
    assert "no regular file" in reasons(path)["pipe.png"]


def test_encrypted_members_are_refused(path):
    pack(path, ("a.png", PNG))
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\1\2")
    content[central + 8] |= 1
    content[6] |= 1
    path.write_bytes(content)
    assert "encrypted" in reasons(path)["a.png"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(path, compression):
    assert "deflate" in reasons(pack(path, ("a.png", PNG), compression=compression))["a.png"]


def test_doubled_names_are_refused_once(path):
    pack(path, ("a.png", PNG), ("a.png", JPEG), ("b.png", PNG))
    assert [source.name for source in gather(path)[0]] == ["b.png"]
    assert [(refusal.name, "2 times" in refusal.reason) for refusal in gather(path)[1]] == [("a.png", True)]


def test_archives_within_and_other_files_are_refused(path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.png", PNG)
    pack(
        path,
        ("inner.zip", inner.getvalue()),
        ("b.tar.gz", b"\x1f\x8b\x08\0"),
        ("notes.txt", b"Dear diary"),
        ("c.jpg", b""),
    )
    found = reasons(path)
    assert "unpack it first" in found["inner.zip"]
    assert "unpack it first" in found["b.tar.gz"]
    assert "not an image" in found["notes.txt"]
    assert "empty" in found["c.jpg"]


def test_what_systems_leave_behind_is_skipped(path):
    pack(path, ("__MACOSX/anna/._a.png", PNG), ("anna/.DS_Store", b"x"), ("anna/Thumbs.db", b"x"), ("a.png", PNG))
    sources, refusals, left = gather(path)
    assert ([source.name for source in sources], refusals) == (["a.png"], [])
    assert left == {tree.HIDDEN: 1, tree.SYSTEM: 2}


def test_a_folder_that_wraps_all_is_no_person(path):
    for wrapper, parts in (("P", ("",)), ("me/photos", ("",)), ("P", ("train/", "val/"))):
        names = [f"{wrapper}/{part}{person}/0{part[:1]}.png" for part in parts for person in ("anna", "zoe")]
        sources = gather(pack(path, *((name, PNG) for name in (*names, f"__MACOSX/{names[0]}"))))[0]
        assert [source.name for source in sources] == sorted(names)
        assert {source.person for source in sources} == {"anna", "zoe"}
    pack(path, *((f"P/{one}/{other}/a.png", PNG) for one in "ab" for other in "cd"))
    with pytest.raises(DataError, match="same folders"):
        gather(path)


def test_copies_with_noise_are_refused_in_archives_too(path):
    entry = {"file": "a.png", "original": "a.jpg", "sha256": hashlib.sha256(PNG).hexdigest()}
    manifest = json.dumps({"epsilon": 8, "files": [entry], "refused": []})
    pack(path, ("out/a.png", PNG), ("out/b.jpg", JPEG), ("out/manifest.json", manifest), ("out/README.md", b"# card"))
    assert [source.name for source in gather(path)[0]] == ["out/b.jpg"]
    assert list(reasons(path)) == ["out/a.png"]
    assert "carries noise already" in reasons(path)["out/a.png"]


def test_a_bomb_is_stopped_while_it_unpacks(path):
    pack(path, ("bomb.png", PNG + b"\0" * 2**26), ("flat.png", PNG[:64] + b"\0" * 2**20))
    assert path.stat().st_size < 2**17
    for source in gather(path)[0]:
        with pytest.raises(Refused, match="200 times"):
            source.read()


def test_headers_that_lie_about_sizes_are_refused(path):
    pack(path, ("a.png", PNG + bytes(range(256)) * 4000))
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\1\2")
    content[central + 24 : central + 28] = struct.pack("<I", 100)  # the size it claims to have
    path.write_bytes(content)
    assert gather(path)[0] == []
    assert "CRC" in reasons(path)["a.png"]


def test_caps_on_members_and_on_all_together(path, monkeypatch):
    assert (zips.MOST_MEMBERS, zips.MOST_TOTAL) == (10_000, 8 * 2**30)
    pack(path, *((f"{number}.png", PNG) for number in range(5)), compression=zipfile.ZIP_STORED)
    monkeypatch.setattr(zips, "MOST_TOTAL", 3 * len(PNG) + 2 * 64)
    sources, *_ = gather(path)
    for source in (*sources[:3], *sources[:3]):  # what is read again is not counted again
        assert source.read() == PNG
    with pytest.raises(Refused, match="GiB"):
        sources[3].read()
    monkeypatch.setattr(zips, "MOST_MEMBERS", 4)
    with pytest.raises(DataError, match="5 files, more than 4"):
        gather(path)


def test_large_members_are_refused(path, monkeypatch):
    monkeypatch.setattr(picture_kinds, "MOST_BYTES", 2**20)
    pack(path, ("a.png", PNG + bytes(2**20)), compression=zipfile.ZIP_STORED)
    with pytest.raises(Refused, match="larger than 1 MiB"):
        gather(path)[0][0].read()


def test_a_member_whose_bytes_changed_is_refused(path):
    pack(path, ("a.png", PNG), compression=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[len(PNG) // 2 + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match="CRC"):
        gather(path)[0][0].read()


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"PK\5\6", b"no zip", b"PK\5\6" + b"\xff" * 18])
def test_a_damaged_archive_is_refused_in_one_line(path, content):
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"photos\.zip cannot be read as a zip file") as caught:
        gather(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12), st.floats(0, 1))
def test_damaged_archives_never_raise_anything_else(tmp_path_factory, changes, kept):
    path = tmp_path_factory.mktemp("zip") / "photos.zip"
    pack(path, ("anna/a.png", PNG[:300]), ("b.jpg", JPEG[:300]))
    content = bytearray(path.read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    path.write_bytes(content if kept > 0.2 else content[: int(len(content) * kept * 5)])
    try:
        for source in gather(path)[0]:
            source.read()
    except DataError as error:
        said = str(error)
        assert "\n" not in said


def unflagged(path, *folders: bytes):
    """A zip of one photo in each folder, whose names have no flag that says how they are encoded."""
    marks = [f"{number}{'X' * (len(name) - 1)}" for number, name in enumerate(folders)]
    pack(path, *((f"{mark}/a.png", PNG) for mark in marks))
    content = path.read_bytes()
    for mark, name in zip(marks, folders, strict=True):
        content = content.replace(f"{mark}/".encode(), name + b"/")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["José", "Jose\u0301", "猫", "علی\u200cرضا", "Jörg Müller", "👩\u200d👧", "├⌐"])
def test_names_in_utf8_without_its_flag_are_read_as_utf8(path, name):
    (source,), refusals, _ = gather(unflagged(path, name.encode()))
    assert (source.person, source.read(), refusals) == (name, PNG, [])
    (source,), _, _ = gather(pack(path, (f"{name}/a.png", PNG)))  # with the flag, as ever
    assert source.person == name


@pytest.mark.parametrize(
    ("content", "name"), [(b"Jos\x82", "José"), (b"caf\xe9", "cafΘ"), (b"\xc3(", "├("), (b"ab", "ab")]
)
def test_other_names_are_of_code_page_437(path, content, name):
    (source,), refusals, _ = gather(unflagged(path, content))
    assert (source.person, source.read(), refusals) == (name, PNG, [])


def test_two_members_whose_names_come_to_one_are_refused(path):
    assert "2 times" in reasons(unflagged(path, "José".encode(), b"Jos\x82"))["José/a.png"]


@pytest.mark.parametrize("stamp", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_times_that_are_none_do_not_stop_the_reading(path, stamp):
    pack(path, (zipfile.ZipInfo("a.png", (1999, 7, 31, 12, 30, 2)), PNG))
    mark = struct.pack("<HH", 12 << 11 | 30 << 5 | 1, 19 << 9 | 7 << 5 | 31)
    assert path.read_bytes().count(mark) == 2
    path.write_bytes(path.read_bytes().replace(mark, stamp))
    (source,), refusals, _ = gather(path)
    assert (source.read(), refusals) == (PNG, [])


def test_a_zip_is_a_folder_for_a_while_and_another_path_stays_itself(tmp_path):
    path = pack(tmp_path / "a.zip", ("Anna/1.png", PNG), ("Anna/manifest.json", b"{}"), ("__MACOSX/._1.png", b"x"))
    with zips.as_folder(path) as folder:
        assert (folder / "Anna" / "1.png").read_bytes() == PNG
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert sorted(one.name for one in folder.rglob("*")) == ["1.png", "Anna", "manifest.json"]
    assert not folder.exists()
    with zips.as_folder(tmp_path) as same:
        assert same == tmp_path


@pytest.mark.parametrize(("members", "why"), [
    ([("../1.png", PNG)], "leads out of the archive"),
    ([("a", PNG), ("a/1.png", PNG)], "cannot be unpacked"),
    ([("1.png", b"0" * 10**6)], "grows more than 200 times"),
])  # fmt: skip
def test_a_zip_that_cannot_be_a_folder_is_one_line_and_leaves_nothing(members, why, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    path = pack(tmp_path / "a.zip", *members)
    with pytest.raises(DataError, match=why) as refusal, zips.as_folder(path):
        pass
    assert "\n" not in str(refusal.value)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_verify_takes_the_zip_that_was_given_and_the_one_that_was_made(tmp_path, capsys):
    given = pack(tmp_path / "photos.zip", ("Anna/1.png", PNG), ("Anna/2.jpg", JPEG))
    protect(given, tmp_path / "out", ProtectConfig(method="random", epsilon=8))
    uploads.pack(tmp_path / "out", tmp_path / "copies.zip")
    assert main(["verify", str(given), str(tmp_path / "copies.zip"), "--epsilon", "8"]) == 0
    assert "2 files measured; largest change 8 of 255" in capsys.readouterr().out
    assert main(["verify", str(given), str(tmp_path / "out"), "--epsilon", "7"]) == 1
