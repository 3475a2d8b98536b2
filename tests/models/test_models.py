"""Architectures: N×K logits from pixel values, the stem for small images, and weights that only the seed decides."""

import tomllib
from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench import models
from workbench.catalogue import NETWORKS
from workbench.config import ConfigError, DataError
from workbench.data.space import Space
from workbench.installation import PACKAGE

# the side of the last convolution's output for an image of 32 pixels, and of the first one's for one of 96
SIDES = {
    "resnet18": (4, 48),
    "resnet50": (4, 48),
    "densenet121": (4, 48),
    "mobilenet_v2": (4, 48),
    "vgg11": (2, 96),
    "resnet9-w4": (4, 96),
    "convnet-w4": (8, 96),
    "mlp-w4": (2, 96),
    "linear": (2, 96),
}


def build(name, *, channels=3, classes=7, side=32, seed=0):
    return models.build(name, channels=channels, classes=classes, side=side, seed=seed).eval()


def convolved(network, side, channels=3) -> list[int]:
    """The sides of what the convolutions put out, in order."""
    sides = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _given, output: sides.append(output.shape[-1]))
    with torch.no_grad():
        network(torch.zeros(1, channels, side, side))
    return sides


def weights(network) -> torch.Tensor:
    return torch.cat([value.flatten() for value in network.parameters()])


def test_every_architecture_is_tested():
    own = tomllib.loads((PACKAGE / "networks.toml").read_text(encoding="utf-8"))  # others may be registered meanwhile
    assert {name.partition("-")[0] for name in SIDES} == {
        name for name in own if "image" in NETWORKS[name].spaces
    } - set(models.PRETRAINED)


@pytest.mark.parametrize("name", SIDES)
def test_logits_are_images_by_classes_and_depend_on_the_image(name):
    pixels = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        logits = build(name)(pixels)
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()
    assert not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize(
    "name", [name for name in SIDES if not name.startswith(("mlp", "linear"))]
)  # they do not convolve
def test_small_images_are_not_reduced_early(name):
    last, first_of_large = SIDES[name]
    sides = convolved(build(name), 32)
    assert sides[0] == 32
    assert sides[-1] == last
    if name != "vgg11":  # VGG pools after its first convolution by design
        assert sides[1] == 32
    assert convolved(build(name, side=96), 96)[0] == first_of_large


@pytest.mark.parametrize(("name", "side"), [*((name, 32) for name in SIDES), ("resnet18", 96), ("densenet121", 96)])
def test_grey_images_are_taken(name, side):
    with torch.no_grad():
        assert build(name, channels=1, side=side)(torch.zeros(2, 1, side, side)).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "resnet9-w4", "convnet-w4"])
def test_weights_depend_on_the_seed_alone(name):
    torch.manual_seed(1)
    first = weights(build(name))
    torch.manual_seed(2)
    assert torch.equal(first, weights(build(name)))
    assert not torch.equal(first, weights(build(name, seed=1)))


@pytest.mark.parametrize("name", ["resnet18", "convnet-w4"])
def test_building_leaves_the_global_stream_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    build(name)
    assert torch.equal(torch.rand(4), expected)


def test_pixels_are_divided_by_255_and_nothing_else():
    network = build("convnet-w4")
    pixels = torch.rand(2, 3, 32, 32) * 255
    torch.testing.assert_close(network(pixels), network[1](pixels / 255))


def test_width_is_the_number_of_first_filters():
    for name, count in (("resnet9-w4", 4), ("resnet9-w12", 12), ("convnet-w5", 5)):
        assert next(m for m in build(name).modules() if isinstance(m, nn.Conv2d)).out_channels == count


def test_resnet18_for_cifar_has_the_known_number_of_parameters():
    assert len(weights(build("resnet18", classes=10))) == 11_173_962


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("resnet-18", "resnet18"), ("resnet", "resnet"), ("convnet-w", "convnet-w16"), ("convnet-w0", "convnet-w"),
     ("densenet", "densenet121"), ("ResNet50", "resnet50"), ("vgg11-w4", "vgg11")],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(ConfigError, match=f"did you mean '{nearest}"):
        build(name)


@pytest.fixture
def weights_at_hand(tmp_path, monkeypatch):
    """A file of ResNet-18's weights where torchvision looks for the pretrained ones; these are drawn, not learnt."""
    from torchvision.models import ResNet18_Weights, resnet18

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    file = tmp_path / "hub" / "checkpoints" / ResNet18_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(resnet18().state_dict(), file)
    return file


def test_a_probe_trains_its_head_alone(weights_at_hand):
    assert models.has_weights(models.PROBE)
    network = build(models.PROBE).train()
    probe = network[1]
    before = {name: value.clone() for name, value in probe.backbone.state_dict().items()}
    assert torch.equal(before["conv1.weight"], torch.load(weights_at_hand, weights_only=True)["conv1.weight"])
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0, weight_decay=0.1)
    head = probe.head.weight.clone()
    pixels = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
    logits = network(pixels)
    assert logits.shape == (2, 7)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    optimiser.step()
    assert not torch.equal(probe.head.weight, head)
    assert all(torch.equal(value, before[name]) for name, value in probe.backbone.state_dict().items())
    grey = pixels[:, :1]
    assert torch.allclose(network(grey), network(grey.expand(-1, 3, -1, -1)), atol=1e-4)


def test_a_probe_without_weights_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def unreachable(*_, **__):
        raise OSError("no network\nat all")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    assert not models.has_weights(models.PROBE)
    assert models.has_weights("resnet18")
    with pytest.raises(DataError, match="needs torchvision's weights of ResNet-18") as refusal:
        build(models.PROBE)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "least"), [(name, entry.least) for name, entry in NETWORKS.items() if entry.least > 1]
)
def test_large_networks_refuse_tiny_images_and_train_on_one_of_the_least_size(name, least):
    with pytest.raises(ConfigError, match=f"{name} needs images of {least} pixels"):
        build(name, side=least - 1)
    with pytest.raises(ConfigError, match="pixels a side"):
        models.build(name, channels=3, classes=7, side=64, short=8, seed=0)
    network = build(name, side=least).train()
    assert network(torch.zeros(1, 3, least, least)).isfinite().all()


def test_a_network_for_a_data_set_has_its_channels_and_classes(patterned):
    data = patterned(6, channels=1)
    assert models.for_data("convnet-w4", data, seed=0)(data.samples.float()).shape == (6, 3)


def test_a_network_for_images_refuses_another_kind_of_data(patterned):
    sound = replace(patterned(6), space=Space("audio", -32768, 32767, "of 32768", torch.int16, torch.int16))
    with pytest.raises(ConfigError, match="network vgg11 is for image data, not for audio"):
        models.for_data("vgg11", sound, seed=0)


def test_values_of_a_space_with_signs_are_brought_to_minus_one_to_one():
    sound = Space("audio", -32768, 32767, "of 32768", torch.int16, torch.int16)
    steps = torch.tensor([-32768.0, 0.0, 16384.0])
    assert models.ToUnit(sound)(steps).tolist() == [-1, 0, 0.5]
