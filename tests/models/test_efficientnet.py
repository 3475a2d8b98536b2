"""EfficientNet-Lite0: the published architecture, its weights to the last tensor, what it sees in photographs."""

import importlib.util

import pytest
import torch
from torch import nn
from torch.nn import functional

from workbench import models
from workbench.config import DataError
from workbench.data.batches import network_input
from workbench.judging import judgement
from workbench.judging.config import JudgeConfig
from workbench.judging.learners import known, named, of_panel
from workbench.judging.trial import Case
from workbench.models import efficientnet, pretrained
from workbench.records import table
from workbench.victim import train

NAMES = ("probe-efficientnet", "fine-tune-efficientnet")
installed = pytest.mark.skipif(not models.has_weights(NAMES[0]), reason="its weights are not installed")


def build(name, *, channels=3, side=32, seed=0):
    return models.build(name, channels=channels, classes=7, side=side, seed=seed).eval()


def pixels(count=2, channels=3, side=32):
    return torch.randint(0, 256, (count, channels, side, side), generator=torch.Generator().manual_seed(0)).float()


def learnt(network):
    """One step of training, and the names of what it changed."""
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    functional.cross_entropy(network(pixels(4)), torch.arange(4)).backward()
    optimiser.step()
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


def test_the_architecture_is_the_published_one():
    network = efficientnet.lite0()
    assert sum(value.numel() for value in network.parameters()) == 4_652_008
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 1 + 2 + 15 * 3 + 1
    assert sum(layer.stride == (2, 2) for layer in convolutions) == 5
    assert sum(isinstance(layer, nn.ReLU6) for layer in network.modules()) == 1 + 1 + 15 * 2 + 1
    with torch.no_grad():
        assert network.eval()[:-3](torch.zeros(1, 3, 96, 96)).shape == (1, 1280, 3, 3)


