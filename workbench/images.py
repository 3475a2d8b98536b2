"""ImageSet: labelled images as one uint8 tensor, and where they come from: photo-digits, torchvision, folders."""

import hashlib
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from workbench import photo_digits
from workbench.config import ConfigError, DataConfig, DataError, check_choice

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"}
FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF"]  # Pillow's readers; that of JPEG reads MPO too
TORCHVISION = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "svhn": "SVHN"}
SMALLEST = 8  # pixels a side; the networks halve an image three times
TEST_PART = 5  # without a test folder every fifth image of a class, in a seeded order, is the test set


@dataclass(frozen=True)
class ImageSet:
    """Labelled images.

    images: uint8 N×C×H×W, pixel values 0..255, C is 1 or 3; labels: int64 N; classes: class names by label;
    names: one relative file name an image ("class/00012.png"), unique; root: the folder they are in, when there is one.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]
    root: Path | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def side(self) -> int:
        """The longer side of the images in pixels."""
        return max(self.images.shape[2:])

    def fingerprint(self) -> str:
        """SHA-256 over shape, pixels, labels and class names, in order: what noise must have been made for."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def subset(self, index: Tensor) -> "ImageSet":
        """The images at `index` (int64), in that order."""
        names = tuple(self.names[i] for i in index.tolist())
        return replace(self, images=self.images[index], labels=self.labels[index], names=names)

    def limited(self, count: int) -> "ImageSet":
        """The first `count` images, taken evenly over the classes; 0 or more than there are: all of them."""
        if not 0 < count < len(self):
            return self
        if count < len(self.classes):
            raise ConfigError(f"a limit of {count} images is less than one for each of {len(self.classes)} classes")
        order = torch.arange(len(self))
        rank = torch.empty_like(order)  # an image's place within its class
        for label in range(len(self.classes)):
            mine = self.labels == label
            rank[mine] = torch.arange(int(mine.sum()))
        return self.subset(torch.argsort(rank, stable=True)[:count].sort().values)

    def to(self, device: torch.device) -> "ImageSet":
        """The same set on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class DataPair:
    """Training images, and the test images that stay clean. `name` is the data set's name without paths."""

    name: str
    train: ImageSet
    test: ImageSet


