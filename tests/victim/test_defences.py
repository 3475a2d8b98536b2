"""Defences: every one changes photographs, keeps their form, and does what its name says, as written a second time."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from workbench import models
from workbench.catalogue import DEFENCES
from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.victim.composed import named, prepared
from workbench.victim.defence import Defence
from workbench.victim.foreign import HOOKS


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def overriding(hook: str) -> list[str]:
    return [name for name in BUILT_IN if getattr(type(named(name)), hook) is not getattr(Defence, hook)]


BUILT_IN = [name for name, entry in DEFENCES.items() if entry.module and "image" in entry.spaces]
EACH_TIME = [name for name in overriding("batch") if name not in overriding("train_set")]
IN_THE_LOSS = overriding("loss_batch")
CONVERTING = [name for name in overriding("inputs") if name not in overriding("train_set")]  # those learn nothing first
REAL = [name for name in CONVERTING if named(name).pictures]  # the others: tests/victim/test_descriptors.py
MIXED, ATTACKED = ["mixup", "cutmix"], ["adversarial-4", "adversarial-8"]


def ready(name: str, classes: int = 10) -> Defence:
    made = named(name)
    made.classes = classes
    return made


def test_every_defence_has_a_hook_and_says_rightly_whether_tests_pass_through_it():
    assert {*CONVERTING, *EACH_TIME, *IN_THE_LOSS, *overriding("train_set"), "none"} == set(BUILT_IN)
    assert [name for name in BUILT_IN if DEFENCES[name].tests_through] == overriding("inputs")


@pytest.fixture(scope="module")
def photos(digits):
    return digits.train.samples[:12]


@pytest.mark.parametrize("name", REAL)
def test_a_conversion_changes_every_image_and_keeps_its_form(name, photos):
    before = photos.clone()
    found = named(name).inputs(photos)
    assert (found.shape, found.dtype) == (photos.shape, torch.uint8)
    assert torch.equal(photos, before)
    change = (found.int() - photos.int()).abs().float().mean((1, 2, 3))
    assert float(change.min()) > 0.5


@pytest.mark.parametrize("name", REAL)
def test_a_conversion_treats_each_image_by_itself(name, photos):
    alone = torch.cat([named(name).inputs(image[None]) for image in photos])
    assert torch.equal(alone, named(name).inputs(photos))


@pytest.mark.parametrize("name", [name for name in REAL if name != "grayscale"])
def test_a_conversion_takes_grey_images(name, photos):
    found = named(name).inputs(photos[:, :1])
    assert found.shape == photos[:, :1].shape
    assert not torch.equal(found, photos[:, :1])


def test_no_two_defences_are_the_same(photos):
    found = [named(name).inputs(photos) for name in ["none", *REAL]]
    found += [named(name).batch(photos, draw()) for name in EACH_TIME]
    assert not any(torch.equal(found[a], found[b]) for a in range(len(found)) for b in range(a))


@pytest.mark.parametrize("name", ["none", *REAL])
def test_hooks_that_are_not_overridden_do_nothing(name, digits):
    made, data, carries = named(name), digits.train, torch.zeros(len(digits.train), dtype=torch.bool)
    pixels, labels = data.samples[:12].float(), data.labels[:12]
    assert made.train_set(data, carries) is data
    assert made.batch(data.samples, draw()) is data.samples
    assert made.loss_batch(torch.nn.Identity(), pixels, labels, draw()) == (pixels, labels)
    assert name in REAL or made.inputs(data.samples) is data.samples


def test_grayscale_takes_the_colour_and_keeps_the_brightness(photos):
    found = named("grayscale").inputs(photos)
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 0], found[:, 2])
    brightness = (photos * torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]).sum(1)
    assert (found[:, 0] - brightness).abs().max() < 1.1


@pytest.mark.parametrize("quality", [75, 30, 10])
def test_jpeg_comes_close_to_pillows(quality, photos):
    found = named(f"jpeg-{quality}").inputs(photos)
    for ours, photo in zip(found, photos, strict=True):
        file = io.BytesIO()
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        theirs = torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8).view(32, 32, 3)
        assert (ours.permute(1, 2, 0).int() - theirs.int()).abs().float().mean() < 1


def test_jpeg_loses_more_at_a_lower_quality(photos):
    loss = [float((named(f"jpeg-{q}").inputs(photos).float() - photos).square().mean()) for q in (75, 30, 10)]
    assert loss[2] > 1.5 * loss[1] > 2 * loss[0] > 0


def test_bit_depth_leaves_four_values_a_channel(photos):
    found = named("bit-depth-2").inputs(photos)
    assert found.unique().tolist() == [0, 64, 128, 192]
    assert torch.equal(found, photos // 64 * 64)


def test_blur_is_a_gaussian_of_three_by_three_pixels(photos):
    """Written out; APBench's `Gaussian` is an identity filter (σ = 0.1): a column of a table that said nothing."""
    weights = torch.tensor([[np.exp(-(x * x + y * y) / 2) for x in (-1, 0, 1)] for y in (-1, 0, 1)]).float()
    found = named("blur").inputs(photos)
    middle = photos.float().unfold(2, 3, 1).unfold(3, 3, 1)
    naive = (middle * weights / weights.sum()).sum((-2, -1))
    assert (found[..., 1:-1, 1:-1].float() - naive).abs().max() <= 0.51
    whole = Image.fromarray(photos[0].permute(1, 2, 0).numpy()).filter(ImageFilter.GaussianBlur(0.8))
    assert (found[0].permute(1, 2, 0).int() - torch.from_numpy(np.array(whole)).int()).abs().float().mean() < 8


