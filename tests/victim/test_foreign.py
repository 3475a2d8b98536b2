"""Defences of one's own: any class with some of the hooks, refused in one line when it does what no hook may."""

import pickle
import subprocess
import sys
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from workbench import registry
from workbench.catalogue import DEFENCES
from workbench.config import ConfigError, VictimConfig
from workbench.data.dataset import DataPair
from workbench.victim.composed import prepared
from workbench.victim.defence import Defence
from workbench.victim.exposure import expose
from workbench.victim.train import train

CONFIG = VictimConfig(
    victim="convnet-w4", epochs=2, batch_size=16, learning_rate=0.05, weight_decay=0.0, augmentation="none",
    device="cpu", defence="mine",
)  # fmt: skip


@pytest.fixture
def mine(monkeypatch, tiny):
    """Registers a class as "mine" for the test; returns the defence, built for the tiny set."""
    monkeypatch.setattr(registry, "_own", {})
    monkeypatch.setattr(registry, "TABLES", {**registry.TABLES, "defence": DEFENCES})

    def registered(made):
        DEFENCES.pop("mine", None)
        registry.defence("mine", words="a test's")(made)
        return prepared("mine", *expose(tiny.train, None, CONFIG))

    yield registered
    DEFENCES.pop("mine", None)


def test_a_plain_class_with_one_hook_trains_a_victim(mine, tiny):
    class Inverted:
        def inputs(self, x):
            x ^= 255  # in place: the data must not change
            return x

    before = tiny.test.samples.clone(), tiny.train.samples.clone()
    mine(Inverted)
    found = train(CONFIG, tiny, *expose(tiny.train, None, CONFIG))
    plain = replace(CONFIG, defence="none")
    inverted = [replace(part, samples=255 - part.samples) for part in (tiny.train, tiny.test)]
    assert found == train(plain, DataPair(*inverted, tiny.name), *expose(inverted[0], None, plain))
    assert found != train(plain, tiny, *expose(tiny.train, None, plain))
    assert torch.equal(tiny.test.samples, before[0])
    assert torch.equal(tiny.train.samples, before[1])


def test_all_hooks_of_it_are_called(mine, tiny):
    class Everything:
        seen: ClassVar = {}

        def train_set(self, data, carries):
            self.seen["train_set"] = len(data), carries.dtype
            return data.subset(torch.arange(24))

        def inputs(self, x):
            self.seen.setdefault("inputs", []).append(len(x))
            return x

        def batch(self, x, draw):
            self.seen["batch"] = x.dtype
            return torch.rand(x.shape, generator=draw).mul(255).to(x.dtype)

        def loss_batch(self, network, x, y, draw):
            self.seen["loss_batch"] = x.dtype, self.classes
            return torch.cat([x, x]), torch.nn.functional.one_hot(torch.cat([y, y]), self.classes).float()

        def helper(self):
            """Other methods are its own business."""

    mine(Everything)
    curve = train(CONFIG, tiny, *expose(tiny.train, None, CONFIG))
    assert [row["epoch"] for row in curve] == [1] * 4 + [2] * 4
    assert Everything.seen == {
        "train_set": (48, torch.bool),
        "inputs": [24, 24],
        "batch": torch.uint8,
        "loss_batch": (torch.float32, 3),
    }


def test_a_derived_class_prepares_and_checks_as_well(mine):
    class Derived(Defence):
        def check(self, data, carries):
            raise ConfigError(f"not for {self.classes} classes")

        def inputs(self, x):
            return x

    with pytest.raises(ConfigError, match="not for 3 classes"):
        mine(Derived)


