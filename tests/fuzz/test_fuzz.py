"""Whatever a file holds that somebody else may have written: it is taken, or refused in one line; never a crash.

experiments/bench/fuzz.py runs the same with many more inputs and a watch on every one.
"""

import os
from random import Random

import pytest
from fuzz_readers import READERS, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_any_file_is_taken_or_refused_in_one_line(tmp_path_factory, name, random: Random):
    folder = tmp_path_factory.mktemp("fuzz")
    READERS[name].prepare(folder).write_bytes(READERS[name].wrong(random))
    assert outcome(READERS[name], folder) in ("accepted", "refused")


def pipe(path):
    os.mkfifo(path)


def loop(path):
    path.symlink_to(path.name)


def endless(path):
    path.symlink_to("/dev/zero")


def folder(path):
    path.mkdir()


def nothing(path):
    pass


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("kind", [pipe, loop, endless, folder, nothing, empty])
@pytest.mark.parametrize("name", [name for name in READERS if name not in ("photo", "parameters")])
def test_what_is_no_file_is_not_waited_for(tmp_path, name, kind):
    kind(READERS[name].prepare(tmp_path))
    assert outcome(READERS[name], tmp_path) in ("accepted", "refused")
