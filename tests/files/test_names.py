"""Names: what is taken comes back unchanged from every writer and reader; what is not is refused in one line."""

import html
import json
import sys
import unicodedata
import zipfile
from xml.etree import ElementTree

import markupsafe
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from pictures import picture
from PIL import Image

from workbench import figures
from workbench.apps.html import table as html_table
from workbench.apps.photos import protect
from workbench.apps.photos.sources import gather
from workbench.apps.photos.uploads import pack
from workbench.config import ConfigError, DataError, ProtectConfig, VictimConfig, as_row
from workbench.data.dataset import Dataset
from workbench.data.sources import read_folder
from workbench.export import verify, write
from workbench.files import names
from workbench.records import study_file, table
from workbench.sweep import report

TAKEN = (
    "علی\u200cرضا", "יוסף", "Jose\u0301", "Doe, Jane", 'Jane "JD" Doe', "'", "=1+1", "+x", "-x", "@sum", "a:b", "aux",
    "con.png", "Anna_Maria",
    "dot.", "two  blanks", " left", "right ", "猫", "山田\u3000太郎", "👩\u200d👩\u200d👧", "straße", "$x$", "<b>&amp;",
    "%s {0}", "#", "None", "nan", "1e5", "confusion", "n" * 255, "क्\u200dष", "\u200fא", "Ａ", "A", "a", "~", "*?", "`",
)  # fmt: skip
STEERING = ("a\nb", "a\rb", "\x1b[2J", "\x85", "a\u2028b", "\u202egnp", "a\u2066b", "\0", "\uffff")
REFUSED = dict.fromkeys(STEERING, "control character") | {
    "caf\udce9": "not in UTF-8", "T-shirt/top": "slash", "AC\\DC": "slash", "": "seen", " ": "seen", "\u200b": "seen",
    ".": "seen", "..": "seen", "n" * 256: "longer than 255",
}  # fmt: skip
HARD = "aAb é\u0301\u200c\u200d\u200f,\"';:=+-@.$<>&|*?/\\\n\x1b\u2028\u202eعא猫🙂\u3000"
SIGNS = st.sampled_from(HARD) | st.characters()
CLASSES = st.lists(st.text(SIGNS, min_size=1, max_size=12), min_size=2, max_size=4, unique=True)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no files of some of these names")
IDENTITY = table.Identity("0123456789ab", "folder", victim="convnet-w4", seed=0)


def confusion(classes):
    """The tidy rows of a victim that guesses."""
    points = [("accuracy", 0.5), *((f"confusion/{one}/{other}", 0.5) for one in classes for other in classes)]
    return table.table(IDENTITY, [{"epoch": 1, "split": "test", "metric": name, "value": at} for name, at in points])


def refused(work, part):
    with pytest.raises(DataError, match=part) as no:
        work()
    assert str(no.value).isprintable()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CLASSES)
def test_classes_that_are_taken_survive_every_file_and_page(tmp_path, classes):
    try:
        names.check_classes(classes)
    except DataError:
        return refused(lambda: names.check_classes(classes), "class name")
    rows = confusion(classes)
    table.write(rows, tmp_path)
    assert table.read(tmp_path)["metric"].tolist() == rows["metric"].tolist()
    shown = figures.confusion_table(rows)
    assert shown["true class"].tolist() == classes
    assert [name.removeprefix("taken for ") for name in shown.columns[2:]] == classes
    study_file.write(tmp_path, 0.5, classes, {})
    assert study_file.read(tmp_path)["classes"] == classes
    page = html_table(classes, [])
    assert [html.unescape(part.partition("</th>")[0]) for part in page.split('12px">')[1:]] == classes
    figure = Figure()
    figure.set_label("|".join(classes))
    assert ElementTree.fromstring(f"<a>{html.escape(figures.words_of(figure))}</a>").text == "|".join(classes)
    assert names.chosen(as_row(classes), classes) == names.chosen(classes, classes) == classes
    for name in classes:
        row = VictimConfig(protected_classes=[name]).protected_classes
        assert names.chosen(row, classes) == names.chosen(f" {row} ", classes) == [name]


@given(CLASSES)
def test_copies_of_folders_stay_apart_on_every_system(classes):
    given_names = [f"{name}/0.jpg" for name in classes if name.strip("/.")]
    found = [name.rpartition("/")[0] for name in names.target_names(given_names)]
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in found}) == len(set(found))
    whole = {name.rpartition("/")[0] for name in given_names}
    assert len(set(found)) == len(whole)


@LINUX
@pytest.mark.parametrize(("name", "part"), REFUSED.items(), ids=ascii)
def test_a_name_that_cannot_survive_is_refused_wherever_it_comes_from(tmp_path, name, part):
    pixels = np.zeros((2, 3, 12, 12), np.uint8)
    refused(lambda: Dataset.of(pixels, [0, 1], [name, "ant"]), part)
    if not {"/", "\0"} & set(name) and name not in ("", ".", "..") and len(name) <= 255:
        for folder in (name, "ant"):
            (tmp_path / folder).mkdir()
        refused(lambda: read_folder(tmp_path), part)  # before any picture is looked for