def test_it_goes_into_another_process_with_what_it_has_learnt(tmp_path, tiny, monkeypatch):
    """Where the file that it stands in has not been run yet."""
    monkeypatch.setattr(registry, "_loaded", {})
    monkeypatch.setenv(registry.VARIABLE, "")
    file = tmp_path / "own.py"
    file.write_text("""
from workbench import registry

@registry.defence("from-a-file", words="adds what train_set noted")
class Own:
    def train_set(self, data, carries):
        self.noted = len(data)
        return data

    def inputs(self, x):
        return x * 0 + self.noted
""")
    registry.load([file])
    try:
        made = prepared("from-a-file", *expose(tiny.train, None, CONFIG))
        made.train_set(tiny.train, torch.zeros(48, dtype=torch.bool))
        code = (
            "import pickle, sys, torch; made = pickle.load(sys.stdin.buffer); "
            "print(made.classes, made.inputs(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)).unique().item())"
        )
        done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(made), capture_output=True, check=True)
        assert done.stdout.split() == [b"3", b"48"]
    finally:
        DEFENCES.pop("from-a-file", None)
        registry._own.pop(("defence", "from-a-file"), None)


def test_it_can_be_composed_with_others(mine, tiny):
    class Inverted:
        def inputs(self, x):
            return 255 - x

    mine(Inverted)
    made = prepared("mine+grayscale", *expose(tiny.train, None, CONFIG))
    gray = prepared("grayscale", *expose(tiny.train, None, CONFIG))
    assert torch.equal(made.inputs(tiny.test.samples), gray.inputs(255 - tiny.test.samples))


def needs(self, strength):
    self.strength = strength


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"input": lambda self, x: x}, "has no hook 'input': did you mean 'inputs'"),
        ({"batches": lambda self, x, draw: x, "inputs": lambda self, x: x}, "did you mean 'batch'"),
        ({"defend": lambda self, x: x}, "has none of the hooks train_set, inputs, batch, loss_batch"),
        ({"batch": lambda self, x: x}, "cannot be used .*see victim/defence.py"),
        ({"__init__": needs, "inputs": lambda self, x: x}, "cannot be used .*strength"),
    ],
)
def test_a_class_that_cannot_be_one_is_refused_in_one_line(mine, parts, why):
    with pytest.raises(ConfigError, match=why) as refusal:
        mine(type("Mine", (), parts))
    assert "\n" not in str(refusal.value)


def test_what_is_no_class_is_refused(mine):
    with pytest.raises(ConfigError, match="register a class"):
        mine(lambda x: x)


@pytest.mark.parametrize(
    ("hook", "result", "why"),
    [
        ("train_set", lambda data, carries: data.samples, "a Dataset"),
        ("train_set", lambda data, carries: data.subset(torch.arange(0)), "as many of each"),
        ("train_set", lambda data, carries: replace(data, classes=("a",)), "the same classes"),
        ("train_set", lambda data, carries: replace(data, labels=data.labels + 1), "labels that no class has"),
        ("train_set", lambda data, carries: replace(data, labels=data.labels[:3]), "48 samples, 3 labels"),
        ("train_set", lambda data, carries: replace(data, samples=data.samples.float()), "it must return uint8 48×3"),
        ("inputs", lambda x: x.float(), "inputs returned float32 48×3×12×12, it must return uint8 48×3×12×12"),
        ("inputs", lambda x: x[:, :1], "returned uint8 48×1×12×12"),
        ("inputs", lambda x: None, "returned NoneType"),
        ("batch", lambda x, draw: x[:5], "batch returned uint8 5×3×12×12"),
        ("loss_batch", lambda network, x, y, draw: x, "a pair"),
        ("loss_batch", lambda network, x, y, draw: (x / 0, y), "not finite"),
        ("loss_batch", lambda network, x, y, draw: (x, y[:3]), "labels int64 3, it must return int64 16 or float32"),
        ("loss_batch", lambda network, x, y, draw: (x, torch.zeros(len(x), 3) / 0), "not finite"),
        ("loss_batch", lambda network, x, y, draw: (x, torch.zeros(len(x), 2)), "float32 16×2"),
        ("loss_batch", lambda network, x, y, draw: (x, y + 7), "labels that no class has"),
    ],
)
def test_a_wrong_result_is_one_line(mine, tiny, hook, result, why):
    mine(type("Mine", (), {hook: staticmethod(result)}))
    with pytest.raises(ConfigError, match=why) as refusal:
        train(CONFIG, tiny, *expose(tiny.train, None, CONFIG))
    assert str(refusal.value).startswith(f"defence mine: {hook} returned ")
    assert "\n" not in str(refusal.value)