@pytest.mark.parametrize(("side", "size", "stride"), [(8, 3, 2), (9, 3, 2), (8, 5, 2), (7, 5, 2), (8, 5, 1)])
def test_padding_is_that_of_tensorflow(side, size, stride):
    """By its definition: outputs are ceil(side / stride), and the odd pixel of padding is on the right and below."""
    layer = efficientnet.Same(2, 2, size, stride, bias=False)
    x = torch.rand(1, 2, side, side)
    out = -(-side // stride)
    whole = max(0, (out - 1) * stride + size - side)
    padded = functional.pad(x, (whole // 2, whole - whole // 2) * 2)
    torch.testing.assert_close(layer(x), functional.conv2d(padded, layer.weight, stride=stride))
    assert layer(x).shape[2:] == (out, out)


@installed
def test_every_tensor_of_the_file_is_taken():
    file = importlib.util.find_spec(pretrained.LITE0).submodule_search_locations[0] + "/" + efficientnet.FILE
    published = torch.load(file, map_location="cpu", weights_only=True)
    own = efficientnet.taught(NAMES[0]).state_dict()
    assert len(own) == len(published) == 296
    for (name, value), (theirs, other) in zip(own.items(), published.items(), strict=True):
        assert name.rpartition(".")[2] == theirs.rpartition(".")[2]  # weight, running_mean …
        assert torch.equal(value, other)


@installed
@pytest.mark.parametrize(("photo", "meant"), [("china.jpg", {442, 663, 698}), ("flower.jpg", {985})])
def test_photographs_are_recognised(photo, meant):
    """A temple's roofs are a bell cote, a monastery or a palace; the dahlia is called a daisy, ImageNet's nearest."""
    from sklearn.datasets import load_sample_image

    image = torch.from_numpy(load_sample_image(photo).copy()).permute(2, 0, 1)[None].float()
    top, left = ((image.shape[axis] - 427) // 2 for axis in (2, 3))
    square = image[:, :, top : top + 427, left : left + 427]
    small = functional.interpolate(square, size=(224, 224), mode="bilinear", antialias=True) / 255
    fitted = efficientnet.ProbeLite0(nn.Identity(), 1, 1)._fitted(small)
    with torch.no_grad():
        likely = efficientnet.taught(NAMES[0]).eval()(fitted)[0].softmax(0)
    assert int(likely.argmax()) in meant
    assert float(likely[sorted(meant)].sum()) > 0.15  # of 1,000 classes


@installed
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_images_by_classes_of_colour_and_grey_images(name):
    network = build(name)
    many = network_input(pixels(efficientnet.ProbeLite0.PART + 1, side=8).to(torch.uint8))  # in two parts
    with torch.no_grad():
        assert network(many).shape == (len(many), 7)
        torch.testing.assert_close(network(many)[-2:], network(many[-2:]), atol=1e-3, rtol=1e-3)
        grey = pixels(channels=1)
        torch.testing.assert_close(network(grey), network(grey.expand(-1, 3, -1, -1)), atol=1e-3, rtol=1e-3)
        assert network(pixels(side=200)).shape == (2, 7)  # larger ones stay as they are


@installed
def test_a_probe_trains_its_head_alone():
    assert learnt(build(NAMES[0])) == {"1.head.weight", "1.head.bias"}


@installed
def test_a_victim_leaves_the_probed_network_alone(tiny, monkeypatch):
    """Also in Lightning's hands, who calls no train()."""
    built = []
    make = models.for_data
    monkeypatch.setattr(train.models, "for_data", lambda *given, **more: built.append(make(*given, **more)) or built[0])
    config = named(NAMES[0]).config("convnet-w4", tiny.train, seed=0, device="cpu", epochs=1)
    train.train(config, tiny, tiny.train, torch.zeros(len(tiny.train), dtype=torch.bool))
    fresh = make(NAMES[0], tiny.train, seed=0).state_dict()
    changed = {name for name, value in built[0].state_dict().items() if not torch.equal(value, fresh[name])}
    assert changed == {"1.head.weight", "1.head.bias"}


@installed
def test_fine_tuning_trains_weights_and_batch_statistics():
    network = build(NAMES[1])
    assert learnt(network) == set(network.state_dict())


@installed
def test_only_the_head_depends_on_the_seed():
    first, second = build(NAMES[0]).state_dict(), build(NAMES[0], seed=1).state_dict()
    assert {name for name in first if not torch.equal(first[name], second[name])} == {"1.head.weight", "1.head.bias"}


@installed
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_weights_that_are_not_whole_are_refused_in_one_line(tmp_path, monkeypatch, damage):
    package = tmp_path / pretrained.LITE0
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    if damage == "changed":
        (package / efficientnet.FILE).write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=f"install {pretrained.LITE0} again") as refusal:
        build(NAMES[1])
    assert "\n" not in str(refusal.value)


@pytest.fixture
def not_installed(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == pretrained.LITE0 else find(name))


@pytest.mark.parametrize("name", NAMES)
def test_without_the_package_it_is_said_what_to_install(not_installed, name):
    assert not models.has_weights(name)
    with pytest.raises(DataError, match=rf"^{name}: it needs the package .* install .*\[pretrained\]") as refusal:
        build(name)
    assert "\n" not in str(refusal.value)
    assert models.has_weights("resnet18")


def test_without_the_package_the_full_panel_goes_without_its_learners(not_installed, tiny, capsys):
    case = Case(tiny, tiny.train, table.Identity("none", "photo-digits"))
    config = JudgeConfig(data="photo-digits", panel="full", network="convnet-w4", device="cpu")
    found = {one.name for one in judgement.chosen(config, case)}
    assert {"none", "clean-share-5"} <= found
    assert found.isdisjoint(NAMES)
    said = capsys.readouterr().err
    assert all(f"learner {name} is left out: {name}: it needs the package" in said for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_learners_have_their_own_network_and_help(patterned, name):
    one, data = named(name), patterned(30)
    assert (one.tier, one.panel, one.architecture) == ("with help", "full", name)
    assert "ImageNet" in one.needs
    assert {one.config(base, data, seed=0, device="cpu").victim for base in ("convnet-w4", "resnet18")} == {name}
    assert one in of_panel("full", "convnet-w4", data)
    assert one not in of_panel("standard", "convnet-w4", data)
    assert 1 <= one.units <= 20
    assert [each.name for each in known().values() if each.architecture and each.help] == list(NAMES)
