"""The self-test as a page to keep: it says the numbers and where they come from, and names nobody."""

import re

import pytest
from asked import asked_of
from test_self_test import RANDOM, table, write_people

from workbench.apps.photos import proof
from workbench.apps.photos.protect import protect
from workbench.apps.photos.self_test import SelfTest
from workbench.cli import main
from workbench.files.hashing import file_hash

FOUND = SelfTest(
    table({("clean", "none"): [0.9], ("random", "none"): [0.8]}), ["It knows <8> of 9.", "More."], 30, asked_of(4, 3)
)


def test_the_page_says_what_was_found_and_loads_nothing(tmp_path):
    people = write_people(tmp_path / "in", (2, 2))
    protect(people, tmp_path / "out", RANDOM)
    page = proof.page(FOUND, tmp_path / "out")
    assert "<strong>It knows &lt;8&gt; of 9.</strong>" in page
    assert "3 of 4 (4)" in page
    assert "at most 8 of 255" in page
    assert file_hash(tmp_path / "out" / "manifest.json") in page
    assert "They do not hide" in page
    assert "all of every photo" in page
    assert "<code>workbench protect ORIGINALS COPIES --self-test --method random --seeds 1</code>" in page
    assert not re.search(r"https?:|src=|url[(]|<script|p0/|[.]png", page)


def test_the_command_writes_it_and_nothing_over_a_file(tmp_path, capsys, monkeypatch):
    people = write_people(tmp_path / "in", (2, 2))
    monkeypatch.setattr("workbench.apps.photos.self_test.self_test", lambda *given, **named: FOUND)
    asked = ["protect", str(people), str(tmp_path / "out"), "--method", "random"]
    page = tmp_path / "proof.html"
    assert main([*asked, "--report", str(page)]) == 2
    assert "add --self-test" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*asked, "--self-test", "--report", str(page)]) == 0
    assert "It knows &lt;8&gt; of 9." in page.read_text()
    assert main([*asked, "--self-test", "--report", str(page)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("known", [True, False])
def test_without_an_existing_recogniser_its_table_is_left_out(tmp_path, known):
    protect(write_people(tmp_path / "in", (2, 2)), tmp_path / "out", RANDOM)
    found = FOUND if known else SelfTest(FOUND.rows, FOUND.sentences, 30)
    assert ("An existing recogniser" in proof.page(found, tmp_path / "out")) == known
