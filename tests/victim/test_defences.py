"""Defences: every one changes photographs, keeps their form, and does what its name says."""

import io

import pytest
import torch
from PIL import Image

from workbench import models
from workbench.config import ConfigError
from workbench.data.batches import generator
from workbench.victim import defence as defences
from workbench.victim.defence import DEFENCES, defend

REAL = [name for name, defence in DEFENCES.items() if defence.samples]  # before training
EACH_TIME = [name for name, defence in DEFENCES.items() if defence.augment]  # every image anew
MIXED = [name for name, defence in DEFENCES.items() if defence.mix]
ATTACKED = [name for name, defence in DEFENCES.items() if defence.radius]


def draw(seed: int = 0) -> torch.Generator:
    return generator(torch.device("cpu"), seed)


def test_every_defence_is_of_one_sort_and_tested():
    sorts = [*REAL, *EACH_TIME, *MIXED, *ATTACKED]
    assert sorted([*sorts, "none", "leave-out"]) == sorted(DEFENCES)  # leave-out: test_published.py


@pytest.fixture(scope="module")
def photos(digits):
    return digits.train.samples[:12]


@pytest.mark.parametrize("name", REAL)
def test_a_defence_changes_every_image_and_keeps_its_form(name, photos):
    before = photos.clone()
    found = defend(name, photos)
    assert (found.shape, found.dtype) == (photos.shape, torch.uint8)
    assert torch.equal(photos, before)
    change = (found.int() - photos.int()).abs().float().mean((1, 2, 3))
    assert float(change.min()) > 0.5


@pytest.mark.parametrize("name", REAL)
def test_a_defence_treats_each_image_by_itself(name, photos):
    alone = torch.cat([defend(name, image[None]) for image in photos])
    assert torch.equal(alone, defend(name, photos))


@pytest.mark.parametrize("name", [name for name in REAL if name != "grayscale"])
def test_a_defence_takes_grey_images(name, photos):
    found = defend(name, photos[:, :1])
    assert found.shape == photos[:, :1].shape
    assert not torch.equal(found, photos[:, :1])


def test_no_two_defences_are_the_same(photos):
    found = [defend(name, photos) for name in ["none", *REAL]]
    found += [defences.augment(name, photos, draw()) for name in EACH_TIME]
    assert not any(torch.equal(found[a], found[b]) for a in range(len(found)) for b in range(a))


def test_none_changes_nothing(photos):
    assert torch.equal(defend("none", photos), photos)


def test_grayscale_takes_the_colour_and_keeps_the_brightness(photos):
    found = defend("grayscale", photos)
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 0], found[:, 2])
    brightness = (photos * torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]).sum(1)
    assert (found[:, 0] - brightness).abs().max() < 1.1


@pytest.mark.parametrize("quality", [75, 30, 10])
def test_jpeg_comes_close_to_pillows(quality, photos):
    found = defend(f"jpeg-{quality}", photos)
    for ours, photo in zip(found, photos, strict=True):
        file = io.BytesIO()
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        theirs = torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8).view(32, 32, 3)
        assert (ours.permute(1, 2, 0).int() - theirs.int()).abs().float().mean() < 1


def test_jpeg_loses_more_at_a_lower_quality(photos):
    loss = [float((defend(f"jpeg-{q}", photos).float() - photos).square().mean()) for q in (75, 30, 10)]
    assert loss[2] > 1.5 * loss[1] > 2 * loss[0] > 0