def load(config: DataConfig) -> DataPair:
    """Load the data that `config` names. Raises ConfigError for a bad SPEC and DataError for bad data."""
    name, _, rest = config.data.partition(":")
    check_name(name)
    if name == "photo-digits":
        pair = _photo_digits(rest, config.seed)
    elif name == "folder":
        pair = _folder_pair(rest, config.seed)
    elif rest:
        raise ConfigError(f"data {config.data!r}: {name} takes nothing after a colon")
    else:
        pair = DataPair(name, _torchvision(name, "train"), _torchvision(name, "test"))
    limited = replace(pair, train=pair.train.limited(config.limit_train), test=pair.test.limited(config.limit_test))
    if limited.train.images.shape[1:] != limited.test.images.shape[1:]:
        raise DataError(
            f"{config.data}: training images are {_shape(limited.train)}, test images {_shape(limited.test)}: "
            "bring them to one size"
        )
    return limited


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is a kind of data there is, naming the nearest."""
    check_choice("data", name, ("photo-digits", *TORCHVISION, "folder"))


def _shape(images: ImageSet) -> str:
    channels, height, width = images.images.shape[1:]
    return f"{width}×{height} with {channels} channel{'s' if channels > 1 else ''}"


def _photo_digits(rest: str, seed: int) -> DataPair:
    if rest and not (rest.isascii() and rest.isdigit() and len(rest) < 7 and int(rest) >= 10):
        raise ConfigError(f"photo-digits:{rest}: after the colon comes a number of training images, 10 to 999999")
    counts = {"train": int(rest) if rest else photo_digits.DEFAULT_TRAIN, "test": photo_digits.DEFAULT_TEST}
    sets = {}
    for split, count in counts.items():
        images, labels = photo_digits.make(split, count, seed)
        sets[split] = ImageSet(images, labels, photo_digits.CLASSES, _numbered(labels, photo_digits.CLASSES))
    return DataPair("photo-digits", sets["train"], sets["test"])


def _numbered(labels: Tensor, classes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{classes[label]}/{index:06d}.png" for index, label in enumerate(labels.tolist()))


def data_root() -> Path:
    """Where downloaded data sets are kept: $WORKBENCH_DATA, else ./data."""
    return Path(os.environ.get("WORKBENCH_DATA", "data"))


def _torchvision(name: str, split: str) -> ImageSet:
    from torchvision import datasets

    kind: Any = getattr(datasets, TORCHVISION[name])
    arguments = {"split": split} if name == "svhn" else {"train": split == "train"}
    root = data_root()
    try:
        try:
            source = kind(root, download=False, **arguments)
        except RuntimeError:  # torchvision's word for "not there"
            print(f"downloading {name} to {root}", flush=True)
            source = kind(root, download=True, **arguments)
    except (OSError, RuntimeError) as error:
        if root.is_dir() and not any(root.iterdir()):
            root.rmdir()
        raise DataError(
            f"{name} is not in {root} and could not be downloaded ({_first_line(error)}): put torchvision's files for "
            "it there (WORKBENCH_DATA names another folder), or use photo-digits or folder:PATH, which need no network"
        ) from error
    if name == "svhn":
        images, labels, classes = torch.from_numpy(source.data), torch.from_numpy(source.labels), tuple("0123456789")
    else:
        images = torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous()
        labels, classes = torch.tensor(source.targets), tuple(source.classes)
    return ImageSet(images, labels.long(), classes, _numbered(labels, classes))


def _folder_pair(rest: str, seed: int) -> DataPair:
    if not rest:
        raise ConfigError("folder: needs a path, as in folder:photos")
    root = Path(rest)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give a folder that holds one folder a class")
    if (root / "train").is_dir() and (root / "test").is_dir():
        train, test = read_folder(root / "train"), read_folder(root / "test")
        if train.classes != test.classes:
            odd = sorted(set(train.classes) ^ set(test.classes))[0]
            raise DataError(f"{root}: class {odd!r} is not in both train and test: every class must be in both")
        return DataPair("folder", train, test)
    return _split(read_folder(root), seed)


def _split(images: ImageSet, seed: int) -> DataPair:
    """A seeded split, 80/20 within every class."""
    generator = torch.Generator().manual_seed(seed)
    parts: dict[bool, list[Tensor]] = {True: [], False: []}
    for label, name in enumerate(images.classes):
        mine = (images.labels == label).nonzero()[:, 0]
        if len(mine) < 2:
            raise DataError(f"class {name!r} has one image only: two are needed to train and to test")
        mine = mine[torch.randperm(len(mine), generator=generator)]
        cut = max(1, len(mine) // TEST_PART)
        parts[True].append(mine[:cut])
        parts[False].append(mine[cut:])
    train, test = (torch.cat(parts[is_test]).sort().values for is_test in (False, True))
    return DataPair("folder", images.subset(train), images.subset(test))


def read_folder(root: Path) -> ImageSet:
    """Read one folder a class. Class and file order is by name. All images must be 8-bit and of one size and mode.

    Raises DataError, naming the file or folder, for an empty class, one class only, an unreadable image, mixed sizes.
    """
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no folders of images"
        raise DataError(f"{root} holds {found}: a classifier needs one folder for each of two or more classes")
    arrays, labels, names = [], [], []
    for label, name in enumerate(classes):
        files = sorted(file for file in (root / name).rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise DataError(f"{root / name} holds no images ({', '.join(sorted(SUFFIXES))}): fill or remove the class")
        for file in files:
            arrays.append(read_image(file))
            labels.append(label)
            names.append(file.relative_to(root).as_posix())
            if names[-1].encode(errors="replace").decode() != names[-1]:
                raise DataError(f"the name {names[-1]!a} is not in UTF-8: rename the file")
            if min(arrays[-1].shape[:2]) < SMALLEST:
                raise DataError(f"{file} is {_size(arrays[-1])}: images need {SMALLEST} pixels a side, or more")
            if arrays[-1].shape != arrays[0].shape:
                raise DataError(
                    f"{file} is {_size(arrays[-1])}, {root / names[0]} is {_size(arrays[0])}: "
                    "bring all images to one size and one mode (all colour or all grey)"
                )
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return ImageSet(pixels, torch.tensor(labels), tuple(classes), tuple(names), root)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]} {'grey' if pixels.shape[2] == 1 else 'colour'}"


def read_image(file: Path) -> np.ndarray:
    """Decode one 8-bit grey or colour image, upright: uint8 H×W×C. Raises DataError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata: a picture that decodes is good enough
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as opened:
                deep = ";16" in str(opened.tile)  # Pillow would cut 16-bit colour down to 8 without a word
                upright = ImageOps.exif_transpose(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{file} cannot be read as an image ({_first_line(error)}): mend or remove it") from error
    if upright.mode == "P" and "transparency" not in upright.info:
        upright = upright.convert("RGB")
    if deep or upright.mode not in ("L", "RGB"):
        found = "16 bits a value" if deep else f"the mode {upright.mode}"
        raise DataError(f"{file} has {found}: save it as 8-bit RGB or grey first")
    return np.atleast_3d(np.asarray(upright))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
