"""Arrays, tensors and data sets from elsewhere: what is taken, as what, and what is refused in one line."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset
from torchvision import transforms
from torchvision.datasets import FakeData

from workbench.config import DataError
from workbench.data.dataset import Dataset

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 3, 10, 12), dtype=np.uint8)
LABELS = [0, 1, 2, 0, 1, 2]


class Pairs:
    """Images and labels as torchvision's data sets give them: by number."""

    def __init__(self, items, **facts):
        self.items = items
        self.__dict__.update(facts)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def pictures():
    return [Image.fromarray(image.transpose(1, 2, 0)) for image in PIXELS]


@pytest.mark.parametrize(
    "samples",
    [
        PIXELS,
        PIXELS.astype(np.int64),
        PIXELS.astype(np.uint16),
        PIXELS.astype(np.int32),
        PIXELS.astype(">u2"),
        PIXELS.astype(">i4"),
        PIXELS.astype(np.float32) / 255,
        PIXELS.astype(np.float64) / 255,
        (PIXELS / 255).astype(">f4"),
        PIXELS.transpose(0, 2, 3, 1),
        PIXELS[:, :, ::-1][:, :, ::-1],
        np.asfortranarray(PIXELS),
        torch.from_numpy(PIXELS),
        torch.from_numpy(PIXELS).int(),
        torch.from_numpy(PIXELS.astype(np.uint16)),
        (torch.from_numpy(PIXELS) / 255).requires_grad_(),
        torch.from_numpy(PIXELS).to(memory_format=torch.channels_last),
        PIXELS.tolist(),
        (PIXELS / 255).tolist(),
        list(PIXELS),
        list(torch.from_numpy(PIXELS)),
        pictures(),
    ],
    ids=range(22),
)
def test_images_of_every_usual_form_are_the_same_images(samples):
    found = Dataset.of(samples, LABELS)
    assert found.samples.dtype == torch.uint8
    assert found.samples.is_contiguous()
    assert np.array_equal(found.samples.numpy(), PIXELS)
    assert found.labels.tolist() == LABELS
    assert found.classes == ("0", "1", "2")
    assert found.names[4] == "1/000004.png"
    assert len(set(found.names)) == 6


def test_half_precision_floats_are_taken():
    found = Dataset.of(torch.from_numpy(PIXELS / 255).half(), LABELS).samples.int().numpy()
    assert abs(found - PIXELS.astype(int)).max() <= 1


@pytest.mark.parametrize("samples", [PIXELS[:, 0], PIXELS[:, :1], PIXELS[:, :1].transpose(0, 2, 3, 1)])
def test_grey_images_need_no_channel(samples):
    assert np.array_equal(Dataset.of(samples, LABELS).samples.numpy(), PIXELS[:, :1])


def test_an_array_that_must_not_be_written_to_is_taken():
    locked = PIXELS.copy()
    locked.flags.writeable = False
    assert np.array_equal(Dataset.of(locked, LABELS).samples.numpy(), PIXELS)


def test_what_was_given_stays_as_it_is():
    given = PIXELS.copy()
    found = Dataset.of(given, LABELS)
    found.samples[:] = 0
    assert np.array_equal(given, PIXELS)


@pytest.mark.parametrize(
    ("samples", "line"),
    [
        (PIXELS.astype(np.float32), "float images with values 0 to 255: .*; divide by 255, or give whole numbers"),
        (PIXELS / 127.5 - 1, "float images with values -1 to 1: they must lie in 0..1; undo their normalisation"),
        (PIXELS / 255 * 3000, "float images .* undo their normalisation"),
        (np.full(PIXELS.shape, np.nan), "float images with values nan to nan"),
        (np.where(PIXELS > 9, PIXELS / 255, np.nan), "float images with values nan to nan"),
        (np.where(PIXELS > 9, PIXELS / 255, np.inf), "float images"),
        (PIXELS.astype(np.int16) - 1, "whole-number images with values -1 to 254: they must lie in 0..255"),
        (PIXELS.astype(np.uint16) * 257, "whole-number images with values 0 to 65535"),
        (np.full(PIXELS.shape, 2**64 - 1, np.uint64), "whole-number images with values"),
        (PIXELS > 99, "images of the type torch.bool"),
        ((PIXELS > 99).astype(np.int64), "hold 0 and 1 alone"),
        (PIXELS.astype(complex), "no array of numbers of one size"),
        (torch.from_numpy(PIXELS).to(torch.complex64), "images of the type torch.complex64"),
        (PIXELS[:, :2], "6×2×10×12 have 1 or 3 channels nowhere"),
        (np.concatenate([PIXELS, PIXELS[:, :1]], 1), "6×4×10×12 have 1 or 3 channels nowhere"),
        (np.zeros((6, 3, 10, 3)), "6×3×10×3 could be N×C×H×W and N×H×W×C"),
        (PIXELS[0, 0], "images of the shape 10×12: "),
        (PIXELS[None], "images of the shape 1×6×3×10×12: "),
        (PIXELS[:0], "images of the shape 0×3×10×12: "),
        (PIXELS[:, :, :7], "8 to 1024 pixels a side are needed"),
        (np.zeros((2, 3, 1025, 8), np.uint8), "8 to 1024 pixels a side are needed"),
        (np.array(5), "images of the shape 1: "),
        ([], "images of the shape 0: "),
        ("images", "images: this is no array of numbers"),
        (b"images", "images: this is no array of numbers"),
        (None, "images: this is no array of numbers"),
        ({"a": 1}, "images: this is no array of numbers"),
        (np.array(["a", "b"]), "images: this is no array of numbers"),
        ([PIXELS[0], PIXELS[1][:, 1:]], "images: this is no array of numbers of one size"),
        ([torch.zeros(3, 8, 8), torch.zeros(3, 9, 9)], "images: this is no array of numbers of one size"),
        ([[1, 2], [3]], "images: this is no array of numbers of one size"),
        (object(), "images: this is no array of numbers"),
    ],
)
def test_what_is_no_set_of_images_is_one_line(samples, line):
    refused(line, samples, LABELS)


