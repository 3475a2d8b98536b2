"""JSON and YAML of others, and files that are none: one line, soon, no crash. Most cases were found by fuzzing."""

import os

import pytest
from refusing import refused

from workbench.config import DataError, WorkbenchError
from workbench.files import untrusted
from workbench.records import table
from workbench.sweep import experiment


@pytest.mark.parametrize(("content", "part"), [
    (b"[" * 100_000, "nested"), (b'{"a":' * 100_000, "nested"), (b"[" * 65 + b"]" * 65, "nested"),
    (b"9" * 5000, "digits"), (b'{"a": 1, "a": 2}', "'a' is given twice"), (b"\xff", "utf-8"), (b"\0", "JSON"), (b"",
    "JSON"),
    (b'["\\ud800"]', "surrogates"), (b"[" + b"[]," * 2_000_000 + b"1]", "values"), (b'["\x1b"]', "control character"),
    (b'{"' + b"k" * 100_000 + b'": 1, "' + b"k" * 100_000 + b'": 2}', "given twice"),
])  # fmt: skip
def test_json_that_would_break_its_user_is_refused(content, part):
    assert part in refused(DataError, lambda: untrusted.parse(content))


def test_json_may_begin_with_a_mark_and_hold_any_whole_character():
    assert untrusted.parse(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}
    assert untrusted.parse(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize(("value", "shape", "fault"), [
    ({"a": 1}, {"a": int, "b?": str}, ""), ({}, {"a": int}, ".a is missing"), ({"a": True},
    {"a": int}, ".a is true or false"),
    ({"a": 1}, {"a": float}, ""), ({"a": 1.5}, {"a": int}, ".a is a number"), ({"a": None}, {"a": (int, None)}, ""),
    ({"a": [1, "2"]}, {"a": [int]}, ".a[1] is a text"), ({"x?": 1}, {str: str}, ".x? is a number"),
    ([], {"a": int}, " is a list"),
    ({"a": 10**400}, {"a": float}, ".a is too large a number"), ({"a": {}}, {"a": [int]}, ".a is a mapping"),
    ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": None}]}}, ".a.b[0].c is a number"), (3, object, ""),
])  # fmt: skip
def test_a_misfit_is_named_by_its_place(value, shape, fault):
    assert untrusted.schema_error(value, shape) == fault


def test_a_line_is_one_line_of_bounded_length():
    assert untrusted.one_line("a\nb\x1b[2J\udcff\u202e é\U0001f600") == "a\\nb\\x1b[2J\\udcff\\u202e é\U0001f600"
    assert len(untrusted.one_line("x" * 10_000, 100)) <= 100


def test_pipes_are_not_waited_for_and_large_files_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(b"x" * 2000)
    for name, part in (("pipe", "regular"), ("loop", "opened"), ("large", "larger"), ("", "regular"), ("a\0b", "null")):
        assert part in refused(DataError, lambda name=name: untrusted.read(tmp_path / name, 1024))
    for name in ("zero", "results.csv"):
        (tmp_path / name).symlink_to("/dev/zero")
    assert "regular" in refused(DataError, lambda: table.read(tmp_path))


LAUGHS = "\n".join(
    ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 15)]
).encode()


@pytest.mark.parametrize(("content", "part"), [
    (LAUGHS, "alias"), (b"title: &t [*t]", "alias"), (b"title: a\ntitle: b", "twice"),
    (b"title: " + b"[" * 5000, "nested"),
    (b"title: 2020-99-99", "two ways"), (b"title: 2020-01-01", "two ways"), (b"title: !!int x", "two ways"),
    (b"title: !!bool x", "YAML"), (b"title: !!timestamp x", "YAML"), (b"title: " + b"9" * 5000, "digits"),
    (b"a: \x00", "YAML"),
    (b"title: " + b"1:" * 5000 + b"1", "two ways"), (b"title: 0x" + b"f" * 5000, "two ways"), (b"1: a", "no text"),
    (b'title: "\\ud800"', "whole text"), (b"title: !!binary aGk=", "bytes"), (b"? [a]\n: b", "YAML"),
    (b"x" * 70_000, "KiB"),
    (b"!!python/object/apply:os.mkdir [owned]", "tag"), (b"--- a\n--- b", "YAML"),
])  # fmt: skip
def test_yaml_that_is_more_than_plain_values_is_refused(tmp_path, content, part):
    (tmp_path / "try.yml").write_bytes(content)
    said = refused(WorkbenchError, lambda: experiment.load(tmp_path / "try.yml"))
    assert part in said
    assert "try.yml" in said
    assert not (tmp_path / "owned").exists()


def test_plain_yaml_is_read_as_ever():
    assert untrusted.parse_yaml(b"\xef\xbb\xbfa: {b: [1, 2.5, true, null]}\nc: >-\n  x\n  y") == {
        "a": {"b": [1, 2.5, True, None]}, "c": "x y",
    }  # fmt: skip


@pytest.mark.parametrize("value", [
    "010", "-010", "08", "00", "0o10", "0O10", "0x1F", "0b11", "1_000", "1_0.5", "08.5", "1:30", "190:20:30.15", "yes",
    "No", "on", "OFF", "2020-01-01", "2020-01-01 10:00:00", ".inf", "-.Inf", ".nan", "1e400", "-1e999",
    "!!int 010", "!!int '010'", "!!float 1_0", "!!bool yes",
])  # fmt: skip
@pytest.mark.parametrize("place", ["a: {}", "a: [1, {}]", "a: {{b: {}}}", "{}: 1"])
def test_a_value_that_somebody_reads_otherwise_than_it_is_written_is_refused(value, place):
    said = refused(DataError, lambda: untrusted.parse_yaml(place.format(value).encode()))
    assert value.rpartition(" ")[2].strip("'")[:7] in said


@pytest.mark.parametrize(("value", "found"), [
    ("8", 8), ("-8", -8), ("+8", 8), ("0", 0), ("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("1e-3", 0.001),
    ("1.5E+3", 1500.0), ("-1.e-2", -0.01), ("true", True), ("False", False), ("~", None), ("'010'", "010"),
    ('"yes"', "yes"), ("yes please", "yes please"), ("a010", "a010"), ("1.2.3", "1.2.3"), ("1e3x", "1e3x"), ("y", "y"),
    ("photo-digits:60", "photo-digits:60"),
])  # fmt: skip
def test_a_value_that_everybody_reads_alike_is_taken(value, found):
    got = untrusted.parse_yaml(f"a: {value}".encode())["a"]
    assert (got, type(got)) == (found, type(found))