@LINUX
@pytest.mark.parametrize("name", ["a\n.png", "a\u202egnp.png", "caf\udce9.png", "a\\b.png"], ids=ascii)
def test_a_file_of_such_a_name_is_refused_by_name_and_before_it_is_read(tmp_path, name):
    for folder in ("ant", "bee"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"no picture")
    refused(lambda: read_folder(tmp_path), "file name 'ant/a|ant/caf.* is not in UTF-8")


@pytest.mark.parametrize(("one", "other"), [("é", "e\u0301"), ("Anna", "Anna "), (" Anna", "Anna\u3000")])
def test_names_that_nobody_tells_apart_are_refused_together(one, other):
    refused(lambda: names.check_classes(["Ben", one, other]), "read alike")
    names.check_classes([one, "Ben"])


@pytest.fixture
def folder(tmp_path):
    """One folder a class, of every name that is taken, with names of files that are as hard."""
    for seed, name in enumerate(TAKEN):
        (tmp_path / "in" / name).mkdir(parents=True)
        for nth, file in enumerate((f"{name[:100]}.png", "CON.png", "e\u0301.png", "é.png", "É.png")):
            Image.fromarray(picture(10 * seed + nth)).save(tmp_path / "in" / name / file)
    return tmp_path / "in"


@LINUX
def test_a_folder_of_all_hard_names_goes_through_the_whole_program(tmp_path, folder):
    data = read_folder(folder)
    assert data.classes == tuple(sorted(TAKEN))
    write.export(data, None, tmp_path / "copies")
    assert verify.verify(folder, tmp_path / "copies", 0).kept
    entries = json.loads((tmp_path / "copies" / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert [entry["original"] for entry in entries] == list(data.names)
    assert [entry["class"] for entry in entries] == [data.classes[label] for label in data.labels]
    again = read_folder(tmp_path / "copies")
    assert len(again.classes) == len(TAKEN)
    assert {name for name in TAKEN if name in again.classes} >= {"علی\u200cرضا", "Doe, Jane", "=1+1", "猫", "A"}
    for whole in again.names:
        for part in whole.split("/"):
            assert names.safe_name(part) == part
    pack(tmp_path / "copies", tmp_path / "copies.zip")
    with zipfile.ZipFile(tmp_path / "copies.zip") as archive:
        assert set(archive.namelist()) == {*again.names, "manifest.json", "README.md"}
    sources, refusals, _ = gather(folder)
    assert refusals == []
    assert {source.person for source in sources} == set(TAKEN)


@LINUX
def test_a_photo_that_is_refused_for_its_name_is_the_same_to_verify(tmp_path):
    (tmp_path / "in" / "Anna").mkdir(parents=True)
    for seed, name in enumerate(("caf\udce9.png", "ok.png")):
        Image.fromarray(picture(seed, 64)).save(tmp_path / "in" / "Anna" / name)
    protect.protect(tmp_path / "in", tmp_path / "out", ProtectConfig(method="random"))
    verdict = verify.verify(tmp_path / "in", tmp_path / "out", None)
    assert (verdict.kept, verdict.checked, sum(verdict.skipped.values())) == (True, 1, 1)


def test_figures_and_pages_hold_all_hard_names(tmp_path):
    rows = confusion(TAKEN)
    figure = figures.confusion(rows[~rows["metric"].isin(["confusion/A/A"])])
    figure.set_label("; ".join(TAKEN))
    figures.save(figure, tmp_path, "confusion")
    assert Image.open(tmp_path / "confusion.png").info["Description"] == "; ".join(TAKEN)
    assert "; ".join(TAKEN) in "".join(ElementTree.parse(tmp_path / "confusion.svg").getroot().itertext())
    drawn = {"confusion": report.Picture(b"", "; ".join(TAKEN))}
    page = report.write(tmp_path, title="t", text=[], figures=drawn, rows=rows, jobs=[], facts={}).read_text("utf-8")
    for name in TAKEN:
        assert f'<th scope="col">taken for {markupsafe.escape(name)}</th>' in page


@pytest.mark.parametrize(("asked", "found"), [
    ("Anna,Ben", ["Anna", "Ben"]), (" Anna , Ben ", ["Anna", "Ben"]), ("", ["Anna", "Ben", "Doe, Jane", "José"]),
    ('"Doe, Jane"', ["Doe, Jane"]), ("Doe, Jane", ["Doe, Jane"]),
    ('Anna, "Doe, Jane" ,Ben', ["Anna", "Doe, Jane", "Ben"]),
    ("Jose\u0301", ["José"]), (["Doe, Jane", " Ben"], ["Doe, Jane", "Ben"]), (("Anna",), ["Anna"]),
])  # fmt: skip
def test_classes_are_named_by_one_row_or_by_a_list(asked, found):
    assert names.chosen(asked, ("Anna", "Ben", "Doe, Jane", "José")) == found


@pytest.mark.parametrize("asked", ["Doe", "Anna,", ",", " ", "Anna;Ben", '"Anna,Ben', ["Anna,Ben"], "a\nb", [3]])
def test_other_classes_are_refused_with_the_nearest(asked):
    with pytest.raises(ConfigError, match="class") as no:
        names.chosen(asked, ("Anna", "Ben"))
    assert str(no.value).isprintable()


def test_a_list_is_kept_as_the_row_that_it_is_and_plain_rows_stay_as_they_were():
    assert VictimConfig(protected_classes=["3", "5"]) == VictimConfig(protected_classes="3,5")
    assert VictimConfig(protected_classes="Anna, Ben").protected_classes == "Anna, Ben"
    assert VictimConfig(protected_classes=("Doe, Jane", "Ben")).protected_classes == '"Doe, Jane",Ben'
    for wrong in ([], [3], {"a"}, None):  # nobody is not everybody
        with pytest.raises(ConfigError, match="protected_classes"):
            VictimConfig(protected_classes=wrong)


def test_plain_names_only_change_their_suffix():
    assert names.target_names(["anna/a.jpg", "anna/b.PNG", "c", "d.e.heic"]) == [
        "anna/a.png",
        "anna/b.png",
        "c.png",
        "d.e.png",
    ]
    assert names.target_names(["a.jpg", "a.png", "b.jpg"]) == ["a.jpg.png", "a.png.png", "b.png"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("CON.jpg", "_CON.png"), ("nul", "_nul.png"), ("lpt1.tar.jpg", "_lpt1.tar.png"), ("-rf.jpg", "_-rf.png"),
     ("a./b. /c.jpg", "a/b/c.png"), ("what?.jpg", "what_.png"), ("a\\b:c.jpg", "a_b_c.png"), ("x\ny.jpg", "x_y.png"),
     ("aux/photo.jpg", "_aux/photo.png"), ("....jpg", "....png"), (" .jpg", " .png"), ("concert.jpg", "concert.png")],
)  # fmt: skip
def test_names_some_system_refuses_get_a_safe_spelling(name, expected):
    assert names.target_names([name]) == [expected]


def test_long_names_are_cut_and_stay_apart():
    long = ["ü" * 200 + f"{number}.jpg" for number in range(3)] + ["x" * 255, "f" * 300 + "/a.jpg"]
    found = names.target_names(long)
    assert len(set(found)) == 5
    assert all(len(part.encode()) <= 255 for name in found for part in name.split("/"))
    assert all(name.endswith(".png") for name in found)


def check(given_names):
    found = names.target_names(given_names)
    keys = [unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()) for name in found]
    assert len(set(keys)) == len(given_names)
    folders = {"/".join(key.split("/")[:end]) for key in keys for end in range(1, key.count("/") + 1)}
    assert not folders & set(keys)
    assert found == names.target_names(given_names)
    for name in found:
        for part in name.split("/"):
            assert len(part.encode()) <= 255
            assert part == part.rstrip(". ")
            assert not part.startswith("-")
        assert name.endswith(".png")


