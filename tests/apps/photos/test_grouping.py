"""Albums sorted by person: real faces where a package ships one; tables that people correct by hand."""

import json

import numpy as np
import pytest
from PIL import Image
from test_known import astronaut, faces
from test_self_test import write_people

from workbench.apps.photos import grouping, self_test
from workbench.apps.photos.grouping import Grouped
from workbench.apps.photos.protect import protect
from workbench.cli import main
from workbench.config import DataError, ProtectConfig

RANDOM = ProtectConfig(method="random", epsilon=8)


@faces
def test_an_album_becomes_a_table_a_page_and_copies_with_these_people(tmp_path, capsys):
    album = tmp_path / "album"
    album.mkdir()
    for number, left in enumerate((100, 60)):
        astronaut().crop((left, 0, 400, 300)).save(album / f"{number}.png")
    Image.fromarray(np.full((90, 80, 3), 128, np.uint8)).save(album / "wall <b>.png")
    (album / "notes.png").write_text("no picture")
    assert main(["group", str(album), str(tmp_path / "people.csv")]) == 0
    assert "people: 1, photos: 3, without a face: 1" in capsys.readouterr().out
    table = grouping.read(tmp_path / "people.csv")
    assert table == {"0.png": "person 1", "1.png": "person 1", "wall <b>.png": "no face found"}
    page = (tmp_path / "people.html").read_text()
    assert page.count("<img") == 2
    assert "wall &lt;b&gt;.png" in page
    assert "http" not in page
    (tmp_path / "people.csv").write_text(
        "photo;person\r\n0.png;Anna\r\n./1.png;Anna\r\nwall <b>.png;a wall\r\n", "utf-8-sig"
    )
    given = ["--people", str(tmp_path / "people.csv"), "--method", "random"]
    assert main(["protect", str(album), str(tmp_path / "out"), *given]) == 0
    manifest = (tmp_path / "out" / "manifest.json").read_text()
    assert json.loads(manifest)["contents"]["people"] == 2
    assert json.loads(manifest)["by_table"] is True
    assert "Anna" not in manifest  # nobody gets a label with the copies
    assert main(["group", str(album), str(tmp_path / "people.csv")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_people_are_numbered_by_their_photos():
    anna, ben = np.zeros(128), np.full(128, 0.1)  # 1.13 apart
    near = anna + 0.01
    assert grouping.clustered(np.array([ben, anna, near])) == [2, 1, 1]
    assert grouping.clustered(np.array([anna])) == [1]
    assert grouping.clustered(np.empty((0,))) == []


def test_names_that_a_spreadsheet_would_run_come_back_as_they_were(tmp_path):
    groups = [Grouped("=1+1.png", "person 2", None), Grouped("a/b.png", "person 10", np.zeros((9, 9, 3), np.uint8))]
    grouping.write(groups, tmp_path / "people.csv")
    assert not any(line.startswith(("=", "+", "-", "@")) for line in (tmp_path / "people.csv").read_text().splitlines())
    assert grouping.read(tmp_path / "people.csv") == {"=1+1.png": "person 2", "a/b.png": "person 10"}


@pytest.mark.parametrize(("content", "why"), [
    (b"", "no columns photo and person"),
    (b"name,person\na.png,Anna\n", "no columns photo and person"),
    (b"photo,person\na.png,\n", "names no person for 'a.png'"),
    (b"photo,person\na.png\n", "names no person for 'a.png'"),
    (b"photo,person\na.png,Anna\na.png,Ben\n", "names two people for 'a.png'"),
    (b"photo,person\na.png,\xff\n", "is no UTF-8 text"),
    (b"photo,person\na.png,\"Anna\n", "cannot be read"),
    ("photo,person\na.png,An\u202ena\n".encode(), "names no person"),
])  # fmt: skip
def test_a_table_that_is_none_is_one_line(content, why, tmp_path):
    (tmp_path / "people.csv").write_bytes(content)
    with pytest.raises(DataError, match=why) as refusal:
        grouping.read(tmp_path / "people.csv")
    assert "\n" not in str(refusal.value)
    with pytest.raises(DataError, match="cannot be opened"):
        grouping.read(tmp_path / "none.csv")


def test_the_noise_and_the_self_test_go_by_the_table(tmp_path):
    people = write_people(tmp_path / "in", (4, 3))
    names = [f"p0/{shot}.png" for shot in range(4)] + [f"p1/{shot}.png" for shot in range(3)]
    whose = dict.fromkeys(names[:3], "Anna") | dict.fromkeys(names[3:], "Ben")
    protect(people, tmp_path / "out", RANDOM, whose)
    assert [one.person for one, *_ in self_test.files(people, tmp_path / "out", whose)] == ["Anna"] * 3 + ["Ben"] * 4
    with pytest.raises(DataError, match=r"(?i)other"):
        protect(people, tmp_path / "out", RANDOM)
    with pytest.raises(DataError, match=r"does not name p1/2\.png"):
        protect(people, tmp_path / "new", RANDOM, dict.fromkeys(names[:-1], "Anna"))
    assert not (tmp_path / "new").exists()
