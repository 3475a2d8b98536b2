"""Batched crops, squares and operations: torchvision's image by image for the same draws, and their distributions."""

import math

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from workbench.data.augment import flip
from workbench.victim.composed import named
from workbench.victim.defences import augmentations, operations


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=["square", "wide", "grey"])
def photos(request, digits):
    samples = digits.train.samples[:24]
    return {"square": samples, "wide": samples[:, :, :20], "grey": samples[:, :1, :, :24]}[request.param]


def test_a_crop_is_torchvisions_of_the_same_box(photos):
    made = augmentations.CropFlip()
    boxes = made.boxes(photos, draw())
    found = augmentations.resized(photos, *boxes)
    for image, ours, *box in zip(photos, found, *(each.int().tolist() for each in boxes), strict=True):
        theirs = functional.resized_crop(image, *box, list(image.shape[1:]), antialias=True)
        assert (ours.int() - theirs.int()).abs().max() <= 1  # torchvision weighs in fixed point
    again = draw()
    assert torch.equal(
        made.batch(photos, draw()), flip(augmentations.resized(photos, *made.boxes(photos, again)), again)
    )


def test_the_whole_image_is_left_as_it_is(photos):
    height, width = photos.shape[2:]
    box = torch.tensor([0.0, 0.0, height, width]).expand(len(photos), 4).unbind(1)
    assert torch.equal(augmentations.resized(photos, *box), photos)


def test_boxes_are_drawn_as_torchvisions():
    images, count = torch.zeros(20_000, 1, 32, 40, dtype=torch.uint8), 3000
    tops, lefts, heights, widths = augmentations.CropFlip().boxes(images, draw())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        crop = v2.RandomResizedCrop((32, 40), scale=(0.4, 1.0))
        theirs = [crop.make_params([images[0]]) for _ in range(count)]
    ours = {"top": tops, "left": lefts, "height": heights, "width": widths}
    for name, values in ours.items():
        naive = torch.tensor([float(params[name]) for params in theirs])
        for statistic in (torch.mean, torch.std):
            assert float(statistic(values)) == pytest.approx(float(statistic(naive)), rel=0.06)
    assert int((tops + heights).max()) == 32
    assert int((lefts + widths).max()) == 40
    shares = heights * widths / (32 * 40)
    assert 0.37 < float(shares.min()) < 0.43
    assert float((widths / heights).max()) < 1.42


@pytest.mark.parametrize(("height", "width"), [(8, 64), (64, 8)])
def test_where_no_box_fits_it_is_the_middle_as_torchvisions(height, width):
    images = torch.zeros(50, 3, height, width, dtype=torch.uint8)
    boxes = torch.stack(augmentations.CropFlip().boxes(images, draw()), 1)
    theirs = v2.RandomResizedCrop((height, width), scale=(0.4, 1.0)).make_params([images[0]])
    naive = torch.tensor([float(theirs[name]) for name in ("top", "left", "height", "width")])
    assert torch.equal(boxes, naive.expand(50, 4))


def test_half_of_the_images_are_mirrored_and_the_mean_crop_is_seven_tenths():
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8).expand(4000, 1, 32, 32)
    found = named("crop-flip").batch(ramp, draw(4)).float()
    assert float((found[:, 0, 16, 31] < found[:, 0, 16, 0]).float().mean()) == pytest.approx(0.5, abs=0.03)
    steps = (found[:, 0, 16, 24] - found[:, 0, 16, 8]).abs() / (16 * 8)  # what is left of the width
    assert float(steps.square().mean()) == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize(("height", "width", "side"), [(32, 32, 16), (20, 32, 13), (32, 12, 10), (4, 40, 4)])
def test_squares_have_a_quarter_of_the_area_and_lie_anywhere_inside(height, width, side):
    white = torch.full((400, 3, height, width), 255, dtype=torch.uint8)
    black = named("cutout").batch(white, draw()) == 0
    assert torch.equal(black[:, 0], black[:, 2])
    places = set()
    for one in black[:, 0]:
        rows, columns = one.any(1).nonzero()[:, 0], one.any(0).nonzero()[:, 0]
        assert (len(rows), len(columns), int(one.sum())) == (side, side, side * side)
        places.add((int(rows[0]), int(columns[0])))
    for axis, most in ((0, height - side), (1, width - side)):
        assert {place[axis] for place in places} == set(range(most + 1))