def refused(line, *given):
    with pytest.raises(DataError, match=line) as refusal:
        Dataset.of(*given)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize(
    "labels",
    [
        LABELS, tuple(LABELS), np.array(LABELS), np.array(LABELS, np.uint8), np.array(LABELS, ">i2"),
        np.array(LABELS, np.uint64), torch.tensor(LABELS), torch.tensor(LABELS, dtype=torch.int32),
        [np.int64(label) for label in LABELS], [torch.tensor(label) for label in LABELS],
    ],
    ids=range(10),
)  # fmt: skip
def test_labels_of_any_whole_type_are_taken(labels):
    found = Dataset.of(PIXELS, labels)
    assert found.labels.dtype == torch.int64
    assert found.labels.tolist() == LABELS


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda of: np.array(of, object), lambda of: np.array(of, "S")])
def test_labels_that_are_words_become_sorted_classes(kind):
    found = Dataset.of(PIXELS, kind(["cat", "ant", "bee", "cat", "ant", "bee"]))
    assert found.classes == ("ant", "bee", "cat")
    assert found.labels.tolist() == [2, 0, 1, 2, 0, 1]
    assert found.names[0] == "cat/000000.png"


@pytest.mark.parametrize("classes", [["cat", "ant", "bee"], ("cat", "ant", "bee"), np.array(["cat", "ant", "bee"])])
def test_classes_give_names_and_order(classes):
    assert Dataset.of(PIXELS, LABELS, classes).classes == ("cat", "ant", "bee")
    found = Dataset.of(PIXELS, ["cat", "ant", "bee"] * 2, classes)
    assert found.labels.tolist() == LABELS
    assert all(type(name) is str for name in found.classes)


def test_a_class_may_have_no_image():
    assert Dataset.of(PIXELS, LABELS, ["a", "b", "c", "d"]).classes == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("labels", "classes", "line"),
    [
        (LABELS[:5], None, "6 images and 5 labels: give one label per image"),
        (np.eye(3, dtype=int)[LABELS], None, r"labels of the shape \(6, 3\): .* not one-hot"),
        (torch.eye(3)[LABELS], None, r"labels of the shape \(6, 3\): .* not one-hot"),
        ([], None, r"labels of the shape \(0,\)"),
        (3, None, r"labels of the shape \(\)"),
        ("abcdef", None, r"labels of the shape \(\)"),
        ([0, -1, 1, 0, 1, 0], None, "labels from -1 to 1: they count classes from 0"),
        ([0, 2**40, 1, 0, 1, 0], None, "labels from 0 to 1099511627776"),
        ([0, 2**70, 1, 0, 1, 0], None, "labels"),
        ([0.0, 1.0, 2.0, 0.0, 1.0, 2.0], None, "labels of the type float64: give whole numbers from 0, or strings"),
        ([True, False] * 3, None, "labels of the type bool"),
        ([None] * 6, None, "labels of the type object"),
        (["a", 1, "b", "a", "b", None], None, "labels of the type object"),
        ([[0], [1, 2], 0, 1, 2, 0], None, "labels"),
        ([0] * 6, None, "1 classes .*: two or more"),
        (["a"] * 6, None, "1 classes"),
        ([1, 2, 3, 9, 9, 1], None, "10 classes, of which 6 have no image: number the classes from 0 on"),
        (LABELS, ["a", "b"], "the label 2 and 2 classes"),
        (LABELS, ["a", "a", "b"], "two or more of different names"),
        (["a", "b", "c"] * 2, ["a", "b"], "the label 'c' is not among the classes"),
        (LABELS, ["a", "b/c", "d"], "the class name 'b/c'"),
        (LABELS, ["a", "..", "d"], r"the class name '\.\.'"),
        (LABELS, ["a", "b\nc", "d"], "the class name"),
        (LABELS, ["a", "", "d"], "the class name ''"),
        (["a\\b", "c", "d"] * 2, None, "the class name"),
        (LABELS, 3, "classes"),
        (LABELS, "abc", "classes"),
        (["a", "b", "c"] * 2, [1, 2, 3], "the label 'a' is not among the classes"),
        ({"a": 1}, None, "labels"),
    ],
)
def test_labels_that_do_not_count_classes_are_one_line(labels, classes, line):
    refused(line, PIXELS, labels, classes)