def test_halving_and_back_keeps_what_is_smooth_and_takes_what_is_fine():
    fine = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    fine[..., ::2] = 200  # columns in turn
    smooth = torch.arange(0, 160, 10, dtype=torch.uint8).expand(1, 3, 16, 16)
    made = named("resize-half")
    assert (made.inputs(fine)[..., 4:-4].int() - 100).abs().max() < 15
    assert (made.inputs(smooth).int() - smooth.int()).abs()[..., 2:-2].max() <= 2
    assert made.inputs(fine[..., :15, :9]).shape == (1, 3, 15, 9)


@pytest.mark.parametrize("name", EACH_TIME)
def test_an_augmentation_changes_nearly_every_image_by_a_draw_of_its_own(name, photos):
    same = photos[:1].expand(64, -1, -1, -1).clone()
    found = named(name).batch(same, draw())
    assert (found.shape, found.dtype) == (same.shape, torch.uint8)
    assert len({image.numpy().tobytes() for image in found}) > 40  # torchvision alone would draw once for all
    assert (found != same).flatten(1).any(1).float().mean() > 0.8
    assert torch.equal(found, named(name).batch(same, draw()))
    assert not torch.equal(found, named(name).batch(same, draw(1)))


@pytest.mark.parametrize("name", [*EACH_TIME, *IN_THE_LOSS])
def test_a_defence_leaves_the_global_stream_of_random_numbers_alone(name, photos):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    torch.manual_seed(3)
    ready(name).batch(photos, draw())
    ready(name).loss_batch(network, photos.float(), torch.arange(12) % 10, draw())
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("name", EACH_TIME)
def test_an_augmentation_takes_grey_images(name, photos):
    grey, before = photos[:, :1, :20], photos.clone()
    found = named(name).batch(grey, draw())
    assert (found.shape, found.dtype) == (grey.shape, torch.uint8)
    assert torch.equal(photos, before)


@pytest.mark.parametrize("name", EACH_TIME)
def test_what_becomes_of_an_image_hangs_on_no_other(name, photos):
    others = photos.clone()
    others[4:] = 255 - others[4:]
    first, second = (named(name).batch(images, draw(2)) for images in (photos, others))
    assert torch.equal(first[:4], second[:4])


def test_cutout_blackens_a_quarter_of_the_image(photos):
    white = torch.full((16, 3, 32, 32), 255, dtype=torch.uint8)
    found = named("cutout").batch(white, draw())
    assert ((found == 0).float().mean((1, 2, 3)) == 0.25).all()
    assert torch.equal(found[:, 0], found[:, 2])


@pytest.mark.parametrize("name", MIXED)
def test_mixing_blends_images_and_labels_by_one_share(name):
    """Black images of class 0 between white ones of class 1: brightness and label must tell of the same share."""
    labels = torch.tensor([0, 1] * 8)
    pixels = (labels * 255.0)[:, None, None, None].expand(-1, 3, 32, 32).clone()
    mixed, soft = ready(name, 2).loss_batch(torch.nn.Identity(), pixels, labels, draw(2))
    assert (mixed.shape, soft.shape) == (pixels.shape, (16, 2))
    assert torch.allclose(soft.sum(1), torch.ones(16))
    assert torch.allclose(mixed.mean((1, 2, 3)) / 255, soft[:, 1], atol=1e-3)
    assert 0.02 < float(soft[0, 1]) < 0.98
    assert torch.equal(mixed, ready(name, 2).loss_batch(torch.nn.Identity(), pixels, labels, draw(2))[0])


def test_mixup_is_a_weighted_sum_with_the_image_before(photos):
    pixels, labels = photos.float(), torch.arange(12) % 10
    mixed, soft = ready("mixup").loss_batch(torch.nn.Identity(), pixels, labels, draw())
    share = float(soft[0, labels[0]])
    assert torch.allclose(mixed, share * pixels + (1 - share) * pixels.roll(1, 0), atol=1e-3)
    assert torch.allclose(soft, share * torch.eye(10)[labels] + (1 - share) * torch.eye(10)[labels.roll(1)])