def test_the_pixels_beside_the_square_stay(photos):
    found = named("cutout").batch(photos, draw())
    assert ((found == photos) | (found == 0)).all()


@pytest.mark.parametrize("name", operations.NAMES)
@pytest.mark.parametrize("table", ["randaugment", "trivial"])
def test_an_operation_is_torchvisions_image_by_image(name, table, photos):
    """Every image at a strength of its own, both ways round."""
    theirs = {"randaugment": v2.RandAugment(), "trivial": v2.TrivialAugmentWide()}[table]
    which, (height, width) = operations.NAMES.index(name), photos.shape[2:]
    strengths, signed = theirs._AUGMENTATION_SPACE[name]
    bins = torch.arange(len(photos)) * 30 // (len(photos) - 1)
    shift = {"randaugment": (150 / 331 * width, 150 / 331 * height), "trivial": (32.0, 32.0)}[table]
    most = {"randaugment": (0.3, shift, 30, 0.9, 4), "trivial": (0.99, shift, 135, 0.99, 6)}[table]
    strength = operations.strengths(*most)[which][bins]
    expected = strengths(31, height, width)
    assert expected is None or torch.allclose(strength, expected.float()[bins])
    assert bool(operations.SIGNED[which]) == signed
    strength = torch.where((torch.arange(len(photos)) % 2 == 0) & signed, -strength, strength)
    before = photos.clone()
    found = operations.apply(photos, torch.full((len(photos),), which), strength)
    assert torch.equal(photos, before)
    naive = torch.stack([
        theirs._apply_image_or_video_transform(image, name, float(one), theirs.interpolation, theirs._fill)
        for image, one in zip(photos, strength, strict=True)
    ])  # fmt: skip
    change = (found.int() - naive.int()).abs()
    assert (change > 1).float().mean() < 0.004  # of nearest pixels some lie half-way between two
    assert change.max() <= 1 or name in ("ShearX", "ShearY", "Rotate")


def test_images_with_different_operations_are_kept_apart(photos):
    which = torch.arange(len(photos)) % len(operations.NAMES)
    strength = operations.strengths(0.99, (9, 9), 135, 0.99, 6)[which, 20]
    found = operations.apply(photos, which, strength)
    alone = [operations.apply(photos[i : i + 1], which[i : i + 1], strength[i : i + 1]) for i in range(len(photos))]
    assert torch.equal(found, torch.cat(alone))


def drawn(monkeypatch, augment) -> list[tuple[torch.Tensor, torch.Tensor]]:
    calls = []
    monkeypatch.setattr(operations, "apply", lambda x, which, strength: calls.append((which, strength)) or x)
    augment(torch.zeros(28_000, 3, 32, 32, dtype=torch.uint8)[:, :, :1, :1].expand(-1, 3, 32, 32), draw())
    return calls


def test_operations_and_signs_are_drawn_evenly(monkeypatch):
    both, (one,) = drawn(monkeypatch, operations.randaugment), drawn(monkeypatch, operations.trivial)
    assert len(both) == 2
    for which, strength in [*both, one]:
        counts = which.bincount(minlength=14)
        assert int((counts - 2000).abs().max()) < 5 * math.sqrt(2000)
        turned = (strength < 0)[operations.SIGNED[which] & (strength != 0)].float().mean()
        assert float(turned) == pytest.approx(0.5, abs=0.02)
        assert not (strength < 0)[~operations.SIGNED[which]].any()
    assert not torch.equal(both[0][0], both[1][0])
    assert both[0][1].abs().unique().numel() < 10  # one strength for each operation
    turns = one[1].abs()[one[0] == operations.NAMES.index("Rotate")]
    counts = (turns / 4.5).round().long().bincount(minlength=31)
    assert (counts > 30).all()


@pytest.mark.parametrize("augment", [operations.randaugment, operations.trivial])
def test_small_images_and_empty_batches_pass(augment):
    for form in ((20, 3, 2, 2), (20, 1, 1, 5), (0, 3, 8, 8)):
        assert augment(torch.full(form, 90, dtype=torch.uint8), draw()).shape == form
