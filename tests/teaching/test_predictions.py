"""Guesses: the first one stays, whatever comes later; a file of somebody else stays as it is."""

import json
from pathlib import Path

import pytest

from workbench import figures, teaching
from workbench.config import ConfigError, DataError
from workbench.files import places

QUESTION = "How often will it be right?"


@pytest.fixture
def said(monkeypatch):
    """What the notebook shows, sentence by sentence."""
    told: list[str] = []
    monkeypatch.setattr(figures, "say", lambda *sentences: told.extend(sentences))
    return told


def test_the_first_guess_stays_and_is_compared(tmp_path, said):
    for guess in (None, 0.9, 0.9, 0.2):
        teaching.predict(tmp_path / "run", QUESTION, guess)
    assert json.loads((tmp_path / "run" / "predictions.json").read_text()) == {QUESTION: [0.9, 0.2]}
    assert said == [
        f"{QUESTION} No guess yet: write yours in place of None, and run this cell again.",
        f"{QUESTION} Your guess: 0.9.",
        f"{QUESTION} Your guess: 0.9.",
        f"{QUESTION} Your guess: 0.2.",
    ]
    said.clear()
    teaching.compare(tmp_path / "run", QUESTION, 0.25)
    assert said == [
        f"{QUESTION} You guessed 0.9. Measured: 0.25. Your guess was 0.65 too high.",
        "Your first guess counts. Later you wrote 0.2.",
    ]


def test_no_guess_is_no_obstacle_and_leaves_no_file(tmp_path, said):
    teaching.predict(tmp_path / "run", QUESTION, None)
    teaching.compare(tmp_path / "run", QUESTION, "the random one")
    assert said[-1] == f"{QUESTION} Measured: the random one. You made no guess."
    assert not (tmp_path / "run").exists()


def test_texts_are_kept_as_they_are_beside_other_questions(tmp_path, said):
    teaching.predict(tmp_path, QUESTION, "genau *so* <b>")
    teaching.predict(tmp_path, "Which?", 3)
    teaching.compare(tmp_path, QUESTION, 0.5)
    teaching.compare(tmp_path, "Which?", 3)
    teaching.compare(tmp_path, QUESTION, "such", by="One true answer")
    assert said[-3:] == [
        f"{QUESTION} You guessed genau *so* <b>. Measured: 0.5.",
        "Which? You guessed 3. Measured: 3. That is exact.",
        f"{QUESTION} You guessed genau *so* <b>. One true answer: such.",
    ]


def test_a_folder_given_as_text_is_below_the_lab(tmp_path, monkeypatch, said):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    monkeypatch.chdir("/")
    teaching.predict("runs/x", QUESTION, 1)
    assert (tmp_path / "runs" / "x" / "predictions.json").is_file()


@pytest.mark.parametrize("guess", [True, float("nan"), [0.5], {"a": 1}])
def test_another_kind_of_guess_is_one_line(tmp_path, said, guess):
    with pytest.raises(ConfigError, match=r"^the guess is .+: give a number") as refused:
        teaching.predict(tmp_path, QUESTION, guess)
    assert len(str(refused.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_question_must_be_asked(tmp_path):
    with pytest.raises(ConfigError, match="give it as text"):
        teaching.predict(tmp_path, "", 1)


@pytest.mark.parametrize("content", ["", "somebody's own", "[]", '{"a": 1}', '{"a": [null]}', '{"a": [[1]]}'])
def test_a_file_of_somebody_else_stays_as_it_is(tmp_path, said, content):
    (tmp_path / "predictions.json").write_text(content)
    for ask in (teaching.predict, teaching.compare):
        with pytest.raises(DataError, match=r"is not a file of guesses, it .+: move it away$"):
            ask(tmp_path, QUESTION, 1)
    assert (tmp_path / "predictions.json").read_text() == content
    assert not said


def test_a_link_is_not_followed(tmp_path, said):
    (tmp_path / "own").write_text("{}")
    Path(tmp_path / "predictions.json").symlink_to(tmp_path / "own")
    with pytest.raises(DataError, match="is a link"):
        teaching.predict(tmp_path, QUESTION, 1)
    assert (tmp_path / "own").read_text() == "{}"