def test_a_torch_data_set_with_pictures_or_tensors_is_taken():
    for images in (pictures(), list(PIXELS), list(torch.from_numpy(PIXELS)), list(torch.from_numpy(PIXELS / 255))):
        found = Dataset.of(Pairs(list(zip(images, LABELS, strict=True)), classes=["ant", "bee", "cat"]))
        assert np.array_equal(found.samples.numpy(), PIXELS)
        assert found.classes == ("ant", "bee", "cat")
        assert found.labels.tolist() == LABELS


def test_grey_pictures_are_taken():
    grey = [Image.fromarray(image[0]) for image in PIXELS]
    assert np.array_equal(Dataset.of(Pairs(list(zip(grey, LABELS, strict=True)))).samples.numpy(), PIXELS[:, :1])


@pytest.mark.parametrize("transform", [None, transforms.ToTensor(), transforms.PILToTensor()])
def test_torchvisions_data_sets_are_taken(transform):
    data = FakeData(12, (3, 16, 16), num_classes=3, transform=transform, random_offset=1)
    found = Dataset.of(data)
    assert found.samples.shape == (12, 3, 16, 16)
    picture, _ = FakeData(12, (3, 16, 16), num_classes=3, random_offset=1)[5]
    assert np.array_equal(found.samples[5].permute(1, 2, 0).numpy(), np.asarray(picture))


def test_a_tensor_data_set_is_taken():
    found = Dataset.of(TensorDataset(torch.from_numpy(PIXELS), torch.tensor(LABELS)))
    assert np.array_equal(found.samples.numpy(), PIXELS)
    assert found.labels.tolist() == LABELS


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (PIXELS, r"labels are missing: give them beside the images \(ndarray\)"),
        (torch.from_numpy(PIXELS), "labels are missing"),
        ("folder", "labels are missing"),
        (3, "labels are missing"),
        (Pairs([]), "the data set is empty"),
        ([], "the data set is empty"),
        (TensorDataset(torch.from_numpy(PIXELS)), "item 0 of the data set is no pair of image and label"),
        (Pairs([(PIXELS[0], 0, 1)]), "item 0 of the data set is no pair"),
        (Pairs([PIXELS[0]]), "item 0 of the data set is no pair"),
        (Pairs([(PIXELS[0], 0), (PIXELS[1][:, 1:], 1)]), "image 1 of the data set is 3×9×12, the first one 3×10×12"),
        (Pairs([("a.png", 0)]), "image 0: this is no array of numbers"),
        (Pairs([(None, 0)]), "image 0: this is no array of numbers"),
        (Pairs([(PIXELS[0], 0), (PIXELS[1], None)]), "labels of the type object"),
        (Pairs([(PIXELS[0], [1, 0]), (PIXELS[1], [0, 1])]), "labels of the shape"),
        (Pairs([(PIXELS[0], torch.tensor([1, 0])), (PIXELS[1], torch.tensor([0, 1]))]), "label"),
        (Pairs([(PIXELS[0], np.array([1, 0])), (PIXELS[1], np.array([0, 1]))]), "labels of the shape"),
        (FakeData(4, (3, 16, 16), 2, transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])),
         "undo their normalisation"),
        (Pairs([(Image.new("RGBA", (10, 10)), 0), (Image.new("RGBA", (10, 10)), 1)]), "1 or 3 channels nowhere"),
        (Pairs([(PIXELS[0], 0), (PIXELS[1] / 255, 1)]), "image 1 of the data set is of the type"),
        ({0: (PIXELS[0], 0), 1: (PIXELS[1], 1)}.items(), "labels are missing"),
        ({"a": 1}, "data set"),
    ],
)  # fmt: skip
def test_a_data_set_of_something_else_is_one_line(data, line):
    refused(line, data)


def test_a_data_set_that_fails_is_one_line():
    class Failing(Pairs):
        def __getitem__(self, index):
            raise OSError("the file\nis gone")

    refused("item 0 of the data set: .*the file is gone", Failing([1, 2]))
