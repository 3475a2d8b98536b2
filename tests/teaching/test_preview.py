"""Lesson 4's look at a countermeasure: through every hook, and a beginner's mistakes in one line."""

import numpy as np
import pytest
from registered import as_before as as_before
from registered import refused

import workbench as wb
from workbench import registry, teaching
from workbench.config import ConfigError

CLASS = """
import torch
import workbench as wb

@wb.defence("mine", words="mine")
class Mine:
"""


@pytest.fixture
def look(tmp_path, monkeypatch):
    """What a countermeasure of that code makes of two published images, beside them."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    study = wb.Study("run", data="photo-digits:60", limit_test=30, device="cpu")
    noise = study.noise("random", "classwise", 8)

    def look(code):
        (tmp_path / "mine.py").write_text(f"{CLASS}    def {code}\n")
        registry.load([tmp_path / "mine.py"])
        return study.pictures([0, 7], noise), teaching.seen(study, noise, "mine", [0, 7])

    return look


@pytest.mark.parametrize(
    "code",
    [
        "inputs(self, x): return x.flip(1)",
        "batch(self, x, draw): return x.flip(1)",
        "train_set(self, data, carries): data.samples[:] = data.samples.flip(1); return data",
    ],
)
def test_every_hook_is_seen(code, look):
    published, found = look(code)
    assert list(found) == list(published)
    assert all(np.array_equal(found[name], published[name][..., ::-1]) for name in published)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("inputs(self, x): return x.float().mean(1, keepdim=True).expand(x.shape)", r".round().to(torch.uint8)"),
        ("inputs(self, x): return x.mean(1)", "x.float()"),
        ("inputs(self, x): x // 2", "inputs returned NoneType, it must return uint8 2×3×32×32"),
        ("inputs(self, x): return y", "stops with NameError: name 'y' is not defined"),
        ("train_set(self, data, carries): return data.subset(torch.arange(8))", "kept 8 of 60 images"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(code, told, look):
    assert told in refused(ConfigError, look, code)
