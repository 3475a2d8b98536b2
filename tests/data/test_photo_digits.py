"""photo-digits: the same for a seed, other for another, balanced, and nothing of the test set in the training set."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from workbench.data import photo_digits
from workbench.data.photo_digits import make


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_seed_gives_the_same_images_and_another_seed_others(split):
    (first, labels), (again, _), (other, others) = make(split, 30, 0), make(split, 30, 0), make(split, 30, 1)
    assert torch.equal(first, again)
    assert torch.equal(labels, others)
    assert not (first == other).flatten(1).all(1).any()


def test_images_are_colour_and_classes_come_in_turn():
    images, labels = make("train", 40, 0)
    assert (images.shape, images.dtype, labels.dtype) == ((40, 3, 32, 32), torch.uint8, torch.int64)
    assert labels.tolist() == list(range(10)) * 4
    assert (images.float().std((2, 3)) > 5).any(1).all()
    assert (images[:, 0] != images[:, 1]).flatten(1).any(1).all()
    assert len({image.numpy().tobytes() for image in images}) == 40


def test_train_and_test_share_no_handwriting():
    train, train_labels = photo_digits._source_digits("train")
    test, test_labels = photo_digits._source_digits("test")
    assert len(train) + len(test) == 1797
    assert not {digit.numpy().tobytes() for digit in train} & {digit.numpy().tobytes() for digit in test}
    assert set(train_labels) == set(test_labels) == set(range(10))


def test_train_and_test_share_no_part_of_a_photograph():
    whole = load_sample_images().images
    parts = zip(photo_digits.photographs("train"), photo_digits.photographs("test"), whole, strict=True)
    for train, test, photo in parts:
        assert torch.equal(torch.cat([train, test], 2), torch.from_numpy(np.array(photo)).permute(2, 0, 1).float())
        assert min(*train.shape[1:], *test.shape[1:]) >= 64


def test_the_digit_in_an_image_is_of_its_class(monkeypatch):
    """On a black ground only the ink is left: the nearest of the source digits must bear the label."""
    monkeypatch.setattr(photo_digits, "patches", lambda photos, count, rng: torch.zeros(count, 3, 32, 32))
    images, labels = make("train", 50, 0)
    digits, truth = photo_digits._source_digits("train")
    flat = (255 * digits).round().flatten(1)
    for image, label in zip(images[:, 0].float(), labels, strict=True):
        windows = image.unfold(0, 24, 1).unfold(1, 24, 1).reshape(-1, 24 * 24)
        distances = torch.cdist(windows, flat)
        assert float(distances.min()) < 1
        assert truth[int(distances.min(0).values.argmin())] == label