@pytest.mark.parametrize(
    "given_names",
    [["A.jpg", "a.jpg", "a.JPG"], ["é.jpg", "e\u0301.jpg"], ["straße.jpg", "STRASSE.jpg"], ["a.jpg", "a.png/b.jpg"],
     ["Anna/a.jpg", "anna/A.jpg"], ["a.jpg", "a.jpg.png", "a.png"], ["a?.jpg", "a*.jpg", "a_.jpg", "a_-2.png"],
     ["x./a.jpg", "x/a.jpg"]],
)  # fmt: skip
def test_copies_never_collide(given_names):
    check(given_names)


PARTS = st.text(
    st.sampled_from("aAéE\u0301ß.-_ ?:2🙂") | st.characters(codec="utf-8", exclude_characters="/"), min_size=1
)


@given(
    st.lists(st.lists(PARTS.filter(lambda part: part.strip(".")), min_size=1, max_size=3).map("/".join), unique=True)
)
def test_copies_of_any_names_never_collide(given_names):
    check(given_names)


def test_thousands_of_like_names_take_no_time():
    check(
        [f"{'a' if number % 2 else 'A'}{'?*:<>|'[number % 6]}{'?*:<>|'[number // 6 % 6]}.jpg" for number in range(72)]
    )
    found = names.target_names([f"a{chr(1 + number % 31)}{chr(1 + number // 31)}.jpg" for number in range(31 * 31)])
    assert len(set(found)) == 961