def test_bit_depth_leaves_four_values_a_channel(photos):
    found = defend("bit-depth-2", photos)
    assert found.unique().tolist() == [0, 64, 128, 192]
    assert torch.equal(found, photos // 64 * 64)


def test_blur_spreads_a_point_evenly():
    """APBench's `Gaussian` is an identity filter (σ = 0.1): a column of a table that said nothing."""
    point = torch.zeros(1, 3, 9, 9, dtype=torch.uint8)
    point[:, :, 4, 4] = 255
    found = defend("blur", point)[0, 0].int()
    assert 40 < found[4, 4] < 70
    assert found[4, 3] == found[4, 5] == found[3, 4] == found[5, 4]
    assert found[4, 3] > 20
    assert found[4, 4] > found[4, 3] > found[3, 3] > 0
    assert found[4, 1] == 0


def test_halving_and_back_keeps_what_is_smooth_and_takes_what_is_fine():
    fine = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    fine[..., ::2] = 200  # columns in turn
    smooth = torch.arange(0, 160, 10, dtype=torch.uint8).expand(1, 3, 16, 16)
    found = defend("resize-half", fine)[..., 4:-4]
    assert (found.int() - 100).abs().max() < 15
    assert (defend("resize-half", smooth).int() - smooth.int()).abs()[..., 2:-2].max() <= 2
    assert defend("resize-half", fine[..., :15, :9]).shape == (1, 3, 15, 9)


def test_an_unknown_defence_is_refused_with_the_nearest(photos):
    with pytest.raises(ConfigError, match="did you mean 'grayscale'"):
        defend("greyscale", photos)


def test_grayscale_of_grey_images_is_refused(photos):
    with pytest.raises(ConfigError, match="would change nothing"):
        defend("grayscale", photos[:, :1])


@pytest.mark.parametrize("name", EACH_TIME)
def test_an_augmentation_changes_nearly_every_image_by_a_draw_of_its_own(name, photos):
    same = photos[:1].expand(64, -1, -1, -1).clone()
    found = defences.augment(name, same, draw())
    assert (found.shape, found.dtype) == (same.shape, torch.uint8)
    assert len({image.numpy().tobytes() for image in found}) > 40  # torchvision alone would draw once for all
    assert (found != same).flatten(1).any(1).float().mean() > 0.8
    assert torch.equal(found, defences.augment(name, same, draw()))
    assert not torch.equal(found, defences.augment(name, same, draw(1)))


@pytest.mark.parametrize("name", [*EACH_TIME, *MIXED])
def test_a_defence_leaves_the_global_stream_of_random_numbers_alone(name, photos):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    defences.augment(name, photos, draw())
    defences.mix(name, photos.float(), torch.arange(12) % 10, 10, draw())
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("name", EACH_TIME)
def test_an_augmentation_takes_grey_images(name, photos):
    found = defences.augment(name, photos[:, :1], draw())
    assert found.shape == photos[:, :1].shape


def test_cutout_blackens_a_quarter_of_the_image(photos):
    white = torch.full((16, 3, 32, 32), 255, dtype=torch.uint8)
    found = defences.augment("cutout", white, draw())
    assert ((found == 0).float().mean((1, 2, 3)) == 0.25).all()
    assert torch.equal(found[:, 0], found[:, 2])


@pytest.mark.parametrize("name", MIXED)
def test_mixing_blends_images_and_labels_by_one_share(name):
    """Black images of class 0 between white ones of class 1: brightness and label must tell of the same share."""
    labels = torch.tensor([0, 1] * 8)
    pixels = (labels * 255.0)[:, None, None, None].expand(-1, 3, 32, 32).clone()
    mixed, soft = defences.mix(name, pixels, labels, 2, draw(2))
    assert (mixed.shape, soft.shape) == (pixels.shape, (16, 2))
    assert torch.allclose(soft.sum(1), torch.ones(16))
    assert torch.allclose(mixed.mean((1, 2, 3)) / 255, soft[:, 1], atol=1e-3)
    assert 0.02 < float(soft[0, 1]) < 0.98
    assert torch.equal(mixed, defences.mix(name, pixels, labels, 2, draw(2))[0])


@pytest.mark.parametrize("name", ATTACKED)
def test_adversarial_images_stay_near_and_are_harder(name, digits):
    network = models.build("convnet-w4", channels=3, classes=10, side=32, seed=0).train()
    pixels, labels = digits.train.samples[:64].float(), digits.train.labels[:64]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found = defences.worst_nearby(name, network, pixels, labels, draw())
    assert float((found - pixels).abs().max()) <= DEFENCES[name].radius + 1e-3
    assert float((found - pixels).abs().mean()) > DEFENCES[name].radius / 2
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    with torch.no_grad():
        loss = [float(torch.nn.functional.cross_entropy(network.eval()(x), labels)) for x in (pixels, found)]
    assert loss[1] > loss[0]


@pytest.mark.parametrize("name", ["none", *REAL])
def test_other_defences_leave_the_batches_alone(name, photos):
    pixels, labels = photos.float(), torch.arange(12) % 10
    assert defences.augment(name, photos, draw()) is photos
    assert defences.mix(name, pixels, labels, 10, draw()) == (pixels, labels)
    assert defences.worst_nearby(name, torch.nn.Identity(), pixels, labels, draw()) is pixels