def test_cutmix_puts_in_a_rectangle_of_the_image_before(photos):
    pixels, labels = photos.float(), torch.arange(12) % 10
    mixed, soft = ready("cutmix").loss_batch(torch.nn.Identity(), pixels, labels, draw(1))
    taken = (mixed != pixels).any(1).any(0)
    rows, columns = taken.any(1).nonzero()[:, 0], taken.any(0).nonzero()[:, 0]
    naive = pixels.clone()
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    naive[:, :, *box] = pixels.roll(1, 0)[:, :, *box]
    assert torch.equal(mixed, naive)
    assert float(soft[0, labels[0]]) == pytest.approx(1 - len(rows) * len(columns) / 32**2, abs=1e-4)


@pytest.mark.parametrize("name", ATTACKED)
def test_adversarial_images_stay_near_and_are_harder(name, digits):
    network = models.build("convnet-w4", channels=3, classes=10, side=32, seed=0).train()
    pixels, labels = digits.train.samples[:64].float(), digits.train.labels[:64]
    radius = DEFENCES[name].given["radius"]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found, same = named(name).loss_batch(network, pixels, labels, draw())
    assert same is labels
    assert float((found - pixels).abs().max()) <= radius + 1e-3
    assert float((found - pixels).abs().mean()) > radius / 2
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    with torch.no_grad():
        loss = [float(torch.nn.functional.cross_entropy(network.eval()(x), labels)) for x in (pixels, found)]
    assert loss[1] > loss[0]


def test_adversarial_training_is_the_papers_attack(digits):
    """On a linear network, whose gradient is known: softmax minus the label, times the weights."""
    weight = torch.randn(10, 3 * 32 * 32, generator=draw(4)) / 3000
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10, bias=False))
    network[1].weight.data = weight
    pixels, labels = digits.train.samples[:8].float(), digits.train.labels[:8]
    found, _ = named("adversarial-4").loss_batch(network, pixels, labels, draw(7))
    naive = (pixels + 4 * (torch.rand(pixels.shape, generator=draw(7)) * 2 - 1)).clamp(0, 255)
    for _ in range(3):
        wrong = (naive.flatten(1) @ weight.T).softmax(1) - torch.eye(10)[labels]
        naive = naive + 2.5 * 4 / 3 * (wrong @ weight).sign().view_as(naive)
        naive = torch.maximum(torch.minimum(naive, pixels + 4), pixels - 4).clamp(0, 255)
    assert torch.equal(found, naive)


def test_an_unknown_defence_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'grayscale'"):
        named("greyscale")


def test_grayscale_of_grey_images_is_refused(patterned):
    grey: Dataset = patterned(6, channels=1)
    with pytest.raises(ConfigError, match="would change nothing"):
        prepared("blur+grayscale", grey, torch.zeros(6, dtype=torch.bool))


def test_a_composition_is_every_hook_of_each_in_turn(photos):
    made = named("grayscale+jpeg-10")
    assert torch.equal(made.inputs(photos), named("jpeg-10").inputs(named("grayscale").inputs(photos)))
    assert not torch.equal(made.inputs(photos), named("jpeg-10+grayscale").inputs(photos))
    both, one = named("crop-flip+cutout"), draw(5)
    expected = named("cutout").batch(named("crop-flip").batch(photos, one), one)
    assert torch.equal(both.batch(photos, draw(5)), expected)


def test_mixed_labels_can_be_mixed_and_attacked_again(digits):
    network = models.build("convnet-w4", channels=3, classes=10, side=32, seed=0)
    data, carries = digits.train, torch.zeros(len(digits.train), dtype=torch.bool)
    made = prepared("mixup+cutmix+adversarial-4+blur", data, carries)
    x, y = made.loss_batch(network, data.samples[:16].float(), data.labels[:16], draw())
    assert (x.shape, y.shape) == ((16, 3, 32, 32), (16, 10))
    assert torch.allclose(y.sum(1), torch.ones(16))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none+blur", "leave it out"),
        ("blur+blur", "twice"),
        ("blur+", "unknown defence ''"),
        ("blur+jpg-10", "jpeg-10"),
    ],
)
def test_a_senseless_composition_is_one_line(name, why):
    with pytest.raises(ConfigError, match=why.replace("+", r"\+")) as refusal:
        named(name)
    assert "\n" not in str(refusal.value)


def test_hooks_take_what_the_check_of_foreign_ones_gives():
    for hook, count in HOOKS.items():
        assert getattr(Defence, hook).__code__.co_argcount == count + 1
