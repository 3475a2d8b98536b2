"""Typical mistakes in the gaps of lesson 2 are found, each with the hint that fits; the right lines pass."""

import nbformat
import pytest
import torch

from workbench import figures, teaching
from workbench.config import ConfigError
from workbench.files import places
from workbench.teaching import hints, min_min

RIGHT = {
    "gap 1": "x + delta[y]",
    "gap 2": "F.cross_entropy(network(noisy), y)",
    "gap 3": "torch.autograd.grad(loss, free)[0]",
    "gap 4": "delta - step * gradient.sign()",
    "gap 5": "moved.clamp(-epsilon, epsilon)",
    "gap 6": "delta.round().to(torch.int8)",
}
WRONG = [  # the lines that differ from the right ones, the function, the hint
    ({"gap 4": "delta + step * gradient.sign()"}, "noise_step", hints.UPHILL),
    ({"gap 5": "moved"}, "noise_step", hints.UNBOUND),
    ({"gap 3": "torch.autograd.grad(loss, list(network.parameters()))[0]"}, "noise_step", hints.SHAPE),
    ({"gap 3": "torch.autograd.grad(loss, delta)[0]"}, "noise_step", hints.VARIABLE),
    ({"gap 3": "torch.autograd.grad(loss, x)[0]"}, "noise_step", hints.VARIABLE),
    ({"gap 3": "torch.autograd.grad(F.cross_entropy(network(x + free.detach()[y]), y), free)[0]"}, "noise_step",
     hints.VARIABLE),
    ({"gap 3": "torch.autograd.grad(loss, free, allow_unused=True)[0] * 0"}, "noise_step", hints.VARIABLE),
    ({"gap 5": "moved.clamp(-epsilon / 255, epsilon / 255)"}, "noise_step", hints.UNITS),
    ({"gap 4": "delta - step / 255 * gradient.sign()"}, "noise_step", hints.UNITS),
    ({"gap 1": "x + delta[y] / 255"}, "surrogate_step", hints.UNITS),
    ({"gap 1": "(x + delta[y]) / 255"}, "surrogate_step", hints.UNITS),
    ({"gap 1": "x"}, "surrogate_step", hints.UNUSED),
    ({"gap 2": "F.cross_entropy(network(x), y)"}, "surrogate_step", hints.UNUSED),
    ({"gap 1": "x + delta"}, "surrogate_step", hints.ROWS),
    ({"gap 1": "x.add_(delta[y])"}, "surrogate_step", "changed the pictures"),
    ({"gap 2": "F.cross_entropy(noisy, y)"}, "surrogate_step", hints.ANSWERS),
    ({"gap 2": "F.cross_entropy(y, network(noisy))"}, "surrogate_step", hints.ANSWERS),
    ({"gap 3": "torch.autograd.grad(loss, free)"}, "noise_step", hints.TUPLE),
    ({"gap 3": "loss.backward()"}, "noise_step", hints.VARIABLE),
    ({"gap 4": "free - step * gradient.sign()"}, "noise_step", hints.ATTACHED),
    ({"gap 4": "delta - gradient.sign()"}, "noise_step", "size of the step"),
    ({"gap 4": "delta - step * delta.sign()"}, "noise_step", "sign of the noise"),
    ({"gap 5": "moved.clamp(0, epsilon)"}, "noise_step", "one side alone"),
    ({"gap 5": "moved.clamp(min=-epsilon)"}, "noise_step", "one side alone"),
    ({"gap 5": "moved.clamp(-8, 8)"}, "noise_step", "a number stands"),
    ({"gap 5": "min(max(moved, -epsilon), epsilon)"}, "noise_step", "moved.clamp"),
    ({"gap 6": "round(delta)"}, "whole", "delta.round()"),
    ({"gap 6": "torch.int8(delta)"}, "whole", ".to(torch.int8)"),
    ({"gap 2": "-F.cross_entropy(network(noisy), y)"}, "surrogate_step", "the network climbs the loss"),
    ({"gap 1": "x - delta[y]"}, "surrogate_step", "Add it"),
    ({"gap 4": "delta - step * gradient"}, "noise_step", "gradient.sign()"),
    ({"gap 5": "moved.clamp(max=epsilon)"}, "noise_step", "one side alone"),
    ({"gap 4": "-step * gradient.sign()"}, "noise_step", "begins anew"),
    ({"gap 6": "delta.to(torch.int8)"}, "whole", "Round first"),
    ({"gap 6": "delta.round().to(torch.uint8)"}, "whole", "uint8"),
    ({"gap 6": "delta.round()"}, "whole", "int8"),
    ({"gap 6": "(delta / 255).round().to(torch.int8)"}, "whole", hints.UNITS),
    ({"gap 6": "no_such_name"}, "whole", "NameError"),
    ({"gap 6": "8"}, "whole", "not a tensor"),
]  # fmt: skip
CELLS = [
    cell.source
    for cell in nbformat.read(places.find("2_min_min_by_hand", "notebooks"), as_version=4).cells
    if "gap" in cell.metadata.get("tags", [])
]


def filled(lines: dict[str, str]) -> dict:
    """The functions of the notebook's own cells with lines in their gaps; other gaps stay open."""
    space = {"torch": torch, "F": torch.nn.functional}
    for cell in CELLS:
        code = []
        for line in cell.splitlines():
            gap = next((gap for gap in lines if f"# {gap}:" in line), None)
            code.append(line.replace("...", lines[gap], 1) if gap else line)
        exec("\n".join(code), space)
    return space


@pytest.mark.parametrize("name", hints.GIVEN)
def test_the_right_lines_pass_and_are_used(name, monkeypatch):
    told = []
    monkeypatch.setattr(figures, "say", lambda *sentences: told.extend(sentences))
    step = filled(RIGHT)[name]
    assert hints.hint(step) == ""
    assert teaching.checked(step) is step
    assert teaching.author(step) == "by-hand"
    assert told == [f"{name}: right. The cells below use yours."]


@pytest.mark.parametrize(("lines", "name", "hint"), WRONG)
def test_a_wrong_line_gets_the_hint_that_fits(lines, name, hint, monkeypatch):
    told = []
    monkeypatch.setattr(figures, "say", lambda *sentences: told.extend(sentences))
    step = filled(RIGHT | lines)[name]
    assert hint in hints.hint(step)
    used = teaching.checked(step)
    assert used is hints.GIVEN[name]
    assert teaching.author(used, min_min.whole) == "given-steps"
    assert hint in told[0]


@pytest.mark.parametrize("name", hints.GIVEN)
def test_an_open_gap_is_told_as_such(name):
    assert hints.hint(filled({})[name]) == hints.OPEN


def test_a_step_that_changes_what_is_not_its_own_is_told():
    def surrogate_step(network, optimiser, x, y, delta):
        min_min.surrogate_step(network, optimiser, x, y, delta)
        delta.zero_()

    def noise_step(network, x, y, delta, step, epsilon):
        with torch.no_grad():
            next(iter(network.parameters())).add_(1)
        return min_min.noise_step(network, x, y, delta, step, epsilon)

    assert "changed the noise" in hints.hint(surrogate_step)
    assert "changed the network" in hints.hint(noise_step)


def test_a_function_of_another_name_is_refused():
    with pytest.raises(ConfigError, match="unknown step 'wholly': did you mean 'whole'"):
        hints.hint(type("", (), {"__name__": "wholly"})())
